//! The scoring of a network in training, and of the baselines beside it.

use super::place::{Block, Network, Place};
use super::sample::Sample;
use crate::error::Error;
use crate::metrics::{highest, log_probability, mean_auc};
use crate::sequence::{Dataset, Token};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Loss and hits of predictions, added target by target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    n: u64,
    /// Sum of -ln p(target), in nats.
    loss: f64,
    n_correct: u64,
}

impl Tally {
    pub(super) fn add(&mut self, row: &[f32], target: Token) {
        self.n += 1;
        self.loss -= log_probability(row[target.index()]);
        self.n_correct += u64::from(highest(row) == target.index());
    }

    /// Mean of -ln p(target) in nats; `None` without targets.
    pub fn log_loss(&self) -> Option<f64> {
        (self.n > 0).then(|| self.loss / self.n as f64)
    }

    /// Share of targets that had the highest probability; `None` without targets.
    pub fn accuracy(&self) -> Option<f64> {
        (self.n > 0).then(|| self.n_correct as f64 / self.n as f64)
    }
}

/// The scoring of a network in training, which can stop after any block of
/// sequences or part of a long one and go on.
///
/// Loss and accuracy are those of all held-back targets. The AUC needs every
/// probability at once, so of more than four million (targets times actions)
/// it takes a `Sample`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// What is still to be scored.
    pub place: Place,
    /// What has been scored.
    pub tally: Tally,
    /// Of the sampled histories: a row per target. Millions of numbers are no matter for JSON.
    #[serde(skip)]
    pub probabilities: Vec<f32>,
    /// One for each row of probabilities.
    #[serde(skip)]
    pub targets: Vec<Token>,
}

impl Validation {
    /// Scores on until the end, or until `until` has passed (after at least one
    /// block); says whether the end was reached.
    ///
    /// # Errors
    /// When the device fails.
    pub fn advance(
        &mut self,
        dataset: &Dataset,
        network: &dyn Network,
        seed: u64,
        threads: usize,
        until: Option<Instant>,
    ) -> Result<bool, Error> {
        let sample = Sample::new(dataset, seed);
        loop {
            let block = self.place.advance(dataset, network, threads)?;
            let Block {
                examples,
                probabilities,
                ..
            } = block;
            if examples.is_empty() {
                return Ok(true);
            }
            sample.visit(&examples, &probabilities, |row, target, kept| {
                self.tally.add(row, target);
                if kept {
                    self.probabilities.extend_from_slice(row);
                    self.targets.push(target);
                }
            });
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(false);
            }
        }
    }

    /// Mean over the actions of the area under the ROC curve, one against the
    /// rest; `None` when no action has both kinds of targets.
    pub fn auc(&self, n_actions: usize) -> Option<f64> {
        mean_auc(&self.probabilities, &self.targets, n_actions)
    }
}
