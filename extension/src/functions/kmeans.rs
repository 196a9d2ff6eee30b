//! `kmeans(points, k [, options])`: the model of a clustering.

use crate::scalar::{Scalar, Signature};
use crate::segments::{clusters, model_type, model_value, options, points, points_type};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::segment::kmeans::fit;
use std::error::Error;

pub struct Kmeans;

impl Scalar for Kmeans {
    const NAME: &'static str = "kmeans";

    fn signatures() -> Vec<Signature> {
        vec![
            Signature {
                parameters: vec![points_type(), Type::Bigint],
                returns: model_type(),
            },
            Signature {
                parameters: vec![points_type(), Type::Bigint, Type::Any],
                returns: model_type(),
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
                Ok(model_value(&fit(&points, k, &options)?))
            })
            .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        output.write(&model_type(), &rows)
    }
}
