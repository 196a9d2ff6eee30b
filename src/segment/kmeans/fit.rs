//! k-means: several starts and the best clustering of them.
//!
//! # Steps
//! 1. Coordinates that hold only rounding noise become constant (`noise`), and all are scaled
//!    ([`crate::segment::scale`]).
//! 2. `n_init` starts ([`crate::segment::kmeans::start`]), each with its own random numbers, are
//!    iterated ([`crate::segment::kmeans::lloyd`]) until no point changes its cluster.
//!    Up to [`FEW`] distinct points, single points are then moved as long as
//!    that helps ([`crate::segment::kmeans::exchange`]).
//!    Of more than [`MANY`] distinct points `TRIES` starts for each that is asked for are drawn
//!    from a weighted sample ([`crate::segment::kmeans::coreset`]) and iterated on it (Bradley and Fayyad, "Refining
//!    initial points for k-means clustering", 1998): what is far from its end moves on few points.
//!    The best, `KEPT` at most, go on with all points, until the centroids have come to rest
//!    within `TOLERANCE`.
//! 3. The start with the smallest inertia is taken. Up to [`FEW`] distinct
//!    points, each of its centroids in turn is tried elsewhere.
//! 4. Sizes and inertia are counted with the finished model in original units,
//!    as [`Assigner`] will use it; clusters are numbered by size, largest first,
//!    equal sizes by their centroids.
//!
//! Cost: O(points × k × dimensions) per iteration at worst; the bounds in
//! `lloyd` leave a small part of it in low dimensions.
//!
//! ```
//! use footfall::segment::kmeans::{fit, Options};
//! use footfall::segment::kmeans::model::Assigner;
//! use footfall::segment::points::Points;
//!
//! let points = Points::new(&[1.0, 1.0, 1.0, 2.0, 1.0, 3.0, 9.0, 9.0], 2, 1)?;
//! let model = fit(&points, 2, &Options::default())?;
//! assert_eq!(model.sizes, [3, 1]);
//! assert_eq!(model.centroids, [1.0, 2.0, 9.0, 9.0]);
//! assert_eq!(Assigner::new(&model)?.assign(&[8.0, 9.0]).0, 1);
//! # Ok::<(), footfall::error::Error>(())
//! ```

use crate::compute::job;
use crate::compute::parallel;
use crate::error::Error;
use crate::limits::MAX_CLUSTERS;
use crate::random::{Random, hash};
use crate::segment::kmeans::blocks::{Blocks, SLACK};
use crate::segment::kmeans::coreset;
use crate::segment::kmeans::exchange::Singles;
use crate::segment::kmeans::lloyd::{self, Lloyd};
use crate::segment::kmeans::model::{Assigner, Model};
use crate::segment::kmeans::start::{Start, another};
use crate::segment::noise;
use crate::segment::points::{Points, compare};
use crate::segment::scale::Scaling;
use std::borrow::Cow;

/// Up to this many distinct points the search goes on where Lloyd's iterations
/// end: there is time for it, a single point can weigh much, and a second
/// thread is not worth starting.
pub const FEW: usize = 4096;
/// Above this many distinct points starts are looked for on a sample.
pub const MANY: usize = 8 * SAMPLE;
/// Rows of that sample.
const SAMPLE: usize = 1 << 15;
/// Starts that are tried on the sample for one that is asked for, and how many there are at least.
const TRIES: usize = 2;
const MIN_TRIES: usize = 4;
/// Starts that go on with all points.
const KEPT: usize = 3;
/// Many points are iterated until the squared ways of all centroids to the means of their points
/// add up to less than this share of the mean variance of the coordinates (scikit-learn's default).
const TOLERANCE: f64 = 1e-4;
/// A sample with fewer distinct points per cluster is not used.
const PER_CLUSTER: usize = 64;
/// Attempts per cluster without success after which the search ends.
const PATIENCE: usize = 10;
/// Shares of the inertia that do not count as success.
const LESS: f64 = 1e-12;
/// Rows handled by one task.
const CHUNK: usize = 1 << 13;

/// Settings of [`fit`].
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Seed of all random numbers.
    pub seed: u64,
    /// Number of starts, 1 or more.
    pub n_init: usize,
    /// Limit of iterations per start, 1 or more.
    pub max_iterations: usize,
    /// Whether coordinates are divided by their standard deviation.
    pub standardise: bool,
    /// Whether logarithms, sign(x) log(1 + |x|), are taken first.
    pub log: bool,
    /// How starts are found.
    pub start: Start,
    /// Number of threads, 1 or more; does not change the result.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 42,
            n_init: 10,
            max_iterations: 300,
            standardise: true,
            log: false,
            start: Start::PlusPlus,
            threads: 1,
        }
    }
}

