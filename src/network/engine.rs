//! What an engine is asked.

use std::time::Instant;

use super::batch::{Example, LossSum, Step, Unfinished};
use super::{Architecture, check};
use crate::error::Error;
use crate::sequence::{Token, TokenList, Tokens};

/// A network of one architecture on one device. Parameters are given with every call
/// in the order of [`Architecture::slots`].
pub trait Engine: Send + Sync {
    /// What it was made for.
    fn architecture(&self) -> &Architecture;

    /// Adds d(loss sum)/d(parameters) to `gradient` (length `n_parameters`).
    fn loss_and_gradient(
        &self,
        parameters: &[f32],
        batch: &[Example],
        step: &Step,
        gradient: &mut [f32],
    ) -> Result<LossSum, Error> {
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
    ) -> Result<Option<LossSum>, Error>;

    /// Distributions over the token at each position `first_target..tokens.len()` of
    /// each example, and at `tokens.len()` (the prediction after the whole sequence)
    /// with `include_last`: (rows, V), in the order of the examples, without dropout.
    fn probabilities(
        &self,
        parameters: &[f32],
        batch: &[Example],
        include_last: bool,
        threads: usize,
    ) -> Result<Vec<f32>, Error>;

    /// Distribution over the token after each whole sequence: (n_sequences, V). After
    /// an empty sequence it is the softmax of the head's bias, the state being zero.
    fn predict(&self, parameters: &[f32], sequences: &[Tokens], threads: usize) -> Result<Vec<f32>, Error>;

    /// Feeds tokens to the state of a sequence in turn: updates `state` (length
    /// [`Architecture::n_state`], zero before the first token) and gives the
    /// distributions over the token that follows each of them but the first `n_read`:
    /// (rows, V). A sequence fed in pieces gets the distributions of
    /// [`Engine::probabilities`].
    fn feed(&self, parameters: &[f32], state: &mut [f32], tokens: Tokens, n_read: usize) -> Result<Vec<f32>, Error>;

    /// One more token in constant time: [`Engine::feed`], the distribution (length V)
    /// written to `probabilities`.
    fn advance(
        &self,
        parameters: &[f32],
        state: &mut [f32],
        token: Token,
        probabilities: &mut [f32],
    ) -> Result<(), Error> {
        check::advance(self.architecture(), state, token, probabilities)?;
        let mut tokens = TokenList::new(self.architecture().vocabulary);
        tokens.push(token);
        probabilities.copy_from_slice(&self.feed(parameters, state, tokens.tokens(), 0)?);
        Ok(())
    }
}
