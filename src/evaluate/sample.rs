//! What is looked at of a dataset.

use crate::network::Example;
use crate::random;
use crate::sequence::{Dataset, Sequence};

/// Probabilities that are kept for the AUC, about, when there are more.
pub const KEPT_PROBABILITIES: usize = 4 << 20;

/// The seed of the sample of an evaluation, which is the same for every model.
pub(super) const SAMPLE_SEED: u64 = 0;

/// The histories with held-back targets, each with its number.
pub(super) fn held_out<'a>(dataset: &'a Dataset<'a>) -> impl Iterator<Item = (usize, Sequence<'a>)> + 'a {
    let all = dataset.sequences().enumerate();
    all.filter(|(_, sequence)| sequence.n_held_out_targets() > 0)
}

/// The histories whose probabilities are kept: all, or of many those whose number, hashed with a
/// seed, falls below their share.
pub(super) struct Sample {
    pub n_actions: usize,
    seed: u64,
    limit: f64,
}

impl Sample {
    pub fn new(dataset: &Dataset, seed: u64) -> Self {
        let n_actions = dataset.vocabulary().len();
        let share = KEPT_PROBABILITIES as f64 / (dataset.n_held_out_targets() * n_actions) as f64;
        Self {
            n_actions,
            seed,
            limit: share * u64::MAX as f64,
        }
    }

    pub fn holds(&self, key: u64) -> bool {
        random::hash(self.seed, &[key]) as f64 <= self.limit
    }

    /// Calls `found(row of probabilities, target, whether it is kept)` for the targets of some
    /// histories, in order.
    pub fn visit(&self, examples: &[Example], probabilities: &[f32], mut found: impl FnMut(&[f32], u8, bool)) {
        let mut rows = probabilities.chunks_exact(self.n_actions);
        for example in examples {
            let kept = self.holds(example.key);
            for (&target, row) in example.tokens[example.first_target..].iter().zip(&mut rows) {
                found(row, target, kept);
            }
        }
    }
}
