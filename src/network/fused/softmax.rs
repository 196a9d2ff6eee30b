//! Softmax over padded rows of logits, and the cross entropy with its gradient.

use super::vector::{exp, Vector};

/// The logit of a column that is no token: its probability is 0, and a difference of two
/// logits is never infinite.
pub(super) const NO_TOKEN: f32 = -1e30;

/// Replaces a row by its exponentials relative to the largest logit. Gives the largest
/// logit and the sum of the exponentials.
#[inline(always)]
unsafe fn exponentials<V: Vector>(row: *mut f32, width: usize) -> (f32, f32) {
    let mut largest = V::load(row);
    for column in (V::LANES..width).step_by(V::LANES) {
        largest = largest.max(V::load(row.add(column)));
    }
    let largest = largest.largest();
    let mut sum = V::splat(0.0);
    for column in (0..width).step_by(V::LANES) {
        let e = exp(V::load(row.add(column)).sub(V::splat(largest)));
        e.store(row.add(column));
        sum = sum.add(e);
    }
    (largest, sum.sum())
}

#[inline(always)]
unsafe fn multiply<V: Vector>(row: *mut f32, width: usize, factor: f32) {
    for column in (0..width).step_by(V::LANES) {
        V::load(row.add(column)).mul(V::splat(factor)).store(row.add(column));
    }
}

/// Replaces rows of logits by probabilities.
///
/// # Safety
/// The processor has V's instructions; `logits` is good for `n_rows` rows of `width`
/// floats, a multiple of `PAD`.
#[inline(always)]
pub(super) unsafe fn softmax<V: Vector>(logits: *mut f32, n_rows: usize, width: usize) {
    for row in 0..n_rows {
        let row = logits.add(row * width);
        let (_, sum) = exponentials::<V>(row, width);
        multiply::<V>(row, width, 1.0 / sum);
    }
}

/// Replaces rows of logits by the gradient of the weighted cross entropy, weight · (p -
/// onehot(target)), adds the rows to `sums`, and gives the sum of weight · -ln p(target).
///
/// # Safety
/// As for [`softmax`]; `targets` and `weights` have `n_rows` values, each target below
/// `width`, and `sums` is good for `width` floats.
#[inline(always)]
pub(super) unsafe fn cross_entropy<V: Vector>(
    logits: *mut f32,
    n_rows: usize,
    width: usize,
    targets: *const u32,
    weights: *const f32,
    sums: *mut f32,
) -> f64 {
    let mut loss = 0.0;
    for index in 0..n_rows {
        let row = logits.add(index * width);
        let target = row.add(*targets.add(index) as usize);
        let weight = *weights.add(index);
        let logit = *target;
        let (largest, sum) = exponentials::<V>(row, width);
        multiply::<V>(row, width, weight / sum);
        *target -= weight;
        if weight != 0.0 {
            loss += f64::from(weight) * f64::from(sum.ln() - (logit - largest));
        }
    }
    for column in (0..width).step_by(V::LANES) {
        let mut sum = V::load(sums.add(column));
        for row in 0..n_rows {
            sum = sum.add(V::load(logits.add(row * width + column)));
        }
        sum.store(sums.add(column));
    }
    loss
}
