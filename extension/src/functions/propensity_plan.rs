//! `propensity_plan(options, called_as)`: what a model of propensity is to be learned from, checked, as one value.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::propensity::plan::Plan;
use std::error::Error;

pub struct PropensityPlan;

impl Scalar for PropensityPlan {
    const NAME: &'static str = "propensity_plan";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Any, Type::Varchar],
            returns: Type::Blob,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &Type::Blob, |row| {
            let plan = input.column(0).json(row).and_then(|json| Ok(Plan::of_options(json)?));
            let plan = plan.map_err(|error| super::as_called(input, 1, row, error))?;
            Ok(plan.to_bytes().into())
        })
    }
}
