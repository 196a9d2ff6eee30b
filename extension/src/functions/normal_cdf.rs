//! `normal_cdf(z)`: P(Z <= z) of the standard normal distribution.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::statistics;
use std::error::Error;

pub struct NormalCdf;

impl Scalar for NormalCdf {
    const NAME: &'static str = "normal_cdf";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Double],
            returns: Type::Double,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let z = input.column(0).values::<f64>();
        output.write_rows(input, &Type::Double, |row| Ok(statistics::normal_cdf(z[row]).into()))
    }
}
