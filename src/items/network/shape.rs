//! The sizes of a network, and where its weights lie.

use crate::compute::product::PAD;
use crate::items::histories::{HISTORY_LIMIT, MAX_ITEMS};
use crate::limits::MAX_LAYERS;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Most numbers of the vector of an item.
pub const MAX_DIM: usize = 512;

/// The sizes of a network.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Items that it knows.
    pub n_items: usize,
    /// Numbers of the vector of an item.
    pub dim: usize,
    /// Blocks of attention and of two products.
    pub layers: usize,
    /// Parts of the vectors that attend on their own.
    pub heads: usize,
    /// Items of a history that it looks at, the last ones.
    pub max_length: usize,
}

/// Where the weights of a layer lie, biases behind their matrices, which have a row for each number that comes in.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Gain and bias in front of the attention.
    pub norm: Range<usize>,
    /// To queries, keys and values.
    pub qkv: Range<usize>,
    pub qkv_bias: Range<usize>,
    /// From what was attended to.
    pub out: Range<usize>,
    pub out_bias: Range<usize>,
    /// Gain and bias in front of the two products.
    pub second_norm: Range<usize>,
    pub inner: Range<usize>,
    pub inner_bias: Range<usize>,
    pub outer: Range<usize>,
    pub outer_bias: Range<usize>,
}

impl Shape {
    /// Whether the sizes fit each other: those of vectors and their parts are whole registers.
    pub fn is_sound(&self) -> bool {
        let Self { dim, heads, .. } = *self;
        let are_within = (1..=MAX_DIM).contains(&dim)
            && (1..=MAX_LAYERS).contains(&self.layers)
            && (1..=HISTORY_LIMIT).contains(&self.max_length)
            && (1..=MAX_ITEMS as usize).contains(&self.n_items);
        are_within && heads > 0 && dim.is_multiple_of(heads) && (dim / heads).is_multiple_of(PAD)
    }

    /// Numbers of the vectors of all items.
    pub fn n_of_items(&self) -> usize {
        self.n_items * self.dim
    }

    /// All other numbers.
    pub fn n_weights(&self) -> usize {
        self.last().end
    }

    /// Where the vectors of the positions lie among these.
    pub fn positions(&self) -> Range<usize> {
        0..self.max_length * self.dim
    }

    /// Where the weights of a layer lie among these.
    pub fn layer(&self, layer: usize) -> Layer {
        let d = self.dim;
        let mut end = self.positions().end + layer * self.n_of_layer();
        let mut next = |n: usize| {
            end += n;
            end - n..end
        };
        Layer {
            norm: next(2 * d),
            qkv: next(3 * d * d),
            qkv_bias: next(3 * d),
            out: next(d * d),
            out_bias: next(d),
            second_norm: next(2 * d),
            inner: next(d * d),
            inner_bias: next(d),
            outer: next(d * d),
            outer_bias: next(d),
        }
    }

    fn n_of_layer(&self) -> usize {
        6 * self.dim * self.dim + 10 * self.dim
    }

    /// Where gain and bias of the last norm lie among these.
    pub fn last(&self) -> Range<usize> {
        let begin = self.positions().end + self.layers * self.n_of_layer();
        begin..begin + 2 * self.dim
    }
}

/// Bytes that training holds at its peak: weights, their gradients and moments, copies to go back to and to judge by, and what is kept of a
/// step for its gradients.
pub fn memory(shape: &Shape, n_rows: usize, threads: usize) -> usize {
    let n_weights = shape.n_of_items() + shape.n_weights() * 16;
    let of_layer = 14 * shape.dim + shape.heads * (shape.max_length + PAD);
    let n_kept = n_rows * (shape.layers * of_layer + 10 * shape.dim);
    4 * (8 * n_weights + n_kept) + threads * shape.n_items * 80
}
