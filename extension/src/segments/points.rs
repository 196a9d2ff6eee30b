//! Points on their way in.

use crate::value::Type;
use crate::vector::Column;
use footfall::error::Error as Failure;
use footfall::segment::points::Points;
use std::borrow::Cow;
use std::error::Error;
use std::ops::Range;

/// The type of a list of points.
pub fn points_type() -> Type {
    Type::list(Type::list(Type::Double))
}

/// The points in a row of a DOUBLE[][] column, and how often each counts in the same row of a DOUBLE[]
/// column, where an empty list stands for once each; nothing when there are none. Points that are NULL,
/// hold a NULL or have a weight of 0 or NULL are left out.
///
/// # Errors
/// As [`Points::new`], points of unequal lengths, and those of [`counts`]; a point is named by its
/// place in the list.
pub fn points(
    column: &Column,
    weights: Option<&Column>,
    row: usize,
    threads: usize,
) -> Result<Option<Points>, Box<dyn Error>> {
    let lists = column.child();
    let range = column.list(row);
    let counts = weights.map_or(Ok(None), |weights| counts(weights, row, range.len()))?;
    let rows = Rows::read(&lists, range)?;
    if rows.values.is_empty() {
        return Ok(None);
    }
    let points = match (counts, &rows.places) {
        (None, _) => Points::new(&rows.values, rows.dimensions, threads),
        (Some(counts), None) => Points::weighted(&rows.values, &counts, rows.dimensions, threads),
        (Some(counts), Some(places)) => {
            let counts: Vec<u64> = places.iter().map(|&place| counts[place]).collect();
            Points::weighted(&rows.values, &counts, rows.dimensions, threads)
        }
    };
    match points {
        Err(Failure::NoPoints) => Ok(None),
        points => Ok(Some(points.map_err(|error| rows.in_list(error))?)),
    }
}

/// How often each of `n_points` points counts, as a row of a DOUBLE[] column says; nothing for an empty list.
///
/// # Errors
/// Not one weight per point, or weights that are not whole numbers from 0 or add up to more than a DOUBLE
/// can tell apart.
fn counts(weights: &Column, row: usize, n_points: usize) -> Result<Option<Vec<u64>>, Failure> {
    const MOST: f64 = (1u64 << 53) as f64;
    let range = weights.list(row);
    if range.is_empty() {
        return Ok(None);
    }
    if range.len() != n_points {
        return Err(Failure::argument(
            "weights",
            format!("a list of {}", range.len()),
            format!("one weight for each of the {n_points} points"),
        ));
    }
    let weights = weights.child();
    let values = weights.values::<f64>();
    let mut total = 0.0;
    let counts = range.map(|index| {
        let weight = if weights.is_null(index) { 0.0 } else { values[index] };
        total += weight;
        if weight >= 0.0 && weight.fract() == 0.0 && total <= MOST {
            Ok(weight as u64)
        } else {
            Err(Failure::argument(
                "weights",
                weight,
                "whole numbers from 0 that add up to 2^53 at most",
            ))
        }
    });
    counts.collect::<Result<_, _>>().map(Some)
}

/// Points as one row-major array.
pub struct Rows<'a> {
    pub values: Cow<'a, [f64]>,
    pub dimensions: usize,
    /// The place in the list of each point, where some were left out.
    places: Option<Vec<usize>>,
}

impl<'a> Rows<'a> {
    pub fn read(lists: &Column<'a>, range: Range<usize>) -> Result<Self, Failure> {
        let coordinates = lists.child();
        let values = coordinates.values::<f64>();
        // What a list of lists made by list() looks like: used in place.
        if lists.all_valid() && coordinates.all_valid() && !range.is_empty() {
            let entries = lists.entries().rows(range.clone());
            let first = entries[0];
            let (start, dimensions) = (first.offset, first.length);
            let regular = entries
                .iter()
                .enumerate()
                .all(|(index, entry)| entry.length == dimensions && entry.offset == start + index as u64 * dimensions);
            if regular && dimensions > 0 {
                let (start, dimensions) = (start as usize, dimensions as usize);
                return Ok(Self {
                    values: Cow::Borrowed(values.rows(start..start + entries.len() * dimensions)),
                    dimensions,
                    places: None,
                });
            }
        }
        let mut copied = Vec::new();
        let mut places = Vec::new();
        let mut expected = None;
        for (place, index) in range.enumerate() {
            if lists.is_null(index) {
                continue;
            }
            let span = lists.list(index);
            let length = *expected.get_or_insert(span.len());
            if span.len() != length {
                return Err(Failure::UnequalLengths {
                    row: place,
                    found: span.len(),
                    expected: length,
                });
            }
            if length == 0 {
                return Err(Failure::NoDimensions);
            }
            if coordinates.all_valid() || !span.clone().any(|index| coordinates.is_null(index)) {
                copied.extend_from_slice(values.rows(span));
                places.push(place);
            }
        }
        Ok(Self {
            values: Cow::Owned(copied),
            dimensions: expected.unwrap_or(0),
            places: Some(places),
        })
    }

    /// The error with the point's place in the list.
    fn in_list(&self, error: Failure) -> Failure {
        match &self.places {
            Some(places) => error.among_all(places),
            None => error,
        }
    }
}

/// Refuses a coordinate that is NaN or infinite.
pub fn check(values: &[f64]) -> Result<(), Failure> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(&value) => Err(Failure::PointNotFinite { value }),
    }
}

/// A DOUBLE[] without NULLs.
pub fn doubles(column: &Column, row: usize) -> Option<Vec<f64>> {
    if column.is_null(row) {
        return None;
    }
    let values = column.child();
    let range = column.list(row);
    if range.clone().any(|index| values.is_null(index)) {
        return None;
    }
    Some(values.values::<f64>().rows(range).to_vec())
}

/// The numbers of nested lists in order, without NULLs at any level.
pub fn flattened(column: &Column, row: usize) -> Option<Vec<f64>> {
    if column.is_null(row) {
        return None;
    }
    let child = column.child();
    let range = column.list(row);
    if child.is_double() {
        return doubles(column, row);
    }
    let mut numbers = Vec::new();
    for index in range {
        numbers.extend(flattened(&child, index)?);
    }
    Some(numbers)
}
