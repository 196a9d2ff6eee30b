//! The components of a Gaussian mixture: densities, the probabilities of points, and the components
//! that follow from them.

use crate::compute::dispatch::Kernel;
use crate::error::Error;
use crate::segment::kmeans::blocks::{Blocks, LANES, Lanes, sum};
use std::ops::Range;

/// Added to every variance of scaled coordinates, so that a component of equal
/// points keeps a volume (scikit-learn's default).
const RIDGE: f64 = 1e-6;

/// Weights, means and covariances of all components, as in [`Mixture`](crate::segment::mixture::Mixture).
#[derive(Clone, Debug)]
pub struct Components {
    pub dimensions: usize,
    pub weights: Vec<f64>,
    pub means: Vec<f64>,
    pub covariances: Vec<f64>,
}

/// Per component: its points, and their first and second moments about the mean
/// that the component had; of the symmetric second ones the lower triangle.
pub struct Sums {
    pub mass: Vec<f64>,
    pub first: Vec<f64>,
    pub second: Vec<f64>,
}

impl Sums {
    pub fn new(k: usize, dimensions: usize) -> Self {
        Self {
            mass: vec![0.0; k],
            first: vec![0.0; k * dimensions],
            second: vec![0.0; k * dimensions * dimensions],
        }
    }

    pub fn combine(&mut self, other: &Self) {
        let pairs = [
            (&mut self.mass, &other.mass),
            (&mut self.first, &other.first),
            (&mut self.second, &other.second),
        ];
        for (sums, others) in pairs {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum += other;
            }
        }
    }
}

impl Components {
    /// The components under which the points are most likely, given to which
    /// components they belong.
    pub fn maximise(&mut self, sums: &Sums) {
        let d = self.dimensions;
        let total: f64 = sums.mass.iter().sum();
        for j in 0..self.weights.len() {
            // A component that has lost its points stays where it is, at a weight
            // that is not zero: its logarithm is taken.
            let mass = sums.mass[j].max(f64::EPSILON);
            self.weights[j] = mass / total;
            let first = &sums.first[j * d..][..d];
            let moved: Vec<f64> = first.iter().map(|sum| sum / mass).collect();
            for a in 0..d {
                self.means[j * d + a] += moved[a];
                for b in 0..=a {
                    let covariance = sums.second[(j * d + a) * d + b] / mass - moved[a] * moved[b];
                    self.covariances[(j * d + a) * d + b] = covariance;
                    self.covariances[(j * d + b) * d + a] = covariance;
                }
                self.covariances[(j * d + a) * d + a] += RIDGE;
            }
        }
    }
}

/// Components made ready for densities.
#[derive(Clone, Debug)]
pub struct Densities {
    pub dimensions: usize,
    pub means: Vec<f64>,
    /// Lower Cholesky factors of the covariances, (k, dimensions, dimensions).
    pub factors: Vec<f64>,
    /// Logarithm of weight × density at the mean.
    pub peaks: Vec<f64>,
}

impl Densities {
    pub fn new(components: &Components) -> Result<Self, Error> {
        let d = components.dimensions;
        let mut factors = Vec::with_capacity(components.covariances.len());
        let mut peaks = Vec::with_capacity(components.weights.len());
        for (j, weight) in components.weights.iter().enumerate() {
            let factor = cholesky(&components.covariances[j * d * d..][..d * d], d)
                .ok_or_else(|| Error::Mixture(format!("the covariance of component {} is singular", j + 1)))?;
            let log_root: f64 = (0..d).map(|axis| factor[axis * d + axis].ln()).sum();
            peaks.push(weight.ln() - log_root - 0.5 * d as f64 * std::f64::consts::TAU.ln());
            factors.extend(factor);
        }
        Ok(Self {
            dimensions: d,
            means: components.means.clone(),
            factors,
            peaks,
        })
    }

    /// The probabilities with which `place` belongs to the components; returns
    /// the logarithm of its density.
    pub fn probabilities(&self, place: &[f64], probabilities: &mut [f64]) -> f64 {
        let d = self.dimensions;
        let mut solved = vec![0.0; d];
        for (j, log_density) in probabilities.iter_mut().enumerate() {
            let mean = &self.means[j * d..][..d];
            let factor = &self.factors[j * d * d..][..d * d];
            let mut square = 0.0;
            for a in 0..d {
                let row = &factor[a * d..][..d];
                let known: f64 = row[..a]
                    .iter()
                    .zip(&solved)
                    .map(|(factor, solved)| factor * solved)
                    .sum();
                solved[a] = (place[a] - mean[a] - known) / row[a];
                square += solved[a] * solved[a];
            }
            // Not a number when infinities met on the way: so far away that it overflows.
            *log_density = if square.is_nan() {
                f64::NEG_INFINITY
            } else {
                self.peaks[j] - 0.5 * square
            };
        }
        // The largest is taken out before the exponential, so that at least one
        // term of the sum is 1.
        let largest = probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            // So far away from everything that the square of the distance
            // overflows: nothing tells the components apart.
            probabilities.fill(1.0 / probabilities.len() as f64);
            return largest;
        }
        let mut sum = 0.0;
        for probability in probabilities.iter_mut() {
            *probability = (*probability - largest).exp();
            sum += *probability;
        }
        for probability in probabilities.iter_mut() {
            *probability /= sum;
        }
        largest + sum.ln()
    }
}

