//! Frequencies after the last actions.

use super::counts::Counts;
use super::gram::{Gram, MAX_ORDER};
use crate::sequence::token::{Stored, of_stored};
use crate::sequence::{Token, Tokens};
use std::collections::HashMap;

/// Ends of histories that a predictor keeps a table of.
const MAX_ENDS: usize = 1 << 12;

/// A predictor that only counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Every action with its frequency among the training targets.
    Majority,
    /// The last action again, with the frequency at which actions repeat in
    /// training; the others share the rest by their own frequencies.
    RepeatLast,
    /// The frequencies after the last action.
    Markov1,
    /// The frequencies after the last three actions.
    Markov3,
}

impl Baseline {
    /// All, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Majority, Self::RepeatLast, Self::Markov1, Self::Markov3];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::RepeatLast => "repeat_last",
            Self::Markov1 => "markov_1",
            Self::Markov3 => "markov_3",
        }
    }
}

/// A baseline ready to predict.
///
/// The distributions are smoothed towards the next shorter context,
/// p(a | c) = (n(c, a) + V · p(a | shorter c)) / (n(c) + V) with V actions and
/// p uniform at the end, so that nothing has probability zero and a context
/// that was never seen predicts like the longest part of it that was (MacKay
/// and Peto, 1995, "A hierarchical Dirichlet language model"). Without a
/// context this is add-one smoothing.
pub struct Predictor {
    n_actions: usize,
    order: usize,
    /// Where the distribution after each context that was seen stands.
    places: HashMap<Gram, usize>,
    /// The same for every possible end of a history, by its digits; empty when there are too many.
    direct: Vec<usize>,
    /// The distributions, one after the other.
    rows: Vec<f32>,
}

impl Predictor {
    /// Builds a baseline from the counts.
    pub fn new(baseline: Baseline, counts: &Counts) -> Self {
        let n_actions = counts.n_actions;
        let order = match baseline {
            Baseline::Majority => 0,
            Baseline::RepeatLast | Baseline::Markov1 => 1,
            Baseline::Markov3 => MAX_ORDER,
        };
        let mut rows = markov(counts, order);
        if baseline == Baseline::RepeatLast {
            repeat_last(counts, &mut rows);
        }
        // In an order of their own, since scores are added up row by row.
        let mut rows: Vec<(Gram, Vec<f64>)> = rows.into_iter().collect();
        rows.sort_unstable_by_key(|&(context, _)| context);
        let mut predictor = Self {
            n_actions,
            order,
            direct: Vec::new(),
            places: rows.iter().map(|&(context, _)| context).zip(0..).collect(),
            rows: rows.iter().flat_map(|(_, row)| row).map(|&p| p as f32).collect(),
        };
        let n_ends = (n_actions + 1).saturating_pow(order as u32);
        if n_ends <= MAX_ENDS {
            predictor.direct = (0..n_ends)
                .map(|number| predictor.place_of(predictor.end(number)))
                .collect();
        }
        predictor
    }

    /// The distribution over the action that follows `history`.
    pub fn probabilities(&self, history: Tokens) -> &[f32] {
        self.row(self.place_before(history, history.len()))
    }

    /// The number, from 0, of the distribution before the token at a position, which may be the one behind the last.
    pub fn place_before(&self, tokens: Tokens, position: usize) -> usize {
        of_stored!(tokens, list => self.place_after(&list[..position]))
    }

    /// The number of the distribution after a history.
    #[inline]
    pub(crate) fn place_after<T: Stored>(&self, history: &[T]) -> usize {
        let end = &history[history.len().saturating_sub(self.order)..];
        let tokens = end.iter().map(|token| token.token());
        if self.direct.is_empty() {
            return self.place_of(Gram::of(tokens));
        }
        let base = self.n_actions + 1;
        self.direct[tokens.fold(0, |number, token| number * base + token.index() + 1)]
    }

    /// The run whose digits, each a token and 1, make up `number`.
    fn end(&self, mut number: usize) -> Gram {
        let mut tokens = Vec::new();
        while number > 0 {
            // A zero stands before the first token only; with one elsewhere it is nobody's end.
            tokens.push(Token((number % (self.n_actions + 1)).saturating_sub(1) as u32));
            number /= self.n_actions + 1;
        }
        Gram::of(tokens.into_iter().rev())
    }

