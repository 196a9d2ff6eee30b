//! What every kernel is given.

use super::super::{Architecture, Cell};
use crate::compute::cuda::Place;

/// The struct of the same name in `kernels.cu`: the same fields in the same order.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Pass {
    pub seed: u64,
    pub clip: f64,
    pub losses: Place,
    pub totals: Place,
    pub parameters: Place,
    pub first_moments: Place,
    pub second_moments: Place,
    pub gradient: Place,
    pub sums: Place,
    pub parts: Place,
    pub table: Place,
    pub transposed: Place,
    pub gates: Place,
    pub cells: Place,
    pub hidden: Place,
    pub dropped: Place,
    pub d_hidden: Place,
    pub scores: Place,
    pub state_before: Place,
    pub state_after: Place,
    pub keys: Place,
    pub lengths: Place,
    pub first_targets: Place,
    pub weights: Place,
    pub tokens: Place,
    pub cell: i32,
    pub vocabulary: i32,
    pub embedding: i32,
    pub units: i32,
    pub layers: i32,
    pub sequences: i32,
    pub steps: i32,
    pub first_step: i32,
    pub stride: i32,
    pub chunk: i32,
    pub chunks: i32,
    pub n_parameters: i32,
    pub n_sums: i32,
    pub n_losses: i32,
    pub layer: i32,
    pub is_scoring: i32,
    pub is_first: i32,
    pub threshold: u32,
    pub scale: f32,
    pub rate: f32,
    pub epsilon: f32,
}

/// As the kernels number the cells.
pub(super) fn number_of(cell: Cell) -> i32 {
    match cell {
        Cell::Rnn => 0,
        Cell::Gru => 1,
        Cell::Lstm => 2,
    }
}

/// Floats kept of a step per unit.
pub(super) fn kept_of(cell: Cell) -> usize {
    if cell == Cell::Rnn { 1 } else { 4 }
}

/// Sums over all rows: of each layer those for W_hh, of each column of the gates' gradients, and above the first for
/// W_ih; of the first layer by tokens; of the head.
pub(super) fn n_sums(padded: &Architecture) -> usize {
    let (wide, units) = (padded.cell.gates() * padded.hidden, padded.hidden);
    let per_layer = wide * units + kept_of(padded.cell) * units;
    padded.layers * per_layer
        + (padded.layers - 1) * wide * units
        + padded.vocabulary * wide
        + padded.vocabulary * (units + 1)
}

/// Blocks of `weight_gradients` for a chunk of rows.
pub(super) fn n_tiles(padded: &Architecture) -> usize {
    const TILE: usize = 64;
    const COLUMNS: usize = 32;
    const THREADS: usize = 256;
    let (wide, units, vocabulary) = (padded.cell.gates() * padded.hidden, padded.hidden, padded.vocabulary);
    let square = wide.div_ceil(TILE) * units.div_ceil(TILE);
    let columns = (kept_of(padded.cell) * units).div_ceil(THREADS);
    padded.layers * (square + columns)
        + (padded.layers - 1) * square
        + wide.div_ceil(COLUMNS)
        + vocabulary.div_ceil(TILE) * units.div_ceil(TILE)
        + vocabulary.div_ceil(THREADS)
}

/// Rows of a part of the sums, for a window of so many.
pub(super) fn chunk_of(rows: usize) -> usize {
    const SMALLEST: usize = 256;
    const MOST_PARTS: usize = 64;
    rows.div_ceil(MOST_PARTS).next_multiple_of(16).max(SMALLEST)
}
