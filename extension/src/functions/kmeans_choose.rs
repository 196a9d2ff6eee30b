//! `kmeans_choose(points, k_from, k_to [, options])`: one clustering per k, how
//! good each is, and which one to take.

use crate::scalar::{Scalar, Signature};
use crate::segments::{answer, model_type, model_value, signatures};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::segment::choose::{choose, Choice};
use footfall::segment::kmeans::MAX_CLUSTERS;
use std::error::Error;

pub struct KmeansChoose;

impl Scalar for KmeansChoose {
    const NAME: &'static str = "kmeans_choose";

    fn signatures() -> Vec<Signature> {
        signatures::<2>(returns)
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        answer(
            input,
            output,
            &returns(),
            MAX_CLUSTERS,
            |points, [k_from, k_to], options| {
                let choices = choose(points, k_from..=k_to, options)?;
                Ok(Value::List(choices.iter().map(value).collect()))
            },
        )
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
