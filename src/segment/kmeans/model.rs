//! The model of a finished clustering, and the cluster that it gives to a point.

use crate::compute::dispatch::{self, Kernel};
use crate::compute::job::Steps;
use crate::error::Error;
use crate::segment::kmeans::blocks::{LANES, Lanes};
use crate::segment::points::compare;
use crate::segment::scale::logarithm;

/// A finished clustering.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Whether distances are taken between logarithms ([`logarithm`]).
    pub log: bool,
    /// (k, dimensions) in original units; cluster 1 first.
    pub centroids: Vec<f64>,
    /// What each coordinate (or its logarithm) is divided by.
    pub scale: Vec<f64>,
    /// Points per cluster, not increasing.
    pub sizes: Vec<u64>,
    /// Sum of squared scaled distances of the points from their centroids.
    pub inertia: f64,
    /// Iterations of the start that was taken.
    pub iterations: usize,
    /// Seed of its starts.
    pub seed: u64,
}

impl Model {
    /// Number of clusters.
    pub fn k(&self) -> usize {
        self.sizes.len()
    }

    /// Coordinates per point.
    pub fn dimensions(&self) -> usize {
        self.scale.len()
    }
}

/// A model made ready for assigning points.
#[derive(Clone, Debug)]
pub struct Assigner {
    log: bool,
    dimensions: usize,
    /// Centroids in lexicographic order, (k, dimensions), logarithms with `log`:
    /// a point between two equally near centroids goes to the smaller one,
    /// however the clusters are numbered.
    places: Vec<f64>,
    /// The cluster of each place, from 0; numbers as wide as the distances that
    /// they are chosen with.
    clusters: Vec<f64>,
    /// 1 / scale.
    factors: Vec<f64>,
}

impl Assigner {
    /// Checks the parts of a model that distances need.
    ///
    /// # Errors
    /// When they do not fit together.
    pub fn new(model: &Model) -> Result<Self, Error> {
        Self::from_parts(&model.centroids, &model.scale, model.log)
    }

    /// As [`Assigner::new`], from centroids in original units, shape
    /// (k, dimensions), and one divisor per dimension.
    ///
    /// # Errors
    /// When they do not fit together.
    pub fn from_parts(centroids: &[f64], scale: &[f64], log: bool) -> Result<Self, Error> {
        let dimensions = scale.len();
        let damaged = |reason: String| Err(Error::Clustering(reason));
        if dimensions == 0 || centroids.is_empty() || !centroids.len().is_multiple_of(dimensions) {
            return damaged(format!(
                "{} coordinates of centroids for a scale of length {dimensions}",
                centroids.len()
            ));
        }
        if let Some(divisor) = scale.iter().find(|divisor| !(divisor.is_finite() && **divisor > 0.0)) {
            return damaged(format!("a scale of {divisor}"));
        }
        if let Some(value) = centroids.iter().find(|value| !value.is_finite()) {
            return damaged(format!("a centroid's coordinate of {value}"));
        }
        let centroid = |j: usize| &centroids[j * dimensions..][..dimensions];
        let mut clusters: Vec<usize> = (0..centroids.len() / dimensions).collect();
        clusters.sort_by(|&a, &b| compare(centroid(a), centroid(b)));
        let places = clusters.iter().flat_map(|&j| centroid(j));
        Ok(Self {
            log,
            dimensions,
            places: places
                .map(|&value| if log { logarithm(value) } else { value })
                .collect(),
            clusters: clusters.into_iter().map(|cluster| cluster as f64).collect(),
            factors: scale.iter().map(|divisor| 1.0 / divisor).collect(),
        })
    }

    /// Coordinates per point.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Number of clusters.
    pub fn k(&self) -> usize {
        self.clusters.len()
    }

    /// Whether distances are taken between logarithms.
    pub fn log(&self) -> bool {
        self.log
    }

    /// The centroids as points are compared with them before [`Assigner::factors`], (k, dimensions), in lexicographic order:
    /// of two that are equally near the first is taken.
    pub fn places(&self) -> &[f64] {
        &self.places
    }

    /// The cluster of each of the places, from 0.
    pub fn clusters(&self) -> impl Iterator<Item = usize> {
        self.clusters.iter().map(|&cluster| cluster as usize)
    }

    /// What each coordinate of a difference is multiplied by.
    pub fn factors(&self) -> &[f64] {
        &self.factors
    }

    /// The cluster of one point, from 0, and its squared scaled distance.
    ///
    /// # Panics
    /// When the point has another number of coordinates.
    pub fn assign(&self, point: &[f64]) -> (usize, f64) {
        assert_eq!(point.len(), self.dimensions, "one coordinate per dimension");
        let mut nearest = (0, f64::INFINITY);
        self.assign_rows(point, |_, cluster, square| nearest = (cluster, square));
        nearest
    }

    /// Calls `found(row, cluster from 0, squared scaled distance)` for every row
    /// of `values`, shape (rows, dimensions), in order. A coordinate that is NaN
    /// puts the row into the first cluster with an infinite distance.
    pub fn assign_rows(&self, values: &[f64], mut found: impl FnMut(usize, usize, f64)) {
        let mut lanes: Vec<Lanes> = vec![[0.0; LANES]; self.dimensions];
        let mut steps = Steps::default();
        for (part, rows) in values.chunks(LANES * self.dimensions).enumerate() {
            steps.count(self.places.len());
            self.transpose(rows, &mut lanes);
            let (squares, clusters) = dispatch::run(NearestPlace {
                assigner: self,
                lanes: &lanes,
            });
            for lane in 0..rows.len() / self.dimensions {
                found(part * LANES + lane, clusters[lane] as usize, squares[lane]);
            }
        }
    }

    /// Turns a point into coordinates between which the plain distance is the
    /// model's.
    pub fn scale(&self, point: &mut [f64]) {
        for (value, factor) in point.iter_mut().zip(&self.factors) {
            *value = factor * if self.log { logarithm(*value) } else { *value };
        }
    }

    /// Row-major rows to one array per coordinate; what is beyond the last row
    /// stays as it was.
    fn transpose(&self, rows: &[f64], lanes: &mut [Lanes]) {
        for (axis, lanes) in lanes.iter_mut().enumerate() {
            let column = rows[axis..].iter().step_by(self.dimensions);
            for (lane, &value) in lanes.iter_mut().zip(column) {
                *lane = if self.log { logarithm(value) } else { value };
            }
        }
    }
}

/// The nearest place for every lane: its squared distance and its cluster.
struct NearestPlace<'a> {
    assigner: &'a Assigner,
    lanes: &'a [Lanes],
}

impl Kernel for NearestPlace<'_> {
    type Output = (Lanes, Lanes);

    #[inline(always)]
    fn run(self) -> (Lanes, Lanes) {
        let assigner = self.assigner;
        let mut nearest = [f64::INFINITY; LANES];
        let mut clusters = [0.0; LANES];
        for (place, &cluster) in assigner
            .places
            .chunks_exact(assigner.dimensions)
            .zip(&assigner.clusters)
        {
            let mut squares = [0.0; LANES];
            for ((lanes, &coordinate), &factor) in self.lanes.iter().zip(place).zip(&assigner.factors) {
                for (square, value) in squares.iter_mut().zip(lanes) {
                    let difference = (value - coordinate) * factor;
                    *square += difference * difference;
                }
            }
            for lane in 0..LANES {
                let closer = squares[lane] < nearest[lane];
                nearest[lane] = if closer { squares[lane] } else { nearest[lane] };
                clusters[lane] = if closer { cluster } else { clusters[lane] };
            }
        }
        (nearest, clusters)
    }
}
