//! Rows that repeat, merged by hash while they are few: what passes on is then
//! thousands of rows and not millions.

use crate::compute::parallel;
use crate::segment::points::rows::Rows;
use std::borrow::Cow;
use std::ops::Range;

/// Merging is given up when more than half of the rows of a chunk, and of at
/// least this many, were new.
const TRIAL: usize = 1 << 12;

/// Merges equal rows chunk by chunk when each chunk gets much smaller by it;
/// what is equal in two chunks stays.
pub(super) fn merge(rows: Rows, threads: usize) -> Rows {
    // Rows that differ mostly show it at once: without tables for all of them.
    if merge_range(&rows, 0..rows.len().min(2 * TRIAL)).is_none() {
        return rows;
    }
    let parts = parallel::map(threads, rows.n_chunks(), |chunk| merge_range(&rows, rows.chunk(chunk)));
    if parts.iter().any(Option::is_none) {
        return rows;
    }
    let (mut values, mut weights) = (Vec::new(), Vec::new());
    for (part_values, part_weights) in parts.into_iter().flatten() {
        values.extend(part_values);
        weights.extend(part_weights);
    }
    Rows {
        values: Cow::Owned(values),
        weights: Some(Cow::Owned(weights)),
        dimensions: rows.dimensions,
    }
}

/// The distinct rows of `range` and their weights, or nothing where most rows
/// differ.
fn merge_range(rows: &Rows, range: Range<usize>) -> Option<(Vec<f64>, Vec<u64>)> {
    let mut table = Table::new(range.len(), rows.dimensions);
    for (done, index) in range.enumerate() {
        table.add(rows.row(index), rows.weight(index));
        if done >= TRIAL && table.weights.len() > done / 2 {
            return None;
        }
    }
    Some((table.values, table.weights))
}

/// Open addressing from a row to its position among the distinct rows.
struct Table {
    slots: Vec<u32>,
    shift: u32,
    dimensions: usize,
    values: Vec<f64>,
    weights: Vec<u64>,
}

const EMPTY: u32 = u32::MAX;

impl Table {
    /// Room for `rows` different rows.
    fn new(rows: usize, dimensions: usize) -> Self {
        let bits = (2 * rows.max(8)).next_power_of_two().trailing_zeros();
        Self {
            slots: vec![EMPTY; 1 << bits],
            shift: 64 - bits,
            dimensions,
            values: Vec::new(),
            weights: Vec::new(),
        }
    }

    fn add(&mut self, row: &[f64], weight: u64) {
        // Adding 0.0 makes -0.0 hash as 0.0.
        let hash = row.iter().fold(0u64, |state, value| {
            (state.rotate_left(23) ^ (value + 0.0).to_bits()).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        });
        let mut slot = ((hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize;
        loop {
            let index = self.slots[slot];
            if index == EMPTY {
                self.slots[slot] = self.weights.len() as u32;
                self.values.extend_from_slice(row);
                self.weights.push(weight);
                return;
            }
            let index = index as usize;
            if self.values[index * self.dimensions..][..self.dimensions] == *row {
                self.weights[index] += weight;
                return;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}
