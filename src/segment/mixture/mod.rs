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

mod density;

use crate::compute::dispatch;
use crate::compute::parallel;
use crate::error::Error;
use crate::limits::{MAX_COMPONENTS, MAX_DIMENSIONS};
use crate::random::Random;
use crate::segment::kmeans::blocks::{Blocks, LANES};
use crate::segment::kmeans::model::Assigner;
use crate::segment::kmeans::{Options, Prepared};
use crate::segment::mixture::density::{Components, Densities, Expect, Sums};
use crate::segment::points::{Points, compare};
use crate::segment::scale::{Scaling, logarithm};

/// The largest number of points that a mixture is fitted to.
pub const FITTED_POINTS: usize = 1 << 15;
/// Iterations end when the mean log likelihood gains less than this.
const TOLERANCE: f64 = 1e-6;
/// Iterations after which starts are compared.
pub const TRIAL: usize = 10;
/// Blocks of points handled by one task.
const CHUNK: usize = 1 << 6;

/// A fitted mixture.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// Whether the components are those of the logarithms ([`logarithm`]) of the points.
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
    /// Iterations of the start that was taken.
    pub iterations: usize,
    /// Number of points that the mixture was fitted to.
    pub n_points: u64,
    /// Seed of the starts and of the sample.
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
/// more than [`MAX_DIMENSIONS`] coordinates; a setting is 0.
pub fn fit(points: &Points, k: usize, options: &Options) -> Result<Mixture, Error> {
    if !(1..=MAX_COMPONENTS).contains(&k) {
        return Err(Error::Components { found: k });
    }
    if points.dimensions() > MAX_DIMENSIONS {
        return Err(Error::Mixture(format!(
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
    let some = prepared.points();
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
    fn run(&mut self, max_iterations: usize) -> Result<(), Error> {
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
    fn expect(&self) -> Result<(Sums, f64), Error> {
        let densities = Densities::new(&self.components)?;
        let (k, dimensions) = (self.components.weights.len(), self.blocks.dimensions());
        let parts = parallel::map(self.threads, self.blocks.len().div_ceil(CHUNK), |chunk| {
            dispatch::run(Expect {
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
    pub fn from_parts(weights: &[f64], means: &[f64], covariances: &[f64], log: bool) -> Result<Self, Error> {
        let k = weights.len();
        let dimensions = means.len().checked_div(k).unwrap_or(0);
        if dimensions == 0 || means.len() != k * dimensions || covariances.len() != means.len() * dimensions {
            return Err(Error::DamagedMixture(format!(
                "{k} weights, {} coordinates of means and {} covariances",
                means.len(),
                covariances.len()
            )));
        }
        if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight > 0.0)) {
            return Err(Error::DamagedMixture(format!("a weight of {weight}")));
        }
        if let Some(value) = means.iter().find(|value| !value.is_finite()) {
            return Err(Error::DamagedMixture(format!("a mean of {value}")));
        }
        let components = Components {
            dimensions,
            weights: weights.to_vec(),
            means: means
                .iter()
                .map(|&value| if log { logarithm(value) } else { value })
                .collect(),
            covariances: covariances.to_vec(),
        };
        let densities = Densities::new(&components)
            .map_err(|_| Error::DamagedMixture("a covariance that is not positive definite".into()))?;
        Ok(Self { log, densities })
    }

    /// Coordinates per point.
    pub fn dimensions(&self) -> usize {
        self.densities.dimensions
    }

    /// The probabilities with which `point` belongs to the components.
    ///
    /// # Panics
    /// When the point has another number of coordinates.
    pub fn probabilities(&self, point: &[f64]) -> Vec<f64> {
        assert_eq!(point.len(), self.dimensions(), "one coordinate per dimension");
        let mut probabilities = vec![0.0; self.densities.peaks.len()];
        if self.log {
            let place: Vec<f64> = point.iter().map(|&value| logarithm(value)).collect();
            self.densities.probabilities(&place, &mut probabilities);
        } else {
            self.densities.probabilities(point, &mut probabilities);
        }
        probabilities
    }
}