impl Options {
    fn check(&self) -> Result<(), Error> {
        for (option, found) in [
            ("n_init", self.n_init),
            ("max_iterations", self.max_iterations),
            ("threads", self.threads),
        ] {
            if found == 0 {
                return Err(Error::option(option, 0, "1 or more"));
            }
        }
        Ok(())
    }
}

/// Points made ready for clustering with one set of options and any k.
#[derive(Clone, Debug)]
pub struct Prepared<'a> {
    /// Without noise.
    points: Cow<'a, Points>,
    options: Options,
    /// Whether there was some.
    was_noisy: bool,
    pub(in crate::segment) scaling: Scaling,
    blocks: Blocks,
    /// Of many points some.
    sample: Option<Blocks>,
}

impl<'a> Prepared<'a> {
    /// Checks the options and scales the points.
    ///
    /// # Errors
    /// A setting is 0.
    pub fn new(points: &'a Points, options: &Options) -> Result<Self, Error> {
        options.check()?;
        let (points, noise) = noise::flatten(points, options.log, options.threads)?;
        let mut scaling = Scaling::fit(&points, options.standardise, options.log, options.threads);
        scaling.drown(&noise);
        let blocks = Blocks::new(&points, &scaling, options.threads);
        let sample = if points.len() > MANY {
            let seed = Random::for_purpose(options.seed, "sample of starts").next_u64();
            let sample = coreset::draw(&points, &blocks, &scaling, SAMPLE, seed, options.threads)?;
            Some(Blocks::new(&sample, &scaling, options.threads))
        } else {
            None
        };
        Ok(Self {
            points,
            was_noisy: noise.iter().any(Option::is_some),
            options: options.clone(),
            scaling,
            blocks,
            sample,
        })
    }

    /// Clusters the points into `k` clusters.
    ///
    /// # Errors
    /// `k` is 0, above [`MAX_CLUSTERS`] or above the number of distinct points.
    pub fn fit(&self, k: usize) -> Result<Model, Error> {
        if !(1..=MAX_CLUSTERS).contains(&k) {
            return Err(Error::Clusters {
                argument: "k",
                found: k as i64,
            });
        }
        let too_many = |distinct, was_noisy| Error::TooManyClusters {
            argument: "k",
            found: k,
            distinct,
            was_noisy,
        };
        if k > self.points.len() {
            return Err(too_many(self.points.len(), self.was_noisy));
        }
        let sample = self
            .sample
            .as_ref()
            .filter(|sample| sample.n_points() >= PER_CLUSTER * k);
        let best = match sample {
            Some(sample) => self.best_of_sample(sample, k),
            None => best_start(&self.blocks, k, &self.options),
        };
        let mut model = Model {
            log: self.options.log,
            centroids: self.in_units(&best.centroids),
            scale: self.scaling.deviations.clone(),
            sizes: vec![0; k],
            inertia: 0.0,
            iterations: best.iterations,
            seed: self.options.seed,
        };
        count(&mut model, &self.points, self.options.threads)?;
        // Points that differ may be one once they are scaled: 0 and 1e-200 beside 1.
        if model.sizes.contains(&0) {
            let distinct = self.n_places();
            if k > distinct {
                return Err(too_many(distinct, true));
            }
        }
        number_by_size(&mut model);
        Ok(model)
    }
}

