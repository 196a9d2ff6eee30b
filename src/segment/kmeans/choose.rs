//! Which number of clusters to take.
//!
//! One clustering per k, each with its measures, and one of them `chosen`: the
//! one with the highest silhouette, the smallest k among those that are equal but for rounding. The
//! silhouette asks of every point whether it is nearer to its own cluster than
//! to the next one, so unlike inertia, which always falls as k grows, it has a
//! maximum to choose. It favours few well separated clusters; when finer
//! segments are wanted, look at the runner-up and at Davies-Bouldin (low).

use crate::compute::job;
use crate::error::Error;
use crate::segment::kmeans::fit::{Options, Prepared};
use crate::segment::kmeans::model::Model;
use crate::segment::kmeans::quality::{Quality, measure};
use crate::segment::points::Points;
use std::ops::RangeInclusive;

/// Silhouettes that differ by less are equal: two clusters that only rounding parts are as well
/// separated as one.
const EQUAL: f64 = 1e-9;

/// One candidate, with its model or what is kept of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice<M = Model> {
    /// What is kept of the clustering.
    pub model: M,
    /// How good it is.
    pub quality: Quality,
    /// True for exactly one of the candidates.
    pub chosen: bool,
}

/// Clusters `points` for every k of `ks`, leaving out those above the number of
/// distinct points.
///
/// # Errors
/// `ks` is empty or starts below 1 or above the number of distinct points, or as
/// [`Prepared`].
pub fn choose(points: &Points, ks: RangeInclusive<usize>, options: &Options) -> Result<Vec<Choice>, Error> {
    choose_keeping(points, ks, options, |model| model)
}

/// As [`choose`]; of each model only what `keep` makes of it: ten thousand models of up to ten thousand
/// centroids are gigabytes.
///
/// # Errors
/// As [`choose`].
pub fn choose_keeping<M>(
    points: &Points,
    ks: RangeInclusive<usize>,
    options: &Options,
    keep: impl Fn(Model) -> M,
) -> Result<Vec<Choice<M>>, Error> {
    if ks.is_empty() {
        return Err(Error::argument("k_to", ks.end(), "k_from or more"));
    }
    let prepared = Prepared::new(points, options)?;
    let points = prepared.points();
    let last = (*ks.end()).min(points.len()).max(*ks.start());
    let mut choices = Vec::new();
    for k in *ks.start()..=last {
        job::at_part(k - ks.start(), last + 1 - ks.start());
        let model = match prepared.fit(k) {
            Err(Error::TooManyClusters { .. }) if !choices.is_empty() => break,
            // Those after the first one lead to the largest.
            fitted => fitted.map_err(|error| error.under(if k == *ks.start() { "k_from" } else { "k_to" }))?,
        };
        let quality = measure(&model, points, options.seed, options.threads)?;
        choices.push(Choice {
            model: keep(model),
            quality,
            chosen: false,
        });
    }
    let score = |choice: &Choice<M>| choice.quality.silhouette.unwrap_or(f64::NEG_INFINITY);
    let best = (0..choices.len()).reduce(|best, next| {
        if score(&choices[next]) > score(&choices[best]) + EQUAL {
            next
        } else {
            best
        }
    });
    if let Some(best) = best {
        choices[best].chosen = true;
    }
    Ok(choices)
}
