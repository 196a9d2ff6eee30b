//! What an engine is given and what it answers.

use crate::error::Error;
use crate::sequence::Tokens;
use serde::{Deserialize, Serialize};

/// One sequence of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Example<'a> {
    /// Vocabulary indices, each below V.
    pub tokens: Tokens<'a>,
    /// The first position that counts as a target, at least 1. Position p is
    /// predicted from those before it; a sequence with `first_target >= tokens.len()`
    /// counts nothing.
    pub first_target: usize,
    /// Identifies the sequence for its dropout masks.
    pub key: u64,
}

impl Example<'_> {
    /// Number of positions that count.
    pub fn n_targets(&self) -> usize {
        self.tokens.len().saturating_sub(self.first_target)
    }
}

/// Reads the distributions of one example one after the other, in the order of their positions.
pub trait Reader: Send {
    /// The distribution (length V) over the token at `position`.
    fn read(&mut self, position: usize, distribution: &[f32]);
}

/// Writes each distribution behind the one before.
impl Reader for &mut [f32] {
    fn read(&mut self, _position: usize, distribution: &[f32]) {
        let (to, rest) = std::mem::take(self).split_at_mut(distribution.len());
        to.copy_from_slice(distribution);
        *self = rest;
    }
}

/// An example whose distributions are wanted: over the token at each position `first_target..tokens.len()`, and at
/// `tokens.len()` (the prediction after the whole sequence) with `include_last`.
pub struct Wanted<'a> {
    /// The example.
    pub example: Example<'a>,
    /// Whether the prediction after the whole sequence is wanted too.
    pub include_last: bool,
    /// Who reads them.
    pub reader: &'a mut dyn Reader,
}

impl<'a> Wanted<'a> {
    /// How many there are.
    fn n_rows(example: &Example, include_last: bool) -> usize {
        (example.tokens.len() + usize::from(include_last)).saturating_sub(example.first_target)
    }

    /// Calls `score` with readers for all examples, and gives what they read: (rows, `n_tokens`), in the order of the
    /// examples.
    pub(super) fn collect<E>(
        batch: &[Example],
        include_last: bool,
        n_tokens: usize,
        score: impl FnOnce(Vec<Wanted>) -> Result<(), E>,
    ) -> Result<Vec<f32>, E> {
        let lengths = batch
            .iter()
            .map(|example| Wanted::n_rows(example, include_last) * n_tokens);
        let mut rows = vec![0.0; lengths.clone().sum()];
        let mut readers = divided(&mut rows, lengths);
        let wanted = batch.iter().zip(&mut readers).map(|(&example, reader)| Wanted {
            example,
            include_last,
            reader,
        });
        score(wanted.collect())?;
        Ok(rows)
    }
}

/// Parts of these lengths, one after the other.
pub(super) fn divided(mut rows: &mut [f32], lengths: impl Iterator<Item = usize>) -> Vec<&mut [f32]> {
    lengths
        .map(|length| rows.split_off_mut(..length).unwrap_or_default())
        .collect()
}

/// How to run one training step.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Weight of a target by its token (length V); `None` weighs all with 1.
    pub class_weights: Option<&'a [f32]>,
    /// Seed of this step's dropout masks; `None` is evaluation, without dropout.
    pub dropout_seed: Option<u64>,
    /// Time is cut into windows of this many steps (at least 1): the state crosses
    /// from window to window, gradients do not (truncated backpropagation). The loss
    /// does not depend on it.
    pub window: usize,
    /// Threads to use, at least 1. No result depends on it.
    pub threads: usize,
}

/// A step of Adam with a clipped gradient.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// What first moment over root is multiplied with, corrections of both moments included.
    pub rate: f32,
    /// What is added to the root.
    pub epsilon: f32,
    /// Largest Euclidean norm of the gradient, which is divided by the weight of the batch.
    pub clip: f64,
}

/// A training that a device makes by itself, with parameters and moments that stay there between two batches.
pub trait Resident {
    /// Makes a step, and gives the batch's sums and the norm of its gradient before it was clipped.
    ///
    /// # Errors
    /// When the device fails, or a batch is larger than [`Engine::reserve`](super::Engine::reserve) was told.
    fn step(&mut self, batch: &[Example], step: &Step, adam: &AdamStep) -> Result<(LossSum, f64), Error>;

    /// Brings back the parameters and the moments.
    ///
    /// # Errors
    /// When the device fails.
    fn finish(&self, parameters: &mut [f32], moments: [&mut [f32]; 2]) -> Result<(), Error>;
}

/// The loss of a batch before it is divided by anything.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct LossSum {
    /// Sum over targets of class weight × -ln p(target).
    pub loss: f64,
    /// Sum of the targets' class weights: the number of targets without weights.
    pub weight: f64,
}

impl LossSum {
    pub(crate) fn plus(self, other: Self) -> Self {
        LossSum {
            loss: self.loss + other.loss,
            weight: self.weight + other.weight,
        }
    }
}

/// A batch that [`Engine::gradient_until`](super::Engine::gradient_until) has not brought to its end: what goes into the next call, and means something
/// to the same engine, parameters, batch and step alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The batch is computed in parts; so many from the first on are summed up.
    pub(super) n_summed: usize,
    pub(super) sum: LossSum,
    /// Others that are under way or complete, in their order.
    pub(super) parts: Vec<Part>,
    /// The gradient of the first parts when there are any, then gradient and states of each of the others.
    #[serde(skip)]
    pub floats: Vec<f32>,
}

/// A part of a batch that has begun, without its gradient.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub number: usize,
    /// The sequences run in blocks: those complete, their sums, and whether their gradients hold matrices yet.
    pub n_blocks: usize,
    pub sum: LossSum,
    pub has_matrices: bool,
    /// The block under way: steps done, their sums, and floats of the states after them.
    pub n_steps: usize,
    pub block_sum: LossSum,
    pub n_states: usize,
}
