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

use super::error::SegmentError;
use super::kmeans::{Assigner, Options, Prepared};
use super::parallel;
use super::points::{compare, Points};
use super::scale::Scaling;
use crate::random::Random;

/// The largest number of points that a mixture is fitted to.
pub const FITTED_POINTS: usize = 1 << 16;
/// Largest number of components.
pub const MAX_COMPONENTS: usize = 1000;
/// Most coordinates of a point: covariances grow with their square.
pub const MAX_DIMENSIONS: usize = 100;
/// Added to every variance of scaled coordinates, so that a component of equal
/// points keeps a volume (scikit-learn's default).
const RIDGE: f64 = 1e-6;
/// Iterations end when the mean log likelihood gains less than this.
const TOLERANCE: f64 = 1e-8;
/// Iterations after which starts are compared.
pub const TRIAL: usize = 30;
/// Points handled by one task.
const CHUNK: usize = 1 << 11;

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
    if k > MAX_COMPONENTS {
        return Err(SegmentError::Mixture(format!(
            "argument 'k' is {k}; allowed: 1 to {MAX_COMPONENTS}"
        )));
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
        let mut em = Em::new(some, &prepared.scaling, k, &labels, options.threads);
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
struct Em {
    threads: usize,
    dimensions: usize,
    /// (points, dimensions).
    places: Vec<f64>,
    weights: Vec<f64>,
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
/// that the component had.
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

    /// Adds a point that belongs to component `j` with `mass`, `difference` away
    /// from its mean.
    fn insert(&mut self, j: usize, mass: f64, difference: &[f64]) {
        let dimensions = difference.len();
        self.mass[j] += mass;
        for (a, &da) in difference.iter().enumerate() {
            self.first[j * dimensions + a] += mass * da;
            let row = &mut self.second[(j * dimensions + a) * dimensions..][..dimensions];
            for (sum, &db) in row.iter_mut().zip(difference) {
                *sum += mass * da * db;
            }
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

impl Em {
    /// Starts from a cluster per point.
    fn new(points: &Points, scaling: &Scaling, k: usize, labels: &[usize], threads: usize) -> Self {
        let dimensions = points.dimensions();
        let values = points.values().iter().enumerate();
        let places: Vec<f64> = values
            .map(|(index, &value)| scaling.forward(index % dimensions, value))
            .collect();
        let weights: Vec<f64> = points.weights().iter().map(|&weight| weight as f64).collect();
        let mut components = Components {
            dimensions,
            weights: vec![1.0 / k as f64; k],
            means: vec![0.0; k * dimensions],
            covariances: vec![0.0; k * dimensions * dimensions],
        };
        let mut sums = Sums::new(k, dimensions);
        for ((place, &label), &weight) in places.chunks_exact(dimensions).zip(labels).zip(&weights) {
            sums.insert(label, weight, place);
        }
        components.maximise(&sums);
        Self {
            threads,
            dimensions,
            places,
            weights,
            total: points.total(),
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
        let (k, dimensions) = (self.components.weights.len(), self.dimensions);
        let parts = parallel::map(self.threads, self.weights.len().div_ceil(CHUNK), |chunk| {
            let mut sums = Sums::new(k, dimensions);
            let mut log_likelihood = 0.0;
            let mut probabilities = vec![0.0; k];
            let mut difference = vec![0.0; dimensions];
            for index in chunk * CHUNK..self.weights.len().min((chunk + 1) * CHUNK) {
                let place = &self.places[index * dimensions..][..dimensions];
                let weight = self.weights[index];
                log_likelihood += weight * densities.probabilities(place, &mut probabilities);
                for (j, &probability) in probabilities.iter().enumerate() {
                    let mean = &self.components.means[j * dimensions..][..dimensions];
                    for ((difference, value), mean) in difference.iter_mut().zip(place).zip(mean) {
                        *difference = value - mean;
                    }
                    sums.insert(j, weight * probability, &difference);
                }
            }
            (sums, log_likelihood)
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
        let (k, d) = (self.components.weights.len(), self.dimensions);
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
                for b in 0..d {
                    let at = (j * d + a) * d + b;
                    self.covariances[at] = sums.second[at] / mass - moved[a] * moved[b];
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
