//! From features in their own units to comparable coordinates.
//!
//! Days, counts and money have different units, and k-means adds their squares:
//! without standardising the widest feature decides alone. Money is skewed as
//! well; its logarithm keeps a few large customers from taking a cluster each. Refunds can leave it
//! below zero, so the logarithm is one that keeps the sign.

use crate::compute::parallel;
use crate::segment::points::Points;

/// Points whose moments are taken at once: keeps the rounding error from growing
/// with the number of points.
const RUN: usize = 256;
/// Points handled by one task.
const CHUNK: usize = 1 << 15;

/// What is done to a coordinate before distances are taken:
/// `(f(x) - mean) / deviation` with f = [`logarithm`] or identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// Whether f is the logarithm.
    pub log: bool,
    /// Mean of f(x) per dimension; takes no part in distances.
    pub means: Vec<f64>,
    /// Divisors per dimension, all positive.
    pub deviations: Vec<f64>,
    /// Mean variance of the coordinates after scaling.
    pub variance: f64,
}

impl Scaling {
    /// Learns the scaling of `points`. With `standardise` the divisor is the
    /// population standard deviation (of the logarithms with `log`), 1 for a
    /// constant coordinate; without it all divisors are 1.
    pub fn fit(points: &Points, standardise: bool, log: bool, threads: usize) -> Self {
        let (low, high) = (points.low(), points.high());
        let moments = moments(points, log, threads);
        let means = moments.iter().map(|moments| moments.mean).collect();
        let deviations = moments.iter().zip(low.iter().zip(high)).map(|(moments, (low, high))| {
            if standardise && low < high && moments.variance() > 0.0 {
                moments.variance().sqrt()
            } else {
                1.0
            }
        });
        let deviations: Vec<f64> = deviations.collect();
        let scaled = moments.iter().zip(&deviations);
        let variances = scaled.map(|(moments, deviation)| moments.variance() / (deviation * deviation));
        Self {
            variance: variances.sum::<f64>() / moments.len() as f64,
            log,
            means,
            deviations,
        }
    }

    /// Keeps noise that was taken out of the points small in the points that are assigned later:
    /// where it is `widths` wide, the divisor is at least a thousand times that.
    pub(super) fn drown(&mut self, widths: &[Option<f64>]) {
        for (deviation, width) in self.deviations.iter_mut().zip(widths) {
            *deviation = deviation.max(1e3 * width.unwrap_or(0.0));
        }
    }

    /// One coordinate as the iterations use it.
    #[inline]
    pub fn forward(&self, axis: usize, value: f64) -> f64 {
        let transformed = if self.log { logarithm(value) } else { value };
        (transformed - self.means[axis]) / self.deviations[axis]
    }

    /// Coordinates of dimension `axis` as the iterations use them, in place.
    #[inline]
    pub fn forward_all(&self, axis: usize, values: &mut [f64]) {
        if self.log {
            for value in values.iter_mut() {
                *value = logarithm(*value);
            }
        }
        let (mean, deviation) = (self.means[axis], self.deviations[axis]);
        for value in values {
            *value = (*value - mean) / deviation;
        }
    }

    /// The inverse of [`Scaling::forward`]: original units.
    pub fn backward(&self, scaled: &[f64]) -> Vec<f64> {
        let mut values = scaled.to_vec();
        for row in values.chunks_exact_mut(self.means.len()) {
            for (axis, value) in row.iter_mut().enumerate() {
                let transformed = *value * self.deviations[axis] + self.means[axis];
                *value = if self.log {
                    exponential(transformed)
                } else {
                    transformed
                };
            }
        }
        values
    }
}

/// sign(x) log(1 + |x|): log1p, continued to numbers below zero as their mirror image.
#[inline]
pub fn logarithm(x: f64) -> f64 {
    x.abs().ln_1p().copysign(x)
}

/// The inverse of [`logarithm`].
#[inline]
pub fn exponential(x: f64) -> f64 {
    x.abs().exp_m1().copysign(x)
}

/// Weight, mean and sum of squared deviations of some numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    weight: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn variance(&self) -> f64 {
        self.squares / self.weight
    }

    /// Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
    /// computing sample variances", 1979.
    fn combine(&mut self, other: Self) {
        let weight = self.weight + other.weight;
        if weight == 0.0 {
            return;
        }
        let difference = other.mean - self.mean;
        self.mean += difference * (other.weight / weight);
        self.squares += other.squares + difference * difference * (self.weight * other.weight / weight);
        self.weight = weight;
    }
}

/// The moments of every dimension. Each run of points is read twice while it
/// is at hand, for its mean and for the squares.
fn moments(points: &Points, log: bool, threads: usize) -> Vec<Moments> {
    let dimensions = points.dimensions();
    let transform = |value: f64| if log { logarithm(value) } else { value };
    let parts = parallel::map(threads, points.len().div_ceil(CHUNK), |chunk| {
        let range = chunk * CHUNK..points.len().min((chunk + 1) * CHUNK);
        let mut moments = vec![Moments::default(); dimensions];
        let mut column = [0.0; RUN];
        for first in range.clone().step_by(RUN) {
            let run = first..range.end.min(first + RUN);
            let weights = &points.weights()[run.clone()];
            let rows = points.rows(run);
            let total = weights.iter().map(|&weight| weight as f64).sum::<f64>();
            for (axis, moments) in moments.iter_mut().enumerate() {
                let origin = transform(rows[axis]);
                let mut sum = 0.0;
                for ((slot, row), &weight) in column.iter_mut().zip(rows.chunks_exact(dimensions)).zip(weights) {
                    *slot = transform(row[axis]) - origin;
                    sum += *slot * weight as f64;
                }
                let mean = sum / total;
                let squares = column.iter().zip(weights);
                moments.combine(Moments {
                    weight: total,
                    mean: mean + origin,
                    squares: squares
                        .map(|(value, &weight)| (value - mean) * (value - mean) * weight as f64)
                        .sum(),
                });
            }
        }
        moments
    });
    let mut all = vec![Moments::default(); dimensions];
    for part in parts {
        for (all, moments) in all.iter_mut().zip(part) {
            all.combine(moments);
        }
    }
    all
}
