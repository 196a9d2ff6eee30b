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

use crate::compute::job::Steps;
use crate::segment::kmeans::blocks::{Blocks, LANES, SLACK, squared_distance};
use crate::segment::kmeans::lloyd;

/// Passes over the points; a few are enough in practice.
const PASSES: usize = 100;
/// A move must gain more than rounding errors.
const GAIN: f64 = 1.0 - 1e-12;

/// Points one by one.
#[derive(Debug)]
pub struct Singles<'a> {
    blocks: &'a Blocks,
    /// (points, dimensions), scaled.
    places: Vec<f64>,
    weights: Vec<f64>,
}

impl<'a> Singles<'a> {
    /// The points in `blocks`.
    pub fn new(blocks: &'a Blocks) -> Self {
        let points = 0..blocks.n_points();
        Self {
            blocks,
            places: points.clone().flat_map(|index| blocks.point(index)).collect(),
            weights: points
                .map(|index| blocks.weights(index / LANES)[index % LANES])
                .collect(),
        }
    }

    /// Moves points while that lowers the inertia. Returns the new centroids, or
    /// nothing when no point moved. `centroids` has shape (k, dimensions), scaled.
    ///
    /// Cost: O(points × k × dimensions) per pass at worst, on one thread.
    pub fn improve(&self, centroids: &[f64]) -> Option<Vec<f64>> {
        let mut state = State::new(self, centroids);
        let mut moved = false;
        for _ in 0..PASSES {
            if !state.pass() {
                break;
            }
            moved = true;
        }
        moved.then_some(state.centroids)
    }
}

struct State<'a> {
    points: &'a Singles<'a>,
    dimensions: usize,
    labels: Vec<u16>,
    /// (k, dimensions).
    centroids: Vec<f64>,
    /// Weight per cluster.
    sizes: Vec<f64>,
    /// The smallest of them.
    smallest: f64,
    /// Distance of each centroid from the nearest other one, rounded down.
    gaps: Vec<f64>,
    steps: Steps,
}

impl<'a> State<'a> {
    fn new(points: &'a Singles, centroids: &[f64]) -> Self {
        let dimensions = points.blocks.dimensions();
        let k = centroids.len() / dimensions;
        let mut state = Self {
            points,
            dimensions,
            labels: lloyd::labels(points.blocks, centroids, 1),
            centroids: centroids.to_vec(),
            sizes: vec![0.0; k],
            smallest: 0.0,
            gaps: vec![0.0; k],
            steps: Steps::default(),
        };
        for (&label, weight) in state.labels.iter().zip(&points.weights) {
            state.sizes[usize::from(label)] += weight;
        }
        state.survey();
        state
    }

    fn survey(&mut self) {
        self.smallest = self.sizes.iter().copied().fold(f64::INFINITY, f64::min);
        self.gaps.fill(f64::INFINITY);
        for (j, a) in self.centroids.chunks_exact(self.dimensions).enumerate() {
            self.steps.count(j * self.dimensions);
            for (i, b) in self.centroids.chunks_exact(self.dimensions).enumerate().take(j) {
                let gap = squared_distance(a, b).sqrt() * (1.0 - SLACK);
                self.gaps[i] = self.gaps[i].min(gap);
                self.gaps[j] = self.gaps[j].min(gap);
            }
        }
    }

    /// Offers every point to every other cluster. Returns whether one moved.
    fn pass(&mut self) -> bool {
        let mut moved = false;
        let points = self.points;
        let places = points.places.chunks_exact(self.dimensions);
        for (index, (place, &weight)) in places.zip(&points.weights).enumerate() {
            let from = usize::from(self.labels[index]);
            // The last point of a cluster has no distance to save.
            if self.sizes[from] <= weight {
                continue;
            }
            let square = squared_distance(place, self.centroid(from));
            let kept = self.sizes[from] / (self.sizes[from] - weight) * square;
            // What a cluster at some distance asks for is at least this share of the squared distance.
            let least = self.smallest / (self.smallest + weight) * (1.0 - SLACK);
            // By the triangle inequality no other centroid is nearer than this.
            let nearest = (self.gaps[from] - square.sqrt() * (1.0 + SLACK)).max(0.0);
            if nearest * nearest * least >= kept {
                continue;
            }
            self.steps.count(self.centroids.len());
            let mut best = (kept * GAIN, from);
            for to in 0..self.sizes.len() {
                let square = squared_distance(place, self.centroid(to));
                if square * least < best.0 && to != from {
                    let cost = self.sizes[to] / (self.sizes[to] + weight) * square;
                    if cost < best.0 {
                        best = (cost, to);
                    }
                }
            }
            let to = best.1;
            if to != from {
                self.shift(from, place, -weight);
                self.shift(to, place, weight);
                self.labels[index] = to as u16;
                self.survey();
                moved = true;
            }
        }
        moved
    }

    fn centroid(&self, cluster: usize) -> &[f64] {
        &self.centroids[cluster * self.dimensions..][..self.dimensions]
    }

    /// Adds a point to the cluster's mean, or takes it out at negative weight.
    fn shift(&mut self, cluster: usize, place: &[f64], weight: f64) {
        self.sizes[cluster] += weight;
        let share = weight / self.sizes[cluster];
        let centroid = &mut self.centroids[cluster * self.dimensions..][..self.dimensions];
        for (coordinate, value) in centroid.iter_mut().zip(place) {
            *coordinate += share * (value - *coordinate);
        }
    }
}
