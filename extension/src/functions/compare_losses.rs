//! `compare_losses(dataset, losses_a, losses_b, called_as)`: two models on the same targets, from what
//! `history_losses` gave of each.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::evaluate::compare;
use footfall::sequence::Dataset;
use std::error::Error;

pub struct CompareLosses;

impl Scalar for CompareLosses {
    const NAME: &'static str = "compare_losses";

    fn signatures() -> Vec<Signature> {
        let blobs = Type::list(Type::Blob);
        vec![Signature {
            parameters: vec![Type::Blob, blobs.clone(), blobs, Type::Varchar],
            returns: returns(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &returns(), |row| {
            compared(input, row).map_err(|error| super::as_called(input, 3, row, error))
        })
    }
}

fn compared(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let dataset = Dataset::from_bytes(input.column(0).bytes(row))?;
    let (a, b) = (input.column(1), input.column(2));
    let (blobs_a, blobs_b) = (a.child(), b.child());
    let losses_a = a.list(row).filter(|&piece| !blobs_a.is_null(piece));
    let losses_b = b.list(row).filter(|&piece| !blobs_b.is_null(piece));
    let comparison = compare(
        &dataset,
        losses_a.map(|piece| blobs_a.bytes(piece)),
        losses_b.map(|piece| blobs_b.bytes(piece)),
    )?;
    let Some(comparison) = comparison else {
        return Ok(Value::Null);
    };
    Ok(Value::Struct(vec![
        comparison.log_loss_a.into(),
        comparison.log_loss_b.into(),
        comparison.difference.mean.into(),
        comparison.difference.standard_error.into(),
        (comparison.n_histories as i64).into(),
        (comparison.n_targets as i64).into(),
    ]))
}

fn returns() -> Type {
    Type::Struct(vec![
        ("log_loss_a", Type::Double),
        ("log_loss_b", Type::Double),
        ("difference", Type::Double),
        ("standard_error", Type::Double),
        ("n_users", Type::Bigint),
        ("n", Type::Bigint),
    ])
}