    /// [`Predictor::place_after`] these last tokens, without the table.
    fn place_of(&self, end: Gram) -> usize {
        (0..=self.order)
            .rev()
            .find_map(|order| self.places.get(&end.last(order)).copied())
            .expect("the empty context always has a row")
    }

    /// The distribution with this number.
    pub fn row(&self, place: usize) -> &[f32] {
        &self.rows[place * self.n_actions..][..self.n_actions]
    }

    /// All distributions, in the order of their numbers.
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// Number of actions.
    pub fn n_actions(&self) -> usize {
        self.n_actions
    }
}

/// Smoothed distributions after every seen context of up to `order` actions.
fn markov(counts: &Counts, order: usize) -> HashMap<Gram, Vec<f64>> {
    let n_actions = counts.n_actions;
    let mut rows: HashMap<Gram, Vec<f64>> = HashMap::new();
    for length in 0..=order {
        let mut seen: HashMap<Gram, Vec<u64>> = HashMap::new();
        if length == 0 {
            seen.insert(Gram::default(), vec![0; n_actions]);
        }
        for (gram, count) in counts.grams() {
            let context = gram.context().last(length);
            // Without a token in each slot the sequence was too short.
            let (Some(target), true) = (gram.target(), gram.context().holds(length)) else {
                continue;
            };
            seen.entry(context).or_insert_with(|| vec![0; n_actions])[target.index()] += count;
        }
        for (context, counts) in seen {
            let prior = match length {
                0 => vec![1.0 / n_actions as f64; n_actions],
                // The context without its oldest action was seen with it.
                _ => rows[&context.last(length - 1)].clone(),
            };
            let weight = n_actions as f64;
            let total = counts.iter().sum::<u64>() as f64 + weight;
            let row = counts
                .iter()
                .zip(&prior)
                .map(|(&count, p)| (count as f64 + weight * p) / total)
                .collect();
            rows.insert(context, row);
        }
    }
    rows
}

