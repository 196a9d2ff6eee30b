//! `kmeans_choose(points, k_from, k_to [, options])`: one clustering per k, how
//! good each is, and which one to take.

use crate::scalar::{Scalar, Signature};
use crate::segments::{clusters, model_type, model_value, options, points, points_type};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::segment::choose::{choose, Choice};
use std::error::Error;

pub struct KmeansChoose;

impl Scalar for KmeansChoose {
    const NAME: &'static str = "kmeans_choose";

    fn signatures() -> Vec<Signature> {
        vec![
            Signature {
                parameters: vec![points_type(), Type::Bigint, Type::Bigint],
                returns: returns(),
            },
            Signature {
                parameters: vec![points_type(), Type::Bigint, Type::Bigint, Type::Any],
                returns: returns(),
            },
        ]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let rows = (0..input.len())
            .map(|row| {
                if input.any_null(row) {
                    return Ok(Value::Null);
                }
                let options = options(input, 3, row)?;
                let k_from = clusters(input.column(1).values::<i64>()[row])?;
                let k_to = clusters(input.column(2).values::<i64>()[row])?;
                let Some(points) = points(input.column(0), row, options.threads)? else {
                    return Ok(Value::Null);
                };
                let choices = choose(&points, k_from..=k_to, &options)?;
                Ok(Value::List(choices.iter().map(value).collect()))
            })
            .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        output.write(&returns(), &rows)
    }
}

fn returns() -> Type {
    Type::list(Type::Struct(vec![
        ("k", Type::Bigint),
        ("inertia", Type::Double),
        ("silhouette", Type::Double),
        ("davies_bouldin", Type::Double),
        ("chosen", Type::Boolean),
        ("model", model_type()),
    ]))
}

fn value(choice: &Choice) -> Value {
    Value::Struct(vec![
        (choice.model.k() as i64).into(),
        choice.quality.inertia.into(),
        choice.quality.silhouette.into(),
        choice.quality.davies_bouldin.into(),
        choice.chosen.into(),
        model_value(&choice.model),
    ])
}
