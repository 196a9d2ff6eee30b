//! What an engine is asked and what it answers.

use super::{Architecture, NetworkError};

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
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct LossSum {
    /// Sum over targets of class weight × -ln p(target).
    pub loss: f64,
    /// Sum of the targets' class weights: the number of targets without weights.
    pub weight: f64,
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
    ) -> Result<LossSum, NetworkError>;

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

    /// One more token in constant time: updates `state` (length
    /// [`Architecture::n_state`], zero before the first token) and writes the
    /// distribution over the token that follows (length V).
    fn advance(
        &self,
        parameters: &[f32],
        state: &mut [f32],
        token: u8,
        probabilities: &mut [f32],
    ) -> Result<(), NetworkError>;
}
