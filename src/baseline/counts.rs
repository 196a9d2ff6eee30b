//! What the baselines are made from: n-grams, counted.

use crate::error::Error;
use crate::sequence::{Dataset, Sequence};
use std::collections::HashMap;

/// The highest Markov order.
pub(super) const MAX_ORDER: usize = 3;

/// Tokens of the longest n-gram: the context and its successor.
const MAX_GRAM: usize = MAX_ORDER + 1;

/// Places of the cache in front of a table of counts, and the factor that
/// spreads runs over them by the upper 12 bits of a product (Knuth, The Art of
/// Computer Programming, volume 3, section 6.4).
const RECENT: usize = 1 << 12;

const SPREAD: u32 = 0x9E37_79B1;

/// How often each run of up to four actions ends at a training target.
///
/// A run is packed into 32 bits, one byte per token plus one, the target in the
/// lowest byte; a zero byte says that the sequence began there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    pub(super) n_actions: usize,
    /// (run, count) with distinct, ascending runs.
    grams: Vec<(u32, u64)>,
}

impl Counts {
    /// Counts the training targets of a dataset.
    pub fn of_training(dataset: &Dataset) -> Self {
        Self::of(dataset.vocabulary().len(), dataset.sequences())
    }

    /// Counts the training targets of some sequences.
    pub fn of<'a>(n_actions: usize, sequences: impl Iterator<Item = Sequence<'a>>) -> Self {
        let mut counts: HashMap<u32, u64> = HashMap::new();
        // A few runs make up nearly all; the map is asked when two share a place here.
        let mut recent = vec![(0u32, 0u64); RECENT];
        for sequence in sequences {
            let mut gram = 0u32;
            for (position, &token) in sequence.tokens[..sequence.n_train].iter().enumerate() {
                gram = gram << 8 | (u32::from(token) + 1);
                if position > 0 {
                    let place = &mut recent[gram.wrapping_mul(SPREAD) as usize >> 20];
                    if place.0 != gram {
                        *counts.entry(place.0).or_default() += place.1;
                        *place = (gram, 0);
                    }
                    place.1 += 1;
                }
            }
        }
        for (gram, count) in recent {
            *counts.entry(gram).or_default() += count;
        }
        counts.remove(&0);
        let mut grams: Vec<_> = counts.into_iter().collect();
        grams.sort_unstable();
        Self { n_actions, grams }
    }

    /// Rebuilds a table from its parts.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the runs are not ascending or hold a token
    /// outside the vocabulary.
    pub fn from_grams(n_actions: usize, grams: Vec<(u32, u64)>) -> Result<Self, Error> {
        let token_ok = |byte: u8| usize::from(byte) <= n_actions;
        let ascending = grams.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let total = grams.iter().try_fold(0u64, |sum, &(_, count)| sum.checked_add(count));
        let known = grams.iter().all(|&(gram, _)| {
            let bytes = gram.to_be_bytes();
            bytes.into_iter().all(token_ok) && bytes[MAX_GRAM - 1] > 0
        });
        if ascending && known && total.is_some() {
            Ok(Self { n_actions, grams })
        } else {
            Err(Error::damaged(
                "model",
                "the counts behind its baselines are inconsistent",
            ))
        }
    }

    /// The parts of the table.
    pub fn grams(&self) -> &[(u32, u64)] {
        &self.grams
    }

    /// Number of training targets.
    pub fn n_targets(&self) -> u64 {
        self.grams.iter().map(|&(_, count)| count).sum()
    }

    /// How often each action is a training target.
    pub fn targets_by_action(&self) -> Vec<u64> {
        let mut counts = vec![0; self.n_actions];
        for &(gram, count) in &self.grams {
            counts[(gram & 0xff) as usize - 1] += count;
        }
        counts
    }
}
