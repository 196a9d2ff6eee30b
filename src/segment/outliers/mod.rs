//! Customers that belong to no segment: how far each is from those most like it.
//!
//! The score of a point is its distance from the `neighbours`-th nearest other one (Ramaswamy, Rastogi and
//! Shim, "Efficient algorithms for mining outliers from large data sets", 2000), which OPTICS calls its core
//! distance: DBSCAN with a smaller radius and as many points takes it for no core of any cluster. Unlike
//! these two it needs no radius, and unlike the local outlier factor it needs no density, which is infinite
//! where many customers are equal.
//!
//! # Steps
//! 1. Equal points become one with a weight, and coordinates that hold only rounding noise become constant.
//! 2. Coordinates are measured in deviations that the ends take no part in ([`spread`]).
//! 3. A tree over the points (`tree`) finds the neighbours of each, exactly.
//! 4. What stands out is the coordinate with the largest part in the squared distances from the neighbours.
//!
//! Cost: O(points × log points × neighbours) in a few coordinates; in many (a dozen or more without structure) the tree
//! rules out little, and it grows towards O(points²).
//!
//! linfa-clustering's DBSCAN and OPTICS know no weights, give no neighbours and cannot be interrupted; they are the
//! peers of a test in `tests/peers/linfa`.

pub mod spread;
mod tree;

use crate::compute::{dispatch, parallel};
use crate::error::Error;
use crate::limits::MAX_NEIGHBOURS;
use crate::segment::noise;
use crate::segment::points::Points;
use crate::segment::scale::Scaling;
use tree::{Nearest, Neighbour, Tree};

/// Points whose neighbours one task looks for.
const CHUNK: usize = 1 << 10;
/// Rows that one task finds again.
const ROWS: usize = 1 << 14;

/// Settings of [`find`].
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many others have to be near, 1 to [`MAX_NEIGHBOURS`].
    pub neighbours: usize,
    /// Whether coordinates are divided by their standard deviation.
    pub standardise: bool,
    /// Whether logarithms, sign(x) log(1 + |x|), are taken first.
    pub log: bool,
    /// Number of threads, 1 or more; does not change the result.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            neighbours: 10,
            standardise: true,
            log: false,
            threads: 1,
        }
    }
}

/// How far a point is from its neighbours, and in what.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbourhood {
    /// The distance from the last of the neighbours, in standard deviations.
    pub distance: f64,
    /// The coordinate in which the neighbours differ most from the point, from 0, and its share of the sum of the
    /// squared distances. Nothing where all of them are equal to it.
    pub stands_out: Option<(usize, f64)>,
    /// The mean of the neighbours, (dimensions), in the units of the points.
    pub nearest: Vec<f64>,
}

/// What is known of each of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Outliers {
    dimensions: usize,
    /// Of each different point: distance, coordinate (-1 for none), share, and the neighbours' means.
    records: Vec<f64>,
    /// The different point that each row is.
    points: Vec<u32>,
}

/// Numbers of a record in front of the means.
const BEFORE: usize = 3;

impl Outliers {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Never true: rows are at least one.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Coordinates per row.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// What is known of a row; nothing of the only one.
    pub fn row(&self, row: usize) -> Option<Neighbourhood> {
        read(self.record(row))
    }

    /// The same as numbers, (3 + dimensions).
    pub fn record(&self, row: usize) -> &[f64] {
        let size = BEFORE + self.dimensions;
        &self.records[self.points[row] as usize * size..][..size]
    }
}

/// What the numbers of [`Outliers::record`] say.
pub fn read(record: &[f64]) -> Option<Neighbourhood> {
    let (&[distance, coordinate, share], nearest) = record.split_first_chunk()?;
    (distance >= 0.0).then(|| Neighbourhood {
        distance,
        stands_out: (coordinate >= 0.0).then_some((coordinate as usize, share)),
        nearest: nearest.to_vec(),
    })
}

