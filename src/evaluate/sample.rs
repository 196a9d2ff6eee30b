//! What is looked at of a dataset.

use crate::network::Example;
use crate::random;
use crate::sequence::{Dataset, Sequence, Token};

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
/// seed, falls below their share, but at least the one with the smallest hash. Of a history with more probabilities than
/// are to be kept of all, every so many-th target.
pub(super) struct Sample {
    pub n_actions: usize,
    seed: u64,
    limit: f64,
    /// Of histories that are so long, by their numbers.
    strides: Vec<(u64, usize)>,
}

impl Sample {
    pub fn new(dataset: &Dataset, seed: u64) -> Self {
        let n_actions = dataset.vocabulary().len();
        let n_probabilities = dataset.n_held_out_targets() * n_actions;
        let mut sample = Self {
            n_actions,
            seed,
            limit: KEPT_PROBABILITIES as f64 / n_probabilities as f64 * u64::MAX as f64,
            strides: Vec::new(),
        };
        if n_probabilities > KEPT_PROBABILITIES {
            let hashes = held_out(dataset).map(|(index, _)| sample.hash(index as u64));
            sample.limit = hashes.fold(f64::INFINITY, f64::min).max(sample.limit);
            let strides = held_out(dataset).map(|(index, sequence)| {
                let n_probabilities = sequence.n_held_out_targets() * n_actions;
                (index as u64, n_probabilities.div_ceil(KEPT_PROBABILITIES))
            });
            sample.strides = strides.filter(|&(_, stride)| stride > 1).collect();
        }
        sample
    }

    fn hash(&self, key: u64) -> f64 {
        random::hash(self.seed, &[key]) as f64
    }

    /// Every how many-th target of a history is kept, if any.
    pub fn stride(&self, key: u64) -> Option<usize> {
        let of_long = || self.strides.binary_search_by_key(&key, |&(long, _)| long);
        let stride = || of_long().map_or(1, |place| self.strides[place].1);
        (self.hash(key) <= self.limit).then(stride)
    }

    /// Calls `found(row of probabilities, target, whether it is kept)` for the targets of some
    /// histories, in order.
    pub fn visit(&self, examples: &[Example], probabilities: &[f32], mut found: impl FnMut(&[f32], Token, bool)) {
        let mut rows = probabilities.chunks_exact(self.n_actions);
        for example in examples {
            let stride = self.stride(example.key);
            for (position, row) in (example.first_target..example.tokens.len()).zip(&mut rows) {
                found(row, example.tokens.at(position), is_kept(stride, position));
            }
        }
    }
}

/// Whether the target at a position is kept of a history with a [`Sample::stride`].
pub(super) fn is_kept(stride: Option<usize>, position: usize) -> bool {
    stride.is_some_and(|stride| position.is_multiple_of(stride))
}
