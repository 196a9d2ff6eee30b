//! A mixture: made, read, and given points.

use super::model::rows;
use super::points::{check, flattened, points_type};
use crate::fields::{Fields, columns};
use crate::value::{Type, Value};
use crate::vector::{Chunk, Column};
use footfall::error::Error as Failure;
use footfall::segment::mixture::{Membership, Mixture};

/// What a mixture holds.
pub const MIXTURE: Fields<Mixture> = Fields(&[
    ("k", || Type::Bigint, |mixture| (mixture.k() as i64).into()),
    (
        "weights",
        || Type::list(Type::Double),
        |mixture| Value::list(mixture.weights.iter().copied()),
    ),
    ("means", points_type, |mixture| {
        rows(&mixture.means, mixture.dimensions())
    }),
    (
        "covariances",
        || Type::list(points_type()),
        |mixture| {
            let d = mixture.dimensions();
            let matrices = mixture.covariances.chunks_exact(d * d);
            Value::List(matrices.map(|matrix| rows(matrix, d)).collect())
        },
    ),
    (
        "log_likelihood",
        || Type::Double,
        |mixture| mixture.log_likelihood.into(),
    ),
    ("bic", || Type::Double, |mixture| mixture.bic.into()),
    (
        "iterations",
        || Type::Bigint,
        |mixture| (mixture.iterations as i64).into(),
    ),
    ("n_points", || Type::Bigint, |mixture| (mixture.n_points as i64).into()),
    ("seed", || Type::Bigint, |mixture| (mixture.seed as i64).into()),
    ("log", || Type::Boolean, |mixture| mixture.log.into()),
]);

/// The probabilities of every row of `(mixture, point)`, nothing where the
/// mixture, the point or a coordinate is NULL.
///
/// # Errors
/// As [`super::model::assign`].
pub fn memberships(input: &Chunk) -> Result<Vec<Option<Vec<f64>>>, Failure> {
    const PARTS: [usize; 3] = [
        MIXTURE.position("weights"),
        MIXTURE.position("means"),
        MIXTURE.position("covariances"),
    ];
    const LOG: usize = MIXTURE.position("log");
    let mixture = input.column(0);
    let points = input.column(1);
    let coordinates = points.child();
    let parts = columns(mixture, PARTS);
    let log = mixture.field(LOG);
    let place = |row: usize| {
        parts
            .each_ref()
            .map(|part| (part.entries()[row].offset, part.entries()[row].length))
    };
    let mut decoded: Option<(usize, Membership)> = None;
    let mut results = Vec::with_capacity(input.len());
    for row in 0..input.len() {
        let span = points.list(row);
        if input.any_null(row) || span.clone().any(|index| coordinates.is_null(index)) {
            results.push(None);
            continue;
        }
        let is_whole = !log.is_null(row) && !parts.iter().any(|part| part.is_null(row));
        let same = |known: usize| {
            is_whole && place(known) == place(row) && log.values::<u8>()[known] == log.values::<u8>()[row]
        };
        let membership = match decoded.take().filter(|&(known, _)| same(known)) {
            Some((_, membership)) => membership,
            None => decode_mixture(&parts, &log, row)?,
        };
        if span.len() != membership.dimensions() {
            return Err(Failure::PointLength {
                found: span.len(),
                expected: membership.dimensions(),
            });
        }
        let point = coordinates.values::<f64>().rows(span);
        check(point)?;
        results.push(Some(membership.probabilities(point)));
        decoded = Some((row, membership));
    }
    Ok(results)
}

fn decode_mixture(parts: &[Column; 3], log: &Column, row: usize) -> Result<Membership, Failure> {
    let damaged = || Failure::DamagedMixture("a part of it is NULL or holds a NULL".into());
    if log.is_null(row) {
        return Err(damaged());
    }
    let [weights, means, covariances] = parts.each_ref().map(|part| flattened(part, row));
    Membership::from_parts(
        &weights.ok_or_else(damaged)?,
        &means.ok_or_else(damaged)?,
        &covariances.ok_or_else(damaged)?,
        log.values::<u8>()[row] != 0,
    )
}
