//! Coordinates in which points differ by nothing but rounding.
//!
//! Sums depend on the order of their terms: 0.1 + 0.2 is not 0.3. A coordinate on which all customers
//! agree but for that would, standardised, be as wide as a real one and part them at random. So it is
//! set to one value before anything is learned. The rule, in every function that learns from points:
//! the largest and the smallest value differ by no more than [`ROUNDING`] of the larger one's size.
//!
//! - A spread around 0 has no size to compare with, and is real however small it is. Only what is
//!   below [`NARROWEST`], the square of which underflows, is none.
//! - Whole numbers up to 2^53 are exact, so any spread of them is real.
//! - Where a FLOAT holds every value exactly, the values are taken to come from FLOATs, and the bound
//!   is [`FLOAT_ROUNDING`].
//! - With logarithms either may agree, the values or their logarithms.
//!
//! scikit-learn's scaler compares the variance with a bound that grows with the number of rows: from
//! a million on, it would take 1e9, 1e9 + 0.1 and 1e9 + 0.2 for one number.

use crate::error::Error;
use crate::segment::points::Points;
use crate::segment::scale::logarithm;
use std::borrow::Cow;

/// What sums of a thousand terms that are added up in another order stay below by far.
const ROUNDING: f64 = 64.0 * f64::EPSILON;
/// The same for FLOATs, of which fewer are added up before they become DOUBLEs.
const FLOAT_ROUNDING: f64 = 4.0 * f32::EPSILON as f64;
/// The square of anything smaller is hardly a number.
const NARROWEST: f64 = 1e-140;
/// Whole numbers beyond this may have been rounded.
const EXACT: f64 = (1u64 << 53) as f64;

/// Points in which a coordinate that holds only noise has one value, its smallest, and for each such
/// coordinate how wide the noise was where distances are taken.
///
/// # Errors
/// None of points that could be made.
pub fn flatten(points: &Points, log: bool, threads: usize) -> Result<(Cow<'_, Points>, Vec<Option<f64>>), Error> {
    let dimensions = points.dimensions();
    let widths: Vec<Option<f64>> = (0..dimensions).map(|axis| noise(points, axis, log)).collect();
    if widths.iter().all(Option::is_none) {
        return Ok((Cow::Borrowed(points), widths));
    }
    let mut values = points.values().to_vec();
    for row in values.chunks_exact_mut(dimensions) {
        for (axis, value) in row.iter_mut().enumerate() {
            if widths[axis].is_some() {
                *value = points.low()[axis];
            }
        }
    }
    let flat = Points::weighted(&values, points.weights(), dimensions, threads)?;
    Ok((Cow::Owned(flat), widths))
}

/// How far the values of a coordinate lie apart when they do, and that is noise.
fn noise(points: &Points, axis: usize, log: bool) -> Option<f64> {
    let (low, high) = (points.low()[axis], points.high()[axis]);
    if low == high {
        return None;
    }
    let (low_log, high_log) = (logarithm(low), logarithm(high));
    let all = |holds: fn(f64) -> bool| {
        let column = points.values()[axis..].iter().step_by(points.dimensions());
        column.copied().all(holds)
    };
    let rounded = |share| agree(low, high, share);
    let is_noise = high - low < NARROWEST
        || (log && agree(low_log, high_log, ROUNDING))
        || (rounded(FLOAT_ROUNDING)
            && !all(|value| value.fract() == 0.0 && value.abs() <= EXACT)
            && (rounded(ROUNDING) || all(|value| f64::from(value as f32) == value)));
    let width = if log { high_log - low_log } else { high - low };
    is_noise.then_some(width)
}

fn agree(low: f64, high: f64, share: f64) -> bool {
    high - low <= share * low.abs().max(high.abs())
}
