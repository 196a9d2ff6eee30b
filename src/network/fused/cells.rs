//! One time step of a cell, forward and backward.
//!
//! Forward is a tile of the recurrent product whose columns are the gates of the same
//! units, so the gates meet in registers and only their activations are stored. Backward
//! turns the gradient of h (and c) into that of the gates, in place.

use crate::compute::product::{panel_vectors, with_vectors};
use crate::compute::tile::{Ends, Left, sweep};
use crate::compute::vector::{Vector, sigmoid, tanh};

/// The operands of one forward step over `n_rows` sequences. H is the padded width.
#[derive(Clone, Copy)]
pub(super) struct Forward {
    pub n_rows: usize,
    /// The rows of the next step that follow row r are `children[r]..children[r + 1]`.
    pub children: *const u32,
    /// Length of the product: H, or 0 when the state is zero.
    pub n_k: usize,
    pub hidden: usize,
    /// Recurrent weights, packed by [`unit_vectors`].
    pub weights: *const f32,
    /// GRU: the recurrent bias of n, (H).
    pub bias: *const f32,
    /// Input parts of the gates: row r is row `index[r]`, or row r of `gates` when `index`
    /// is null.
    pub inputs: *const f32,
    pub inputs_stride: usize,
    pub index: *const u32,
    /// Activated gates, (n_rows, saved gates · H): LSTM i f g o; GRU n r z and the recurrent
    /// part of n; RNN h. Input parts have the same order (the GRU's without its last), so
    /// that both the gates of the input weights and those of the recurrent weights are
    /// neighbours.
    pub gates: *mut f32,
    /// h and c before the step, (n_rows, H); behind them those of the next step are written.
    pub h: *mut f32,
    pub c: *mut f32,
    /// h after the step and tanh of c after it, (n_rows, H).
    pub outputs: *mut f32,
    pub tanh_c: *mut f32,
}

impl Forward {
    #[inline(always)]
    unsafe fn input(&self, row: usize) -> *const f32 {
        unsafe {
            let row = if self.index.is_null() {
                row
            } else {
                *self.index.add(row) as usize
            };
            self.inputs.add(row * self.inputs_stride)
        }
    }

    /// Writes one vector of a row's new state to the rows that follow it.
    #[inline(always)]
    unsafe fn put_next<V: Vector>(&self, state: *mut f32, row: usize, unit: usize, value: V) {
        unsafe {
            for child in *self.children.add(row)..*self.children.add(row + 1) {
                value.store(state.add((self.n_rows + child as usize) * self.hidden + unit));
            }
        }
    }

    /// Writes h of one vector of units, to the outputs and to the rows that follow.
    #[inline(always)]
    unsafe fn put_h<V: Vector>(&self, row: usize, unit: usize, h: V) {
        unsafe {
            h.store(self.outputs.add(row * self.hidden + unit));
            self.put_next(self.h, row, unit, h);
        }
    }
}

/// Vectors of units that a forward tile covers: cells with gates take one vector of each
/// gate, the cell without takes as many as a panel has.
pub(super) const fn unit_vectors(gates: usize, registers: usize) -> usize {
    if gates == 1 { panel_vectors(registers) } else { 1 }
}

/// Ends of a forward tile; the tile's units begin at `unit`.
struct Rnn<'a>(&'a Forward, usize);
struct Gru<'a>(&'a Forward, usize);
struct Lstm<'a>(&'a Forward, usize);

impl<V: Vector, const C: usize> Ends<V, C> for Rnn<'_> {
    #[inline(always)]
    unsafe fn start<const R: usize>(&self, row: usize) -> [[V; C]; R] {
        unsafe {
            let Rnn(step, unit) = *self;
            let mut tile = [[V::splat(0.0); C]; R];
            for (r, sums) in tile.iter_mut().enumerate() {
                let input = step.input(row + r).add(unit);
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(input.add(c * V::LANES));
                }
            }
            tile
        }
    }

    #[inline(always)]
    unsafe fn finish<const R: usize>(&self, row: usize, tile: [[V; C]; R]) {
        unsafe {
            let Rnn(step, unit) = *self;
            for (r, sums) in tile.iter().enumerate() {
                for (c, &sum) in sums.iter().enumerate() {
                    let unit = unit + c * V::LANES;
                    let h = tanh(sum);
                    h.store(step.gates.add((row + r) * step.hidden + unit));
                    step.put_h(row + r, unit, h);
                }
            }
        }
    }
}

