//! `predict_piece(model, histories, first, threads, called_as, state)`: the distributions after some of the histories
//! that `pack_histories` packed.
//!
//! DuckDB can be interrupted between two calls and not within one.

use super::evaluate_piece::{self, Origin, PARAMETERS};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::evaluate::of_tokens;
use footfall::predict::Histories;
use std::error::Error;

pub struct PredictPiece;

impl Scalar for PredictPiece {
    const NAME: &'static str = "predict_piece";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: PARAMETERS.to_vec(),
            returns: returns(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &returns(), |row| {
            predict(input, row).map_err(|error| super::as_called(input, 4, row, error))
        })
    }
}

fn predict(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let decoded = crate::models::decode(input.column(0).bytes(row))?;
    let histories = Histories::from_bytes(input.column(1).bytes(row), decoded.model.vocabulary.width())?;
    // A state is of the history that it is within.
    let origin = |next| {
        let history = (next < histories.len()).then(|| of_tokens(histories.tokens(next)));
        Origin::new(&decoded, history.unwrap_or_default())
    };
    let mut place = evaluate_piece::place(input, row, origin)?;
    let threads = super::threads(input.column(3).values::<i64>()[row])?;
    let probabilities = decoded.predict_piece(&histories, &mut place, threads)?;
    let bytes = probabilities.iter().flat_map(|value| value.to_le_bytes());
    Ok(evaluate_piece::value(&place, histories.len(), bytes.collect(), origin))
}

fn returns() -> Type {
    evaluate_piece::result("distributions")
}
