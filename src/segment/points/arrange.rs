//! The canonical order of points: along the curve, ties in lexicographic order,
//! equal rows merged. It depends on nothing but the set of rows.
//!
//! Rows are dealt out to buckets of neighbouring keys, so that each bucket can
//! be sorted by itself, in a cache.

use crate::compute::parallel;
use crate::segment::points::curve::Curve;
use crate::segment::points::rows::{Rows, compare};
use std::ops::Range;

/// Rows sorted by one task.
const BUCKET: usize = 1 << 12;
/// Buckets that one task sorts one after the other, with the same scratch memory.
const BUCKETS: usize = 16;
/// Rows dealt out by one task, unless that makes more than [`MAX_PARTS`] tasks.
const PART: usize = 1 << 16;
const MAX_PARTS: usize = 64;
/// Searches that go on at once.
const ABREAST: usize = 8;
/// Keys looked at per bucket to find where it ends.
const OVERSAMPLING: usize = 16;

/// The distinct rows, shape (points, dimensions), row-major, and their weights,
/// in canonical order.
pub(super) fn arrange(rows: &Rows, curve: &Curve, threads: usize) -> (Vec<f64>, Vec<u64>) {
    let dimensions = rows.dimensions;
    let splitters = Splitters::new(rows, curve);
    let part = PART.max(rows.len().div_ceil(MAX_PARTS));
    let ranges: Vec<Range<usize>> = (0..rows.len())
        .step_by(part)
        .map(|start| start..rows.len().min(start + part))
        .collect();
    let chosen = parallel::map(threads, ranges.len(), |part| {
        Chosen::new(rows, ranges[part].clone(), curve, &splitters)
    });
    let sizes: Vec<usize> = (0..splitters.n_buckets())
        .map(|bucket| chosen.iter().map(|part| part.counts[bucket]).sum())
        .collect();
    let mut values = vec![0.0; rows.len() * dimensions];
    let mut weights = vec![0; rows.len()];

    // The place of each part's rows within each bucket.
    let mut places: Vec<Places> = chosen.iter().map(|_| Places::default()).collect();
    let (mut rest, mut rest_weights) = (&mut values[..], &mut weights[..]);
    for bucket in 0..sizes.len() {
        for (places, chosen) in places.iter_mut().zip(&chosen) {
            let size = chosen.counts[bucket];
            places.values.push(take(&mut rest, size * dimensions));
            places.weights.push(take(&mut rest_weights, size));
        }
    }
    parallel::for_each(threads, &mut places, |part, places| {
        for (index, &bucket) in ranges[part].clone().zip(&chosen[part].buckets) {
            let slots = take(&mut places.values[bucket as usize], dimensions);
            for (slot, value) in slots.iter_mut().zip(rows.row(index)) {
                // -0.0 and 0.0 are equal and become one value.
                *slot = value + 0.0;
            }
            if rows.weights.is_some() {
                take(&mut places.weights[bucket as usize], 1)[0] = rows.weight(index);
            }
        }
    });

    let (mut rest, mut rest_weights) = (&mut values[..], &mut weights[..]);
    let mut buckets: Vec<Bucket> = sizes
        .iter()
        .map(|&size| Bucket {
            values: take(&mut rest, size * dimensions),
            weights: take(&mut rest_weights, size),
            filled: 0,
        })
        .collect();
    let mut tasks: Vec<&mut [Bucket]> = buckets.chunks_mut(BUCKETS).collect();
    parallel::for_each(threads, &mut tasks, |_, buckets| {
        let mut scratch = Scratch::default();
        for bucket in buckets.iter_mut() {
            bucket.sort(curve, dimensions, rows.weights.is_some(), &mut scratch);
        }
    });
    let filled: Vec<usize> = buckets.iter().map(|bucket| bucket.filled).collect();
    compact(&mut values, &mut weights, &sizes, &filled, dimensions);
    (values, weights)
}

/// The first `count` of `rest`, which holds the others afterwards.
fn take<'a, T>(rest: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (first, others) = std::mem::take(rest).split_at_mut(count);
    *rest = others;
    first
}

/// Keys that cut the rows into buckets of about [`BUCKET`] rows.
struct Splitters {
    count: usize,
    /// In order, filled up with a key that no row has to one less than a power of two.
    keys: Vec<u64>,
}

impl Splitters {
    fn new(rows: &Rows, curve: &Curve) -> Self {
        let n_buckets = (rows.len() / BUCKET).max(1);
        let stride = (rows.len() / (n_buckets * OVERSAMPLING)).max(1);
        let sample: Vec<f64> = (0..rows.len())
            .step_by(stride)
            .flat_map(|index| rows.row(index))
            .copied()
            .collect();
        let mut sorted = vec![0; sample.len() / rows.dimensions];
        curve.keys(&sample, &mut sorted);
        sorted.sort_unstable();
        let mut keys: Vec<u64> = (1..n_buckets)
            .map(|cut| sorted[cut * sorted.len() / n_buckets])
            .collect();
        keys.resize(n_buckets.next_power_of_two() - 1, u64::MAX);
        Self {
            count: n_buckets - 1,
            keys,
        }
    }

    fn n_buckets(&self) -> usize {
        self.count + 1
    }

