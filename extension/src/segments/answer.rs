//! Functions of a list of points, answered in one call.

use super::options::{as_caller, caller, clusters, options};
use super::points::{points, points_type};
use crate::scalar::Signature;
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::segment::kmeans::Options;
use footfall::segment::points::Points;
use serde_json::Value as Json;
use std::error::Error;

/// The overloads of a function of points, `N` numbers of clusters, options or none, and then weights or none.
pub fn signatures<const N: usize>(returns: fn() -> Type) -> Vec<Signature> {
    let of = |settings: Vec<Type>| {
        let counts = std::iter::repeat_with(|| Type::Bigint).take(N);
        Signature {
            parameters: std::iter::once(points_type()).chain(counts).chain(settings).collect(),
            returns: returns(),
        }
    };
    // DOUBLE takes every type of number that counts can have.
    let weights = Type::list(Type::Double);
    vec![of(vec![]), of(vec![Type::Any]), of(vec![Type::Any, weights])]
}

/// Answers each row of such a function, which takes `most` clusters, with what `fit` makes of it;
/// NULL where an argument is NULL or no point is left.
///
/// # Errors
/// Of the arguments, or those of `fit`.
pub fn answer<const N: usize>(
    input: &Chunk,
    output: Output,
    returns: &Type,
    most: usize,
    fit: impl Fn(&Points, [usize; N], &Options) -> Result<Value, Failure>,
) -> Result<(), Box<dyn Error>> {
    let fit_row = |row: usize, json: Json| -> Result<Value, Box<dyn Error>> {
        let options = options(json)?;
        let counts = clusters(input, 1, row, most)?;
        let weights = (input.width() > N + 2).then(|| input.column(N + 2));
        Ok(match points(input.column(0), weights, row, options.threads)? {
            Some(points) => fit(&points, counts, &options)?,
            None => Value::Null,
        })
    };
    output.write_rows(input, returns, |row| {
        let mut json = if 1 + N < input.width() {
            input.column(1 + N).json(row)?
        } else {
            Json::Object(serde_json::Map::new())
        };
        let caller = caller(&mut json);
        fit_row(row, json).map_err(|error| as_caller(caller.as_deref(), error))
    })
}
