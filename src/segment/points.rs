//! The input of segmentation: points in a canonical order, equal ones merged.
//!
//! Customer features repeat a lot (recency in days, counts of purchases), and
//! k-means depends only on which points there are and how often. So equal
//! points become one point with a weight, which is exact, and the points are
//! put into an order that is a function of their set: whatever order the rows
//! arrive in, everything after this module does the same sums in the same
//! order and gives the same bytes.
//!
//! The canonical order is that of a space-filling curve (Z-order: Morton, "A
//! computer oriented geodetic data base", 1966), ties in lexicographic order.
//! Neighbours on the curve are mostly neighbours in space, which is what lets
//! [`super::lloyd`] decide about whole blocks of points at once.

use super::error::SegmentError;
use super::parallel;
use super::wide::{self, Kernel};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

/// Coordinates that lie further apart have squares that overflow.
const WIDEST: f64 = 1e140;
/// Rows handled by one task.
const CHUNK: usize = 1 << 16;
/// Merging by hash is given up when more than half of the rows of a chunk, and
/// of at least this many, were new: the sort merges what is left.
const TRIAL: usize = 1 << 12;
/// Rows sorted by one task.
const BUCKET: usize = 1 << 14;
/// Bits of a number that one pass of a sort goes by.
const DIGIT_BITS: u32 = 11;
const RADIX: usize = 1 << DIGIT_BITS;
/// Keys looked at per bucket to find where it ends.
const OVERSAMPLING: usize = 16;
/// Rows that one step of a loop over the coordinates takes.
const ABREAST: usize = 8;
/// Rows whose keys are made together.
const KEYS: usize = 256;
/// Steps per axis when the curve is laid out; the spread of a coordinate is
/// measured in them with integers, so that it does not depend on the order.
const STEPS: f64 = (1u64 << 20) as f64;

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
        Self::build(values, Some(weights), dimensions, threads)
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
        let bounds = rows.bounds(threads)?;
        let rows = rows.merge_repeats(threads);
        let curve = Curve::new(&rows, &bounds, threads);
        let points = rows.arrange(&curve, bounds, threads);
        if points.is_empty() {
            return Err(SegmentError::NoPoints);
        }
        Ok(points)
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
#[derive(Clone)]
struct Rows<'a> {
    /// (rows, dimensions), row-major.
    values: Cow<'a, [f64]>,
    /// All 1 when absent.
    weights: Option<Cow<'a, [u64]>>,
    dimensions: usize,
}

/// Smallest and largest value per dimension.
#[derive(Clone, Debug, PartialEq)]
struct Bounds {
    low: Vec<f64>,
    high: Vec<f64>,
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

impl<'a> Rows<'a> {
    fn len(&self) -> usize {
        self.values.len() / self.dimensions
    }

    fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.dimensions..][..self.dimensions]
    }

    fn weight(&self, index: usize) -> u64 {
        self.weights.as_ref().map_or(1, |weights| weights[index])
    }

    fn n_chunks(&self) -> usize {
        self.len().div_ceil(CHUNK)
    }

    fn chunk(&self, chunk: usize) -> Range<usize> {
        chunk * CHUNK..self.len().min((chunk + 1) * CHUNK)
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
        let values = &self.values[range.start * self.dimensions..range.end * self.dimensions];
        if let Some(position) = first_not_finite(values) {
            return Err(SegmentError::NotFinite {
                row: range.start + position / self.dimensions,
                dimension: position % self.dimensions,
                value: values[position],
            });
        }
        Ok(wide::run(ChunkBounds {
            values,
            dimensions: self.dimensions,
        }))
    }

    /// Merges equal rows chunk by chunk when each chunk gets much smaller by it;
    /// the sort finds the rest.
    fn merge_repeats(self, threads: usize) -> Self {
        let parts = parallel::map(threads, self.n_chunks(), |chunk| self.merge_chunk(self.chunk(chunk)));
        if parts.iter().any(Option::is_none) {
            return self;
        }
        let (mut values, mut weights) = (Vec::new(), Vec::new());
        for (part_values, part_weights) in parts.into_iter().flatten() {
            values.extend(part_values);
            weights.extend(part_weights);
        }
        Self {
            values: Cow::Owned(values),
            weights: Some(Cow::Owned(weights)),
            dimensions: self.dimensions,
        }
    }

    /// The distinct rows of `range` and their weights, or nothing where most
    /// rows differ.
    fn merge_chunk(&self, range: Range<usize>) -> Option<(Vec<f64>, Vec<u64>)> {
        let mut table = Table::new(range.len(), self.dimensions);
        for (done, index) in range.enumerate() {
            table.add(self.row(index), self.weight(index));
            if done >= TRIAL && table.weights.len() > done / 2 {
                return None;
            }
        }
        Some((table.values, table.weights))
    }

    /// Sorts the rows along the curve and merges equal ones. Rows are dealt out
    /// to buckets of neighbouring keys first, so that each bucket can be sorted
    /// and copied to its place by itself.
    fn arrange(&self, curve: &Curve, bounds: Bounds, threads: usize) -> Points {
        let splitters = self.splitters(curve);
        let n_buckets = splitters.len() + 1;
        let dealt = parallel::map(threads, self.n_chunks(), |chunk| {
            self.deal(self.chunk(chunk), curve, &splitters)
        });
        let mut values = vec![0.0; self.values.len()];
        let mut weights = vec![0u64; self.len()];
        let (mut rest, mut rest_weights) = (&mut values[..], &mut weights[..]);
        let mut buckets: Vec<Bucket> = (0..n_buckets)
            .map(|bucket| {
                let size = dealt.iter().map(|part| part.bucket(bucket).len()).sum::<usize>();
                let (values, weights);
                (values, rest) = std::mem::take(&mut rest).split_at_mut(size * self.dimensions);
                (weights, rest_weights) = std::mem::take(&mut rest_weights).split_at_mut(size);
                Bucket {
                    values,
                    weights,
                    filled: 0,
                }
            })
            .collect();
        parallel::for_each(threads, &mut buckets, |bucket, place| {
            Dealt::gather(&dealt, bucket, self.dimensions).fill(place);
        });
        let filled: Vec<(usize, usize)> = buckets
            .iter()
            .map(|bucket| (bucket.weights.len(), bucket.filled))
            .collect();
        compact(&mut values, &mut weights, &filled, self.dimensions);
        Points {
            dimensions: self.dimensions,
            total: weights.iter().sum(),
            values,
            weights,
            bounds,
        }
    }

    /// Keys that cut the rows into buckets of about [`BUCKET`] rows.
    fn splitters(&self, curve: &Curve) -> Vec<u64> {
        let n_buckets = self.len() / BUCKET;
        let stride = (self.len() / (n_buckets * OVERSAMPLING).max(1)).max(1);
        let mut keys: Vec<u64> = (0..self.len())
            .step_by(stride)
            .map(|index| curve.keys(self.row(index), self.dimensions)[0])
            .collect();
        keys.sort_unstable();
        (1..n_buckets).map(|cut| keys[cut * keys.len() / n_buckets]).collect()
    }

    /// The rows of `range` with their keys, ordered by bucket. Rows of weight 0
    /// drop out.
    fn deal(&self, range: Range<usize>, curve: &Curve, splitters: &[u64]) -> Dealt {
        let keys = curve.keys(
            &self.values[range.start * self.dimensions..range.end * self.dimensions],
            self.dimensions,
        );
        let kept = || range.clone().filter(|&index| self.weight(index) > 0);
        let mut starts = vec![0; splitters.len() + 2];
        let buckets: Vec<u32> = kept()
            .map(|index| {
                let key = keys[index - range.start];
                let bucket = splitters.partition_point(|&splitter| splitter <= key);
                starts[bucket + 1] += 1;
                bucket as u32
            })
            .collect();
        for bucket in 0..splitters.len() + 1 {
            starts[bucket + 1] += starts[bucket];
        }
        let mut next = starts.clone();
        let mut dealt = Dealt {
            dimensions: self.dimensions,
            keys: vec![0; buckets.len()],
            values: vec![0.0; buckets.len() * self.dimensions],
            weights: self.weights.as_ref().map(|_| vec![0; buckets.len()]),
            starts,
        };
        for (index, bucket) in kept().zip(buckets) {
            let position = next[bucket as usize];
            next[bucket as usize] += 1;
            dealt.keys[position] = keys[index - range.start];
            // -0.0 and 0.0 are equal and become one value.
            let slots = &mut dealt.values[position * self.dimensions..][..self.dimensions];
            for (slot, value) in slots.iter_mut().zip(self.row(index)) {
                *slot = value + 0.0;
            }
            if let Some(weights) = &mut dealt.weights {
                weights[position] = self.weight(index);
            }
        }
        dealt
    }
}

