//! The layout that the kernels read: blocks of [`LANES`] neighbouring points,
//! one array per coordinate, so that a loop over the points of a block is a loop
//! over fixed-size arrays and becomes vector instructions.
//!
//! Each block knows its centre and radius. Two bounds follow from the triangle
//! inequality, and with them most work on most blocks is skipped without
//! changing any result.

use crate::compute::parallel;
use crate::segment::points::Points;
use crate::segment::scale::Scaling;

/// Points per block.
pub const LANES: usize = 32;
/// Blocks per task; also the unit in which sums are added up, so that they do
/// not depend on the number of threads.
pub const CHUNK: usize = 256;
/// Share by which bounds are widened, far above the rounding error of a
/// distance (about the number of dimensions × 1e-16).
pub const SLACK: f64 = 1e-9;

/// Numbers of one block's points.
pub type Lanes = [f64; LANES];

/// Scaled points in blocks. The last block is filled up with copies of its
/// last point at weight 0.
#[derive(Clone, Debug)]
pub struct Blocks {
    dimensions: usize,
    points: usize,
    /// (blocks, dimensions, lanes). Plain numbers, because zeros of these the system provides, and
    /// those of arrays would be written by one thread.
    values: Vec<f64>,
    /// (blocks, lanes).
    weights: Vec<f64>,
    /// (blocks, dimensions).
    centres: Vec<f64>,
    /// Largest distance of a point from its block's centre, rounded up.
    radii: Vec<f64>,
    /// Weight, then weighted sum per coordinate: (blocks, 1 + dimensions).
    sums: Vec<f64>,
}

impl Blocks {
    /// Scales and arranges `points`.
    pub fn new(points: &Points, scaling: &Scaling, threads: usize) -> Self {
        let dimensions = points.dimensions();
        let count = points.len().div_ceil(LANES);
        let mut blocks = Self {
            dimensions,
            points: points.len(),
            values: vec![0.0; count * dimensions * LANES],
            weights: vec![0.0; count * LANES],
            centres: vec![0.0; count * dimensions],
            radii: vec![0.0; count],
            sums: vec![0.0; count * (dimensions + 1)],
        };
        let mut parts: Vec<_> = blocks
            .values
            .as_chunks_mut()
            .0
            .chunks_mut(CHUNK * dimensions)
            .zip(blocks.weights.as_chunks_mut().0.chunks_mut(CHUNK))
            .zip(blocks.centres.chunks_mut(CHUNK * dimensions))
            .zip(blocks.radii.chunks_mut(CHUNK))
            .zip(blocks.sums.chunks_mut(CHUNK * (dimensions + 1)))
            .collect();
        parallel::for_each(
            threads,
            &mut parts,
            |chunk, ((((values, weights), centres), radii), sums)| {
                for block in 0..weights.len() {
                    let first = (chunk * CHUNK + block) * LANES;
                    let range = first..points.len().min(first + LANES);
                    let place = Block {
                        values: &mut values[block * dimensions..][..dimensions],
                        weights: &mut weights[block],
                        centre: &mut centres[block * dimensions..][..dimensions],
                        radius: &mut radii[block],
                        sums: &mut sums[block * (dimensions + 1)..][..dimensions + 1],
                    };
                    place.fill(points.rows(range.clone()), &points.weights()[range], scaling);
                }
            },
        );
        blocks
    }

    /// Coordinates per point.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Number of points.
    pub fn n_points(&self) -> usize {
        self.points
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.radii.len()
    }

    /// Never true: points are at least one.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The coordinates of a block, one array per dimension.
    #[inline]
    pub fn values(&self, block: usize) -> &[Lanes] {
        &self.values.as_chunks().0[block * self.dimensions..][..self.dimensions]
    }

    /// The weights of a block.
    #[inline]
    pub fn weights(&self, block: usize) -> &Lanes {
        &self.weights.as_chunks().0[block]
    }

    /// The centre of a block.
    #[inline]
    pub fn centre(&self, block: usize) -> &[f64] {
        &self.centres[block * self.dimensions..][..self.dimensions]
    }

    /// No point of the block is further than this from its centre.
    #[inline]
    pub fn radius(&self, block: usize) -> f64 {
        self.radii[block]
    }

    /// Total weight of a block, then its weighted sum per coordinate.
    #[inline]
    pub fn sums(&self, block: usize) -> &[f64] {
        &self.sums[block * (self.dimensions + 1)..][..self.dimensions + 1]
    }

    /// Copies the scaled coordinates of point `index`.
    pub fn point(&self, index: usize) -> Vec<f64> {
        let (block, lane) = (index / LANES, index % LANES);
        self.values(block).iter().map(|lanes| lanes[lane]).collect()
    }
}

/// Where one block is written.
struct Block<'a> {
    values: &'a mut [Lanes],
    weights: &'a mut Lanes,
    centre: &'a mut [f64],
    radius: &'a mut f64,
    sums: &'a mut [f64],
}

impl Block<'_> {
    fn fill(self, rows: &[f64], weights: &[u64], scaling: &Scaling) {
        let dimensions = self.values.len();
        for (lane, &weight) in self.weights.iter_mut().zip(weights) {
            *lane = weight as f64;
        }
        for (axis, lanes) in self.values.iter_mut().enumerate() {
            let last = rows[(weights.len() - 1) * dimensions + axis];
            let column = rows[axis..].iter().step_by(dimensions).copied();
            for (lane, value) in lanes.iter_mut().zip(column.chain(std::iter::repeat(last))) {
                *lane = value;
            }
            scaling.forward_all(axis, lanes);
        }
        self.sums[0] = sum(self.weights);
        let mut squares = [0.0; LANES];
        for (axis, values) in self.values.iter().enumerate() {
            let low = values
                .iter()
                .copied()
                .fold(f64::INFINITY, |a, b| if b < a { b } else { a });
            let high = values
                .iter()
                .copied()
                .fold(f64::NEG_INFINITY, |a, b| if b > a { b } else { a });
            let centre = low + (high - low) / 2.0;
            let mut weighted = [0.0; LANES];
            for lane in 0..LANES {
                squares[lane] += (values[lane] - centre) * (values[lane] - centre);
                weighted[lane] = values[lane] * self.weights[lane];
            }
            self.centre[axis] = centre;
            self.sums[axis + 1] = sum(&weighted);
        }
        *self.radius = squares.iter().copied().fold(0.0, f64::max).sqrt() * (1.0 + SLACK);
    }
}

/// Squared distances of a block's points from `place`.
#[inline(always)]
pub fn squared_distances(values: &[Lanes], place: &[f64]) -> Lanes {
    let mut squares = [0.0; LANES];
    for (lanes, &coordinate) in values.iter().zip(place) {
        for (square, value) in squares.iter_mut().zip(lanes) {
            let difference = value - coordinate;
            *square += difference * difference;
        }
    }
    squares
}

/// Squared distance of two places.
#[inline(always)]
pub fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Sum over the lanes in an order that vector instructions of every width keep.
#[inline(always)]
pub fn sum(lanes: &Lanes) -> f64 {
    let mut width = LANES / 2;
    let mut folded = *lanes;
    while width > 0 {
        for lane in 0..width {
            folded[lane] += folded[lane + width];
        }
        width /= 2;
    }
    folded[0]
}
