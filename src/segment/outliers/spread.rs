//! The measure of each coordinate, taken so that what is looked for does not set it.
//!
//! One customer with a billion views makes the standard deviation of views so wide that no other
//! customer differs in them. So the lowest and the highest hundredth of the values are drawn in to
//! the rest before mean and standard deviation are taken (they are "winsorised": Tukey, "The future
//! of data analysis", 1962, page 18), as `scipy.stats.mstats.winsorize` does with limits of 0.01.

use crate::compute::parallel;
use crate::segment::points::Points;
use crate::segment::scale::{Scaling, logarithm};

/// One in so many values is drawn in at each end.
const DRAWN_IN: u64 = 100;
/// Coordinates further apart than this have squares that overflow.
const WIDEST: f64 = 1e140;

/// The scaling of `points` with winsorised means and deviations. Where more than 98 in 100 agree, the
/// deviation is that of all of them; a constant coordinate has the deviation 1, and so have all
/// without `standardise`.
pub fn scaling(points: &Points, standardise: bool, log: bool, threads: usize) -> Scaling {
    let mut scaling = Scaling::fit(points, standardise, log, threads);
    let moments = parallel::map(threads, points.dimensions(), |axis| winsorised(points, axis, log));
    for (axis, (mean, deviation)) in moments.into_iter().enumerate() {
        scaling.means[axis] = mean;
        if standardise && deviation > 0.0 {
            let ends = [points.low()[axis], points.high()[axis]];
            let [low, high] = ends.map(|end| if log { logarithm(end) } else { end });
            scaling.deviations[axis] = deviation.max((high - low) / WIDEST);
        }
    }
    scaling
}

/// Mean and standard deviation of a coordinate whose ends are drawn in.
fn winsorised(points: &Points, axis: usize, log: bool) -> (f64, f64) {
    let column = points.values()[axis..].iter().step_by(points.dimensions());
    let mut sorted: Vec<(f64, u64)> = column
        .map(|&value| if log { logarithm(value) } else { value })
        .zip(points.weights().iter().copied())
        .collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let n_drawn = points.total() / DRAWN_IN;
    let low = at_rank(sorted.iter(), n_drawn);
    let high = at_rank(sorted.iter().rev(), n_drawn);
    // Differences from the middle of the range do not lose what is far from zero.
    let origin = low + (high - low) / 2.0;
    let total = points.total() as f64;
    let mean_of = |term: &dyn Fn(f64) -> f64| {
        let terms = sorted
            .iter()
            .map(|&(value, weight)| term(value.clamp(low, high) - origin) * weight as f64);
        terms.sum::<f64>() / total
    };
    let mean = mean_of(&|value| value);
    let variance = mean_of(&|value| (value - mean) * (value - mean));
    (origin + mean, variance.sqrt())
}

/// The value that `rank` values stand in front of.
fn at_rank<'a>(sorted: impl Iterator<Item = &'a (f64, u64)>, rank: u64) -> f64 {
    let mut before = 0;
    let mut found = 0.0;
    for &(value, weight) in sorted {
        found = value;
        before += weight;
        if before > rank {
            break;
        }
    }
    found
}
