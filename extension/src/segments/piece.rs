//! Functions of packed points that are called again until they have an answer.

use super::options::{as_caller, caller, clusters, is_shown, options};
use super::packed::unpack;
use crate::fields::Fields;
use crate::jobs::{self, Answer};
use crate::progress::Display;
use crate::scalar::Signature;
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::compute::job::Progress;
use footfall::segment::kmeans::Options;
use footfall::segment::points::Points;
use serde_json::Value as Json;
use std::error::Error;

/// How far such a function is: the job to go on with, and whether it has ended.
const PIECE: Fields<(i64, bool)> = Fields(&[
    ("job", || Type::Bigint, |(job, _)| (*job).into()),
    ("finished", || Type::Boolean, |(_, finished)| (*finished).into()),
]);

/// The result of such a function, which gives `result` in the end.
pub fn piece_type(result: Type) -> Type {
    Type::Struct(PIECE.types().into_iter().chain([("result", result)]).collect())
}

/// The signature of such a function of a job, packed points, `N` whole numbers, and options.
pub fn piece_signature<const N: usize>(result: Type) -> Signature {
    let counts = std::iter::repeat_with(|| Type::Bigint).take(N);
    let before = [Type::Bigint, Type::Blob];
    Signature {
        parameters: before.into_iter().chain(counts).chain([Type::Any]).collect(),
        returns: piece_type(result),
    }
}

/// Answers each row of such a function of clusters with what `fit` makes of it, or with the job to go on with.
/// `made_for` is as in [`with_options`], `message` as in [`go_on`].
///
/// # Errors
/// Of the arguments, or those of `fit`.
pub fn piece<const N: usize>(
    input: &Chunk,
    output: Output,
    returns: &Type,
    made_for: &'static str,
    most: usize,
    fit: fn(&Points, [usize; N], &Options) -> Answer,
    message: fn(Progress, [usize; N]) -> String,
) -> Result<(), Box<dyn Error>> {
    with_options(input, output, returns, made_for, |row, display, json| {
        let (options, counts) = (options(json)?, clusters(input, 2, row, most)?);
        let message = |progress| message(progress, counts);
        go_on(input, row, display, message, move |values, dimensions| {
            let points = Points::new(&values, dimensions, options.threads)?;
            drop(values);
            fit(&points, counts, &options)
        })
    })
}

/// Answers each row of such a function with what `answer` makes of the row and of the options in the last argument.
/// `made_for` is the macro over it, for errors in options that are no options and so cannot name it, and for the line that
/// shows where it is.
///
/// # Errors
/// Those of `answer`.
pub fn with_options(
    input: &Chunk,
    output: Output,
    returns: &Type,
    made_for: &'static str,
    answer: impl Fn(usize, Display, Json) -> Result<Value, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    output.write_rows(input, returns, |row| {
        let options = input.column(input.width() - 1).json(row);
        let mut json = options.map_err(|error| as_caller(Some(made_for), error))?;
        let (caller, display) = (caller(&mut json), Display::new(made_for, is_shown(&mut json)));
        answer(row, display, json).map_err(|error| as_caller(caller.as_deref(), error))
    })
}

/// Goes on with the job in the first argument, which begins with the packed points in the second, (points, coordinates)
/// and the number of coordinates; `message` says where it is.
///
/// # Errors
/// Points that are none, or those of `work`.
pub fn go_on<W>(
    input: &Chunk,
    row: usize,
    mut display: Display,
    message: impl Fn(Progress) -> String,
    work: W,
) -> Result<Value, Box<dyn Error>>
where
    W: FnOnce(Vec<f64>, usize) -> Answer + Send + 'static,
{
    let (dimensions, packed) = unpack("points", input.column(1).bytes(row))?;
    let mut look = |progress: Progress, seconds| {
        let (parts, steps) = (progress.parts, progress.steps);
        let n_steps = steps.1.max(1);
        let (done, all) = (parts.0 * n_steps + steps.0, parts.1.max(1) * n_steps);
        display.show(done as u64, all as u64, seconds, || message(progress));
    };
    advance(input, row, &mut look, || {
        // The argument is DuckDB's, and only for this call.
        let values: Vec<f64> = packed.iter().map(|&value| f64::from_le_bytes(value)).collect();
        move || work(values, dimensions)
    })
}

/// Goes on with the job in the first argument, which `work` begins. `look` is as in [`jobs::advance`].
///
/// # Errors
/// Those of the work, or the system has no thread left.
pub fn advance<W>(
    input: &Chunk,
    row: usize,
    look: &mut dyn FnMut(Progress, f64),
    work: impl FnOnce() -> W,
) -> Result<Value, Box<dyn Error>>
where
    W: FnOnce() -> Answer + Send + 'static,
{
    let number = input.column(0).values::<i64>()[row];
    let (number, answer) = jobs::advance(number, look, work)?;
    let mut fields = PIECE.values(&(number, answer.is_some()));
    fields.push(answer.transpose()?.unwrap_or(Value::Null));
    Ok(Value::Struct(fields))
}
