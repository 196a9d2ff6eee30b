//! `train_start(dataset, settings[, init])`: a training run before its first batch.
//!
//! A run that would not fit into memory is refused here, before it takes any. The
//! settings may hold `memory_limit`, DuckDB's setting of that name: scalar
//! functions cannot ask for it.

use super::train_epoch::{returns, step};
use crate::memory::{limit, shown};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::model::Model;
use footfall::sequence::Dataset;
use footfall::train::{memory, Settings, Trainer};
use serde_json::Value as Json;
use std::error::Error;

pub struct TrainStart;

impl Scalar for TrainStart {
    const NAME: &'static str = "train_start";

    fn signatures() -> Vec<Signature> {
        vec![
            Signature {
                parameters: vec![Type::Blob, Type::Any],
                returns: returns(),
            },
            Signature {
                parameters: vec![Type::Blob, Type::Any, Type::Blob],
                returns: returns(),
            },
        ]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &returns(), |row| {
            let dataset = Dataset::from_bytes(input.column(0).bytes(row))?;
            let mut settings = input.column(1).json(row)?;
            let memory_limit = settings
                .as_object_mut()
                .and_then(|options| options.remove("memory_limit"));
            let settings = Settings::from_json(settings)?;
            let init = match input.width() {
                3 => Some(Model::from_bytes(input.column(2).bytes(row))?),
                _ => None,
            };
            check_memory(&dataset, &settings, init.as_ref(), memory_limit.as_ref())?;
            step(&Trainer::start(&dataset, settings, init)?, None)
        })
    }
}

fn check_memory(
    dataset: &Dataset,
    settings: &Settings,
    init: Option<&Model>,
    memory_limit: Option<&Json>,
) -> Result<(), Failure> {
    let given = memory_limit.filter(|value| !value.is_null());
    let text = given.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let Some(limit) = limit(text.as_deref())? else {
        return Ok(());
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let needed = memory(dataset, settings, init, threads)? as u64;
    if needed <= limit.bytes {
        return Ok(());
    }
    Err(Failure::Memory(format!(
        "this training needs about {} of memory; allowed: {}, {} (smaller 'hidden', 'layers', 'batch_size' or \
         'max_length' and fewer held-back targets need less)",
        shown(needed),
        shown(limit.bytes),
        limit.source
    )))
}
