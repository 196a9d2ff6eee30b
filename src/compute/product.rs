//! Matrix products for shapes too small for a general library, with the right operand
//! packed once per batch.

use crate::compute::tile::{Ends, Left, sweep};
use crate::compute::vector::Vector;

/// Floats to which every row is padded: the widest register.
pub(crate) const PAD: usize = 16;

/// Length of a row of `n` floats with its padding.
pub(crate) const fn padded(n: usize) -> usize {
    n.div_ceil(PAD) * PAD
}

/// Rows of the common dimension taken at a time: a panel of 64 columns then fills half of
/// a first-level cache of 64 kB, two thirds of one of 48 kB.
const BLOCK_K: usize = 128;

/// Vectors in a full panel of the right operand.
pub(crate) const fn panel_vectors(registers: usize) -> usize {
    if registers == 32 { 4 } else { 2 }
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(crate) enum Onto {
    Zero,
    /// One row, the same for all rows of the result.
    Row(*const f32),
    /// What the result holds.
    Result,
}

/// Start and end of a tile of the plain product: columns from `column` of a row-major
/// result.
struct Plain {
    result: *mut f32,
    stride: usize,
    column: usize,
    onto: Onto,
}

impl<V: Vector, const C: usize> Ends<V, C> for Plain {
    #[inline(always)]
    unsafe fn start<const R: usize>(&self, _row: usize) -> [[V; C]; R] {
        unsafe {
            let mut tile = [[V::splat(0.0); C]; R];
            if let Onto::Row(values) = self.onto {
                for sums in &mut tile {
                    for (c, sum) in sums.iter_mut().enumerate() {
                        *sum = V::load(values.add(self.column + c * V::LANES));
                    }
                }
            }
            tile
        }
    }

    /// What the result holds is added here and not at the start, where the whole tile would
    /// wait for it to come from a distant cache.
    #[inline(always)]
    unsafe fn finish<const R: usize>(&self, row: usize, tile: [[V; C]; R]) {
        unsafe {
            for (r, sums) in tile.iter().enumerate() {
                for (c, &sum) in sums.iter().enumerate() {
                    let to = self.result.add((row + r) * self.stride + self.column + c * V::LANES);
                    match self.onto {
                        Onto::Result => V::load(to).add(sum).store(to),
                        Onto::Zero | Onto::Row(_) => sum.store(to),
                    }
                }
            }
        }
    }
}

/// Calls `$body` with the constant C equal to the vectors of a panel of `$width` floats.
macro_rules! with_vectors {
    ($V:ty, $width:expr, $C:ident => $body:expr) => {
        match $width / <$V>::LANES {
            1 => {
                const $C: usize = 1;
                $body
            }
            2 => {
                const $C: usize = 2;
                $body
            }
            3 => {
                const $C: usize = 3;
                $body
            }
            _ => {
                const $C: usize = 4;
                $body
            }
        }
    };
}
pub(crate) use with_vectors;

/// The operands of `product`: result (m, n) = onto + left (m, k) · right (k, n).
#[derive(Clone, Copy)]
pub(crate) struct Product {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub left: *const f32,
    pub left_stride: usize,
    /// Panels of `panel_vectors` vectors, each (k, its width), one after the other; the
    /// last may be narrower. n is a multiple of PAD.
    pub right: *const f32,
    pub result: *mut f32,
    pub result_stride: usize,
    pub onto: Onto,
}

/// # Safety
/// The processor has V's instructions; the pointers are good for the shapes, and the
/// result overlaps no operand.
#[inline(always)]
pub(crate) unsafe fn product<V: Vector>(p: &Product) {
    unsafe {
        let panel = panel_vectors(V::REGISTERS) * V::LANES;
        for column in (0..p.n).step_by(panel) {
            let width = panel.min(p.n - column);
            let right = p.right.add(column * p.k);
            let mut onto = p.onto;
            let mut from = 0;
            loop {
                let n_k = BLOCK_K.min(p.k - from);
                let left = Left::<false> {
                    start: p.left.add(from),
                    stride: p.left_stride,
                };
                let right = right.add(from * width);
                let ends = Plain {
                    result: p.result,
                    stride: p.result_stride,
                    column,
                    onto,
                };
                with_vectors!(V, width, C => sweep::<V, C, false>(p.m, n_k, left, right, width, &ends));
                onto = Onto::Result;
                from += n_k;
                if from == p.k {
                    break;
                }
            }
        }
    }
}

/// The operands of `outer_products`, result (m, n) = onto + leftᵀ (m, k) · right (k, n), and of `row_products`, where `left`
/// is (m, k) as it is.
#[derive(Clone, Copy)]
pub(crate) struct OuterProducts {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub left: *const f32,
    pub left_stride: usize,
    /// Row-major, not packed; n is a multiple of PAD.
    pub right: *const f32,
    pub right_stride: usize,
    pub result: *mut f32,
    pub result_stride: usize,
    pub onto: Onto,
}

/// # Safety
/// As for [`product`].
#[inline(always)]
pub(crate) unsafe fn outer_products<V: Vector>(p: &OuterProducts) {
    unsafe { strided::<V, true>(p, p.left_stride) }
}

/// # Safety
/// As for [`product`].
#[inline(always)]
pub(crate) unsafe fn row_products<V: Vector>(p: &OuterProducts) {
    unsafe { strided::<V, false>(p, 1) }
}

/// Either of them; elements of the common dimension are `k_stride` apart in `left`.
#[inline(always)]
unsafe fn strided<V: Vector, const TRANSPOSED: bool>(p: &OuterProducts, k_stride: usize) {
    unsafe {
        let panel = panel_vectors(V::REGISTERS) * V::LANES;
        for from in (0..p.k).step_by(BLOCK_K) {
            let n_k = BLOCK_K.min(p.k - from);
            let onto = if from == 0 { p.onto } else { Onto::Result };
            let left = Left::<TRANSPOSED> {
                start: p.left.add(from * k_stride),
                stride: p.left_stride,
            };
            for column in (0..p.n).step_by(panel) {
                let width = panel.min(p.n - column);
                let right = p.right.add(from * p.right_stride + column);
                let ends = Plain {
                    result: p.result,
                    stride: p.result_stride,
                    column,
                    onto,
                };
                with_vectors!(V, width, C => sweep::<V, C, TRANSPOSED>(p.m, n_k, left, right, p.right_stride, &ends));
            }
        }
    }
}

/// Packs rows of a matrix as columns: `to[k · to_stride + r] = from[r · from_stride + k]`
/// for (n_rows, n_k).
///
/// # Safety
/// As for [`product`].
#[inline(always)]
pub(crate) unsafe fn put_columns<V: Vector>(
    (n_rows, n_k): (usize, usize),
    from: *const f32,
    from_stride: usize,
    to: *mut f32,
    to_stride: usize,
) {
    unsafe {
        for row in (0..n_rows).step_by(V::LANES) {
            for k in (0..n_k).step_by(V::LANES) {
                let (from, to) = (from.add(row * from_stride + k), to.add(k * to_stride + row));
                let (rows, columns) = (n_rows - row, n_k - k);
                if rows >= V::LANES && columns >= V::LANES {
                    V::transpose(from, from_stride, to, to_stride);
                } else {
                    for row in 0..rows.min(V::LANES) {
                        for column in 0..columns.min(V::LANES) {
                            *to.add(column * to_stride + row) = *from.add(row * from_stride + column);
                        }
                    }
                }
            }
        }
    }
}
