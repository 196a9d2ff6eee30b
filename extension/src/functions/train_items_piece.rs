//! `train_items_piece(job, histories, options, names, called_as)`: a model of items and how good it is, or after about half a second the number
//! of the job to go on with; 0 begins.

use super::evaluate_items_piece::{EVALUATION, Options, settings};
use crate::fields::Fields;
use crate::items::{Work, check_memory, count, names, names_type, piece_signature, piece_type};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::items::{Settings, Trained, memory, train};
use footfall::limits::MAX_LIST;
use serde::Deserialize;
use std::error::Error;

pub struct TrainItemsPiece;

/// The options as they are given in SQL: those of an evaluation, and the most rules of an item.
#[derive(Deserialize)]
struct Given {
    top: i64,
    #[serde(flatten)]
    evaluation: Options,
}

struct Read {
    settings: Settings,
    top: usize,
    memory_limit: String,
    before: Option<i64>,
}

const EXAMPLE: &str = "{k: 10, targets: 'all', exclude_seen: false, window_size: 10, top: 100, threads: 2, \
                       memory_limit: current_setting('memory_limit'), moment: NULL}";

impl Scalar for TrainItemsPiece {
    const NAME: &'static str = "train_items_piece";

    fn signatures() -> Vec<Signature> {
        vec![piece_signature(&[names_type()], TRAINED.struct_type())]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let work = Work {
            example: EXAMPLE,
            settings: read,
            given: |input, row| names(input.column(3), row),
            answer: |histories, read, names| {
                check_memory(memory(histories, &read.settings, read.top), &read.memory_limit)?;
                let trained = train(histories, &names, read.top, read.before, &read.settings)?;
                let Some(trained) = trained else {
                    return Ok(Value::Null);
                };
                let bytes = trained.model.to_bytes()?;
                Ok(TRAINED.value(&(trained, bytes)))
            },
        };
        work.write(input, output, &piece_type(TRAINED.struct_type()))
    }
}

fn read(given: Given) -> Result<Read, Failure> {
    Ok(Read {
        settings: settings(&given.evaluation)?,
        top: count("top", given.top, MAX_LIST)?,
        memory_limit: given.evaluation.memory_limit,
        before: given.evaluation.moment,
    })
}

const TRAINED: Fields<(Trained, Vec<u8>)> = Fields(&[
    ("model", || Type::Blob, |(_, bytes)| bytes.clone().into()),
    (
        "reports",
        || Type::list(EVALUATION.struct_type()),
        |(trained, _)| Value::List(trained.evaluations.iter().map(|one| EVALUATION.value(one)).collect()),
    ),
    (
        "carried_by",
        || Type::Varchar,
        |(trained, _)| trained.model.mixture.carried_by().name().into(),
    ),
    (
        "n_items",
        || Type::Bigint,
        |(trained, _)| (trained.model.ids.len() as i64).into(),
    ),
]);
