//! The kernels behind safe calls: compiled for each instruction set, chosen once.
//!
//! A [`Kernels`] is a table of function pointers. Its safe methods check that every
//! slice is as long as the shapes say, which is all the kernels ask for beyond a
//! processor that has their instructions; [`Kernels::available`] gives out no other.

use std::sync::OnceLock;

use crate::compute::matrix::{Matrix, MatrixMut, Onto};
use crate::compute::product::{self, OuterProducts, PAD, Product, panel_vectors};
use crate::compute::vector::{Portable, Vector};
use crate::network::Cell;
use crate::network::dropout::Dropout;
use crate::network::fused::cells::{self, unit_vectors};
use crate::network::fused::softmax;

#[cfg(target_arch = "aarch64")]
use crate::compute::vector::Neon;
#[cfg(target_arch = "x86_64")]
use crate::compute::vector::{Avx2, Avx512, has_avx2, has_avx512};

/// Where the input part of the gates comes from.
#[derive(Clone, Copy)]
pub(super) enum Inputs<'a> {
    /// Row `index[r]` of a table for row r.
    Table(&'a [f32], &'a [u32]),
    /// The rows of `gates` themselves.
    Gates,
}

/// One forward step; the fields of [`cells::Forward`], safely.
pub(super) struct Forward<'a> {
    pub n_rows: usize,
    /// The rows of the next step that follow row r are `children[r]..children[r + 1]`.
    pub children: &'a [u32],
    pub state_is_zero: bool,
    /// H, a multiple of `PAD`.
    pub hidden: usize,
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    pub inputs: Inputs<'a>,
    pub gates: &'a mut [f32],
    /// h before the step, and behind it room for the rows of the next step.
    pub h: &'a mut [f32],
    /// LSTM: c, likewise.
    pub c: &'a mut [f32],
    pub outputs: &'a mut [f32],
    pub tanh_c: &'a mut [f32],
}

/// One backward step; the fields of [`cells::Backward`], safely.
pub(super) struct Backward<'a> {
    pub n_rows: usize,
    pub hidden: usize,
    pub gates: &'a mut [f32],
    pub h: &'a [f32],
    pub c: &'a [f32],
    pub tanh_c: &'a [f32],
    pub outputs: &'a [f32],
    pub h_gradient: &'a mut [f32],
    pub c_gradient: &'a mut [f32],
    pub sums: &'a mut [f32],
    /// Row of `sums` for each row; all go to the first when there is none.
    pub index: Option<&'a [u32]>,
}

type ForwardStep = unsafe fn(&cells::Forward);
type BackwardStep = unsafe fn(&cells::Backward);

/// The kernels of one instruction set.
pub(super) struct Kernels {
    /// As people write it, such as `AVX-512`.
    pub name: &'static str,
    lanes: usize,
    registers: usize,
    product: unsafe fn(&Product),
    outer_products: unsafe fn(&OuterProducts),
    put_columns: unsafe fn((usize, usize), *const f32, usize, *mut f32, usize),
    forward: [ForwardStep; 3],
    backward: [BackwardStep; 3],
    softmax: unsafe fn(*mut f32, usize, usize),
    cross_entropy: unsafe fn(*mut f32, usize, usize, *const f32, *mut f32) -> f64,
    sum_children: unsafe fn(&[u32], *const f32, *mut f32, usize),
    drop: unsafe fn(&Dropout, u64, usize, &mut [f32]),
    add: unsafe fn(&mut [f32], &[f32]),
}

/// Floats kept of the gates per hidden unit.
pub(super) const fn saved_gates(cell: Cell) -> usize {
    match cell {
        Cell::Rnn => 1,
        Cell::Gru | Cell::Lstm => 4,
    }
}

#[inline(always)]
fn add(total: &mut [f32], part: &[f32]) {
    total.iter_mut().zip(part).for_each(|(total, x)| *total += x);
}