/// The moments of some blocks of points and the sum of their log likelihoods.
///
/// The same as [`Densities::probabilities`], point by point, in loops over lanes.
pub struct Expect<'a> {
    pub blocks: &'a Blocks,
    pub range: Range<usize>,
    pub densities: &'a Densities,
}

impl Kernel for Expect<'_> {
    type Output = (Sums, f64);

    #[inline(always)]
    fn run(self) -> (Sums, f64) {
        let (densities, d) = (self.densities, self.densities.dimensions);
        let k = densities.peaks.len();
        let mut sums = Sums::new(k, d);
        let mut log_likelihood = 0.0;
        let mut shares: Vec<Lanes> = vec![[0.0; LANES]; k];
        let mut solved: Vec<Lanes> = vec![[0.0; LANES]; d];
        for block in self.range {
            let (values, weights) = (self.blocks.values(block), self.blocks.weights(block));
            let mut largest = [f64::NEG_INFINITY; LANES];
            for (j, share) in shares.iter_mut().enumerate() {
                *share = densities.log_densities(j, values, &mut solved);
                for (largest, &share) in largest.iter_mut().zip(share.iter()) {
                    *largest = if share > *largest { share } else { *largest };
                }
            }
            let mut totals = [0.0; LANES];
            for share in &mut shares {
                for ((share, largest), total) in share.iter_mut().zip(&largest).zip(&mut totals) {
                    *share = exp(*share - largest);
                    *total += *share;
                }
            }
            for lane in 0..LANES {
                if largest[lane] == f64::NEG_INFINITY {
                    totals[lane] = k as f64;
                    shares.iter_mut().for_each(|share| share[lane] = 1.0);
                }
                // What fills up the last block has no weight, and may be infinitely unlikely.
                if weights[lane] > 0.0 {
                    log_likelihood += weights[lane] * (largest[lane] + totals[lane].ln());
                }
                totals[lane] = weights[lane] / totals[lane];
            }
            for (j, share) in shares.iter().enumerate() {
                let mass = product(share, &totals);
                sums.mass[j] += sum(&mass);
                for (a, (values, &mean)) in values.iter().zip(&densities.means[j * d..][..d]).enumerate() {
                    let difference = values.map(|value| value - mean);
                    let weighted = product(&mass, &difference);
                    sums.first[j * d + a] += sum(&weighted);
                    solved[a] = difference;
                    for (second, other) in sums.second[(j * d + a) * d..].iter_mut().zip(&solved[..=a]) {
                        *second += sum(&product(&weighted, other));
                    }
                }
            }
        }
        (sums, log_likelihood)
    }
}

#[inline(always)]
fn product(a: &Lanes, b: &Lanes) -> Lanes {
    let mut products = [0.0; LANES];
    for lane in 0..LANES {
        products[lane] = a[lane] * b[lane];
    }
    products
}

impl Densities {
    /// Logarithms of weight × density of component `j` at the points of a block; `solved` is room
    /// for one array per dimension.
    #[inline(always)]
    fn log_densities(&self, j: usize, values: &[Lanes], solved: &mut [Lanes]) -> Lanes {
        let d = self.dimensions;
        let mut squares = [0.0; LANES];
        for a in 0..d {
            let row = &self.factors[(j * d + a) * d..][..d];
            let mean = self.means[j * d + a];
            let mut rest = [0.0; LANES];
            for (rest, value) in rest.iter_mut().zip(&values[a]) {
                *rest = value - mean;
            }
            for (&factor, known) in row[..a].iter().zip(solved.iter()) {
                for (rest, known) in rest.iter_mut().zip(known) {
                    *rest -= factor * known;
                }
            }
            let inverse = 1.0 / row[a];
            for (rest, square) in rest.iter_mut().zip(&mut squares) {
                *rest *= inverse;
                *square += *rest * *rest;
            }
            solved[a] = rest;
        }
        for square in &mut squares {
            let density = self.peaks[j] - 0.5 * *square;
            // Not a number when infinities met on the way: so far away that it overflows.
            *square = if density > f64::NEG_INFINITY {
                density
            } else {
                f64::NEG_INFINITY
            };
        }
        squares
    }
}

