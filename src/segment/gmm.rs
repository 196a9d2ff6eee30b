//! Gaussian mixtures: soft segments of any orientation and spread.
//!
//! Each component has a weight, a mean and a full covariance; a point belongs to
//! every component with a probability. Fitted by expectation and maximisation
//! (Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the
//! EM algorithm", 1977). The first of `n_init` starts are the clusters that
//! k-means finds, the others those of single starts of k-means; each is iterated
//! [`TRIAL`] times, and the most likely one goes on.
//!
//! The iterations are our own and not linfa-clustering's: that crate takes the
//! logarithm of a sum of densities that underflow for a point some forty
//! standard deviations away from every component, which one large customer is,
//! and has no weights for merged points. Densities are added as logarithms here.
//! On data without such points the two agree (a test).
//!
//! Up to [`FITTED_POINTS`] distinct points the fit is exact; above, it is taken
//! over a sample of this many points ([`Points::sample`]).
//!
//! Cost: O(points × k × dimensions²) per iteration.

use super::blocks::{sum, Blocks, Lanes, LANES};
use super::error::SegmentError;
use super::kmeans::{Assigner, Options, Prepared};
use super::parallel;
use super::points::{compare, Points};
use super::scale::Scaling;
use super::wide::{self, Kernel};
use crate::random::Random;
use std::ops::Range;

/// The largest number of points that a mixture is fitted to.
pub const FITTED_POINTS: usize = 1 << 15;
/// Largest number of components.
pub const MAX_COMPONENTS: usize = 1000;
/// Most coordinates of a point: covariances grow with their square.
pub const MAX_DIMENSIONS: usize = 100;
/// Added to every variance of scaled coordinates, so that a component of equal
/// points keeps a volume (scikit-learn's default).
const RIDGE: f64 = 1e-6;
/// Iterations end when the mean log likelihood gains less than this.
const TOLERANCE: f64 = 1e-6;
/// Iterations after which starts are compared.
pub const TRIAL: usize = 10;
/// Blocks of points handled by one task.
const CHUNK: usize = 1 << 6;

/// A fitted mixture.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// Whether the components are those of the logarithms (log1p) of the points.
    pub log: bool,
    /// Share of the points per component, not increasing; sums to 1.
    pub weights: Vec<f64>,
    /// (k, dimensions) in the units of the points.
    pub means: Vec<f64>,
    /// (k, dimensions, dimensions) in the units of the points, of their
    /// logarithms with `log`.
    pub covariances: Vec<f64>,
    /// Mean logarithm of the density of the points that the mixture was fitted
    /// to, per unit of the points (of their logarithms with `log`).
    pub log_likelihood: f64,
    /// Bayesian information criterion (Schwarz, "Estimating the dimension of a
    /// model", 1978); lower is better.
    pub bic: f64,
    pub iterations: usize,
    /// Number of points that the mixture was fitted to.
    pub n_points: u64,
    pub seed: u64,
}

impl Mixture {
    /// Number of components.
    pub fn k(&self) -> usize {
        self.weights.len()
    }

    /// Coordinates per point.
    pub fn dimensions(&self) -> usize {
        self.means.len() / self.k()
    }
}

/// Fits a mixture of `k` components to `points`.
///
/// # Errors
/// `k` is 0, above [`MAX_COMPONENTS`] or above the number of distinct points;
/// more than [`MAX_DIMENSIONS`] coordinates; a setting is 0; a negative
/// coordinate with `log`.
pub fn fit(points: &Points, k: usize, options: &Options) -> Result<Mixture, SegmentError> {
    if !(1..=MAX_COMPONENTS).contains(&k) {
        return Err(SegmentError::Components { found: k });
    }
    if points.dimensions() > MAX_DIMENSIONS {
        return Err(SegmentError::Mixture(format!(
            "argument 'points' has {} coordinates per point; allowed: 1 to {MAX_DIMENSIONS}",
            points.dimensions()
        )));
    }
    let sample;
    let some = if points.len() <= FITTED_POINTS {
        points
    } else {
        let offset = Random::for_purpose(options.seed, "gmm").uniform();
        sample = points.sample(FITTED_POINTS as u64, offset);
        &sample
    };
    let prepared = Prepared::new(some, options)?;
    let best_clusters = Assigner::new(&prepared.fit(k)?)?;
    let mut runs = Vec::new();
    for start in 0..options.n_init {
        let mut labels = vec![0; some.len()];
        if start == 0 {
            best_clusters.assign_rows(some.values(), |row, cluster, _| labels[row] = cluster);
        } else {
            prepared.one_start(k, start, &mut labels);
        }
        let mut em = Em::new(prepared.blocks(), &labels, k, some.total(), options.threads);
        let last = options.max_iterations.min(TRIAL);
        em.run(last)?;
        runs.push(em);
    }
    let best = runs.into_iter().reduce(|best, next| {
        if next.log_likelihood > best.log_likelihood {
            next
        } else {
            best
        }
    });
    let mut em = best.unwrap_or_else(|| unreachable!("the settings ask for at least one start"));
    em.run(options.max_iterations)?;
    Ok(em.finish(&prepared.scaling, options))
}

