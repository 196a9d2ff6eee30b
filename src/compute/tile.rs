//! The inner loop of every product: a tile of R rows × C vectors held in registers while
//! it runs along the common dimension.

use crate::compute::vector::Vector;

/// The left operand: element (row, k) lies at `start + row·row_stride + k·k_stride`.
/// One of the strides is 1: the second, or with `TRANSPOSED` the first.
#[derive(Clone, Copy)]
pub(crate) struct Left<const TRANSPOSED: bool> {
    pub start: *const f32,
    pub stride: usize,
}

impl<const TRANSPOSED: bool> Left<TRANSPOSED> {
    #[inline(always)]
    unsafe fn at(self, row: usize, k: usize) -> f32 {
        unsafe {
            if TRANSPOSED {
                *self.start.add(row + k * self.stride)
            } else {
                *self.start.add(row * self.stride + k)
            }
        }
    }
}

/// What a tile starts from and what becomes of it.
pub(crate) trait Ends<V: Vector, const C: usize> {
    /// The start values of the tile's rows `row..row + R`.
    unsafe fn start<const R: usize>(&self, row: usize) -> [[V; C]; R];
    /// Takes the finished rows `row..row + R`.
    unsafe fn finish<const R: usize>(&self, row: usize, tile: [[V; C]; R]);
}

/// start + left · right for one tile; `right` has rows of C vectors, `right_stride` apart.
#[inline(always)]
unsafe fn tile<V: Vector, const C: usize, const R: usize, const T: bool>(
    row: usize,
    n_k: usize,
    left: Left<T>,
    right: *const f32,
    right_stride: usize,
    ends: &impl Ends<V, C>,
) {
    unsafe {
        let mut sums = ends.start::<R>(row);
        for k in 0..n_k {
            let right = right.add(k * right_stride);
            let mut columns = [V::splat(0.0); C];
            for (c, column) in columns.iter_mut().enumerate() {
                *column = V::load(right.add(c * V::LANES));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let factor = V::splat(left.at(row + r, k));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = column.mul_add(factor, *sum);
                }
            }
        }
        ends.finish(row, sums);
    }
}

/// The most rows of C vectors whose sums leave registers for the operands; more than 8
/// bring nothing.
const fn most_rows<V: Vector, const C: usize>() -> usize {
    let rows = V::REGISTERS * 3 / 4 / C;
    if rows > 8 { 8 } else { rows }
}

/// All `n_rows` rows of one panel of C vectors, in tiles of nearly equal height.
///
/// # Safety
/// The processor has V's instructions; `left` is good for (n_rows, n_k), `right` for n_k
/// rows of C vectors, and `ends` for rows below n_rows.
#[inline(always)]
pub(crate) unsafe fn sweep<V: Vector, const C: usize, const T: bool>(
    n_rows: usize,
    n_k: usize,
    left: Left<T>,
    right: *const f32,
    right_stride: usize,
    ends: &impl Ends<V, C>,
) {
    unsafe {
        let mut row = 0;
        let mut n_tiles = n_rows.div_ceil(most_rows::<V, C>());
        while n_tiles > 0 {
            let height = (n_rows - row).div_ceil(n_tiles);
            // The comparison is known to the compiler, so tiles too high for V vanish.
            macro_rules! of_height {
            ($($r:literal)*) => {
                match height {
                    $($r if $r <= most_rows::<V, C>() => tile::<V, C, $r, T>(row, n_k, left, right, right_stride, ends),)*
                    _ => {}
                }
            };
        }
            of_height!(1 2 3 4 5 6 7 8);
            row += height;
            n_tiles -= 1;
        }
    }
}
