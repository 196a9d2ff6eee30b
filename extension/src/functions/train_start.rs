//! `train_start(dataset, settings[, init])`: a training run before its first batch.

use super::train_epoch::{returns, step};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::model::Model;
use footfall::sequence::Dataset;
use footfall::train::{Settings, Trainer};
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
        let rows = (0..input.len())
            .map(|row| {
                if input.any_null(row) {
                    return Ok(Value::Null);
                }
                let dataset = Dataset::from_bytes(input.column(0).bytes(row))?;
                let settings = Settings::from_json(input.column(1).json(row)?)?;
                let init = match input.width() {
                    3 => Some(Model::from_bytes(input.column(2).bytes(row))?),
                    _ => None,
                };
                step(&Trainer::start(&dataset, settings, init)?, None)
            })
            .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        output.write(&returns(), &rows)
    }
}