impl<V: Vector> Ends<V, 3> for Gru<'_> {
    #[inline(always)]
    unsafe fn start<const R: usize>(&self, row: usize) -> [[V; 3]; R] {
        unsafe {
            let Gru(step, unit) = *self;
            let recurrent = V::load(step.bias.add(unit));
            let mut tile = [[recurrent; 3]; R];
            for (r, sums) in tile.iter_mut().enumerate() {
                let input = step.input(row + r).add(unit);
                sums[0] = V::load(input.add(step.hidden));
                sums[1] = V::load(input.add(2 * step.hidden));
            }
            tile
        }
    }

    #[inline(always)]
    unsafe fn finish<const R: usize>(&self, row: usize, tile: [[V; 3]; R]) {
        unsafe {
            let Gru(step, unit) = *self;
            for (r, &[r_sum, z_sum, recurrent]) in tile.iter().enumerate() {
                let row = row + r;
                let input = V::load(step.input(row).add(unit));
                let h = V::load(step.h.add(row * step.hidden + unit));
                let reset = sigmoid(r_sum);
                let z = sigmoid(z_sum);
                let n = tanh(recurrent.mul_add(reset, input));
                let gates = step.gates.add(row * 4 * step.hidden + unit);
                n.store(gates);
                reset.store(gates.add(step.hidden));
                z.store(gates.add(2 * step.hidden));
                recurrent.store(gates.add(3 * step.hidden));
                // h' = n + z (h - n)
                step.put_h(row, unit, h.sub(n).mul_add(z, n));
            }
        }
    }
}

impl<V: Vector> Ends<V, 4> for Lstm<'_> {
    #[inline(always)]
    unsafe fn start<const R: usize>(&self, row: usize) -> [[V; 4]; R] {
        unsafe {
            let Lstm(step, unit) = *self;
            let mut tile = [[V::splat(0.0); 4]; R];
            for (r, sums) in tile.iter_mut().enumerate() {
                let input = step.input(row + r).add(unit);
                for (gate, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(input.add(gate * step.hidden));
                }
            }
            tile
        }
    }

    #[inline(always)]
    unsafe fn finish<const R: usize>(&self, row: usize, tile: [[V; 4]; R]) {
        unsafe {
            let Lstm(step, unit) = *self;
            for (r, &[i, f, g, o]) in tile.iter().enumerate() {
                let row = row + r;
                let at = row * step.hidden + unit;
                let (i, f, g, o) = (sigmoid(i), sigmoid(f), tanh(g), sigmoid(o));
                let c = V::load(step.c.add(at)).mul_add(f, i.mul(g));
                let tanh_c = tanh(c);
                let gates = step.gates.add(row * 4 * step.hidden + unit);
                i.store(gates);
                f.store(gates.add(step.hidden));
                g.store(gates.add(2 * step.hidden));
                o.store(gates.add(3 * step.hidden));
                tanh_c.store(step.tanh_c.add(at));
                step.put_next(step.c, row, unit, c);
                step.put_h(row, unit, o.mul(tanh_c));
            }
        }
    }
}

/// # Safety
/// The processor has V's instructions, and the pointers are good for the shapes.
#[inline(always)]
pub(super) unsafe fn rnn_forward<V: Vector>(step: &Forward) {
    unsafe {
        let panel = unit_vectors(1, V::REGISTERS) * V::LANES;
        let left = Left::<false> {
            start: step.h,
            stride: step.hidden,
        };
        for unit in (0..step.hidden).step_by(panel) {
            let width = panel.min(step.hidden - unit);
            let weights = step.weights.add(unit * step.hidden);
            with_vectors!(V, width, C => sweep::<V, C, false>(step.n_rows, step.n_k, left, weights, width, &Rnn(step, unit)));
        }
    }
}

