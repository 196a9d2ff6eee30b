//! Rows as they come, checked.

use crate::compute::dispatch::{self, Kernel};
use crate::compute::parallel;
use crate::error::Error;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

/// Coordinates that lie further apart have squares that overflow.
const WIDEST: f64 = 1e140;
/// Rows handled by one task.
pub const CHUNK: usize = 1 << 16;
/// Rows that one step of a loop over the coordinates takes.
const ABREAST: usize = 8;

/// Rows with weights, in any order.
pub struct Rows<'a> {
    /// (rows, dimensions), row-major.
    pub values: Cow<'a, [f64]>,
    /// Above 0; all 1 when absent.
    pub weights: Option<Cow<'a, [u64]>>,
    pub dimensions: usize,
}

/// Smallest and largest value per dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    pub low: Vec<f64>,
    pub high: Vec<f64>,
}

impl Bounds {
    pub fn new(dimensions: usize) -> Self {
        Self {
            low: vec![f64::INFINITY; dimensions],
            high: vec![f64::NEG_INFINITY; dimensions],
        }
    }

    pub fn insert(&mut self, row: &[f64]) {
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
    pub fn bounds(&self, threads: usize) -> Result<Bounds, Error> {
        let mut bounds = Bounds::new(self.dimensions);
        for part in parallel::map(threads, self.n_chunks(), |chunk| self.chunk_bounds(chunk)) {
            let part = part?;
            bounds.insert(&part.low);
            bounds.insert(&part.high);
        }
        match (0..self.dimensions).find(|&axis| bounds.high[axis] - bounds.low[axis] > WIDEST) {
            Some(dimension) => Err(Error::TooWide { dimension }),
            None => Ok(bounds),
        }
    }

    fn chunk_bounds(&self, chunk: usize) -> Result<Bounds, Error> {
        let range = self.chunk(chunk);
        let values = self.rows(range.clone());
        if let Some(position) = first_not_finite(values) {
            let dimension = position % self.dimensions;
            let column = self.values[dimension..].iter().step_by(self.dimensions);
            return Err(Error::NotFinite {
                row: range.start + position / self.dimensions,
                dimension,
                value: values[position],
                n_rows: column.filter(|value| !value.is_finite()).count(),
            });
        }
        Ok(dispatch::run(ChunkBounds {
            values,
            dimensions: self.dimensions,
        }))
    }
}

/// Lexicographic order of coordinates.
pub fn compare(a: &[f64], b: &[f64]) -> Ordering {
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