/// Rows with their keys, dealt out to buckets. They are copied here, chunk by
/// chunk, because a bucket would otherwise fetch each of its rows from another
/// place in memory.
struct Dealt {
    dimensions: usize,
    keys: Vec<u64>,
    values: Vec<f64>,
    /// All 1 when absent.
    weights: Option<Vec<u64>>,
    starts: Vec<usize>,
}

impl Dealt {
    fn bucket(&self, bucket: usize) -> Range<usize> {
        self.starts[bucket]..self.starts[bucket + 1]
    }

    /// The rows of one bucket of all `parts`.
    fn gather(parts: &[Self], bucket: usize, dimensions: usize) -> Self {
        let size = parts.iter().map(|part| part.bucket(bucket).len()).sum();
        let weighted = parts.iter().any(|part| part.weights.is_some());
        let mut gathered = Self {
            dimensions,
            keys: Vec::with_capacity(size),
            values: Vec::with_capacity(size * dimensions),
            weights: weighted.then(|| Vec::with_capacity(size)),
            starts: Vec::new(),
        };
        for part in parts {
            let range = part.bucket(bucket);
            gathered.keys.extend_from_slice(&part.keys[range.clone()]);
            let values = &part.values[range.start * dimensions..range.end * dimensions];
            gathered.values.extend_from_slice(values);
            if let (Some(all), Some(weights)) = (&mut gathered.weights, &part.weights) {
                all.extend_from_slice(&weights[range]);
            }
        }
        gathered
    }

    fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.dimensions..][..self.dimensions]
    }

    fn weight(&self, index: usize) -> u64 {
        self.weights.as_ref().map_or(1, |weights| weights[index])
    }

    /// Writes the rows in canonical order, equal ones merged.
    fn fill(&self, place: &mut Bucket) {
        // Key and index in one number, which sorts twice as fast as a pair. Keys that differ in
        // nothing but the bits that are dropped to make room are told apart within their run.
        let (lowest, highest) = (self.keys.iter().min(), self.keys.iter().max());
        let (Some(&lowest), Some(&highest)) = (lowest, highest) else {
            return;
        };
        let index_bits = usize::BITS - (self.keys.len() - 1).leading_zeros();
        let key_bits = u64::BITS - (highest - lowest).leading_zeros();
        let dropped = (key_bits + index_bits).saturating_sub(u64::BITS);
        let pack = |(&key, index): (&u64, u64)| (key - lowest) >> dropped << index_bits | index;
        let mut order: Vec<u64> = self.keys.iter().zip(0..).map(pack).collect();
        sort(&mut order, key_bits - dropped + index_bits);
        let index = |packed: u64| (packed & ((1 << index_bits) - 1)) as usize;
        for run in order.chunk_by_mut(|a, b| a >> index_bits == b >> index_bits) {
            if run.len() > 1 {
                run.sort_unstable_by(|&a, &b| {
                    let (a, b) = (index(a), index(b));
                    let keys = self.keys[a].cmp(&self.keys[b]);
                    keys.then_with(|| compare(self.row(a), self.row(b)))
                });
            }
            // Equal rows have equal keys: they are all in one run.
            let mut before: &[f64] = &[];
            for &packed in run.iter() {
                let row = self.row(index(packed));
                if row == before {
                    place.weights[place.filled - 1] += self.weight(index(packed));
                    continue;
                }
                place.values[place.filled * self.dimensions..][..self.dimensions].copy_from_slice(row);
                place.weights[place.filled] = self.weight(index(packed));
                place.filled += 1;
                before = row;
            }
        }
    }
}

