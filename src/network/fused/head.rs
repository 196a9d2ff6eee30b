//! From hidden rows to distributions: a product with all tokens' weights, and a softmax.
//!
//! A large vocabulary has far more scores of a row than the row has numbers, so rows go
//! through in blocks, and nobody holds the scores of all.

use crate::compute::buffer::Buffer;
use crate::compute::matrix::{Matrix, MatrixMut, Onto};
use crate::compute::product::padded;
use crate::network::architecture::{Architecture, Ranges};
use crate::network::fused::kernels::Kernels;
use crate::network::fused::panels::{column_place, put_row};
use crate::network::fused::softmax::NO_TOKEN;
use crate::sequence::Token;
use std::ops::Range;

/// Scores of a block of rows, about: what a shop's few actions have of all rows at once, and 4 MB.
const SCORES_TOGETHER: usize = 1 << 20;

/// A block has no fewer rows: with fewer the weights are read for too little work.
const SMALLEST_BLOCK: usize = 32;

/// The weights, packed for the way forward.
pub(super) struct Head {
    pub n_tokens: usize,
    /// H, padded.
    hidden: usize,
    /// V, padded: the width of a row of scores.
    width: usize,
    /// Panels of (H, V).
    weights: Buffer,
    bias: Buffer,
}

impl Head {
    /// Room for the parameters of an architecture.
    pub(super) fn new(architecture: &Architecture) -> Self {
        let (hidden, width) = (padded(architecture.hidden), padded(architecture.vocabulary));
        let mut bias = Buffer::zeros(width);
        bias.fill(NO_TOKEN);
        Head {
            n_tokens: architecture.vocabulary,
            hidden,
            width,
            weights: Buffer::zeros(hidden * width),
            bias,
        }
    }

    /// Replaces the parameters.
    pub(super) fn pack(&mut self, kernels: &Kernels, n_units: usize, parameters: &[f32], ranges: &Ranges) {
        let rows = Matrix(&parameters[ranges.head_weight.clone()], n_units);
        for token in (0..self.n_tokens).step_by(kernels.lanes()) {
            let n_rows = kernels.lanes().min(self.n_tokens - token);
            let (offset, stride) = column_place(kernels.panel(), (self.hidden, self.width), token);
            let shape = (n_rows, n_units);
            kernels.put_columns(shape, rows.skip_rows(token), &mut self.weights[offset..], stride);
        }
        self.bias[..self.n_tokens].copy_from_slice(&parameters[ranges.head_bias.clone()]);
    }

    /// Rows of a block.
    fn rows_together(&self) -> usize {
        (SCORES_TOGETHER / self.width).max(SMALLEST_BLOCK)
    }

    /// The scores of hidden rows, (rows, V).
    fn scores(&self, kernels: &Kernels, hidden: &[f32], scores: &mut [f32]) {
        kernels.product(
            (scores.len() / self.width, self.width, self.hidden),
            Matrix(hidden, self.hidden),
            &self.weights,
            Onto::Row(&self.bias),
            MatrixMut(scores, self.width),
        );
    }

    /// The distribution before the first token, whose hidden row is zero.
    pub(super) fn before_the_first(&self, kernels: &Kernels) -> Buffer {
        let mut scores = Buffer::zeros(self.width);
        scores.copy_from_slice(&self.bias);
        kernels.softmax(&mut scores, self.width);
        scores
    }
}

/// The weights, packed for the way back.
pub(super) struct BackwardHead {
    /// Panels of (tokens, H).
    weights: Buffer,
}

impl BackwardHead {
    /// Room for the parameters of an architecture.
    pub(super) fn new(architecture: &Architecture) -> Self {
        BackwardHead {
            weights: Buffer::zeros(architecture.vocabulary * padded(architecture.hidden)),
        }
    }

    /// Replaces the parameters.
    pub(super) fn pack(&mut self, kernels: &Kernels, architecture: &Architecture, parameters: &[f32], ranges: &Ranges) {
        let shape = (architecture.vocabulary, padded(architecture.hidden));
        let rows = parameters[ranges.head_weight.clone()].chunks_exact(architecture.hidden);
        for (token, row) in rows.enumerate() {
            put_row(&mut self.weights, kernels.panel(), shape, token, row);
        }
    }
}

