//! What the baselines are made from: n-grams, counted.

use super::gram::{Gram, Narrow};
use crate::error::Error;
use crate::sequence::{Dataset, Sequence};
use std::collections::HashMap;

/// Places of the cache in front of a table of counts.
const RECENT: usize = 1 << 12;

/// How often each run of up to four actions ends at a training target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    pub(super) n_actions: usize,
    /// Distinct, ascending runs, and how often each occurs.
    grams: Vec<Gram>,
    counts: Vec<u64>,
}

impl Counts {
    /// Counts the training targets of a dataset.
    pub fn of_training(dataset: &Dataset) -> Self {
        Self::of(dataset.vocabulary().len(), dataset.sequences())
    }

    /// Counts the training targets of some sequences.
    pub fn of<'a>(n_actions: usize, sequences: impl Iterator<Item = Sequence<'a>>) -> Self {
        if n_actions <= u32::MOST_TOKENS {
            Self::counted::<u32>(n_actions, sequences)
        } else {
            Self::counted::<u128>(n_actions, sequences)
        }
    }

    fn counted<'a, G: Narrow>(n_actions: usize, sequences: impl Iterator<Item = Sequence<'a>>) -> Self {
        let mut counts: HashMap<G, u64> = HashMap::new();
        // A few runs make up nearly all; the map is asked when two share a place here.
        let mut recent = vec![(G::default(), 0u64); RECENT];
        for sequence in sequences {
            let mut tokens = sequence.tokens.slice(..sequence.n_train).iter();
            // The first is no target.
            let Some(first) = tokens.next() else { continue };
            tokens.fold(G::default().push(first), |gram, token| {
                let gram = gram.push(token);
                let place = &mut recent[gram.spread()];
                if place.0 != gram {
                    *counts.entry(place.0).or_default() += place.1;
                    *place = (gram, 0);
                }
                place.1 += 1;
                gram
            });
        }
        for (gram, count) in recent {
            *counts.entry(gram).or_default() += count;
        }
        counts.remove(&G::default());
        let mut counted: Vec<_> = counts.into_iter().map(|(gram, count)| (gram.gram(), count)).collect();
        counted.sort_unstable();
        let (grams, counts) = counted.into_iter().unzip();
        Self {
            n_actions,
            grams,
            counts,
        }
    }

    /// Rebuilds the table of a few actions from what [`Counts::packed`] gives.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the runs are not ascending or hold a token
    /// outside the vocabulary.
    pub fn from_packed(
        n_actions: usize,
        grams: impl Iterator<Item = u32>,
        counts: impl Iterator<Item = u64>,
    ) -> Result<Self, Error> {
        let grams: Vec<Gram> = grams.map(Narrow::gram).collect();
        let counts: Vec<u64> = counts.collect();
        let ascending = grams.is_sorted_by(|a, b| a < b);
        let total = counts.iter().try_fold(0u64, |sum, &count| sum.checked_add(count));
        let known = grams.iter().all(|gram| {
            let tokens_ok = gram.slots().into_iter().all(|slot| slot as usize <= n_actions);
            tokens_ok && gram.is_whole() && gram.target().is_some()
        });
        if ascending && known && total.is_some() && grams.len() == counts.len() {
            Ok(Self {
                n_actions,
                grams,
                counts,
            })
        } else {
            Err(Error::damaged(
                "model",
                "the counts behind its baselines are inconsistent",
            ))
        }
    }

    /// The runs of at most 255 actions, one byte a slot, and their counts.
    pub fn packed(&self) -> impl ExactSizeIterator<Item = (u32, u64)> + '_ {
        self.grams()
            .map(|(gram, count)| (u32::from_be_bytes(gram.slots().map(|slot| slot as u8)), count))
    }

    /// The runs, ascending, and their counts.
    pub(super) fn grams(&self) -> impl ExactSizeIterator<Item = (Gram, u64)> + '_ {
        self.grams.iter().copied().zip(self.counts.iter().copied())
    }

    /// Number of training targets.
    pub fn n_targets(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How often each action is a training target.
    pub fn targets_by_action(&self) -> Vec<u64> {
        let mut counts = vec![0; self.n_actions];
        for (gram, count) in self.grams() {
            if let Some(target) = gram.target() {
                counts[target.index()] += count;
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::{Token, TokenList};

    /// Each of the tokens multiplied by `factor`, in a vocabulary of so many.
    fn counts(histories: &[(&[u32], usize)], factor: u32, n_actions: usize) -> Counts {
        let list = |tokens: &[u32]| {
            let mut list = TokenList::new(n_actions);
            tokens.iter().for_each(|&token| list.push(Token(token * factor)));
            list
        };
        let lists: Vec<_> = histories
            .iter()
            .map(|&(tokens, n_train)| (list(tokens), n_train))
            .collect();
        let sequences = lists.iter().map(|(list, n_train)| Sequence {
            tokens: list.tokens(),
            n_train: *n_train,
        });
        Counts::of(n_actions, sequences)
    }

    #[test]
    fn actions_are_counted_alike_however_many_there_are() {
        let histories: [(&[u32], usize); 4] = [(&[0, 1, 0, 0, 1, 3], 6), (&[3, 3, 3], 2), (&[1, 0], 0), (&[2], 1)];
        let few = counts(&histories, 1, 4);
        assert_eq!((few.n_targets(), few.targets_by_action()), (6, vec![2, 2, 0, 2]));
        for (factor, n_actions) in [(60, 255), (1000, 4000), (1 << 20, 1 << 24)] {
            let many = counts(&histories, factor, n_actions);
            let smaller = |slot: u32| if slot == 0 { 0 } else { (slot - 1) / factor + 1 };
            let grams = many
                .grams()
                .map(|(gram, n)| (Gram::from_slots(gram.slots().map(smaller)), n));
            assert!(grams.eq(few.grams()), "{n_actions}");
            assert_eq!(many.targets_by_action()[3 * factor as usize], 2);
        }
    }
}
