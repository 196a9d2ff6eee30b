//! `kmeans_choose(points, k_from, k_to [, options])`: one clustering per k, how
//! good each is, and which one to take.

use crate::scalar::{Scalar, Signature};
use crate::segments::answer::{answer, signatures};
use crate::segments::choice::{JUDGED, Judged};
use crate::segments::model::MODEL;
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

/// What is said of each k, and its model.
fn returns() -> Type {
    let model = ("model", MODEL.struct_type());
    Type::list(Type::Struct(JUDGED.types().into_iter().chain([model]).collect()))
}

fn value(choice: &Choice) -> Value {
    let judged = Judged::new(choice.model.k(), choice);
    let model = MODEL.value(&choice.model);
    Value::Struct(JUDGED.values(&judged).into_iter().chain([model]).collect())
}
