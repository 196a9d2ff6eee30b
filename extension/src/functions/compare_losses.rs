//! `compare_losses(dataset_a, losses_a, dataset_b, losses_b, called_as)`: two models on the same targets, from what
//! `history_losses` gave of each. The datasets are one where both models give the actions the same numbers.

use super::evaluate_piece::Origin;
use crate::fields::Fields;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::{Chunk, Column};
use footfall::error::Error as Failure;
use footfall::evaluate::{Comparison, compare, identity};
use footfall::sequence::Dataset;
use std::error::Error;

pub struct CompareLosses;

impl Scalar for CompareLosses {
    const NAME: &'static str = "compare_losses";

    fn signatures() -> Vec<Signature> {
        let blobs = Type::list(Type::Blob);
        vec![Signature {
            parameters: vec![Type::Blob, blobs.clone(), Type::Blob, blobs, Type::Varchar],
            returns: COMPARISON.struct_type(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &COMPARISON.struct_type(), |row| {
            compared(input, row).map_err(|error| super::as_called(input, 4, row, error))
        })
    }
}

fn compared(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let (bytes_a, bytes_b) = (input.column(0).bytes(row), input.column(2).bytes(row));
    let read = |name, bytes| Dataset::from_bytes(bytes).map_err(|error| error.of_argument(name));
    let a = read("dataset_a", bytes_a)?;
    // Where it is the same argument twice it is the same memory.
    let other = match std::ptr::eq(bytes_a, bytes_b) || bytes_a == bytes_b {
        true => None,
        false => Some(read("dataset_b", bytes_b)?),
    };
    let identity_a = identity(&a);
    let identity_b = other.as_ref().map_or(identity_a, identity);
    let losses_a = losses("losses_a", input.column(1), row, identity_a)?;
    let losses_b = losses("losses_b", input.column(3), row, identity_b)?;
    let comparison = compare((&a, losses_a), (other.as_ref().unwrap_or(&a), losses_b))?;
    Ok(comparison.map_or(Value::Null, |comparison| COMPARISON.value(&comparison)))
}

/// What `history_losses` gave of one model on a dataset.
fn losses<'a>(name: &'static str, column: &Column<'a>, row: usize, dataset: u64) -> Result<Vec<&'a [u8]>, Failure> {
    let (blobs, mut of) = (column.child(), None);
    let known = column.list(row).filter(|&piece| !blobs.is_null(piece));
    let losses = known.map(|piece| {
        let is_right = |[model, used_on]: [u64; 2]| used_on == dataset && *of.get_or_insert(model) == model;
        Origin::unmark(blobs.bytes(piece), is_right).ok_or_else(|| {
            let allowed = "those of history_losses for this dataset and one model";
            Failure::argument(name, "BLOBs of another dataset or of several models", allowed)
        })
    });
    losses.collect()
}

const COMPARISON: Fields<Comparison> = Fields(&[
    ("log_loss_a", || Type::Double, |of| of.log_loss_a.into()),
    ("log_loss_b", || Type::Double, |of| of.log_loss_b.into()),
    ("difference", || Type::Double, |of| of.difference.mean.into()),
    (
        "standard_error",
        || Type::Double,
        |of| of.difference.standard_error.into(),
    ),
    ("n_users", || Type::Bigint, |of| (of.n_histories as i64).into()),
    ("n", || Type::Bigint, |of| (of.n_targets as i64).into()),
]);
