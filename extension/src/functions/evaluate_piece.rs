//! `evaluate_piece(model, dataset, first, threads[, called_as[, state]])`: a model scored on some of the held-back
//! targets of a dataset.
//!
//! DuckDB can be interrupted between two calls and not within one.

use super::evaluate_model::check;
use crate::models::Decoded;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::evaluate::{Piece, Place};
use footfall::network::Engine;
use footfall::sequence::Dataset;
use std::error::Error;
use std::sync::Arc;

pub struct EvaluatePiece;

/// Model, dataset, first history, threads, the macro that an error names, and the state within a history.
pub const PARAMETERS: [Type; 6] = [
    Type::Blob,
    Type::Blob,
    Type::Bigint,
    Type::Bigint,
    Type::Varchar,
    Type::Blob,
];

impl Scalar for EvaluatePiece {
    const NAME: &'static str = "evaluate_piece";

    fn signatures() -> Vec<Signature> {
        (4..=PARAMETERS.len())
            .map(|n| Signature {
                parameters: PARAMETERS[..n].to_vec(),
                returns: returns(),
            })
            .collect()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &returns(), |row| {
            score(input, row).map_err(|error| super::as_called(input, 4, row, error))
        })
    }
}

/// What the arguments say.
pub struct Scoring<'a> {
    pub decoded: Arc<Decoded>,
    pub dataset: Dataset<'a>,
    pub engine: Box<dyn Engine>,
    pub place: Place,
    pub threads: usize,
}

impl<'a> Scoring<'a> {
    pub fn of_row(input: &'a Chunk, row: usize) -> Result<Self, Box<dyn Error>> {
        let decoded = crate::models::decode(input.column(0).bytes(row))?;
        let dataset = Dataset::from_bytes(input.column(1).bytes(row))?;
        check(&decoded, &dataset)?;
        Ok(Self {
            dataset,
            engine: footfall::device::engine("cpu", decoded.model.architecture)?,
            place: place(input, row)?,
            threads: super::threads(input.column(3).values::<i64>()[row])?,
            decoded,
        })
    }

    /// What came of it, and where it ended.
    pub fn value(&self, scored: Vec<u8>) -> Value {
        value(&self.place, self.dataset.len(), scored)
    }
}

/// Where to begin, as the arguments with the places of [`PARAMETERS`] say.
pub fn place(input: &Chunk, row: usize) -> Result<Place, Failure> {
    let first = input.column(2).values::<i64>()[row];
    let next = usize::try_from(first).map_err(|_| Failure::argument("first", first, "0 or more"))?;
    let state = match input.width() {
        6 => input.column(5).bytes(row),
        _ => &[],
    };
    Place::from_bytes(next, state)
}

/// What came of some of `n` histories, and where it ended.
pub fn value(place: &Place, n: usize, scored: Vec<u8>) -> Value {
    let is_left = place.next < n;
    Value::Struct(vec![
        is_left.then_some(place.next as i64).into(),
        scored.into(),
        place.to_bytes().into(),
    ])
}

/// The type of [`value`].
pub fn result(scored: &'static str) -> Type {
    Type::Struct(vec![
        ("next", Type::Bigint),
        (scored, Type::Blob),
        ("state", Type::Blob),
    ])
}

fn score(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let mut scoring = Scoring::of_row(input, row)?;
    let decoded = &scoring.decoded;
    let piece = Piece::score(
        &scoring.dataset,
        scoring.engine.as_ref(),
        &decoded.model.parameters,
        decoded.own_history(),
        &mut scoring.place,
        scoring.threads,
    )?;
    Ok(scoring.value(piece.to_bytes()))
}

fn returns() -> Type {
    result("piece")
}
