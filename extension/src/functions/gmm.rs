//! `gmm(points, k [, options])`: a mixture of Gaussians.

use crate::scalar::{Scalar, Signature};
use crate::segments::{clusters, mixture_type, mixture_value, options, points, points_type};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::segment::gmm::fit;
use std::error::Error;

pub struct Gmm;

impl Scalar for Gmm {
    const NAME: &'static str = "gmm";

    fn signatures() -> Vec<Signature> {
        vec![
            Signature {
                parameters: vec![points_type(), Type::Bigint],
                returns: mixture_type(),
            },
            Signature {
                parameters: vec![points_type(), Type::Bigint, Type::Any],
                returns: mixture_type(),
            },
        ]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let rows = (0..input.len())
            .map(|row| {
                if input.any_null(row) {
                    return Ok(Value::Null);
                }
                let options = options(input, 2, row)?;
                let k = clusters(input.column(1).values::<i64>()[row])?;
                let Some(points) = points(input.column(0), row, options.threads)? else {
                    return Ok(Value::Null);
                };
                Ok(mixture_value(&fit(&points, k, &options)?))
            })
            .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        output.write(&mixture_type(), &rows)
    }
}
