//! `train_start(dataset, settings[, init])`: a training run before its first batch.
//!
//! A run that would not fit into memory is refused here, before it takes any. The
//! settings may hold `memory_limit`, DuckDB's setting of that name: scalar
//! functions cannot ask for it; and `called_as`, the macro that an error names.

use super::train_epoch::{returns, step};
use crate::gate::CalledAs;
use crate::memory::{limit, shown};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::{Chunk, Column};
use footfall::error::Error as Failure;
use footfall::model::Model;
use footfall::sequence::Dataset;
use footfall::train::{Settings, Trainer, memory};
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
            start(input, row).map_err(|error| match caller(input.column(1), row) {
                Some(caller) => CalledAs::new(caller, error).into(),
                None => error,
            })
        })
    }
}

fn start(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let dataset = Dataset::from_bytes(input.column(0).bytes(row))?;
    let mut settings = input.column(1).json(row)?;
    let mut memory_limit = None;
    if let Some(options) = settings.as_object_mut() {
        memory_limit = options.remove("memory_limit");
        options.remove("called_as");
    }
    let settings = Settings::from_json(settings)?;
    let init = match input.width() {
        3 => Some(Model::from_bytes(input.column(2).bytes(row)).map_err(|error| error.of_argument("init"))?),
        _ => None,
    };
    check_memory(&dataset, &settings, init.as_ref(), memory_limit.as_ref())?;
    step(&Trainer::start(&dataset, settings, init)?, None)
}

/// The setting `called_as`, which is read by itself: the others may be unreadable.
fn caller<'a>(settings: &Column<'a>, row: usize) -> Option<&'a str> {
    let index = settings.field_names().iter().position(|name| name == "called_as")?;
    let names = settings.field(index);
    (names.is_text() && !names.is_null(row)).then(|| names.text(row).ok())?
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
