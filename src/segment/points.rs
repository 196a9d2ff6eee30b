//! The input of segmentation: points in a canonical order, equal ones merged.
//!
//! Customer features repeat a lot (recency in days, counts of purchases), and
//! k-means depends only on which points there are and how often. So equal
//! points become one point with a weight, which is exact, and the points are
//! put into an order that is a function of their set: whatever order the rows
//! arrive in, everything after this module does the same sums in the same
//! order and gives the same bytes.
//!
//! The canonical order is that of a space-filling curve, ties in lexicographic
//! order. Neighbours on the curve are mostly neighbours in space, which is what
//! lets [`super::lloyd`] decide about whole blocks of points at once.

use super::arrange::arrange;
use super::curve::Curve;
use super::error::SegmentError;
use super::parallel;
use super::repeats;
use super::wide::{self, Kernel};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

/// Coordinates that lie further apart have squares that overflow.
const WIDEST: f64 = 1e140;
/// Rows handled by one task.
pub(super) const CHUNK: usize = 1 << 16;
/// Rows that one step of a loop over the coordinates takes.
const ABREAST: usize = 8;

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
    pub fn new(values: &[f64], dimensions: usize, threads: usize) -> Result<Self, SegmentError> {
        Self::build(values, None, dimensions, threads)
    }

    /// As [`Points::new`]; row `i` counts `weights[i]` times, 0 leaves it out.
    ///
    /// # Errors
    /// As [`Points::new`].
    ///
    /// # Panics
    /// When there is not one weight per row.
    pub fn weighted(values: &[f64], weights: &[u64], dimensions: usize, threads: usize) -> Result<Self, SegmentError> {
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

    fn build(values: &[f64], weights: Option<&[u64]>, dimensions: usize, threads: usize) -> Result<Self, SegmentError> {
        if dimensions == 0 {
            return Err(SegmentError::NoDimensions);
        }
        let rows = Rows {
            values: Cow::Borrowed(values),
            weights: weights.map(Cow::Borrowed),
            dimensions,
        };
        if rows.len() == 0 {
            return Err(SegmentError::NoPoints);
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

/// Rows with weights, in any order.
pub(super) struct Rows<'a> {
    /// (rows, dimensions), row-major.
    pub values: Cow<'a, [f64]>,
    /// Above 0; all 1 when absent.
    pub weights: Option<Cow<'a, [u64]>>,
    pub dimensions: usize,
}

/// Smallest and largest value per dimension.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bounds {
    pub low: Vec<f64>,
    pub high: Vec<f64>,
}

impl Bounds {
    fn new(dimensions: usize) -> Self {
        Self {
            low: vec![f64::INFINITY; dimensions],
            high: vec![f64::NEG_INFINITY; dimensions],
        }
    }

    fn insert(&mut self, row: &[f64]) {
        for ((low, high), &value) in self.low.iter_mut().zip(&mut self.high).zip(row) {
            *low = if value < *low { value } else { *low };
            *high = if value > *high { value } else { *high };
        }
    }
}

/// The bounds of some rows.
struct ChunkBounds<'a> {
    values: &'a [f64],
    dimensions: usize,
}

impl Kernel for ChunkBounds<'_> {
    type Output = Bounds;

    #[inline(always)]
    fn run(self) -> Bounds {
        // Several rows at once, so that the loop is one over plain arrays.
        let mut low = self.values[..self.dimensions].repeat(ABREAST);
        let mut high = low.clone();
        for rows in self.values.chunks(low.len()) {
            for ((low, high), &value) in low.iter_mut().zip(&mut high).zip(rows) {
                *low = if value < *low { value } else { *low };
                *high = if value > *high { value } else { *high };
            }
        }
        let mut bounds = Bounds::new(self.dimensions);
        for row in low
            .chunks_exact(self.dimensions)
            .chain(high.chunks_exact(self.dimensions))
        {
            bounds.insert(row);
        }
        bounds
    }
}

impl Rows<'_> {
    pub fn len(&self) -> usize {
        self.values.len() / self.dimensions
    }

    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.dimensions..][..self.dimensions]
    }

    pub fn weight(&self, index: usize) -> u64 {
        self.weights.as_ref().map_or(1, |weights| weights[index])
    }

    pub fn n_chunks(&self) -> usize {
        self.len().div_ceil(CHUNK)
    }

    pub fn chunk(&self, chunk: usize) -> Range<usize> {
        chunk * CHUNK..self.len().min((chunk + 1) * CHUNK)
    }

    /// The coordinates of the rows in `range`, row-major.
    pub fn rows(&self, range: Range<usize>) -> &[f64] {
        &self.values[range.start * self.dimensions..range.end * self.dimensions]
    }

    /// Checks every value and finds the range of each dimension.
    fn bounds(&self, threads: usize) -> Result<Bounds, SegmentError> {
        let mut bounds = Bounds::new(self.dimensions);
        for part in parallel::map(threads, self.n_chunks(), |chunk| self.chunk_bounds(chunk)) {
            let part = part?;
            bounds.insert(&part.low);
            bounds.insert(&part.high);
        }
        match (0..self.dimensions).find(|&axis| bounds.high[axis] - bounds.low[axis] > WIDEST) {
            Some(dimension) => Err(SegmentError::TooWide { dimension }),
            None => Ok(bounds),
        }
    }

    fn chunk_bounds(&self, chunk: usize) -> Result<Bounds, SegmentError> {
        let range = self.chunk(chunk);
        let values = self.rows(range.clone());
        if let Some(position) = first_not_finite(values) {
            let dimension = position % self.dimensions;
            let column = self.values[dimension..].iter().step_by(self.dimensions);
            return Err(SegmentError::NotFinite {
                row: range.start + position / self.dimensions,
                dimension,
                value: values[position],
                n_rows: column.filter(|value| !value.is_finite()).count(),
            });
        }
        Ok(wide::run(ChunkBounds {
            values,
            dimensions: self.dimensions,
        }))
    }
}

/// Lexicographic order of coordinates.
pub(super) fn compare(a: &[f64], b: &[f64]) -> Ordering {
    let mut ordered = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
    ordered.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn first_not_finite(values: &[f64]) -> Option<usize> {
    // A sum of products with zero is zero unless a value is not finite; unlike
    // a search it has no branch per value.
    let suspect = values.chunks(64).position(|chunk| {
        let mut folded = [0.0; 8];
        for part in chunk.chunks(8) {
            for (sum, value) in folded.iter_mut().zip(part) {
                *sum += value * 0.0;
            }
        }
        folded != [0.0; 8]
    })?;
    let start = suspect * 64;
    let position = values[start..].iter().position(|value| !value.is_finite())?;
    Some(start + position)
}