/// # Safety
/// As for [`rnn_forward`].
#[inline(always)]
pub(super) unsafe fn gru_forward<V: Vector>(step: &Forward) {
    unsafe {
        let left = Left::<false> {
            start: step.h,
            stride: step.hidden,
        };
        for unit in (0..step.hidden).step_by(V::LANES) {
            let weights = step.weights.add(unit * step.hidden * 3);
            sweep::<V, 3, false>(step.n_rows, step.n_k, left, weights, 3 * V::LANES, &Gru(step, unit));
        }
    }
}

/// # Safety
/// As for [`rnn_forward`].
#[inline(always)]
pub(super) unsafe fn lstm_forward<V: Vector>(step: &Forward) {
    unsafe {
        let left = Left::<false> {
            start: step.h,
            stride: step.hidden,
        };
        for unit in (0..step.hidden).step_by(V::LANES) {
            let weights = step.weights.add(unit * step.hidden * 4);
            sweep::<V, 4, false>(step.n_rows, step.n_k, left, weights, 4 * V::LANES, &Lstm(step, unit));
        }
    }
}

/// The operands of one backward step over `n_rows` sequences. H is the padded width.
#[derive(Clone, Copy)]
pub(super) struct Backward {
    pub n_rows: usize,
    pub hidden: usize,
    /// In: what forward saved. Out: in the same order the gradients of the gates' sums.
    pub gates: *mut f32,
    /// h and c before the step, and tanh of c after it, (n_rows, H).
    pub h: *const f32,
    pub c: *const f32,
    pub tanh_c: *const f32,
    /// Gradient of h after the step from the layers above, (n_rows, H).
    pub outputs: *const f32,
    /// Gradient of h after the step from the steps behind, (n_rows, H). GRU: replaced by
    /// the part of the gradient of h before the step that passes by the gates.
    pub h_gradient: *mut f32,
    /// LSTM: gradient of c after the step, replaced by that of c before it.
    pub c_gradient: *mut f32,
    /// Sums of the gates' gradients by token (row `index[r]`), or of all rows when `index`
    /// is null.
    pub sums: *mut f32,
    pub index: *const u32,
}

impl Backward {
    #[inline(always)]
    unsafe fn sums_row(&self, row: usize, width: usize) -> *mut f32 {
        unsafe {
            let row = if self.index.is_null() {
                0
            } else {
                *self.index.add(row) as usize
            };
            self.sums.add(row * width)
        }
    }
}

/// Stores a gate's gradient and adds it to its sum.
#[inline(always)]
unsafe fn put<V: Vector>(gradient: V, gate: *mut f32, sum: *mut f32) {
    unsafe {
        gradient.store(gate);
        V::load(sum).add(gradient).store(sum);
    }
}

/// # Safety
/// As for [`rnn_forward`].
#[inline(always)]
pub(super) unsafe fn rnn_backward<V: Vector>(step: &Backward) {
    unsafe {
        let one = V::splat(1.0);
        for row in 0..step.n_rows {
            let sums = step.sums_row(row, step.hidden);
            for unit in (0..step.hidden).step_by(V::LANES) {
                let at = row * step.hidden + unit;
                let h = V::load(step.gates.add(at));
                let dh = V::load(step.outputs.add(at)).add(V::load(step.h_gradient.add(at)));
                put(dh.mul(h.neg_mul_add(h, one)), step.gates.add(at), sums.add(unit));
            }
        }
    }
}

