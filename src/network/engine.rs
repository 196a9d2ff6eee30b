//! What an engine is asked.

use std::time::Instant;

use super::Architecture;
use super::batch::{Example, LossSum, Reader, Resident, Step, Unfinished, Wanted};
use crate::error::Error;
use crate::sequence::Tokens;

/// A network of one architecture on one device. Parameters are given with every call
/// in the order of [`Architecture::slots`].
pub trait Engine: Send + Sync {
    /// What it was made for.
    fn architecture(&self) -> &Architecture;

    /// Adds d(loss sum)/d(parameters) to `gradient` (length `n_parameters`), or stops when `until` has passed, but not
    /// before it has got on by a window of steps. `None` says that the batch is not complete: `gradient` is as it was,
    /// `unfinished` says how far it is, and the same call with it goes on. How often it stopped leaves no trace in the
    /// result.
    fn gradient_until(
        &self,
        until: Option<Instant>,
        parameters: &[f32],
        batch: &[Example],
        step: &Step,
        unfinished: &mut Option<Unfinished>,
        gradient: &mut [f32],
    ) -> Result<Option<LossSum>, Error>;

    /// Makes room for batches of up to so many sequences of up to so many tokens, where a device has memory of its own.
    ///
    /// # Errors
    /// When it has less.
    fn reserve(&self, _n_sequences: usize, _n_tokens: usize, _window: usize) -> Result<(), Error> {
        Ok(())
    }

    /// Begins a training on the device itself; `None` where the host makes the steps with
    /// [`Engine::gradient_until`].
    ///
    /// # Errors
    /// When the device fails.
    fn resident(&self, _parameters: &[f32], _moments: [&[f32]; 2]) -> Result<Option<Box<dyn Resident + '_>>, Error> {
        Ok(None)
    }

    /// Shows every reader the distributions of its example, without dropout. They are computed a block of rows at a
    /// time, so that a large vocabulary takes no memory for all of them.
    fn score(&self, parameters: &[f32], wanted: Vec<Wanted>, threads: usize) -> Result<(), Error>;

    /// All distributions of [`Engine::score`] as one list: (rows, V), in the order of the examples.
    fn probabilities(
        &self,
        parameters: &[f32],
        batch: &[Example],
        include_last: bool,
        threads: usize,
    ) -> Result<Vec<f32>, Error> {
        Wanted::collect(batch, include_last, self.architecture().vocabulary, |wanted| {
            self.score(parameters, wanted, threads)
        })
    }

    /// Feeds tokens to the state of a sequence in turn: updates `state` (length
    /// [`Architecture::n_state`], zero before the first token) and shows the reader the
    /// distributions over the token that follows each of them but the first `n_read`,
    /// with positions counted from the first of these tokens. A sequence fed in pieces gets
    /// the distributions of [`Engine::score`].
    fn feed_to(
        &self,
        parameters: &[f32],
        state: &mut [f32],
        tokens: Tokens,
        n_read: usize,
        reader: &mut dyn Reader,
    ) -> Result<(), Error>;

    /// All distributions of [`Engine::feed_to`] as one list: (rows, V).
    fn feed(&self, parameters: &[f32], state: &mut [f32], tokens: Tokens, n_read: usize) -> Result<Vec<f32>, Error> {
        let mut rows = vec![0.0; tokens.len().saturating_sub(n_read) * self.architecture().vocabulary];
        self.feed_to(parameters, state, tokens, n_read, &mut &mut rows[..])?;
        Ok(rows)
    }
}
