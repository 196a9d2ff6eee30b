//! Functions of packed histories of items that are called again until they have an answer.

use crate::fields::Fields;
use crate::gate::CalledAs;
use crate::jobs::{self, Answer};
use crate::scalar::Signature;
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::items::Histories;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::error::Error;

/// How far such a function is: the job to go on with, and whether it has ended.
const PIECE: Fields<(i64, bool)> = Fields(&[
    ("job", || Type::Bigint, |(job, _)| (*job).into()),
    ("finished", || Type::Boolean, |(_, finished)| (*finished).into()),
]);

/// The type of such a function, which gives `result` in the end.
pub fn piece_type(result: Type) -> Type {
    Type::Struct(PIECE.types().into_iter().chain([("result", result)]).collect())
}

/// The signature of such a function of a job, packed histories, options, and the macro that an error names.
pub fn piece_signature(result: Type) -> Signature {
    Signature {
        parameters: vec![Type::Bigint, Type::Blob, Type::Any, Type::Varchar],
        returns: piece_type(result),
    }
}

/// Answers each row of such a function with what `work` makes of the histories and the options, or with the job to go on with.
///
/// # Errors
/// Of the arguments, or those of `work`.
pub fn piece<O: DeserializeOwned, S: Send + 'static>(
    input: &Chunk,
    output: Output,
    returns: &Type,
    example: &'static str,
    settings: fn(O) -> Result<S, Failure>,
    work: fn(&Histories, &S) -> Answer,
) -> Result<(), Box<dyn Error>> {
    output.write_rows(input, returns, |row| {
        let answer = || {
            let json = input.column(2).json(row)?;
            let settings = settings(read(json, example)?)?;
            advance(input, row, move |histories| work(histories, &settings))
        };
        let answer = answer();
        match answer {
            Ok(value) => Ok(value),
            Err(error) => Err(CalledAs::new(input.column(3).text(row)?, error).into()),
        }
    })
}

fn read<O: DeserializeOwned>(json: Json, example: &'static str) -> Result<O, Failure> {
    footfall::options::read("options", json, example)
}

fn advance<W>(input: &Chunk, row: usize, work: W) -> Result<Value, Box<dyn Error>>
where
    W: FnOnce(&Histories) -> Answer + Send + 'static,
{
    let number = input.column(0).values::<i64>()[row];
    let packed = input.column(1).bytes(row);
    let (number, answer) = jobs::advance(number, &mut |_, _| (), || {
        // The argument is DuckDB's, and only for this call.
        let packed = packed.to_vec();
        move || {
            let histories = Histories::from_bytes(&packed)?;
            drop(packed);
            work(&histories)
        }
    })?;
    let mut fields = PIECE.values(&(number, answer.is_some()));
    fields.push(answer.transpose()?.unwrap_or(Value::Null));
    Ok(Value::Struct(fields))
}

/// A whole number of an option.
///
/// # Errors
/// One outside of 1 to `most`.
pub fn count(option: &'static str, given: i64, most: usize) -> Result<usize, Failure> {
    let count = usize::try_from(given).ok().filter(|count| (1..=most).contains(count));
    count.ok_or_else(|| Failure::argument(option, given, format!("1 to {most}")))
}
