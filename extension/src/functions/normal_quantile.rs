//! `normal_quantile(p)`: the z with P(Z <= z) = p of the standard normal distribution.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::statistics;
use std::error::Error;

pub struct NormalQuantile;

impl Scalar for NormalQuantile {
    const NAME: &'static str = "normal_quantile";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Double],
            returns: Type::Double,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let p = input.column(0).values::<f64>();
        output.write_rows(input, &Type::Double, |row| {
            Ok(statistics::normal_quantile(p[row])?.into())
        })
    }
}