/// The fit in scaled coordinates.
struct Em<'a> {
    threads: usize,
    blocks: &'a Blocks,
    total: u64,
    components: Components,
    /// Mean over the points, in scaled coordinates.
    log_likelihood: f64,
    iterations: usize,
    converged: bool,
}

/// Weights, means and covariances of all components, as in [`Mixture`].
#[derive(Clone, Debug)]
struct Components {
    dimensions: usize,
    weights: Vec<f64>,
    means: Vec<f64>,
    covariances: Vec<f64>,
}

/// Per component: its points, and their first and second moments about the mean
/// that the component had; of the symmetric second ones the lower triangle.
struct Sums {
    mass: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Sums {
    fn new(k: usize, dimensions: usize) -> Self {
        Self {
            mass: vec![0.0; k],
            first: vec![0.0; k * dimensions],
            second: vec![0.0; k * dimensions * dimensions],
        }
    }

    fn combine(&mut self, other: &Self) {
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

impl<'a> Em<'a> {
    /// Starts from a cluster per point.
    fn new(blocks: &'a Blocks, labels: &[usize], k: usize, total: u64, threads: usize) -> Self {
        let dimensions = blocks.dimensions();
        let mut components = Components {
            dimensions,
            weights: vec![1.0 / k as f64; k],
            means: vec![0.0; k * dimensions],
            covariances: vec![0.0; k * dimensions * dimensions],
        };
        let mut sums = Sums::new(k, dimensions);
        for (index, &label) in labels.iter().enumerate() {
            let weight = blocks.weights(index / LANES)[index % LANES];
            let place = blocks.point(index);
            sums.mass[label] += weight;
            for (a, value) in place.iter().enumerate() {
                sums.first[label * dimensions + a] += weight * value;
                for (b, other) in place[..=a].iter().enumerate() {
                    sums.second[(label * dimensions + a) * dimensions + b] += weight * value * other;
                }
            }
        }
        components.maximise(&sums);
        Self {
            threads,
            blocks,
            total,
            components,
            log_likelihood: f64::NEG_INFINITY,
            iterations: 0,
            converged: false,
        }
    }

    /// Iterates until the likelihood gains no more, or `max_iterations` have
    /// been done in all.
    fn run(&mut self, max_iterations: usize) -> Result<(), SegmentError> {
        let mut before = f64::NEG_INFINITY;
        while !self.converged {
            let (sums, log_likelihood) = self.expect()?;
            self.converged = log_likelihood - before < TOLERANCE;
            self.log_likelihood = log_likelihood;
            before = log_likelihood;
            if self.converged || self.iterations >= max_iterations {
                break;
            }
            self.iterations += 1;
            self.components.maximise(&sums);
        }
        Ok(())
    }

    /// The moments under the present components, and the mean log likelihood.
    fn expect(&self) -> Result<(Sums, f64), SegmentError> {
        let densities = Densities::new(&self.components)?;
        let (k, dimensions) = (self.components.weights.len(), self.blocks.dimensions());
        let parts = parallel::map(self.threads, self.blocks.len().div_ceil(CHUNK), |chunk| {
            wide::run(Expect {
                blocks: self.blocks,
                range: chunk * CHUNK..self.blocks.len().min((chunk + 1) * CHUNK),
                densities: &densities,
            })
        });
        let mut sums = Sums::new(k, dimensions);
        let mut log_likelihood = 0.0;
        for (part, likelihood) in &parts {
            sums.combine(part);
            log_likelihood += likelihood;
        }
        Ok((sums, log_likelihood / self.total as f64))
    }

    /// The mixture in the units of the points, components by weight.
    fn finish(self, scaling: &Scaling, options: &Options) -> Mixture {
        let (k, d) = (self.components.weights.len(), self.components.dimensions);
        let means = scaling.backward(&self.components.means);
        let mean = |j: usize| &means[j * d..][..d];
        let weights = &self.components.weights;
        let mut order: Vec<usize> = (0..k).collect();
        order.sort_by(|&a, &b| {
            let by_weight = weights[b].total_cmp(&weights[a]);
            by_weight.then_with(|| compare(mean(a), mean(b)))
        });
        let covariance = |j: usize| {
            let scales = (0..d).flat_map(|a| (0..d).map(move |b| (a, b)));
            let scaled = &self.components.covariances[j * d * d..][..d * d];
            let units = scales.map(|(a, b)| scaling.deviations[a] * scaling.deviations[b]);
            scaled
                .iter()
                .zip(units)
                .map(|(value, unit)| value * unit)
                .collect::<Vec<f64>>()
        };
        // The density per unit of the points, not per standard deviation.
        let log_likelihood = self.log_likelihood - scaling.deviations.iter().map(|scale| scale.ln()).sum::<f64>();
        let n_parameters = (k - 1 + k * d + k * d * (d + 1) / 2) as f64;
        let total = self.total as f64;
        Mixture {
            log: scaling.log,
            weights: order.iter().map(|&j| weights[j]).collect(),
            means: order.iter().flat_map(|&j| mean(j)).copied().collect(),
            covariances: order.iter().flat_map(|&j| covariance(j)).collect(),
            log_likelihood,
            bic: n_parameters * total.ln() - 2.0 * total * log_likelihood,
            iterations: self.iterations,
            n_points: self.total,
            seed: options.seed,
        }
    }
}

impl Components {
    /// The components under which the points are most likely, given to which
    /// components they belong.
    fn maximise(&mut self, sums: &Sums) {
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
struct Densities {
    dimensions: usize,
    means: Vec<f64>,
    /// Lower Cholesky factors of the covariances, (k, dimensions, dimensions).
    factors: Vec<f64>,
    /// Logarithm of weight × density at the mean.
    peaks: Vec<f64>,
}

impl Densities {
    fn new(components: &Components) -> Result<Self, SegmentError> {
        let d = components.dimensions;
        let mut factors = Vec::with_capacity(components.covariances.len());
        let mut peaks = Vec::with_capacity(components.weights.len());
        for (j, weight) in components.weights.iter().enumerate() {
            let factor = cholesky(&components.covariances[j * d * d..][..d * d], d)
                .ok_or_else(|| SegmentError::Mixture(format!("the covariance of component {} is singular", j + 1)))?;
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
    fn probabilities(&self, place: &[f64], probabilities: &mut [f64]) -> f64 {
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
struct Expect<'a> {
    blocks: &'a Blocks,
    range: Range<usize>,
    densities: &'a Densities,
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
    if x > LEAST {
        scaled
    } else {
        0.0
    }
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

/// A mixture made ready for assigning points.
#[derive(Clone, Debug)]
pub struct Membership {
    log: bool,
    densities: Densities,
}

impl Membership {
    /// Checks the parts of a mixture that probabilities need: `weights` (k),
    /// `means` (k, dimensions), `covariances` (k, dimensions, dimensions).
    ///
    /// # Errors
    /// When they do not fit together.
    pub fn from_parts(weights: &[f64], means: &[f64], covariances: &[f64], log: bool) -> Result<Self, SegmentError> {
        let k = weights.len();
        let dimensions = means.len().checked_div(k).unwrap_or(0);
        if dimensions == 0 || means.len() != k * dimensions || covariances.len() != means.len() * dimensions {
            return Err(SegmentError::Model(format!(
                "{k} weights, {} coordinates of means and {} covariances",
                means.len(),
                covariances.len()
            )));
        }
        if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight > 0.0)) {
            return Err(SegmentError::Model(format!("a weight of {weight}")));
        }
        let lowest = if log { -1.0 } else { f64::NEG_INFINITY };
        if let Some(value) = means.iter().find(|value| !(value.is_finite() && **value > lowest)) {
            return Err(SegmentError::Model(format!("a mean of {value}")));
        }
        let components = Components {
            dimensions,
            weights: weights.to_vec(),
            means: means
                .iter()
                .map(|&value| if log { value.ln_1p() } else { value })
                .collect(),
            covariances: covariances.to_vec(),
        };
        let densities = Densities::new(&components)
            .map_err(|_| SegmentError::Model("a covariance that is not positive definite".into()))?;
        Ok(Self { log, densities })
    }

    /// Coordinates per point.
    pub fn dimensions(&self) -> usize {
        self.densities.dimensions
    }

    /// Whether coordinates are taken as logarithms.
    pub fn log(&self) -> bool {
        self.log
    }

    /// The probabilities with which `point` belongs to the components.
    ///
    /// # Panics
    /// When the point has another number of coordinates.
    pub fn probabilities(&self, point: &[f64]) -> Vec<f64> {
        assert_eq!(point.len(), self.dimensions(), "one coordinate per dimension");
        let mut probabilities = vec![0.0; self.densities.peaks.len()];
        if self.log {
            let place: Vec<f64> = point.iter().map(|value| value.ln_1p()).collect();
            self.densities.probabilities(&place, &mut probabilities);
        } else {
            self.densities.probabilities(point, &mut probabilities);
        }
        probabilities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let (found, log_likelihood) = wide::run(Expect {
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
