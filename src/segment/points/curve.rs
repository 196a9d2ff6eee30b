//! The space-filling curve along which points are laid out (Z-order: Morton, "A
//! computer oriented geodetic data base", 1966). Neighbours on it are mostly
//! neighbours in space.

use crate::compute::dispatch::{self, Kernel};
use crate::compute::parallel;
use crate::segment::points::rows::{Bounds, CHUNK, Rows};

/// Rows whose keys are made together.
const KEYS: usize = 256;
/// Rows that one step of a loop over the coordinates takes.
const ABREAST: usize = 8;
/// Standard deviations from the mean that the cells of an axis cover.
const REACH: f64 = 16.0;
/// Steps per axis when the curve is laid out; the spread of a coordinate is
/// measured in them with integers, so that it does not depend on the order.
const STEPS: f64 = (1u64 << 20) as f64;

/// The curve: per axis a start and a number of steps per unit, such that a step
/// is the same share of the standard deviation on every axis. What lies more than
/// [`REACH`] deviations from the mean is in the last cell of its side: a few large
/// customers must not make the cells of all the others coarse.
pub(super) struct Curve {
    dimensions: usize,
    axes: Vec<(f64, f64)>,
    /// The last cell of an axis.
    largest: f64,
    /// Shifts, each with the bits that are kept after it, that move the bits of
    /// a cell number as far apart as there are axes.
    spread: Vec<(usize, u64)>,
}

impl Curve {
    pub fn new(rows: &Rows, bounds: &Bounds, threads: usize) -> Self {
        // The curve follows the first 63 axes, at least one bit each.
        let dimensions = rows.dimensions.min(63);
        let bits = (63 / dimensions).min(21);
        let largest = ((1u64 << bits) - 1) as f64;
        let spreads = spreads(rows, bounds, threads);
        let low = |axis: usize| bounds.low[axis].max(spreads[axis].mean - REACH * spreads[axis].deviation);
        let high = |axis: usize| bounds.high[axis].min(spreads[axis].mean + REACH * spreads[axis].deviation);
        let widest = (0..dimensions)
            .map(|axis| (high(axis) - low(axis)) / spreads[axis].deviation)
            .fold(f64::MIN_POSITIVE, f64::max);
        let axes = (0..dimensions)
            .map(|axis| {
                let steps = largest / (spreads[axis].deviation * widest);
                (low(axis), if steps.is_finite() { steps } else { 0.0 })
            })
            .collect();
        // Groups of bits are parted in the middle until each is a single bit.
        let spread = (0..5).rev().map(|level| 1 << level).filter(|&size| size < bits);
        let spread = spread.map(|size| {
            let place = |bit: usize| bit / size * size * dimensions + bit % size;
            let kept = (0..bits).fold(0, |kept, bit| kept | 1 << place(bit));
            (size * (dimensions - 1), kept)
        });
        Self {
            dimensions: rows.dimensions,
            axes,
            largest,
            spread: spread.collect(),
        }
    }

    /// Writes the places of `values`, shape (rows, dimensions), on the curve into `keys`.
    pub fn keys(&self, values: &[f64], keys: &mut [u64]) {
        dispatch::run(Keys {
            curve: self,
            values,
            keys,
        });
    }
}

/// The places of some rows on the curve.
struct Keys<'a> {
    curve: &'a Curve,
    values: &'a [f64],
    keys: &'a mut [u64],
}

impl Kernel for Keys<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (curve, n_axes, dimensions) = (self.curve, self.curve.axes.len(), self.curve.dimensions);
        let parts = self.keys.chunks_mut(KEYS).zip(self.values.chunks(KEYS * dimensions));
        for (keys, values) in parts {
            keys.fill(0);
            for (axis, &(low, steps)) in curve.axes.iter().enumerate() {
                let mut cells = [0; KEYS];
                for (cell, row) in cells.iter_mut().zip(values.chunks_exact(dimensions)) {
                    let place = (row[axis] - low) * steps;
                    let place = if place > 0.0 { place } else { 0.0 };
                    *cell = whole(if place < curve.largest { place } else { curve.largest });
                }
                for &(shift, kept) in &curve.spread {
                    for cell in &mut cells {
                        *cell = (*cell | *cell << shift) & kept;
                    }
                }
                for (key, cell) in keys.iter_mut().zip(&cells) {
                    *key |= cell << (n_axes - 1 - axis);
                }
            }
        }
    }
}