impl Prepared<'_> {
    /// The points without noise.
    pub(in crate::segment) fn points(&self) -> &Points {
        &self.points
    }

    /// The points, scaled.
    pub(in crate::segment) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// How many of the points differ where distances are taken.
    fn n_places(&self) -> usize {
        let mut places: Vec<Vec<f64>> = (0..self.points.len()).map(|index| self.blocks.point(index)).collect();
        places.sort_by(|a, b| compare(a, b));
        places.dedup();
        places.len()
    }

    /// The best clustering of many points from starts that were found on a sample.
    fn best_of_sample(&self, sample: &Blocks, k: usize) -> Run {
        let tolerance = TOLERANCE * self.scaling.variance;
        let runs = starts_on_sample(sample, k, &self.options).into_iter().map(|start| {
            let mut lloyd = Lloyd::relaxed(&self.blocks, start, self.options.threads);
            lloyd.run_roughly(self.options.max_iterations, tolerance);
            job::step_done();
            Run::of(&lloyd)
        });
        best(runs)
    }

    /// The clusters of one start and nothing more.
    pub(in crate::segment) fn one_start(&self, k: usize, start: usize, clusters: &mut [usize]) {
        let (blocks, threads) = (&self.blocks, self.options.threads);
        let seed = hash(self.options.seed, &[start as u64]);
        let mut lloyd = Lloyd::new(blocks, self.options.start.draw(blocks, k, seed, threads), threads);
        lloyd.run(self.options.max_iterations);
        let labels = lloyd::labels(blocks, lloyd.centroids(), threads);
        for (cluster, label) in clusters.iter_mut().zip(labels) {
            *cluster = usize::from(label);
        }
    }

    /// Scaled centroids in original units. Of few points without logarithms they
    /// are the means, so that whole numbers with a whole mean have that mean.
    fn in_units(&self, centroids: &[f64]) -> Vec<f64> {
        let mut units = self.scaling.backward(centroids);
        if self.options.log || self.points.len() > FEW {
            return units;
        }
        let dimensions = self.points.dimensions();
        let labels = lloyd::labels(&self.blocks, centroids, 1);
        for (j, centroid) in units.chunks_exact_mut(dimensions).enumerate() {
            job::check();
            let members = || (0..labels.len()).filter(|&index| usize::from(labels[index]) == j);
            // A cluster without points, which only coordinates too close together
            // to be told apart can leave, stays where it is.
            let Some(origin) = members().next().map(|index| self.points.point(index)) else {
                continue;
            };
            let weight = |index: usize| self.points.weights()[index] as f64;
            let total: f64 = members().map(weight).sum();
            for (axis, coordinate) in centroid.iter_mut().enumerate() {
                // Large numbers that hardly differ would lose what they differ in.
                let differences =
                    members().map(|index| weight(index) * (self.points.point(index)[axis] - origin[axis]));
                *coordinate = origin[axis] + differences.sum::<f64>() / total;
            }
        }
        units
    }
}

/// Clusters `points` into `k` clusters.
///
/// # Errors
/// As [`Prepared::new`] and [`Prepared::fit`].
pub fn fit(points: &Points, k: usize, options: &Options) -> Result<Model, Error> {
    Prepared::new(points, options)?.fit(k)
}

/// Scaled centroids that have been iterated to their end.
struct Run {
    inertia: f64,
    centroids: Vec<f64>,
    iterations: usize,
}

impl Run {
    /// Of few points, `singles` are moved as well.
    fn new(blocks: &Blocks, singles: Option<&Singles>, start: Vec<f64>, max_iterations: usize, threads: usize) -> Self {
        let mut centroids = start;
        let mut iterations = 0;
        loop {
            let mut lloyd = Lloyd::new(blocks, centroids, threads);
            lloyd.run(max_iterations - iterations);
            iterations += lloyd.iterations();
            let better = singles
                .filter(|_| iterations < max_iterations)
                .and_then(|singles| singles.improve(lloyd.centroids()));
            match better {
                Some(better) => centroids = better,
                None => {
                    return Self {
                        iterations,
                        ..Self::of(&lloyd)
                    };
                }
            }
        }
    }

    fn of(lloyd: &Lloyd) -> Self {
        Self {
            inertia: lloyd.inertia(),
            centroids: lloyd.centroids().to_vec(),
            iterations: lloyd.iterations(),
        }
    }
}

fn best(runs: impl IntoIterator<Item = Run>) -> Run {
    let best = runs.into_iter().min_by(|a, b| a.inertia.total_cmp(&b.inertia));
    best.unwrap_or_else(|| unreachable!("the settings ask for at least one start"))
}

fn best_start(blocks: &Blocks, k: usize, options: &Options) -> Run {
    let singles = (blocks.n_points() <= FEW).then(|| Singles::new(blocks));
    let threads = if singles.is_some() { 1 } else { options.threads };
    // Each works by itself as far as there are threads.
    let side_by_side = threads.min(options.n_init);
    let each = threads / side_by_side;
    job::begin_steps(options.n_init);
    let best = best(parallel::map(side_by_side, options.n_init, |start| {
        let seed = hash(options.seed, &[start as u64]);
        let start = options.start.draw(blocks, k, seed, each);
        let run = Run::new(blocks, singles.as_ref(), start, options.max_iterations, each);
        job::step_done();
        run
    }));
    match singles.filter(|_| k > 1) {
        Some(singles) => relocate(blocks, &singles, best, k, options),
        None => best,
    }
}

