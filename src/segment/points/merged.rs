//! The points of a segmentation.

use crate::error::Error;
use crate::segment::points::arrange::arrange;
use crate::segment::points::curve::Curve;
use crate::segment::points::repeats;
use crate::segment::points::rows::{Bounds, Rows};
use std::borrow::Cow;
use std::ops::Range;

/// Distinct points with weights, in canonical order.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    dimensions: usize,
    /// (points, dimensions), row-major.
    values: Vec<f64>,
    /// How often each point occurs, (points).
    weights: Vec<u64>,
    total: u64,
    /// Smallest and largest value per dimension.
    bounds: Bounds,
}

impl Points {
    /// Merges `values`, shape (rows, `dimensions`), row-major; each row counts
    /// once. Uses up to `threads` threads; the result does not depend on them.
    ///
    /// # Errors
    /// No rows, no dimensions, NaN or infinity, values too far apart.
    pub fn new(values: &[f64], dimensions: usize, threads: usize) -> Result<Self, Error> {
        Self::build(values, None, dimensions, threads)
    }

    /// As [`Points::new`]; row `i` counts `weights[i]` times, 0 leaves it out.
    ///
    /// # Errors
    /// As [`Points::new`].
    ///
    /// # Panics
    /// When there is not one weight per row.
    pub fn weighted(values: &[f64], weights: &[u64], dimensions: usize, threads: usize) -> Result<Self, Error> {
        assert_eq!(values.len(), weights.len() * dimensions, "one weight per row");
        if !weights.contains(&0) {
            return Self::build(values, Some(weights), dimensions, threads);
        }
        // What is left out must not count for the bounds either.
        let kept: Vec<usize> = (0..weights.len()).filter(|&row| weights[row] > 0).collect();
        let row = |&row: &usize| &values[row * dimensions..][..dimensions];
        let values: Vec<f64> = kept.iter().flat_map(row).copied().collect();
        let weights: Vec<u64> = kept.iter().map(|&row| weights[row]).collect();
        Self::build(&values, Some(&weights), dimensions, threads).map_err(|error| error.among_all(&kept))
    }

    fn build(values: &[f64], weights: Option<&[u64]>, dimensions: usize, threads: usize) -> Result<Self, Error> {
        if dimensions == 0 {
            return Err(Error::NoDimensions);
        }
        let rows = Rows {
            values: Cow::Borrowed(values),
            weights: weights.map(Cow::Borrowed),
            dimensions,
        };
        if rows.len() == 0 {
            return Err(Error::NoPoints);
        }
        let bounds = rows.bounds(threads)?;
        let rows = repeats::merge(rows, threads);
        let curve = Curve::new(&rows, &bounds, threads);
        let (values, weights) = arrange(&rows, &curve, threads);
        Ok(Self {
            dimensions,
            total: weights.iter().sum(),
            values,
            weights,
            bounds,
        })
    }

    /// Number of distinct points.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Never true: points are at least one.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Coordinates per point.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Number of points before merging.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The coordinates of point `index`.
    pub fn point(&self, index: usize) -> &[f64] {
        &self.values[index * self.dimensions..][..self.dimensions]
    }

    /// Smallest value per dimension.
    pub fn low(&self) -> &[f64] {
        &self.bounds.low
    }

    /// Largest value per dimension.
    pub fn high(&self) -> &[f64] {
        &self.bounds.high
    }

    /// The coordinates of the points in `range`, row-major.
    pub fn rows(&self, range: Range<usize>) -> &[f64] {
        &self.values[range.start * self.dimensions..range.end * self.dimensions]
    }

    /// How often each point occurs.
    pub fn weights(&self) -> &[u64] {
        &self.weights
    }

    /// All coordinates, shape (points, dimensions), row-major.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// A sample of about `size` rows (before merging): every (total / size)-th
    /// row in canonical order from a start in the first stride, `offset` in
    /// [0, 1) of a stride. The order follows space, so each region gets its
    /// share to within a row. All points when there are no more than `size` rows.
    pub fn sample(&self, size: u64, offset: f64) -> Self {
        if self.total <= size {
            return self.clone();
        }
        let stride = self.total as f64 / size as f64;
        let mut sample = Self {
            dimensions: self.dimensions,
            values: Vec::new(),
            weights: Vec::new(),
            total: 0,
            bounds: Bounds::new(self.dimensions),
        };
        let position = |drawn: u64| ((drawn as f64 + offset) * stride) as u64;
        let (mut before, mut drawn, mut next) = (0, 0, position(0));
        for (index, &weight) in self.weights.iter().enumerate() {
            before += weight;
            let mut count = 0;
            while next < before {
                count += 1;
                drawn += 1;
                next = position(drawn);
            }
            if count > 0 {
                sample.values.extend_from_slice(self.point(index));
                sample.bounds.insert(self.point(index));
                sample.weights.push(count);
                sample.total += count;
            }
        }
        sample
    }
}