/// Adding this to a number of up to 2^50 rounds it to a whole one, which the lowest bits then hold.
const ROUNDING: f64 = (3u64 << 51) as f64;
/// ln 2 in two parts: the first ends in so many zeros that its product with a whole number below 2^11 is exact.
const LN_2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];
/// The coefficients 1/13! … 1/0! of the series of e^r; what is left out is below 1e-17 for |r| ≤ ln 2 / 2.
const SERIES: [f64; 14] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    1.0 / 2.0,
    1.0,
    1.0,
];
/// e^x of anything below is taken as 0; it is less than 1e-304.
const LEAST: f64 = -700.0;

/// e^x for x ≤ 0, without a branch or a call, so that a loop over lanes becomes vector instructions.
#[inline(always)]
fn exp(x: f64) -> f64 {
    let kept = if x > LEAST { x } else { LEAST };
    let rounded = kept * std::f64::consts::LOG2_E + ROUNDING;
    let whole = rounded - ROUNDING;
    let r = (kept - whole * LN_2[0]) - whole * LN_2[1];
    let mut power = 0.0;
    for coefficient in SERIES {
        power = power * r + coefficient;
    }
    // Adds the whole number to the exponent.
    let scaled = f64::from_bits(power.to_bits().wrapping_add(rounded.to_bits() << 52));
    if x > LEAST { scaled } else { 0.0 }
}

/// The lower triangular factor of a symmetric matrix, or nothing when it is not
/// positive definite.
fn cholesky(matrix: &[f64], d: usize) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; d * d];
    for a in 0..d {
        for b in 0..=a {
            let known: f64 = (0..b).map(|c| factor[a * d + c] * factor[b * d + c]).sum();
            let rest = matrix[a * d + b] - known;
            if a != b {
                factor[a * d + b] = rest / factor[b * d + b];
            } else if rest > 0.0 && rest.is_finite() {
                factor[a * d + a] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    Some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::dispatch;
    use crate::random::Random;
    use crate::segment::points::Points;
    use crate::segment::scale::Scaling;

    #[test]
    fn the_exponential_agrees_with_the_library() {
        for step in 0..200_000 {
            let x = -f64::from(step) * 0.003_51;
            let expected = if x > LEAST { x.exp() } else { 0.0 };
            assert!(
                (exp(x) - expected).abs() <= 3e-16 * expected,
                "{x}: {} {expected}",
                exp(x)
            );
        }
        assert_eq!((exp(0.0), exp(f64::NEG_INFINITY), exp(f64::NAN)), (1.0, 0.0, 0.0));
    }

    /// The moments of all lanes are those of the points one by one, also of points that are
    /// infinitely far away and of a block that is not full.
    #[test]
    fn the_moments_are_those_of_the_probabilities() {
        let mut random = Random::new(5);
        let mut values: Vec<f64> = (0..2 * 75).map(|_| random.normal()).collect();
        values[..2].copy_from_slice(&[1e120, -1e120]);
        let points = Points::new(&values, 2, 1).unwrap();
        let scaling = Scaling {
            log: false,
            means: vec![0.0; 2],
            deviations: vec![1e-80; 2],
            variance: 1.0,
        };
        let blocks = Blocks::new(&points, &scaling, 1);
        let densities = Densities::new(&Components {
            dimensions: 2,
            weights: vec![0.3, 0.5, 0.2],
            means: vec![0.0, 0.1, -1.0, 2.0, 1.5, 0.5],
            covariances: [[1.0, 0.3, 0.3, 0.7], [2.0, -0.5, -0.5, 0.5], [0.2, 0.0, 0.0, 3.0]].concat(),
        });
        for blocks in [
            blocks,
            Blocks::new(
                &points,
                &Scaling {
                    deviations: vec![1.0; 2],
                    ..scaling
                },
                1,
            ),
        ] {
            let densities = densities.as_ref().unwrap();
            let (found, log_likelihood) = dispatch::run(Expect {
                blocks: &blocks,
                range: 0..blocks.len(),
                densities,
            });
            let (mut expected, mut expected_likelihood) = (Sums::new(3, 2), 0.0);
            for index in 0..points.len() {
                let (place, mut probabilities) = (blocks.point(index), [0.0; 3]);
                expected_likelihood += densities.probabilities(&place, &mut probabilities);
                for (j, probability) in probabilities.iter().enumerate() {
                    expected.mass[j] += probability;
                    for a in 0..2 {
                        let difference = |axis: usize| place[axis] - densities.means[j * 2 + axis];
                        expected.first[j * 2 + a] += probability * difference(a);
                        for b in 0..=a {
                            expected.second[(j * 2 + a) * 2 + b] += probability * difference(a) * difference(b);
                        }
                    }
                }
            }
            let pairs = |found: &[f64], expected: &[f64]| {
                for (found, expected) in found.iter().zip(expected) {
                    let close = (found - expected).abs() <= 1e-9 * expected.abs().max(1.0);
                    assert!(close || found == expected, "{found} {expected}");
                }
            };
            pairs(&found.mass, &expected.mass);
            pairs(&found.first, &expected.first);
            pairs(&found.second, &expected.second);
            pairs(&[log_likelihood], &[expected_likelihood]);
        }
    }
}