/// # Safety
/// As for [`rnn_forward`].
#[inline(always)]
pub(super) unsafe fn gru_backward<V: Vector>(step: &Backward) {
    unsafe {
        let one = V::splat(1.0);
        let hidden = step.hidden;
        for row in 0..step.n_rows {
            let sums = step.sums_row(row, 4 * hidden);
            for unit in (0..hidden).step_by(V::LANES) {
                let at = row * hidden + unit;
                let gates = step.gates.add(row * 4 * hidden + unit);
                let sums = sums.add(unit);
                let (n, r) = (V::load(gates), V::load(gates.add(hidden)));
                let (z, recurrent) = (V::load(gates.add(2 * hidden)), V::load(gates.add(3 * hidden)));
                let dh = V::load(step.outputs.add(at)).add(V::load(step.h_gradient.add(at)));
                let h = V::load(step.h.add(at));
                // dz = dh (h - n) z (1 - z); dn = dh (1 - z)(1 - n²)
                let dz = dh.mul(h.sub(n)).mul(z.neg_mul_add(z, z));
                let dn = z.neg_mul_add(dh, dh).mul(n.neg_mul_add(n, one));
                let dr = dn.mul(recurrent).mul(r.neg_mul_add(r, r));
                put(dn, gates, sums);
                put(dr, gates.add(hidden), sums.add(hidden));
                put(dz, gates.add(2 * hidden), sums.add(2 * hidden));
                put(dn.mul(r), gates.add(3 * hidden), sums.add(3 * hidden));
                dh.mul(z).store(step.h_gradient.add(at));
            }
        }
    }
}

/// # Safety
/// As for [`rnn_forward`].
#[inline(always)]
pub(super) unsafe fn lstm_backward<V: Vector>(step: &Backward) {
    unsafe {
        let one = V::splat(1.0);
        let hidden = step.hidden;
        for row in 0..step.n_rows {
            let sums = step.sums_row(row, 4 * hidden);
            for unit in (0..hidden).step_by(V::LANES) {
                let at = row * hidden + unit;
                let gates = step.gates.add(row * 4 * hidden + unit);
                let sums = sums.add(unit);
                let (i, f) = (V::load(gates), V::load(gates.add(hidden)));
                let (g, o) = (V::load(gates.add(2 * hidden)), V::load(gates.add(3 * hidden)));
                let tanh_c = V::load(step.tanh_c.add(at));
                let dh = V::load(step.outputs.add(at)).add(V::load(step.h_gradient.add(at)));
                // dc = dc + dh o (1 - tanh² c)
                let dc = dh
                    .mul(o)
                    .mul_add(tanh_c.neg_mul_add(tanh_c, one), V::load(step.c_gradient.add(at)));
                put(dc.mul(g).mul(i.neg_mul_add(i, i)), gates, sums);
                put(
                    dc.mul(V::load(step.c.add(at))).mul(f.neg_mul_add(f, f)),
                    gates.add(hidden),
                    sums.add(hidden),
                );
                put(
                    dc.mul(i).mul(g.neg_mul_add(g, one)),
                    gates.add(2 * hidden),
                    sums.add(2 * hidden),
                );
                put(
                    dh.mul(tanh_c).mul(o.neg_mul_add(o, o)),
                    gates.add(3 * hidden),
                    sums.add(3 * hidden),
                );
                dc.mul(f).store(step.c_gradient.add(at));
            }
        }
    }
}

/// Sets row r of `parents` to the sum of the rows `children[r]..children[r + 1]`.
///
/// # Safety
/// As for [`rnn_forward`].
#[inline(always)]
pub(super) unsafe fn sum_children<V: Vector>(children: &[u32], rows: *const f32, parents: *mut f32, width: usize) {
    unsafe {
        for (parent, ends) in children.windows(2).enumerate() {
            for column in (0..width).step_by(V::LANES) {
                let mut sum = V::splat(0.0);
                for child in ends[0]..ends[1] {
                    sum = sum.add(V::load(rows.add(child as usize * width + column)));
                }
                sum.store(parents.add(parent * width + column));
            }
        }
    }
}
