//! `train_piece(ticket, state, dataset, threads, progress, called_as)`: trains on to the end of the epoch, or for about a
//! second, with the run kept in the process.
//!
//! DuckDB can be interrupted between two calls and not within one, so a long epoch is spread over several. `state` is
//! that from which the epoch began; `ticket` is 0 at first, then that of the call before. The result has the next
//! ticket, and the next state where the epoch is complete.

use super::train_epoch::{report, report_type, train};
use crate::runs;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::train::Trainer;
use std::error::Error;

pub struct TrainPiece;

impl Scalar for TrainPiece {
    const NAME: &'static str = "train_piece";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![
                Type::Bigint,
                Type::Blob,
                Type::Blob,
                Type::Bigint,
                Type::Boolean,
                Type::Varchar,
            ],
            returns: returns(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &returns(), |row| {
            advance(input, row).map_err(|error| super::as_called(input, 5, row, error))
        })
    }
}

fn returns() -> Type {
    Type::Struct(vec![
        ("ticket", Type::Bigint),
        ("state", Type::Blob),
        ("report", report_type()),
    ])
}

fn advance(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let ticket = input.column(0).values::<i64>()[row];
    let (state, dataset) = (input.column(1).bytes(row), input.column(2).bytes(row));
    let threads = super::threads(input.column(3).values::<i64>()[row])?;
    let is_shown = input.column(4).values::<u8>()[row] != 0;
    let fingerprint = runs::fingerprint(state, dataset);
    let (known, patience) = runs::take(ticket, fingerprint);
    let mut run = known.map_or_else(|| Trainer::from_bytes(state), Ok)?;
    let result = train(&mut run, dataset, threads, is_shown)?;
    let report = report(&run, result.as_ref())?;
    let (ticket, state) = match &result {
        None => (runs::keep(run, fingerprint, true, patience), Value::Null),
        // Nothing goes on from a finished run.
        Some(result) if result.finished => (runs::NO_TICKET, Value::Null),
        Some(_) => {
            let state = run.to_bytes()?;
            let fingerprint = runs::fingerprint(&state, dataset);
            (runs::keep(run, fingerprint, false, patience), state.into())
        }
    };
    Ok(Value::Struct(vec![ticket.into(), state, report]))
}