/// Sorts numbers of which the lowest `bits` bits are used: by their highest digits in two passes
/// over all, and what agrees in these by comparing.
fn sort(numbers: &mut Vec<u64>, bits: u32) {
    if numbers.len() < RADIX || bits < 2 * DIGIT_BITS {
        numbers.sort_unstable();
        return;
    }
    let mut others = vec![0; numbers.len()];
    for shift in [bits - 2 * DIGIT_BITS, bits - DIGIT_BITS] {
        let digit = |number: u64| (number >> shift) as usize % RADIX;
        let mut starts = [0; RADIX];
        for &number in numbers.iter() {
            starts[digit(number)] += 1;
        }
        let mut next = 0;
        for start in &mut starts {
            next += std::mem::replace(start, next);
        }
        for &number in numbers.iter() {
            let place = &mut starts[digit(number)];
            others[*place] = number;
            *place += 1;
        }
        std::mem::swap(numbers, &mut others);
    }
    let highest = |number: u64| number >> (bits - 2 * DIGIT_BITS);
    for run in numbers.chunk_by_mut(|&a, &b| highest(a) == highest(b)) {
        run.sort_unstable();
    }
}

/// Where the points of a bucket go; `filled` of the places hold one in the end.
struct Bucket<'a> {
    values: &'a mut [f64],
    weights: &'a mut [u64],
    filled: usize,
}

/// Closes the gaps that merged rows have left. `buckets` holds the places and
/// the points of each bucket.
fn compact(values: &mut Vec<f64>, weights: &mut Vec<u64>, buckets: &[(usize, usize)], dimensions: usize) {
    let (mut from, mut to) = (0, 0);
    for &(places, filled) in buckets {
        if from != to {
            values.copy_within(from * dimensions..(from + filled) * dimensions, to * dimensions);
            weights.copy_within(from..from + filled, to);
        }
        from += places;
        to += filled;
    }
    values.truncate(to * dimensions);
    weights.truncate(to);
}

/// Lexicographic order of coordinates.
pub(super) fn compare(a: &[f64], b: &[f64]) -> Ordering {
    let ordered = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
    ordered.fold(Ordering::Equal, Ordering::then)
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

/// The space-filling curve: per axis a start and a number of steps per unit,
/// such that a step is the same share of the standard deviation on every axis.
struct Curve {
    axes: Vec<(f64, f64)>,
    largest: u64,
    /// Shifts, each with the bits that are kept after it, that move the bits of
    /// a cell number as far apart as there are axes.
    spread: Vec<(usize, u64)>,
}

impl Curve {
    fn new(rows: &Rows, bounds: &Bounds, threads: usize) -> Self {
        // The curve follows the first 63 axes, at least one bit each.
        let dimensions = rows.dimensions.min(63);
        let deviations = deviations(rows, bounds, threads);
        let bits = (63 / dimensions).min(21);
        let largest = (1u64 << bits) - 1;
        let widest = (0..dimensions)
            .map(|axis| (bounds.high[axis] - bounds.low[axis]) / deviations[axis])
            .fold(f64::MIN_POSITIVE, f64::max);
        let steps = |axis: usize| largest as f64 / (deviations[axis] * widest);
        let axes = (0..dimensions)
            .map(|axis| {
                (
                    bounds.low[axis],
                    Some(steps(axis)).filter(|steps| steps.is_finite()).unwrap_or(0.0),
                )
            })
            .collect();
        // Groups of bits are parted in the middle until each is a single bit.
        let spread = (0..5).rev().map(|level| 1 << level).filter(|&size| size < bits);
        let spread = spread.map(|size| {
            let place = |bit: usize| bit / size * size * dimensions + bit % size;
            let kept = (0..bits).fold(0, |kept, bit| kept | 1 << place(bit));
            (size * (dimensions - 1), kept)
        });
        Self {
            axes,
            largest,
            spread: spread.collect(),
        }
    }

    /// The places of `values`, shape (rows, dimensions), on the curve.
    fn keys(&self, values: &[f64], dimensions: usize) -> Vec<u64> {
        wide::run(Keys {
            curve: self,
            values,
            dimensions,
        })
    }
}

/// The places of some rows on the curve.
struct Keys<'a> {
    curve: &'a Curve,
    values: &'a [f64],
    dimensions: usize,
}

impl Kernel for Keys<'_> {
    type Output = Vec<u64>;

    #[inline(always)]
    fn run(self) -> Vec<u64> {
        let (curve, n_axes) = (self.curve, self.curve.axes.len());
        let mut keys = vec![0; self.values.len() / self.dimensions];
        let parts = keys.chunks_mut(KEYS).zip(self.values.chunks(KEYS * self.dimensions));
        for (keys, values) in parts {
            for (axis, &(low, steps)) in curve.axes.iter().enumerate() {
                let mut cells = [0; KEYS];
                for (cell, row) in cells.iter_mut().zip(values.chunks_exact(self.dimensions)) {
                    *cell = whole((row[axis] - low) * steps).min(curve.largest);
                }
                for &(shift, kept) in &curve.spread {
                    for cell in &mut cells {
                        *cell = (*cell | *cell << shift) & kept;
                    }
                }
                for (key, cell) in keys.iter_mut().zip(&cells) {
                    *key |= cell << (n_axes - 1 - axis);
                }
            }
        }
        keys
    }
}

