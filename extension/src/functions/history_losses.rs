//! `history_losses(model, dataset, first, threads, called_as, state)`: the losses of a model on some of the
//! held-back targets of a dataset, history by history.
//!
//! DuckDB can be interrupted between two calls and not within one.

use super::evaluate_piece::{self, Scoring};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::evaluate::Losses;
use std::error::Error;

pub struct HistoryLosses;

impl Scalar for HistoryLosses {
    const NAME: &'static str = "history_losses";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: evaluate_piece::PARAMETERS.to_vec(),
            returns: returns(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &returns(), |row| {
            score(input, row).map_err(|error| super::as_called(input, 4, row, error))
        })
    }
}

fn score(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let mut scoring = Scoring::of_row(input, row)?;
    let network = scoring.decoded.network();
    let losses = Losses::of(&scoring.dataset, network, &mut scoring.place, scoring.threads)?;
    Ok(scoring.value(losses.to_bytes()))
}

fn returns() -> Type {
    evaluate_piece::result("losses")
}