/// How far each row of `values`, shape (rows, `dimensions`), row-major, is from the rows that are most like it. The
/// order of the rows makes no difference, nor does the number of threads.
///
/// # Errors
/// As [`Points::new`], and `neighbours` out of range.
pub fn find(values: &[f64], dimensions: usize, settings: &Settings) -> Result<Outliers, Error> {
    if !(1..=MAX_NEIGHBOURS).contains(&settings.neighbours) {
        let allowed = format!("1 to {MAX_NEIGHBOURS}");
        return Err(Error::argument("neighbours", settings.neighbours, allowed));
    }
    let points = Points::new(values, dimensions, settings.threads)?;
    let (points, widths) = noise::flatten(&points, settings.log, settings.threads)?;
    let scaling = spread::scaling(&points, settings.standardise, settings.log, settings.threads);
    let mut scaled = points.values().to_vec();
    for row in scaled.chunks_exact_mut(dimensions) {
        scale(&scaling, row);
    }
    let tree = Tree::new(&scaled, points.weights(), dimensions);
    drop(scaled);
    let records = records(&points, &tree, settings);
    let n_tasks = (values.len() / dimensions).div_ceil(ROWS);
    let found = parallel::map(settings.threads, n_tasks, |task| {
        let rows = values[task * ROWS * dimensions..].chunks_exact(dimensions).take(ROWS);
        let mut row = vec![0.0; dimensions];
        let mut scaled = row.clone();
        rows.map(|given| {
            for (axis, (slot, value)) in row.iter_mut().zip(given).enumerate() {
                // As the points have it: one value where there is only noise, and no -0.0.
                *slot = if widths[axis].is_some() {
                    points.low()[axis]
                } else {
                    value + 0.0
                };
            }
            scaled.copy_from_slice(&row);
            scale(&scaling, &mut scaled);
            let mut leaf = tree.leaf(&scaled);
            leaf.find(|&point| points.point(tree.origin(point)) == row)
                .unwrap_or_default()
        })
        .collect::<Vec<u32>>()
    });
    Ok(Outliers {
        dimensions,
        records,
        points: found.concat(),
    })
}

fn scale(scaling: &Scaling, row: &mut [f64]) {
    for (axis, value) in row.iter_mut().enumerate() {
        *value = scaling.forward(axis, *value);
    }
}

/// The records of the points of the tree.
fn records(points: &Points, tree: &Tree, settings: &Settings) -> Vec<f64> {
    let size = BEFORE + points.dimensions();
    let mut records = vec![-1.0; tree.len() * size];
    let count = (settings.neighbours as u64).min(points.total() - 1);
    if count == 0 {
        return records;
    }
    let mut tasks: Vec<&mut [f64]> = records.chunks_mut(CHUNK * size).collect();
    parallel::for_each(settings.threads, &mut tasks, |task, records| {
        let first = (task * CHUNK) as u32;
        let mut slots = records.chunks_exact_mut(size);
        let mut squares = vec![0.0; points.dimensions()];
        dispatch::run(Nearest {
            tree,
            points: first..first + slots.len() as u32,
            count,
            found: |point, nearest: &[Neighbour]| {
                if let Some(record) = slots.next() {
                    describe(points, tree, point, nearest, count, record, &mut squares);
                }
            },
        });
    });
    records
}

/// Writes the record of a point; `squares` is room for a number per coordinate.
fn describe(
    points: &Points,
    tree: &Tree,
    point: u32,
    nearest: &[Neighbour],
    count: u64,
    record: &mut [f64],
    squares: &mut [f64],
) {
    let (before, means) = record.split_at_mut(BEFORE);
    means.fill(0.0);
    squares.fill(0.0);
    let (mut left, mut furthest) = (count, 0.0);
    for neighbour in nearest {
        let times = neighbour.weight.min(left) as f64;
        left -= neighbour.weight.min(left);
        furthest = neighbour.square;
        let origin = points.point(tree.origin(neighbour.point));
        let places = tree.row(point).iter().zip(tree.row(neighbour.point));
        let sums = means.iter_mut().zip(squares.iter_mut());
        for ((mean, square), (value, (a, b))) in sums.zip(origin.iter().zip(places)) {
            *mean += value * times;
            *square += (a - b) * (a - b) * times;
        }
    }
    means.iter_mut().for_each(|mean| *mean /= count as f64);
    let total: f64 = squares.iter().sum();
    before[0] = f64::sqrt(furthest);
    // Of several as large the first.
    let largest = squares.iter().enumerate().rev().max_by(|a, b| a.1.total_cmp(b.1));
    if let Some((axis, square)) = largest.filter(|_| total > 0.0) {
        (before[1], before[2]) = (axis as f64, square / total);
    }
}
