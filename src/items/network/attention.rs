//! Attention of each row of a history to itself and to those before it.

use super::kernels::Machine;
use crate::compute::matrix::{Matrix, MatrixMut, Onto};
use crate::compute::product::padded;

/// Rows that are taken together: those behind the last of them are not looked at.
const BLOCK: usize = 64;

/// One part of the vectors of one history.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Its rows.
    pub n_rows: usize,
    /// Numbers of a part.
    pub width: usize,
    /// From one row of queries, keys and values to the next.
    pub stride: usize,
    /// Where the part begins in a row of queries; keys and values begin a third of a row and two thirds further.
    pub first: usize,
}

/// Room for keys or values as columns, and for gradients of scores.
#[derive(Debug, Default)]
pub struct Scratch {
    columns: Vec<f32>,
    gradients: Vec<f32>,
}

impl Head {
    /// Floats of its probabilities, rows of [`Head::row`].
    pub fn n_probabilities(&self) -> usize {
        self.n_rows * self.row()
    }

    fn row(&self) -> usize {
        padded(self.n_rows)
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    /// The blocks: where one begins, its rows, and its columns.
    fn blocks(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let n_rows = self.n_rows;
        (0..n_rows).step_by(BLOCK).map(move |begin| {
            let end = n_rows.min(begin + BLOCK);
            (begin, end - begin, end)
        })
    }

    /// Keys (nothing behind: 1) or values (2) of all rows as columns.
    fn transpose(&self, machine: Machine, qkv: &[f32], third: usize, columns: &mut Vec<f32>) {
        columns.clear();
        columns.resize(self.width * self.row(), 0.0);
        let from = Matrix(&qkv[self.first + third * self.stride / 3..], self.stride);
        machine.transpose((self.n_rows, self.width), from, MatrixMut(columns, self.row()));
    }

    /// Writes the probabilities, and the means of the values by them into rows of `result`, `stride` apart.
    pub fn attend(
        &self,
        machine: Machine,
        qkv: &[f32],
        probabilities: &mut [f32],
        result: MatrixMut,
        scratch: &mut Scratch,
    ) {
        let (row, values) = (self.row(), self.first + 2 * self.stride / 3);
        self.transpose(machine, qkv, 1, &mut scratch.columns);
        for (begin, n, end) in self.blocks() {
            let width = padded(end);
            let scores = &mut probabilities[begin * row..(begin + n) * row];
            let queries = Matrix(&qkv[begin * self.stride + self.first..], self.stride);
            let keys = Matrix(&scratch.columns, row);
            machine.product(
                (n, width, self.width),
                queries,
                keys,
                Onto::Zero,
                MatrixMut(scores, row),
            );
            machine.causal_softmax(MatrixMut(scores, row), (n, width), begin, self.scale());
            let to = MatrixMut(&mut result.0[begin * result.1..], result.1);
            let values = Matrix(&qkv[values..], self.stride);
            machine.product((n, self.width, end), Matrix(scores, row), values, Onto::Zero, to);
        }
    }

    /// Adds the gradients of queries, keys and values to `of_qkv`, by those of the result.
    pub fn gradients(
        &self,
        machine: Machine,
        qkv: &[f32],
        probabilities: &[f32],
        of_result: Matrix,
        of_qkv: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (row, third) = (self.row(), self.stride / 3);
        let Scratch { columns, gradients } = scratch;
        self.transpose(machine, qkv, 2, columns);
        gradients.clear();
        gradients.resize(BLOCK.min(self.n_rows) * row, 0.0);
        for (begin, n, end) in self.blocks() {
            let width = padded(end);
            let p = Matrix(&probabilities[begin * row..(begin + n) * row], row);
            let of_rows = Matrix(&of_result.0[begin * of_result.1..], of_result.1);
            let values = Matrix(columns, row);
            machine.product(
                (n, width, self.width),
                of_rows,
                values,
                Onto::Zero,
                MatrixMut(gradients, row),
            );
            machine.causal_gradient(p, MatrixMut(gradients, row), (n, width), self.scale());
            let shape = (end, self.width, n);
            let of = MatrixMut(&mut of_qkv[self.first + 2 * third..], self.stride);
            machine.outer_products(shape, p, of_rows, Onto::Result, of);
            let queries = Matrix(&qkv[begin * self.stride + self.first..], self.stride);
            let of = MatrixMut(&mut of_qkv[self.first + third..], self.stride);
            machine.outer_products(shape, Matrix(gradients, row), queries, Onto::Result, of);
            let keys = Matrix(&qkv[self.first + third..], self.stride);
            let of = MatrixMut(&mut of_qkv[begin * self.stride + self.first..], self.stride);
            machine.product((n, self.width, end), Matrix(gradients, row), keys, Onto::Result, of);
        }
    }
}
