//! Moving points one by one (Hartigan, "Clustering Algorithms", 1975).
//!
//! Where Lloyd's iterations stop, every point is nearest to the centroid of its
//! own cluster; but a centroid follows a point that joins it and recoils from
//! one that leaves, so a move can still lower the inertia. A point of weight w
//! at distance d from its cluster of weight W contributes W w / (W - w) d² to
//! the inertia there, and would contribute W w / (W + w) d² in another cluster. Merged
//! customers weigh a lot, and then these moves leave local minima in which
//! Lloyd's iterations are caught. What they end in is again a state in which
//! Lloyd's iterations change nothing.

use super::blocks::{squared_distance, Blocks, LANES};
use super::lloyd;

/// Passes over the points; a few are enough in practice.
const PASSES: usize = 100;
/// A move must gain more than rounding errors.
const GAIN: f64 = 1.0 - 1e-12;

/// Moves points while that lowers the inertia. Returns the new centroids, or
/// nothing when no point moved. `centroids` has shape (k, dimensions), scaled.
///
/// Cost: O(points × k × dimensions) per pass, on one thread.
pub fn improve(blocks: &Blocks, centroids: &[f64]) -> Option<Vec<f64>> {
    let mut state = State::new(blocks, centroids);
    let mut moved = false;
    for _ in 0..PASSES {
        if !state.pass() {
            break;
        }
        moved = true;
    }
    moved.then_some(state.centroids)
}

struct State {
    dimensions: usize,
    /// (points, dimensions), scaled.
    places: Vec<f64>,
    weights: Vec<f64>,
    labels: Vec<usize>,
    /// (k, dimensions).
    centroids: Vec<f64>,
    /// Weight per cluster.
    sizes: Vec<f64>,
}

impl State {
    fn new(blocks: &Blocks, centroids: &[f64]) -> Self {
        let dimensions = blocks.dimensions();
        let labels = lloyd::labels(blocks, centroids, 1);
        let mut state = Self {
            dimensions,
            places: (0..blocks.n_points()).flat_map(|index| blocks.point(index)).collect(),
            weights: (0..blocks.n_points())
                .map(|index| blocks.weights(index / LANES)[index % LANES])
                .collect(),
            labels: labels.into_iter().map(usize::from).collect(),
            centroids: centroids.to_vec(),
            sizes: vec![0.0; centroids.len() / dimensions],
        };
        for (&label, weight) in state.labels.iter().zip(&state.weights) {
            state.sizes[label] += weight;
        }
        state
    }

    /// Offers every point to every other cluster. Returns whether one moved.
    fn pass(&mut self) -> bool {
        let mut moved = false;
        for index in 0..self.weights.len() {
            let (from, weight) = (self.labels[index], self.weights[index]);
            // The last point of a cluster has no distance to save.
            if self.sizes[from] <= weight {
                continue;
            }
            let kept = self.sizes[from] / (self.sizes[from] - weight) * self.squared_distance(index, from);
            let offers = (0..self.sizes.len()).filter(|&to| to != from).map(|to| {
                let cost = self.sizes[to] / (self.sizes[to] + weight) * self.squared_distance(index, to);
                (cost, to)
            });
            let best = offers.min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((_, to)) = best.filter(|&(cost, _)| cost < kept * GAIN) {
                self.shift(from, index, -weight);
                self.shift(to, index, weight);
                self.labels[index] = to;
                moved = true;
            }
        }
        moved
    }

    fn squared_distance(&self, index: usize, cluster: usize) -> f64 {
        let place = &self.places[index * self.dimensions..][..self.dimensions];
        squared_distance(place, &self.centroids[cluster * self.dimensions..][..self.dimensions])
    }

    /// Adds the point to the cluster's mean, or takes it out at negative weight.
    fn shift(&mut self, cluster: usize, index: usize, weight: f64) {
        self.sizes[cluster] += weight;
        let share = weight / self.sizes[cluster];
        let place = &self.places[index * self.dimensions..][..self.dimensions];
        let centroid = &mut self.centroids[cluster * self.dimensions..][..self.dimensions];
        for (coordinate, value) in centroid.iter_mut().zip(place) {
            *coordinate += share * (value - *coordinate);
        }
    }
}
