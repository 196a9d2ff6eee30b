//! `propensity_features(plan)`: the names of the features of a plan, in their order.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::propensity::plan::Plan;
use std::error::Error;

pub struct PropensityFeatures;

impl Scalar for PropensityFeatures {
    const NAME: &'static str = "propensity_features";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob],
            returns: Type::list(Type::Varchar),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &Type::list(Type::Varchar), |row| {
            let plan = Plan::from_bytes(input.column(0).bytes(row))?;
            let features = plan.features();
            Ok(Value::list(features.into_iter().map(|feature| plan.name(feature))))
        })
    }
}
