//! `kmeans_choose(points, k_from, k_to [, options])`: one clustering per k, how
//! good each is, and which one to take.

use crate::scalar::{Scalar, Signature};
use crate::segments::{answer, choice_fields, choice_values, model_type, model_value, signatures};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::limits::MAX_CLUSTERS;
use footfall::segment::kmeans::choose::{Choice, choose};
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
    let model = ("model", model_type());
    Type::list(Type::Struct(choice_fields().into_iter().chain([model]).collect()))
}

fn value(choice: &Choice) -> Value {
    let model = model_value(&choice.model);
    Value::Struct(
        choice_values(choice.model.k(), choice)
            .into_iter()
            .chain([model])
            .collect(),
    )
}
