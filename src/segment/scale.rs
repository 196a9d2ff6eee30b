//! From features in their own units to comparable coordinates.
//!
//! Days, counts and money have different units, and k-means adds their squares:
//! without standardising the widest feature decides alone. Money is skewed as
//! well; its logarithm keeps a few large customers from taking a cluster each.

use super::error::SegmentError;
use super::parallel;
use super::points::Points;

/// Points summed one after the other before partial sums are added: keeps the
/// rounding error of a mean from growing with the number of points.
const RUN: usize = 256;
/// Points handled by one task.
const CHUNK: usize = 1 << 15;

/// What is done to a coordinate before distances are taken:
/// `(f(x) - mean) / deviation` with f = log1p or identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// Whether f is log1p.
    pub log: bool,
    /// Mean of f(x) per dimension; takes no part in distances.
    pub means: Vec<f64>,
    /// Divisors per dimension, all positive.
    pub deviations: Vec<f64>,
}

impl Scaling {
    /// Learns the scaling of `points`. With `standardise` the divisor is the
    /// population standard deviation (of the logarithms with `log`), 1 for a
    /// constant coordinate; without it all divisors are 1.
    ///
    /// # Errors
    /// A negative value with `log`.
    pub fn fit(points: &Points, standardise: bool, log: bool, threads: usize) -> Result<Self, SegmentError> {
        let dimensions = points.dimensions();
        let (low, high) = range(points, threads);
        if log {
            if let Some(dimension) = low.iter().position(|&value| value < 0.0) {
                let value = low[dimension];
                return Err(SegmentError::NegativeLog { dimension, value });
            }
        }
        let transform = |value: f64| if log { value.ln_1p() } else { value };
        let from: Vec<f64> = low.iter().copied().map(transform).collect();
        // Differences from the smallest value: sums of large numbers that hardly
        // differ would lose what they differ in.
        let means: Vec<f64> = mean(points, threads, |axis, value| transform(value) - from[axis])
            .iter()
            .zip(&from)
            .map(|(mean, from)| from + mean)
            .collect();
        let mut deviations = vec![1.0; dimensions];
        if standardise {
            let variances = mean(points, threads, |axis, value| {
                let difference = transform(value) - means[axis];
                difference * difference
            });
            for axis in 0..dimensions {
                if low[axis] < high[axis] && variances[axis] > 0.0 {
                    deviations[axis] = variances[axis].sqrt();
                }
            }
        }
        Ok(Self { log, means, deviations })
    }

    /// One coordinate as the iterations use it.
    #[inline]
    pub fn forward(&self, axis: usize, value: f64) -> f64 {
        let transformed = if self.log { value.ln_1p() } else { value };
        (transformed - self.means[axis]) / self.deviations[axis]
    }

    /// The inverse of [`Scaling::forward`]: original units.
    pub fn backward(&self, scaled: &[f64]) -> Vec<f64> {
        let mut values = scaled.to_vec();
        for row in values.chunks_exact_mut(self.means.len()) {
            for (axis, value) in row.iter_mut().enumerate() {
                let transformed = *value * self.deviations[axis] + self.means[axis];
                *value = if self.log { transformed.exp_m1() } else { transformed };
            }
        }
        values
    }
}

/// Smallest and largest value per dimension.
fn range(points: &Points, threads: usize) -> (Vec<f64>, Vec<f64>) {
    let dimensions = points.dimensions();
    let nothing = || (vec![f64::INFINITY; dimensions], vec![f64::NEG_INFINITY; dimensions]);
    let parts = parallel::map(threads, points.len().div_ceil(CHUNK), |chunk| {
        let (mut low, mut high) = nothing();
        let rows = points.rows(chunk * CHUNK..points.len().min((chunk + 1) * CHUNK));
        for row in rows.chunks_exact(dimensions) {
            for (axis, &value) in row.iter().enumerate() {
                low[axis] = low[axis].min(value);
                high[axis] = high[axis].max(value);
            }
        }
        (low, high)
    });
    parts.into_iter().fold(nothing(), |(mut low, mut high), part| {
        for axis in 0..dimensions {
            low[axis] = low[axis].min(part.0[axis]);
            high[axis] = high[axis].max(part.1[axis]);
        }
        (low, high)
    })
}

/// Weighted mean of `f(axis, value)` per axis.
fn mean(points: &Points, threads: usize, f: impl Fn(usize, f64) -> f64 + Sync) -> Vec<f64> {
    let dimensions = points.dimensions();
    let parts = parallel::map(threads, points.len().div_ceil(CHUNK), |chunk| {
        let range = chunk * CHUNK..points.len().min((chunk + 1) * CHUNK);
        let mut sums = vec![0.0; dimensions];
        let mut partial = vec![0.0; dimensions];
        let weights = points.weights()[range.clone()].chunks(RUN);
        for (rows, weights) in points.rows(range).chunks(RUN * dimensions).zip(weights) {
            partial.fill(0.0);
            for (row, &weight) in rows.chunks_exact(dimensions).zip(weights) {
                let weight = weight as f64;
                for (axis, (partial, &value)) in partial.iter_mut().zip(row).enumerate() {
                    *partial += weight * f(axis, value);
                }
            }
            for (sum, partial) in sums.iter_mut().zip(&partial) {
                *sum += partial;
            }
        }
        sums
    });
    (0..dimensions)
        .map(|axis| parts.iter().map(|part| part[axis]).sum::<f64>() / points.total() as f64)
        .collect()
}