/// From here to twice as much floats are the whole numbers.
const FIRST_WHOLE: f64 = (1u64 << 52) as f64;

/// The nearest whole number to `x`, which is from 0 to below 2^52: the last
/// bits of x + 2^52. A cast would check the range of every value.
#[inline(always)]
fn whole(x: f64) -> u64 {
    (x + FIRST_WHOLE).to_bits() & ((1 << 52) - 1)
}

struct Spread {
    mean: f64,
    /// Standard deviation, above 0.
    deviation: f64,
}

/// The spread of each dimension, from integers: sums of integers do not depend
/// on the order of the rows, sums of floats do.
fn spreads(rows: &Rows, bounds: &Bounds, threads: usize) -> Vec<Spread> {
    let dimensions = rows.dimensions;
    let widths: Vec<f64> = bounds
        .low
        .iter()
        .zip(&bounds.high)
        .map(|(low, high)| high - low)
        .collect();
    let factors: Vec<f64> = widths
        .iter()
        .map(|width| Some(STEPS / width).filter(|factor| factor.is_finite()).unwrap_or(0.0))
        .collect();
    let parts = parallel::map(threads, rows.n_chunks(), |chunk| {
        let range = rows.chunk(chunk);
        if rows.weights.is_some() {
            let mut sums = vec![(0, 0); dimensions];
            for index in range {
                let (row, weight) = (rows.row(index), u128::from(rows.weight(index)));
                for (axis, sums) in sums.iter_mut().enumerate() {
                    let step = whole((row[axis] - bounds.low[axis]) * factors[axis]).min(STEPS as u64);
                    let step = u128::from(step);
                    sums.0 += step * weight;
                    sums.1 += step * step * weight;
                }
            }
            return sums;
        }
        dispatch::run(Steps {
            values: rows.rows(range),
            low: &bounds.low,
            factors: &factors,
        })
    });
    let total: u128 = match &rows.weights {
        Some(weights) => weights.iter().map(|&weight| u128::from(weight)).sum(),
        None => rows.len() as u128,
    };
    (0..dimensions)
        .map(|axis| {
            let (sum, squares) = parts.iter().fold((0, 0), |(sum, squares), part| {
                (sum + part[axis].0, squares + part[axis].1)
            });
            let mean = sum as f64 / total as f64;
            let variance = squares as f64 / total as f64 - mean * mean;
            Spread {
                mean: bounds.low[axis] + mean / STEPS * widths[axis],
                // An axis on which (nearly) all points agree must not divide by zero.
                deviation: (variance.max(1.0).sqrt() / STEPS * widths[axis]).max(f64::MIN_POSITIVE),
            }
        })
        .collect()
}

/// Per dimension the sum of some rows' steps from its lowest value, and of their squares.
struct Steps<'a> {
    /// At most [`CHUNK`] rows.
    values: &'a [f64],
    low: &'a [f64],
    factors: &'a [f64],
}

/// Squares of steps that one sum can hold exactly.
const EXACT: usize = 1 << 13;
const _: () = assert!(CHUNK / ABREAST <= EXACT);

impl Kernel for Steps<'_> {
    type Output = Vec<(u128, u128)>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        // Whole numbers as floats. A square is at most 2^40: no sum of 2^13 of them is rounded.
        let (low, factors) = (self.low.repeat(ABREAST), self.factors.repeat(ABREAST));
        let (mut sums, mut squares) = (vec![0.0; low.len()], vec![0.0; low.len()]);
        for rows in self.values.chunks(low.len()) {
            let places = sums.iter_mut().zip(&mut squares).zip(low.iter().zip(&factors));
            for (((sum, square), (low, factor)), value) in places.zip(rows) {
                let step = (value - low) * factor + FIRST_WHOLE - FIRST_WHOLE;
                let step = if step < STEPS { step } else { STEPS };
                *sum += step;
                *square += step * step;
            }
        }
        let mut totals = vec![(0, 0); self.low.len()];
        for (lane, (sum, square)) in sums.into_iter().zip(squares).enumerate() {
            let total = &mut totals[lane % self.low.len()];
            total.0 += sum as u128;
            total.1 += square as u128;
        }
        totals
    }
}