/// From here to twice as much floats are the whole numbers.
const FIRST_WHOLE: f64 = (1u64 << 52) as f64;

/// The nearest whole number to `x`, which is from 0 to below 2^52: the last
/// bits of x + 2^52. A cast would check the range of every value.
#[inline(always)]
fn whole(x: f64) -> u64 {
    (x + FIRST_WHOLE).to_bits() & ((1 << 52) - 1)
}

/// Standard deviations for laying out the curve, from integers: sums of
/// integers do not depend on the order of the rows, sums of floats do.
fn deviations(rows: &Rows, bounds: &Bounds, threads: usize) -> Vec<f64> {
    let dimensions = rows.dimensions;
    let widths: Vec<f64> = bounds
        .low
        .iter()
        .zip(&bounds.high)
        .map(|(low, high)| high - low)
        .collect();
    let factors: Vec<f64> = widths
        .iter()
        .map(|width| Some(STEPS / width).filter(|factor| factor.is_finite()).unwrap_or(0.0))
        .collect();
    let parts = parallel::map(threads, rows.n_chunks(), |chunk| {
        let range = rows.chunk(chunk);
        if rows.weights.is_some() {
            let mut sums = vec![(0, 0); dimensions];
            for index in range {
                let (row, weight) = (rows.row(index), u128::from(rows.weight(index)));
                for (axis, sums) in sums.iter_mut().enumerate() {
                    let step = whole((row[axis] - bounds.low[axis]) * factors[axis]).min(STEPS as u64);
                    let step = u128::from(step);
                    sums.0 += step * weight;
                    sums.1 += step * step * weight;
                }
            }
            return sums;
        }
        wide::run(Steps {
            values: &rows.values[range.start * dimensions..range.end * dimensions],
            low: &bounds.low,
            factors: &factors,
        })
    });
    let total: u128 = match &rows.weights {
        Some(weights) => weights.iter().map(|&weight| u128::from(weight)).sum(),
        None => rows.len() as u128,
    };
    (0..dimensions)
        .map(|axis| {
            let (sum, squares) = parts.iter().fold((0, 0), |(sum, squares), part| {
                (sum + part[axis].0, squares + part[axis].1)
            });
            let mean = sum as f64 / total as f64;
            let variance = squares as f64 / total as f64 - mean * mean;
            // An axis on which (nearly) all points agree must not divide by zero.
            (variance.max(1.0).sqrt() / STEPS * widths[axis]).max(f64::MIN_POSITIVE)
        })
        .collect()
}

/// Per dimension the sum of some rows' steps from its lowest value, and of their squares.
struct Steps<'a> {
    /// At most [`CHUNK`] rows.
    values: &'a [f64],
    low: &'a [f64],
    factors: &'a [f64],
}

impl Kernel for Steps<'_> {
    type Output = Vec<(u128, u128)>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        // Whole numbers as floats. A square is at most 2^40, and CHUNK / ABREAST = 2^13 of them are added
        // up: no sum is rounded.
        let (low, factors) = (self.low.repeat(ABREAST), self.factors.repeat(ABREAST));
        let (mut sums, mut squares) = (vec![0.0; low.len()], vec![0.0; low.len()]);
        for rows in self.values.chunks(low.len()) {
            let places = sums.iter_mut().zip(&mut squares).zip(low.iter().zip(&factors));
            for (((sum, square), (low, factor)), value) in places.zip(rows) {
                let step = (value - low) * factor + FIRST_WHOLE - FIRST_WHOLE;
                let step = if step < STEPS { step } else { STEPS };
                *sum += step;
                *square += step * step;
            }
        }
        let mut totals = vec![(0, 0); self.low.len()];
        for (lane, (sum, square)) in sums.into_iter().zip(squares).enumerate() {
            let total = &mut totals[lane % self.low.len()];
            total.0 += sum as u128;
            total.1 += square as u128;
        }
        totals
    }
}
