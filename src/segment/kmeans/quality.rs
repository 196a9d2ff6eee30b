//! How good a clustering is.
//!
//! All measures are taken between scaled coordinates, as distances are in the
//! model, and over the points as they were before merging: a point of weight w
//! counts as w points.

use crate::compute::dispatch::{self, Kernel};
use crate::compute::job;
use crate::compute::parallel;
use crate::error::Error;
use crate::random::Random;
use crate::segment::kmeans::model::{Assigner, Model};
use crate::segment::points::Points;

/// Up to this many distinct points the silhouette is exact; above, it is taken
/// over a sample of this many points.
pub const SILHOUETTE_POINTS: usize = 4096;
/// Points handled by one task of the silhouette.
const CHUNK: usize = 64;
/// Points handled by one task of the Davies-Bouldin index.
const ROWS: usize = 1 << 13;

/// Measures of one clustering.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Sum of squared distances from the centroids; lower is better.
    pub inertia: f64,
    /// Mean silhouette, -1 to 1, higher is better; none for one cluster or when
    /// no two points share one.
    pub silhouette: Option<f64>,
    /// Davies-Bouldin index, 0 or more, lower is better; none for one cluster.
    pub davies_bouldin: Option<f64>,
}

/// Measures `model` on the points it was learned from. `seed` draws the sample
/// for the silhouette.
///
/// # Errors
/// When the model's parts do not fit together or not to the points.
pub fn measure(model: &Model, points: &Points, seed: u64, threads: usize) -> Result<Quality, Error> {
    let assigner = Assigner::new(model)?;
    if assigner.dimensions() != points.dimensions() {
        return Err(Error::PointLength {
            found: points.dimensions(),
            expected: assigner.dimensions(),
        });
    }
    let offset = Random::for_purpose(seed, "silhouette").uniform();
    let sample;
    let some = if points.len() <= SILHOUETTE_POINTS {
        points
    } else {
        sample = points.sample(SILHOUETTE_POINTS as u64, offset);
        &sample
    };
    Ok(Quality {
        inertia: model.inertia,
        silhouette: silhouette(&assigner, some, threads),
        davies_bouldin: davies_bouldin(model, &assigner, points, threads),
    })
}

/// Davies-Bouldin index (Davies and Bouldin, "A cluster separation measure",
/// 1979): for each cluster the worst ratio of (mean distance of its points +
/// mean distance of the other's) to the distance of the centroids, averaged.
fn davies_bouldin(model: &Model, assigner: &Assigner, points: &Points, threads: usize) -> Option<f64> {
    let k = model.k();
    if k < 2 {
        return None;
    }
    let parts = parallel::map(threads, points.len().div_ceil(ROWS), |chunk| {
        let range = chunk * ROWS..points.len().min((chunk + 1) * ROWS);
        let weights = &points.weights()[range.clone()];
        // Sum of distances and number of points per cluster.
        let mut sums = vec![(0.0, 0u64); k];
        assigner.assign_rows(points.rows(range), |row, cluster, square| {
            sums[cluster].0 += weights[row] as f64 * square.sqrt();
            sums[cluster].1 += weights[row];
        });
        sums
    });
    let spread: Vec<f64> = (0..k)
        .map(|cluster| {
            let sum: f64 = parts.iter().map(|part| part[cluster].0).sum();
            let size: u64 = parts.iter().map(|part| part[cluster].1).sum();
            sum / size.max(1) as f64
        })
        .collect();
    let places = scaled(assigner, &model.centroids);
    let dimensions = assigner.dimensions();
    let place = |j: usize| &places[j * dimensions..][..dimensions];
    let worst = |i: usize| {
        job::check();
        let ratios = (0..k).filter(|&j| j != i).map(|j| {
            let apart = distance(place(i), place(j));
            (spread[i] + spread[j]) / apart
        });
        ratios.filter(|ratio| ratio.is_finite()).fold(0.0, f64::max)
    };
    Some((0..k).map(worst).sum::<f64>() / k as f64)
}

/// Mean silhouette (Rousseeuw, "Silhouettes", 1987): per point (b - a) /
/// max(a, b) with a the mean distance from the other points of its cluster and
/// b the smallest mean distance from the points of another; 0 for a point alone
/// in its cluster. Cost: O(distinct points² × dimensions).
fn silhouette(assigner: &Assigner, points: &Points, threads: usize) -> Option<f64> {
    let n = points.len();
    let dimensions = assigner.dimensions();
    let mut labels = vec![0; n];
    assigner.assign_rows(points.values(), |row, cluster, _| labels[row] = cluster);
    // Points by cluster: one range per cluster, so that the sums run over
    // neighbours in memory.
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&index| labels[index]);
    let starts: Vec<usize> = (0..=assigner.k())
        .map(|cluster| order.partition_point(|&index| labels[index] < cluster))
        .collect();
    let places = scaled(assigner, points.values());
    let columns: Vec<Vec<f64>> = (0..dimensions)
        .map(|axis| order.iter().map(|&index| places[index * dimensions + axis]).collect())
        .collect();
    let weights: Vec<f64> = order.iter().map(|&index| points.weights()[index] as f64).collect();
    let sizes: Vec<f64> = starts
        .windows(2)
        .map(|range| weights[range[0]..range[1]].iter().sum())
        .collect();
    if sizes.iter().filter(|&&size| size > 0.0).count() < 2 || sizes.iter().all(|&size| size <= 1.0) {
        return None;
    }
    let parts = parallel::map(threads, n.div_ceil(CHUNK), |chunk| {
        let mut distances = vec![0.0; n];
        let mut total = 0.0;
        for index in chunk * CHUNK..n.min((chunk + 1) * CHUNK) {
            dispatch::run(DistancesFrom {
                index,
                columns: &columns,
                weights: &weights,
                distances: &mut distances,
            });
            let own = labels[order[index]];
            let mut a = 0.0;
            let mut b = f64::INFINITY;
            for (cluster, range) in starts.windows(2).enumerate() {
                let sum: f64 = distances[range[0]..range[1]].iter().sum();
                if cluster == own {
                    // The distance from itself is 0, so the sum is over the others.
                    a = sum / (sizes[cluster] - 1.0);
                } else if sizes[cluster] > 0.0 {
                    b = b.min(sum / sizes[cluster]);
                }
            }
            if sizes[own] > 1.0 && a.max(b) > 0.0 {
                total += weights[index] * (b - a) / a.max(b);
            }
        }
        total
    });
    Some(parts.iter().sum::<f64>() / weights.iter().sum::<f64>())
}

/// Weight × distance of every point from point `index`.
struct DistancesFrom<'a> {
    index: usize,
    columns: &'a [Vec<f64>],
    weights: &'a [f64],
    distances: &'a mut [f64],
}

impl Kernel for DistancesFrom<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.distances.fill(0.0);
        for column in self.columns {
            let from = column[self.index];
            for (square, value) in self.distances.iter_mut().zip(column) {
                *square += (value - from) * (value - from);
            }
        }
        for (distance, weight) in self.distances.iter_mut().zip(self.weights) {
            *distance = distance.sqrt() * weight;
        }
    }
}

/// Coordinates between which the plain distance is the model's.
fn scaled(assigner: &Assigner, values: &[f64]) -> Vec<f64> {
    let mut places = values.to_vec();
    for row in places.chunks_exact_mut(assigner.dimensions()) {
        assigner.scale(row);
    }
    places
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}
