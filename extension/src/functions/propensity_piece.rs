//! `propensity_piece(job, rows, plan, threads, called_as)`: the model that packed records give, or after about half a second the
//! number of the job to go on with; 0 begins.

use crate::fields::Fields;
use crate::jobs;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::propensity::learn::{Learned, learn};
use footfall::propensity::plan::Plan;
use std::error::Error;

pub struct PropensityPiece;

const LEARNED: Fields<Learned> = Fields(&[
    (
        "model",
        || Type::Blob,
        |of| of.model.as_ref().map(|model| model.to_bytes()).into(),
    ),
    ("rows", || Type::Bigint, |of| (of.n_rows as i64).into()),
    ("positives", || Type::Bigint, |of| (of.n_positive as i64).into()),
    ("validation_rows", || Type::Bigint, |of| (of.n_validation as i64).into()),
    ("validation_loss", || Type::Double, |of| of.validation_loss.into()),
    (
        "penalty",
        || Type::Double,
        |of| of.model.as_ref().map(|model| model.penalty).into(),
    ),
]);

fn returns() -> Type {
    Type::Struct(vec![
        ("job", Type::Bigint),
        ("finished", Type::Boolean),
        ("result", LEARNED.struct_type()),
    ])
}

impl Scalar for PropensityPiece {
    const NAME: &'static str = "propensity_piece";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Bigint, Type::Blob, Type::Blob, Type::Bigint, Type::Varchar],
            returns: returns(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &returns(), |row| {
            piece(input, row).map_err(|error| super::as_called(input, 4, row, error))
        })
    }
}

fn piece(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let plan = Plan::from_bytes(input.column(2).bytes(row))?;
    let threads = super::threads(input.column(3).values::<i64>()[row])?;
    let number = input.column(0).values::<i64>()[row];
    let (number, answer) = jobs::advance(number, &mut |_, _| (), || {
        // The argument is DuckDB's, and only for this call.
        let bytes = input.column(1).bytes(row).to_vec();
        move || learn(&plan, &bytes, threads).map(|learned| LEARNED.value(&learned))
    })?;
    let finished = answer.is_some();
    let result = answer.transpose()?.unwrap_or(Value::Null);
    Ok(Value::Struct(vec![number.into(), finished.into(), result]))
}
