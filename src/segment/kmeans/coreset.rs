//! A small weighted set of points on which a clustering costs about what it costs
//! on all of them: a lightweight coreset (Bachem, Lucic and Krause, "Scalable
//! k-means clustering via lightweight coresets", 2018, algorithm 1).
//!
//! Half of the points are drawn by number and half by their squared distance from
//! the mean, and each stands for the inverse of the chance that it had. A few
//! customers of a thousand times the usual spend carry a good part of the inertia;
//! an even sample of them by number would hold hardly any.

use crate::compute::parallel;
use crate::error::Error;
use crate::random::{Random, hash};
use crate::segment::kmeans::blocks::{Blocks, CHUNK, LANES, squared_distances};
use crate::segment::points::Points;
use crate::segment::scale::Scaling;

/// Weights are whole numbers: of these parts of a point.
const PARTS: f64 = 1024.0;

/// About `size` of `points`, each with the number of points that it stands for, in 1024ths, as its
/// weight. `blocks` holds the same points scaled by `scaling`.
///
/// Points are taken at even steps along their order, which follows space, from a random start in
/// each chunk of blocks: each region gets its share to within a point.
///
/// # Errors
/// None of points that could be made: those of [`Points::weighted`].
pub fn draw(
    points: &Points,
    blocks: &Blocks,
    scaling: &Scaling,
    size: usize,
    seed: u64,
    threads: usize,
) -> Result<Points, Error> {
    let dimensions = points.dimensions();
    let mean = vec![0.0; dimensions];
    // Scaled coordinates have a mean of 0, so this is the mean squared distance from it.
    let mean_square = scaling.variance * dimensions as f64;
    let step = points.total() as f64 / size as f64;
    let parts = parallel::map(threads, blocks.len().div_ceil(CHUNK), |chunk| {
        let mut random = Random::new(hash(seed, &[chunk as u64]));
        let mut passed = step * random.uniform();
        let (mut values, mut weights) = (Vec::new(), Vec::new());
        for block in chunk * CHUNK..blocks.len().min((chunk + 1) * CHUNK) {
            let squares = squared_distances(blocks.values(block), &mean);
            for (lane, (square, weight)) in squares.iter().zip(blocks.weights(block)).enumerate() {
                // Coordinates that differ by less than their squares can tell have a mean square of 0.
                let chance = if mean_square > 0.0 {
                    0.5 + 0.5 * square / mean_square
                } else {
                    1.0
                };
                passed += weight * chance;
                if passed >= step {
                    let count = (passed / step).floor();
                    passed -= count * step;
                    values.extend_from_slice(points.point(block * LANES + lane));
                    weights.push((count * step / chance * PARTS).round().max(1.0) as u64);
                }
            }
        }
        (values, weights)
    });
    let (values, weights): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    Points::weighted(&values.concat(), &weights.concat(), dimensions, threads)
}
