//! `beta_cdf(x, a, b)`: P(X <= x) of the beta distribution.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::statistics;
use std::error::Error;

pub struct BetaCdf;

impl Scalar for BetaCdf {
    const NAME: &'static str = "beta_cdf";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Double, Type::Double, Type::Double],
            returns: Type::Double,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let x = input.column(0).values::<f64>();
        let a = input.column(1).values::<f64>();
        let b = input.column(2).values::<f64>();
        output.write_rows(input, &Type::Double, |row| {
            Ok(statistics::beta_cdf(x[row], a[row], b[row])?.into())
        })
    }
}
