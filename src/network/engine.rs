//! What an engine is asked and what it answers.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{check, Architecture, NetworkError};

/// One sequence of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Example<'a> {
    /// Vocabulary indices, each below V.
    pub tokens: &'a [u8],
    /// The first position that counts as a target, at least 1. Position p is
    /// predicted from `tokens[..p]`; a sequence with `first_target >= tokens.len()`
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

/// A batch that [`Engine::gradient_until`] has not brought to its end: what goes into the next call, and means something
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

/// A network of one architecture on one device. Parameters are given with every call
/// in the order of [`Architecture::slots`].
pub trait Engine: Send + Sync {
    fn architecture(&self) -> &Architecture;

    /// Adds d(loss sum)/d(parameters) to `gradient` (length `n_parameters`).
    fn loss_and_gradient(
        &self,
        parameters: &[f32],
        batch: &[Example],
        step: &Step,
        gradient: &mut [f32],
    ) -> Result<LossSum, NetworkError> {
        let sum = self.gradient_until(None, parameters, batch, step, &mut None, gradient)?;
        Ok(sum.unwrap_or_default())
    }

    /// [`Engine::loss_and_gradient`], which stops when `until` has passed, but not before it has got on by a window of
    /// steps. `None` says that the batch is not complete: `gradient` is as it was, `unfinished` says how far it is, and
    /// the same call with it goes on. How often it stopped leaves no trace in the result.
    fn gradient_until(
        &self,
        until: Option<Instant>,
        parameters: &[f32],
        batch: &[Example],
        step: &Step,
        unfinished: &mut Option<Unfinished>,
        gradient: &mut [f32],
    ) -> Result<Option<LossSum>, NetworkError>;

    /// Distributions over the token at each position `first_target..tokens.len()` of
    /// each example, and at `tokens.len()` (the prediction after the whole sequence)
    /// with `include_last`: (rows, V), in the order of the examples, without dropout.
    fn probabilities(
        &self,
        parameters: &[f32],
        batch: &[Example],
        include_last: bool,
        threads: usize,
    ) -> Result<Vec<f32>, NetworkError>;

    /// Distribution over the token after each whole sequence: (n_sequences, V). After
    /// an empty sequence it is the softmax of the head's bias, the state being zero.
    fn predict(&self, parameters: &[f32], sequences: &[&[u8]], threads: usize) -> Result<Vec<f32>, NetworkError>;

    /// Feeds tokens to the state of a sequence in turn: updates `state` (length
    /// [`Architecture::n_state`], zero before the first token) and gives the
    /// distributions over the token that follows each of them but the first `n_read`:
    /// (rows, V). A sequence fed in pieces gets the distributions of
    /// [`Engine::probabilities`].
    fn feed(
        &self,
        parameters: &[f32],
        state: &mut [f32],
        tokens: &[u8],
        n_read: usize,
    ) -> Result<Vec<f32>, NetworkError>;

    /// One more token in constant time: [`Engine::feed`], the distribution (length V)
    /// written to `probabilities`.
    fn advance(
        &self,
        parameters: &[f32],
        state: &mut [f32],
        token: u8,
        probabilities: &mut [f32],
    ) -> Result<(), NetworkError> {
        check::advance(self.architecture(), state, token, probabilities)?;
        probabilities.copy_from_slice(&self.feed(parameters, state, &[token], 0)?);
        Ok(())
    }
}