/// Compiles every kernel for the vector `$V` inside functions with `$feature` enabled.
macro_rules! compile {
    ($table:ident, $module:ident, $V:ty, $name:literal $(, $feature:literal)?) => {
        mod $module {
            use super::*;
            // SAFETY (every function): the vector's instructions are enabled here, and
            // the caller answers for the processor and for the pointers.
            $(#[target_feature(enable = $feature)])?
            unsafe fn product(p: &Product) { unsafe {
                product::product::<$V>(p)
            }}
            $(#[target_feature(enable = $feature)])?
            unsafe fn outer_products(p: &OuterProducts) { unsafe {
                product::outer_products::<$V>(p)
            }}
            $(#[target_feature(enable = $feature)])?
            unsafe fn put_columns(
                shape: (usize, usize),
                from: *const f32,
                from_stride: usize,
                to: *mut f32,
                to_stride: usize,
            ) { unsafe {
                product::put_columns::<$V>(shape, from, from_stride, to, to_stride)
            }}
            $(#[target_feature(enable = $feature)])?
            unsafe fn rnn_forward(step: &cells::Forward) { unsafe {
                cells::rnn_forward::<$V>(step)
            }}
            $(#[target_feature(enable = $feature)])?
            unsafe fn gru_forward(step: &cells::Forward) { unsafe {
                cells::gru_forward::<$V>(step)
            }}
            $(#[target_feature(enable = $feature)])?
            unsafe fn lstm_forward(step: &cells::Forward) { unsafe {
                cells::lstm_forward::<$V>(step)
            }}
            $(#[target_feature(enable = $feature)])?
            unsafe fn rnn_backward(step: &cells::Backward) { unsafe {
                cells::rnn_backward::<$V>(step)
            }}
            $(#[target_feature(enable = $feature)])?
            unsafe fn gru_backward(step: &cells::Backward) { unsafe {
                cells::gru_backward::<$V>(step)
            }}
            $(#[target_feature(enable = $feature)])?
            unsafe fn lstm_backward(step: &cells::Backward) { unsafe {
                cells::lstm_backward::<$V>(step)
            }}
            $(#[target_feature(enable = $feature)])?
            unsafe fn softmax(logits: *mut f32, n_rows: usize, width: usize) { unsafe {
                softmax::softmax::<$V>(logits, n_rows, width)
            }}
            $(#[target_feature(enable = $feature)])?
            unsafe fn cross_entropy(
                logits: *mut f32,
                n_rows: usize,
                width: usize,
                weights: *const f32,
                sums: *mut f32,
            ) -> f64 { unsafe {
                softmax::cross_entropy::<$V>(logits, n_rows, width, weights, sums)
            }}
            $(#[target_feature(enable = $feature)])?
            unsafe fn sum_children(children: &[u32], rows: *const f32, parents: *mut f32, width: usize) { unsafe {
                cells::sum_children::<$V>(children, rows, parents, width)
            }}
            $(#[target_feature(enable = $feature)])?
            unsafe fn drop(dropout: &Dropout, key: u64, position: usize, row: &mut [f32]) {
                dropout.apply(key, position, row)
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn add(total: &mut [f32], part: &[f32]) {
                super::add(total, part)
            }
            pub(super) static TABLE: Kernels = Kernels {
                name: $name,
                lanes: <$V>::LANES,
                registers: <$V>::REGISTERS,
                product,
                outer_products,
                put_columns,
                forward: [rnn_forward, gru_forward, lstm_forward],
                backward: [rnn_backward, gru_backward, lstm_backward],
                softmax,
                cross_entropy,
                sum_children,
                drop,
                add,
            };
        }
        use $module::TABLE as $table;
    };
}

#[cfg(target_arch = "x86_64")]
compile!(
    AVX512,
    avx512,
    Avx512,
    "AVX-512",
    "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"
);
#[cfg(target_arch = "x86_64")]
compile!(AVX2, avx2, Avx2, "AVX2", "avx2,fma");
#[cfg(target_arch = "aarch64")]
compile!(NEON, neon, Neon, "NEON", "neon");
compile!(PORTABLE, portable, Portable, "portable");

impl Kernels {
    /// The tables this processor can run, the fastest first.
    pub(super) fn available() -> Vec<&'static Kernels> {
        let mut tables = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            tables.extend(has_avx512().then_some(&AVX512));
            tables.extend(has_avx2().then_some(&AVX2));
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            tables.push(&NEON);
        }
        tables.push(&PORTABLE);
        tables
    }

    /// The fastest table this processor can run.
    pub(super) fn best() -> &'static Kernels {
        static BEST: OnceLock<&'static Kernels> = OnceLock::new();
        BEST.get_or_init(|| Kernels::available()[0])
    }

    /// Floats of a vector; every panel is a multiple wide.
    pub(super) fn lanes(&self) -> usize {
        self.lanes
    }

    /// Columns of a full panel of a packed right operand.
    pub(super) fn panel(&self) -> usize {
        panel_vectors(self.registers) * self.lanes
    }

    /// Units whose gates share a panel of a cell's packed recurrent weights.
    pub(super) fn unit_block(&self, cell: Cell) -> usize {
        unit_vectors(cell.gates(), self.registers) * self.lanes
    }

    /// result (m, n) = onto + left (m, k) · right (k, n), with `right` packed in panels.
    pub(super) fn product(
        &self,
        (m, n, k): (usize, usize, usize),
        left: Matrix,
        right: &[f32],
        onto: Onto,
        result: MatrixMut,
    ) {
        if m == 0 || n == 0 {
            return;
        }
        assert!(n.is_multiple_of(PAD) && right.len() >= n * k);
        assert!(left.holds(m, k) && result.holds(m, n));
        let product = Product {
            m,
            n,
            k,
            left: left.0.as_ptr(),
            left_stride: left.1,
            right: right.as_ptr(),
            result: result.0.as_mut_ptr(),
            result_stride: result.1,
            onto: onto.checked(n),
        };
        // SAFETY: the lengths were checked above, the borrows keep the result apart from
        // the operands, and `available` vouches for the processor.
        unsafe { (self.product)(&product) }
    }

    /// result (m, n) = onto + leftᵀ · right for left (k, m) and right (k, n).
    pub(super) fn outer_products(
        &self,
        (m, n, k): (usize, usize, usize),
        left: Matrix,
        right: Matrix,
        onto: Onto,
        result: MatrixMut,
    ) {
        if m == 0 || n == 0 || k == 0 {
            return;
        }
        assert!(n.is_multiple_of(PAD));
        assert!(left.holds(k, m) && right.holds(k, n) && result.holds(m, n));
        let products = OuterProducts {
            m,
            n,
            k,
            left: left.0.as_ptr(),
            left_stride: left.1,
            right: right.0.as_ptr(),
            right_stride: right.1,
            result: result.0.as_mut_ptr(),
            result_stride: result.1,
            onto: onto.checked(n),
        };
        // SAFETY: as in `product`.
        unsafe { (self.outer_products)(&products) }
    }

    /// Packs the (n_rows, n_k) `rows` as columns `stride` floats apart in `packed`.
    pub(super) fn put_columns(&self, (n_rows, n_k): (usize, usize), rows: Matrix, packed: &mut [f32], stride: usize) {
        if n_rows == 0 || n_k == 0 {
            return;
        }
        assert!(rows.holds(n_rows, n_k));
        assert!(stride >= n_rows && packed.len() >= (n_k - 1) * stride + n_rows);
        // SAFETY: as in `product`.
        unsafe { (self.put_columns)((n_rows, n_k), rows.0.as_ptr(), rows.1, packed.as_mut_ptr(), stride) }
    }

    /// One step of a cell.
    pub(super) fn forward(&self, cell: Cell, step: Forward) {
        let Forward {
            n_rows,
            children,
            hidden,
            ..
        } = step;
        let n_next = children[..=n_rows].iter().fold(0, |most, &child| most.max(child)) as usize;
        let (width, block) = (n_rows * hidden, (n_rows + n_next) * hidden);
        let lstm = cell == Cell::Lstm;
        assert!(hidden.is_multiple_of(PAD));
        assert!(step.weights.len() >= cell.gates() * hidden * hidden);
        assert!(cell != Cell::Gru || step.bias.len() >= hidden);
        assert!(step.gates.len() >= saved_gates(cell) * width);
        assert!(step.h.len() >= block && step.outputs.len() >= width);
        assert!(!lstm || (step.c.len() >= block && step.tanh_c.len() >= width));
        let gates = step.gates.as_mut_ptr();
        let (inputs, inputs_stride, index) = match step.inputs {
            Inputs::Table(table, index) => {
                let stride = cell.gates() * hidden;
                assert!(
                    index[..n_rows]
                        .iter()
                        .all(|&row| (row as usize + 1) * stride <= table.len())
                );
                (table.as_ptr(), stride, index.as_ptr())
            }
            Inputs::Gates => (gates.cast_const(), saved_gates(cell) * hidden, std::ptr::null()),
        };
        let operands = cells::Forward {
            n_rows,
            children: children.as_ptr(),
            n_k: if step.state_is_zero { 0 } else { hidden },
            hidden,
            weights: step.weights.as_ptr(),
            bias: step.bias.as_ptr(),
            inputs,
            inputs_stride,
            index,
            gates,
            h: step.h.as_mut_ptr(),
            c: step.c.as_mut_ptr(),
            outputs: step.outputs.as_mut_ptr(),
            tanh_c: step.tanh_c.as_mut_ptr(),
        };
        // SAFETY: the lengths were checked above and `available` vouches for the
        // processor. The buffers are borrowed apart, and where inputs and gates are one,
        // a tile reads its part before it writes it.
        unsafe { (self.forward[cell as usize])(&operands) }
    }

    /// One step of a cell, backward.
    pub(super) fn backward(&self, cell: Cell, step: Backward) {
        let Backward { n_rows, hidden, .. } = step;
        let width = n_rows * hidden;
        let stride = saved_gates(cell) * hidden;
        assert!(hidden.is_multiple_of(PAD));
        assert!(step.gates.len() >= n_rows * stride);
        assert!(step.outputs.len() >= width && step.h_gradient.len() >= width);
        assert!(cell != Cell::Gru || step.h.len() >= width);
        assert!(
            cell != Cell::Lstm
                || (step.c.len() >= width && step.tanh_c.len() >= width && step.c_gradient.len() >= width)
        );
        assert!(step.sums.len() >= stride);
        if let Some(index) = step.index {
            assert!(
                index[..n_rows]
                    .iter()
                    .all(|&row| (row as usize + 1) * stride <= step.sums.len())
            );
        }
        let operands = cells::Backward {
            n_rows,
            hidden,
            gates: step.gates.as_mut_ptr(),
            h: step.h.as_ptr(),
            c: step.c.as_ptr(),
            tanh_c: step.tanh_c.as_ptr(),
            outputs: step.outputs.as_ptr(),
            h_gradient: step.h_gradient.as_mut_ptr(),
            c_gradient: step.c_gradient.as_mut_ptr(),
            sums: step.sums.as_mut_ptr(),
            index: step.index.map_or(std::ptr::null(), <[u32]>::as_ptr),
        };
        // SAFETY: as in `forward`.
        unsafe { (self.backward[cell as usize])(&operands) }
    }

    /// Replaces rows of `width` logits by probabilities.
    pub(super) fn softmax(&self, logits: &mut [f32], width: usize) {
        assert!(width.is_multiple_of(PAD) && width > 0);
        // SAFETY: the slice holds the rows, and `available` vouches for the processor.
        unsafe { (self.softmax)(logits.as_mut_ptr(), logits.len() / width, width) }
    }

    /// Replaces rows of logits by the gradients of cross entropies with a weight for each
    /// token, adds them to `sums`, whose length is the width of a row, and gives the sum of
    /// the cross entropies.
    pub(super) fn cross_entropy(&self, logits: &mut [f32], weights: &[f32], sums: &mut [f32]) -> f64 {
        let width = sums.len();
        assert!(width.is_multiple_of(PAD) && width > 0);
        assert!(weights.len() >= logits.len());
        let n_rows = logits.len() / width;
        // SAFETY: as in `softmax`; the weights were checked above.
        unsafe { (self.cross_entropy)(logits.as_mut_ptr(), n_rows, width, weights.as_ptr(), sums.as_mut_ptr()) }
    }

    /// Sets row r of `parents` to the sum of the rows `children[r]..children[r + 1]` of
    /// `rows`, all of them `width` long.
    pub(super) fn sum_children(&self, children: &[u32], rows: &[f32], parents: &mut [f32], width: usize) {
        assert!(width.is_multiple_of(PAD));
        let n_children = children.iter().fold(0, |most, &child| most.max(child)) as usize;
        let n_parents = children.len().saturating_sub(1);
        assert!(rows.len() >= n_children * width && parents.len() >= n_parents * width);
        // SAFETY: the lengths were checked above, and `available` vouches for the processor.
        unsafe { (self.sum_children)(children, rows.as_ptr(), parents.as_mut_ptr(), width) }
    }

    /// [`Dropout::apply`].
    pub(super) fn drop(&self, dropout: &Dropout, key: u64, position: usize, row: &mut [f32]) {
        // SAFETY: safe code, compiled for instructions that `available` vouches for.
        unsafe { (self.drop)(dropout, key, position, row) }
    }

    /// total += part.
    pub(super) fn add(&self, total: &mut [f32], part: &[f32]) {
        // SAFETY: as in `drop`.
        unsafe { (self.add)(total, part) }
    }
}
