//! Parts of row-major matrices, as products take them, with their lengths.

use super::product;

/// A part of a row-major matrix: its floats, and how far apart the rows are.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a>(pub &'a [f32], pub usize);

impl<'a> Matrix<'a> {
    /// The part from row `row` on.
    pub(crate) fn skip_rows(self, row: usize) -> Matrix<'a> {
        Matrix(&self.0[row * self.1..], self.1)
    }

    /// Whether it holds (n_rows, n_columns).
    pub(crate) fn holds(&self, n_rows: usize, n_columns: usize) -> bool {
        n_rows == 0 || (self.1 >= n_columns && self.0.len() >= (n_rows - 1) * self.1 + n_columns)
    }
}

/// The same, written to.
pub(crate) struct MatrixMut<'a>(pub &'a mut [f32], pub usize);

impl MatrixMut<'_> {
    /// Whether it holds (n_rows, n_columns).
    pub(crate) fn holds(&self, n_rows: usize, n_columns: usize) -> bool {
        Matrix(self.0, self.1).holds(n_rows, n_columns)
    }
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(crate) enum Onto<'a> {
    /// Nothing.
    Zero,
    /// One row, the same for all rows of the result.
    Row(&'a [f32]),
    /// What the result holds.
    Result,
}

impl Onto<'_> {
    /// For a result of `n` columns.
    pub(crate) fn checked(self, n: usize) -> product::Onto {
        match self {
            Onto::Zero => product::Onto::Zero,
            Onto::Result => product::Onto::Result,
            Onto::Row(row) => {
                assert!(row.len() >= n);
                product::Onto::Row(row.as_ptr())
            }
        }
    }
}