/// Replaces the rows after one action: that action again with the smoothed
/// share of repeats, the others in proportion to their frequencies.
fn repeat_last(counts: &Counts, rows: &mut HashMap<Gram, Vec<f64>>) {
    let n_actions = counts.n_actions;
    if n_actions == 1 {
        return;
    }
    let repeats: u64 = counts
        .grams()
        .filter(|(gram, _)| gram.target() == gram.context().target())
        .map(|(_, count)| count)
        .sum();
    let share = (repeats as f64 + 1.0) / (counts.n_targets() as f64 + 2.0);
    let majority = rows[&Gram::default()].clone();
    for last in 0..n_actions {
        let others = 1.0 - majority[last];
        let row = majority.iter().enumerate().map(|(action, &p)| {
            if action == last {
                share
            } else {
                (1.0 - share) * p / others
            }
        });
        rows.insert(Gram::of_one(last), row.collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::{Dataset, Sequence, Vocabulary};

    /// Targets by hand. a = 0, b = 1: "abaab" predicts b, a, a, b; "ba" predicts a;
    /// "bbb" is held back.
    fn counts() -> Counts {
        let vocabulary = Vocabulary::new(["a".to_owned(), "b".to_owned()]).unwrap();
        let sequences = vec![
            Sequence {
                tokens: Tokens::U8(&[0, 1, 0, 0, 1]),
                n_train: 5,
            },
            Sequence {
                tokens: Tokens::U8(&[1, 0]),
                n_train: 2,
            },
            Sequence {
                tokens: Tokens::U8(&[1, 1, 1]),
                n_train: 0,
            },
        ];
        let bytes = Dataset::pack(&vocabulary, sequences).unwrap();
        Counts::of_training(&Dataset::from_bytes(&bytes).unwrap())
    }

    #[test]
    fn the_table_of_ends_is_the_search() {
        for baseline in Baseline::ALL {
            let predictor = Predictor::new(baseline, &counts());
            assert!(!predictor.direct.is_empty());
            for length in 0..6usize {
                for history in 0..1u8 << length {
                    let history: Vec<u8> = (0..length).map(|place| history >> place & 1).collect();
                    let history = Tokens::U8(&history);
                    assert_eq!(
                        predictor.place_before(history, history.len()),
                        predictor.place_of(Gram::of(history.slice(length.saturating_sub(predictor.order)..).iter())),
                        "{history:?}"
                    );
                }
            }
        }
    }

    fn close(found: &[f32], expected: [f64; 2]) {
        let near = found
            .iter()
            .zip(expected)
            .all(|(&p, q)| (f64::from(p) - q).abs() < 1e-6);
        assert!(near && found.len() == 2, "{found:?} is not {expected:?}");
    }

    #[test]
    fn only_training_targets_are_counted() {
        assert_eq!(counts().n_targets(), 5);
        assert_eq!(counts().targets_by_action(), [3, 2]);
    }

    #[test]
    fn majority_is_the_smoothed_frequency() {
        // (3 + 2 · 1/2) / (5 + 2)
        close(
            Predictor::new(Baseline::Majority, &counts()).probabilities(Tokens::U8(&[0, 1])),
            [4.0 / 7.0, 3.0 / 7.0],
        );
    }

    #[test]
    fn markov_1_smooths_towards_the_frequencies() {
        let predictor = Predictor::new(Baseline::Markov1, &counts());
        // After a: b, a, b, so (1 + 2 · 4/7) / 5.
        close(
            predictor.probabilities(Tokens::U8(&[1, 0])),
            [(1.0 + 8.0 / 7.0) / 5.0, (2.0 + 6.0 / 7.0) / 5.0],
        );
        // After b: a, a.
        close(
            predictor.probabilities(Tokens::U8(&[1])),
            [(2.0 + 8.0 / 7.0) / 4.0, (6.0 / 7.0) / 4.0],
        );
        close(predictor.probabilities(Tokens::U8(&[])), [4.0 / 7.0, 3.0 / 7.0]);
    }

    #[test]
    fn markov_3_backs_off_to_what_was_seen() {
        let markov_3 = Predictor::new(Baseline::Markov3, &counts());
        let markov_1 = Predictor::new(Baseline::Markov1, &counts());
        // "bbb" and "bb" were never followed in training; "b" was.
        assert_eq!(
            markov_3.probabilities(Tokens::U8(&[1, 1, 1])),
            markov_1.probabilities(Tokens::U8(&[1]))
        );
        // "aba" was followed by a once, "ba" by a once, "a" as above.
        let p1 = [(1.0 + 8.0 / 7.0) / 5.0, (2.0 + 6.0 / 7.0) / 5.0];
        let p2 = [(1.0 + 2.0 * p1[0]) / 3.0, 2.0 * p1[1] / 3.0];
        close(
            markov_3.probabilities(Tokens::U8(&[0, 1, 0])),
            [(1.0 + 2.0 * p2[0]) / 3.0, 2.0 * p2[1] / 3.0],
        );
    }

    #[test]
    fn repeat_last_repeats_as_often_as_training_does() {
        // One of five targets repeats (the second a of "aa"): (1 + 1) / (5 + 2).
        let predictor = Predictor::new(Baseline::RepeatLast, &counts());
        close(predictor.probabilities(Tokens::U8(&[1])), [5.0 / 7.0, 2.0 / 7.0]);
        close(predictor.probabilities(Tokens::U8(&[0])), [2.0 / 7.0, 5.0 / 7.0]);
    }

    #[test]
    fn a_damaged_table_is_refused() {
        let rebuilt = |n_actions, grams: &[(u32, u64)]| {
            let (grams, counts): (Vec<_>, Vec<_>) = grams.iter().copied().unzip();
            Counts::from_packed(n_actions, grams.into_iter(), counts.into_iter())
        };
        let mut grams: Vec<_> = counts().packed().collect();
        assert_eq!(rebuilt(2, &grams).unwrap(), counts());
        assert!(rebuilt(1, &grams).is_err());
        grams.reverse();
        assert!(rebuilt(2, &grams).is_err());
        assert!(rebuilt(2, &[(0x0100, 1)]).is_err());
        assert!(rebuilt(2, &[(0x0100_0101, 1)]).is_err());
        assert!(rebuilt(2, &[(1, u64::MAX), (2, 1)]).is_err());
    }
}