/// Whether two starts are one but for the rounding of sums that were taken in another order.
fn agree(a: &[f64], b: &[f64]) -> bool {
    a.iter()
        .zip(b)
        .all(|(a, b)| (a - b).abs() <= SLACK * (a.abs() + b.abs()))
}

/// The best starts after their iterations on the sample, the best first. Several often end in the
/// same place, from which there is one way on.
fn starts_on_sample(sample: &Blocks, k: usize, options: &Options) -> Vec<Vec<f64>> {
    let n_tries = (TRIES * options.n_init).max(MIN_TRIES);
    job::begin_steps(n_tries + KEPT.min(options.n_init));
    let mut tries = parallel::map(options.threads, n_tries, |index| {
        let seed = hash(options.seed, &[index as u64]);
        let mut lloyd = Lloyd::relaxed(sample, options.start.draw(sample, k, seed, 1), 1);
        lloyd.run(options.max_iterations);
        job::step_done();
        Run::of(&lloyd)
    });
    tries.sort_by(|a, b| a.inertia.total_cmp(&b.inertia));
    let mut kept: Vec<Vec<f64>> = Vec::new();
    for run in tries {
        let mut places: Vec<&[f64]> = run.centroids.chunks_exact(sample.dimensions()).collect();
        places.sort_by(|a, b| compare(a, b));
        let start = places.concat();
        if kept.len() < KEPT.min(options.n_init) && !kept.iter().any(|other| agree(other, &start)) {
            kept.push(start);
        }
    }
    kept
}

/// Takes away one centroid after the other and puts it where points are far
/// from the others; keeps what lowers the inertia (random swap: Fränti,
/// "Efficiency of random swap clustering", 2018). Ends when that has failed
/// [`PATIENCE`] times for every cluster.
fn relocate(blocks: &Blocks, singles: &Singles, mut best: Run, k: usize, options: &Options) -> Run {
    let dimensions = blocks.dimensions();
    let mut random = Random::for_purpose(options.seed, "relocate");
    let mut failed = 0;
    for trial in 0.. {
        if failed == PATIENCE * k || best.inertia <= 0.0 {
            break;
        }
        let mut centroids = best.centroids.clone();
        let moved = trial % k * dimensions;
        centroids.drain(moved..moved + dimensions);
        centroids.extend(another(blocks, &centroids, &mut random));
        let run = Run::new(blocks, Some(singles), centroids, options.max_iterations, 1);
        if run.inertia < best.inertia * (1.0 - LESS) {
            best = run;
            failed = 0;
        } else {
            failed += 1;
        }
    }
    best
}

/// Fills in sizes and inertia.
fn count(model: &mut Model, points: &Points, threads: usize) -> Result<(), Error> {
    let assigner = Assigner::new(model)?;
    let parts = parallel::map(threads, points.len().div_ceil(CHUNK), |chunk| {
        let range = chunk * CHUNK..points.len().min((chunk + 1) * CHUNK);
        let weights = &points.weights()[range.clone()];
        let mut sizes = vec![0u64; model.k()];
        let mut inertia = 0.0;
        assigner.assign_rows(points.rows(range), |row, cluster, square| {
            sizes[cluster] += weights[row];
            inertia += weights[row] as f64 * square;
        });
        (sizes, inertia)
    });
    for (sizes, inertia) in parts {
        model.inertia += inertia;
        for (total, size) in model.sizes.iter_mut().zip(sizes) {
            *total += size;
        }
    }
    Ok(())
}

fn number_by_size(model: &mut Model) {
    let dimensions = model.dimensions();
    let centroid = |j: usize| &model.centroids[j * dimensions..][..dimensions];
    let mut order: Vec<usize> = (0..model.k()).collect();
    order.sort_by(|&a, &b| {
        let by_size = model.sizes[b].cmp(&model.sizes[a]);
        by_size.then_with(|| compare(centroid(a), centroid(b)))
    });
    model.centroids = order.iter().flat_map(|&j| centroid(j)).copied().collect();
    model.sizes = order.iter().map(|&j| model.sizes[j]).collect();
}
