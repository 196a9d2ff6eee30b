//! Softmax over padded rows of logits, and the cross entropy with its gradient.

use crate::compute::vector::{Vector, exp};

/// The logit of a column that is no token: its probability is nearly 0, and a difference of
/// two logits is never infinite.
pub(super) const NO_TOKEN: f32 = -1e30;

/// Replaces rows of logits by probabilities.
///
/// # Safety
/// The processor has V's instructions; `logits` is good for `n_rows` rows of `width`
/// floats, a multiple of `PAD`.
#[inline(always)]
pub(super) unsafe fn softmax<V: Vector>(logits: *mut f32, n_rows: usize, width: usize) {
    unsafe {
        for row in 0..n_rows {
            let row = logits.add(row * width);
            let mut largest = V::load(row);
            for column in (V::LANES..width).step_by(V::LANES) {
                largest = largest.max(V::load(row.add(column)));
            }
            let largest = V::splat(largest.largest());
            let mut sum = V::splat(0.0);
            for column in (0..width).step_by(V::LANES) {
                let e = exp(V::load(row.add(column)).sub(largest));
                e.store(row.add(column));
                sum = sum.add(e);
            }
            let factor = V::splat(1.0 / sum.sum());
            for column in (0..width).step_by(V::LANES) {
                V::load(row.add(column)).mul(factor).store(row.add(column));
            }
        }
    }
}

/// Replaces rows of logits by the gradients of weighted cross entropies, adds the rows to
/// `sums`, and gives the sum of the cross entropies. A row of `weights` has a weight for
/// each token w_v, so that the cross entropy is Σ w_v · -ln p_v and its gradient
/// (Σ w) · p - w.
///
/// # Safety
/// As for [`softmax`]; `weights` has the shape of `logits`, and `sums` is good for `width`
/// floats.
#[inline(always)]
pub(super) unsafe fn cross_entropy<V: Vector>(
    logits: *mut f32,
    n_rows: usize,
    width: usize,
    weights: *const f32,
    sums: *mut f32,
) -> f64 {
    unsafe {
        let mut loss = 0.0;
        // The logarithms are calls, before which all vector registers are saved: a few rows at
        // a time first without and then with them.
        let mut terms = [(0.0f32, 0.0f32, 0.0f32); 32];
        for first in (0..n_rows).step_by(terms.len()) {
            let n_terms = terms.len().min(n_rows - first);
            for (index, term) in (first..).zip(&mut terms[..n_terms]) {
                let row = logits.add(index * width);
                let weights = weights.add(index * width);
                let mut largest = V::load(row);
                for column in (V::LANES..width).step_by(V::LANES) {
                    largest = largest.max(V::load(row.add(column)));
                }
                let largest = V::splat(largest.largest());
                let (mut sum, mut weight, mut margin) = (V::splat(0.0), V::splat(0.0), V::splat(0.0));
                for column in (0..width).step_by(V::LANES) {
                    let below = V::load(row.add(column)).sub(largest);
                    let w = V::load(weights.add(column));
                    let e = exp(below);
                    e.store(row.add(column));
                    sum = sum.add(e);
                    weight = weight.add(w);
                    margin = w.mul_add(below, margin);
                }
                *term = (sum.sum(), weight.sum(), margin.sum());
                let factor = V::splat(term.1 / term.0);
                for column in (0..width).step_by(V::LANES) {
                    let w = V::load(weights.add(column));
                    V::load(row.add(column)).mul(factor).sub(w).store(row.add(column));
                }
            }
            for &(sum, weight, margin) in &terms[..n_terms] {
                loss += f64::from(weight * sum.ln() - margin);
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
}
