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
use footfall::evaluate::{Piece, Place, foreign_state, identity};
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

/// What states and pieces are of: the fingerprint of a model and what it was used on. Both stand at their end.
#[derive(Clone, Copy, PartialEq)]
pub struct Origin([u64; 2]);

impl Origin {
    pub fn new(decoded: &Decoded, used_on: u64) -> Self {
        Self([decoded.fingerprint, used_on])
    }

    /// The bytes with their origin, if there are any.
    fn mark(self, mut bytes: Vec<u8>) -> Vec<u8> {
        if !bytes.is_empty() {
            bytes.extend(self.0.iter().flat_map(|number| number.to_le_bytes()));
        }
        bytes
    }

    /// What was marked, without its origin, which is told to `is_right`; nothing is of any.
    pub fn unmark(bytes: &[u8], is_right: impl FnOnce([u64; 2]) -> bool) -> Option<&[u8]> {
        if bytes.is_empty() {
            return Some(bytes);
        }
        let (content, origin) = bytes.split_last_chunk::<16>()?;
        let [model, used_on] =
            [0, 8].map(|from| origin[from..].first_chunk().map_or(0, |&word| u64::from_le_bytes(word)));
        is_right([model, used_on]).then_some(content)
    }

    /// [`Origin::unmark`] of what is of this.
    pub fn check(self, bytes: &[u8]) -> Option<&[u8]> {
        Self::unmark(bytes, |origin| origin == self.0)
    }
}

/// What the arguments say.
pub struct Scoring<'a> {
    pub decoded: Arc<Decoded>,
    pub dataset: Dataset<'a>,
    origin: Origin,
    pub place: Place,
    pub threads: usize,
}

impl<'a> Scoring<'a> {
    pub fn of_row(input: &'a Chunk, row: usize) -> Result<Self, Box<dyn Error>> {
        let decoded = crate::models::decode(input.column(0).bytes(row))?;
        let dataset = Dataset::from_bytes(input.column(1).bytes(row))?;
        check(&decoded, &dataset)?;
        let origin = Origin::new(&decoded, identity(&dataset));
        Ok(Self {
            place: place(input, row, |_| origin)?,
            threads: super::threads(input.column(3).values::<i64>()[row])?,
            dataset,
            origin,
            decoded,
        })
    }

    /// What came of it, and where it ended.
    pub fn value(&self, scored: Vec<u8>) -> Value {
        value(&self.place, self.dataset.len(), self.origin.mark(scored), |_| {
            self.origin
        })
    }
}

/// Where to begin, as the arguments with the places of [`PARAMETERS`] say. `origin` is that of a state within a history.
pub fn place(input: &Chunk, row: usize, origin: impl FnOnce(usize) -> Origin) -> Result<Place, Failure> {
    let first = input.column(2).values::<i64>()[row];
    let next = usize::try_from(first).map_err(|_| Failure::argument("first", first, "0 or more"))?;
    let state = match input.width() {
        6 => input.column(5).bytes(row),
        _ => &[],
    };
    if state.is_empty() {
        return Ok(Place::before(next));
    }
    let state = origin(next).check(state).ok_or_else(foreign_state)?;
    Place::from_bytes(next, state)
}

/// What came of some of `n` histories, and where it ended.
pub fn value(place: &Place, n: usize, scored: Vec<u8>, origin: impl FnOnce(usize) -> Origin) -> Value {
    let is_left = place.next < n;
    let state = place.to_bytes();
    let state = match state.is_empty() {
        true => state,
        false => origin(place.next).mark(state),
    };
    Value::Struct(vec![
        is_left.then_some(place.next as i64).into(),
        scored.into(),
        state.into(),
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
        decoded.network(),
        decoded.own_history(),
        &mut scoring.place,
        scoring.threads,
    )?;
    Ok(scoring.value(piece.to_bytes()))
}

fn returns() -> Type {
    result("piece")
}