/// A target behind a hidden row, and what it counts.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub row: u32,
    pub token: Token,
    pub weight: f32,
}

/// Where the gradients of a head are added to.
pub(super) struct HeadGradient<'a> {
    /// (tokens, H).
    pub weights: &'a mut [f32],
    /// (V).
    pub bias: &'a mut [f32],
}

/// The buffers of one thread.
#[derive(Default)]
pub(super) struct HeadBuffers {
    /// Hidden rows whose distributions are wanted, (rows, H).
    picked: Buffer,
    /// (rows, V).
    scores: Buffer,
    /// For each row the weights of the targets behind it, by token: (rows, V).
    target_weights: Buffer,
}

impl HeadBuffers {
    /// Calls `found` with the number and the distribution of each of the `rows` of `hidden`, in their order.
    pub(super) fn distributions(
        &mut self,
        kernels: &Kernels,
        head: &Head,
        hidden: &[f32],
        rows: &[usize],
        mut found: impl FnMut(usize, &[f32]),
    ) {
        let mut numbers = 0..rows.len();
        for block in rows.chunks(head.rows_together()) {
            self.picked.grow(block.len() * head.hidden);
            for (&row, picked) in block.iter().zip(self.picked.chunks_exact_mut(head.hidden)) {
                picked.copy_from_slice(&hidden[row * head.hidden..][..head.hidden]);
            }
            self.scores.grow(block.len() * head.width);
            let scores = &mut self.scores[..block.len() * head.width];
            head.scores(kernels, &self.picked, scores);
            kernels.softmax(scores, head.width);
            for (number, row) in numbers.by_ref().zip(scores.chunks_exact(head.width)) {
                found(number, &row[..head.n_tokens]);
            }
        }
    }

    /// The loss sum of the targets, in the order of their rows, behind `hidden` (rows, H); adds the head's gradient and
    /// turns the rows into their gradients.
    pub(super) fn train(
        &mut self,
        kernels: &Kernels,
        (head, backward): (&Head, &BackwardHead),
        hidden: &mut [f32],
        mut targets: &[Target],
        gradient: HeadGradient,
    ) -> f64 {
        let mut loss = 0.0;
        let (n_rows, together) = (hidden.len() / head.hidden, head.rows_together());
        for first in (0..n_rows).step_by(together) {
            let rows = first..n_rows.min(first + together);
            let of_block;
            (of_block, targets) = targets.split_at(targets.partition_point(|target| (target.row as usize) < rows.end));
            self.set_targets(head, rows.clone(), of_block);
            let hidden = &mut hidden[rows.start * head.hidden..rows.end * head.hidden];
            let scores = &mut self.scores[..rows.len() * head.width];
            head.scores(kernels, hidden, scores);
            loss += kernels.cross_entropy(scores, &self.target_weights, gradient.bias);
            let scores = Matrix(scores, head.width);
            kernels.outer_products(
                (head.n_tokens, head.hidden, rows.len()),
                scores,
                Matrix(hidden, head.hidden),
                Onto::Result,
                MatrixMut(gradient.weights, head.hidden),
            );
            kernels.product(
                (rows.len(), head.hidden, head.n_tokens),
                scores,
                &backward.weights,
                Onto::Zero,
                MatrixMut(hidden, head.hidden),
            );
        }
        loss
    }

    /// Makes room for some rows, and adds up the weights of the targets behind each.
    fn set_targets(&mut self, head: &Head, rows: Range<usize>, targets: &[Target]) {
        let n_scores = rows.len() * head.width;
        self.scores.grow(n_scores);
        self.target_weights.grow(n_scores);
        self.target_weights[..n_scores].fill(0.0);
        for target in targets {
            let row = target.row as usize - rows.start;
            self.target_weights[row * head.width + target.token.index()] += target.weight;
        }
    }
}