    /// The bucket of each key: how many splitters it has reached. The searches go abreast, so that
    /// none waits for the memory of another.
    fn find<const N: usize>(&self, keys: &[u64; N]) -> [u32; N] {
        let mut found = [0; N];
        let mut half = self.keys.len().div_ceil(2);
        while half > 0 {
            for (found, key) in found.iter_mut().zip(keys) {
                let reached = self.keys[*found + half - 1] <= *key;
                *found = std::hint::select_unpredictable(reached, *found + half, *found);
            }
            half /= 2;
        }
        found.map(|found| found as u32)
    }
}

/// The buckets of some rows.
struct Chosen {
    buckets: Vec<u32>,
    /// Rows per bucket.
    counts: Vec<usize>,
}

impl Chosen {
    fn new(rows: &Rows, range: Range<usize>, curve: &Curve, splitters: &Splitters) -> Self {
        let mut keys = vec![0; range.len()];
        curve.keys(rows.rows(range), &mut keys);
        let mut buckets = vec![0; keys.len()];
        let (keys_abreast, others) = keys.as_chunks::<ABREAST>();
        let (buckets_abreast, of_others) = buckets.as_chunks_mut();
        for (buckets, keys) in buckets_abreast.iter_mut().zip(keys_abreast) {
            *buckets = splitters.find(keys);
        }
        for (bucket, &key) in of_others.iter_mut().zip(others) {
            [*bucket] = splitters.find(&[key]);
        }
        let mut counts = vec![0; splitters.n_buckets()];
        for &bucket in &buckets {
            counts[bucket as usize] += 1;
        }
        Self { buckets, counts }
    }
}

/// Per bucket what is left of the places for one part's rows.
#[derive(Default)]
struct Places<'a> {
    values: Vec<&'a mut [f64]>,
    weights: Vec<&'a mut [u64]>,
}

/// The rows of a bucket; `filled` of the places hold a distinct one in the end.
struct Bucket<'a> {
    values: &'a mut [f64],
    weights: &'a mut [u64],
    filled: usize,
}

/// The rows of one bucket as they came, and room for sorting them.
#[derive(Default)]
struct Scratch {
    values: Vec<f64>,
    weights: Vec<u64>,
    keys: Vec<u64>,
    order: Vec<u64>,
    /// The rows that stay, in order.
    kept: Vec<usize>,
}

impl Bucket<'_> {
    /// Puts the rows into canonical order and merges equal ones, which count once each unless they
    /// are `weighted`.
    fn sort(&mut self, curve: &Curve, dimensions: usize, weighted: bool, scratch: &mut Scratch) {
        let Scratch {
            values,
            weights,
            keys,
            order,
            kept,
        } = scratch;
        values.clear();
        values.extend_from_slice(self.values);
        if weighted {
            weights.clear();
            weights.extend_from_slice(self.weights);
        }
        keys.resize(self.weights.len(), 0);
        curve.keys(values, keys);
        let weight = |index: usize| if weighted { weights[index] } else { 1 };
        let row = |index: usize| &values[index * dimensions..][..dimensions];

        // Key and index in one number, which sorts twice as fast as a pair. Keys that differ in
        // nothing but the bits that are dropped to make room are told apart within their run.
        let (Some(&lowest), Some(&highest)) = (keys.iter().min(), keys.iter().max()) else {
            return;
        };
        let index_bits = usize::BITS - (keys.len() - 1).leading_zeros();
        let key_bits = u64::BITS - (highest - lowest).leading_zeros();
        let dropped = (key_bits + index_bits).saturating_sub(u64::BITS);
        order.clear();
        order.extend(
            keys.iter()
                .zip(0..)
                .map(|(&key, index): (&u64, u64)| (key - lowest) >> dropped << index_bits | index),
        );
        order.sort_unstable();
        let index = |packed: u64| (packed & ((1 << index_bits) - 1)) as usize;
        kept.clear();
        for run in order.chunk_by_mut(|a, b| a >> index_bits == b >> index_bits) {
            if run.len() > 1 {
                run.sort_unstable_by(|&a, &b| {
                    let (a, b) = (index(a), index(b));
                    keys[a].cmp(&keys[b]).then_with(|| compare(row(a), row(b)))
                });
            }
            // Equal rows have equal keys: they are all in one run.
            for equal in run.chunk_by(|&a, &b| row(index(a)) == row(index(b))) {
                self.weights[kept.len()] = equal.iter().map(|&packed| weight(index(packed))).sum();
                kept.push(index(equal[0]));
            }
        }
        self.filled = kept.len();
        for axis in 0..dimensions {
            let slots = self.values[axis..].iter_mut().step_by(dimensions);
            for (slot, &index) in slots.zip(&*kept) {
                *slot = values[index * dimensions + axis];
            }
        }
    }
}

/// Closes the gaps that merged rows have left. `sizes` holds the places of each
/// bucket, `filled` how many of them hold a row.
fn compact(values: &mut Vec<f64>, weights: &mut Vec<u64>, sizes: &[usize], filled: &[usize], dimensions: usize) {
    let (mut from, mut to) = (0, 0);
    for (&size, &filled) in sizes.iter().zip(filled) {
        if from != to {
            values.copy_within(from * dimensions..(from + filled) * dimensions, to * dimensions);
            weights.copy_within(from..from + filled, to);
        }
        from += size;
        to += filled;
    }
    values.truncate(to * dimensions);
    weights.truncate(to);
}
