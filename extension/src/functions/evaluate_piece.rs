//! `evaluate_piece(model, dataset, first, threads[, called_as])`: a model scored on some of the held-back
//! targets of a dataset.
//!
//! DuckDB can be interrupted between two calls and not within one.

use super::evaluate_model::check;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::evaluate::Piece;
use footfall::sequence::Dataset;
use std::error::Error;

pub struct EvaluatePiece;

impl Scalar for EvaluatePiece {
    const NAME: &'static str = "evaluate_piece";

    fn signatures() -> Vec<Signature> {
        let parameters = [Type::Blob, Type::Blob, Type::Bigint, Type::Bigint, Type::Varchar];
        (4..=parameters.len())
            .map(|n| Signature {
                parameters: parameters[..n].to_vec(),
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

fn score(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let decoded = crate::models::decode(input.column(0).bytes(row))?;
    let dataset = Dataset::from_bytes(input.column(1).bytes(row))?;
    check(&decoded, &dataset)?;
    let first = input.column(2).values::<i64>()[row];
    let mut next = usize::try_from(first).map_err(|_| Failure::argument("first", first, "0 or more"))?;
    let threads = super::threads(input.column(3).values::<i64>()[row])?;
    let engine = footfall::device::engine("cpu", decoded.model.architecture)?;
    let (parameters, own_history) = (&decoded.model.parameters, decoded.own_history());
    let piece = Piece::score(&dataset, engine.as_ref(), parameters, own_history, &mut next, threads)?;
    Ok(Value::Struct(vec![
        (next < dataset.len()).then_some(next as i64).into(),
        piece.to_bytes().into(),
    ]))
}

fn returns() -> Type {
    Type::Struct(vec![("next", Type::Bigint), ("piece", Type::Blob)])
}
