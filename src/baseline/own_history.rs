//! The baseline that knows one user: what he has done so far, backed off to what others did next.
//!
//! p(a | history) = (n(a) + m · q(a | history)) / (n + m), where n(a) counts the actions of this history so far, each
//! event back worth `decay` times as much as the one after it, n is their sum, q is `markov_3` and m a number of
//! pseudo-counts: the Dirichlet prior of MacKay and Peto (1995, "A hierarchical Dirichlet language model") with the
//! cache of Kuhn and De Mori (1990, "A cache-based natural language model for speech recognition", IEEE TPAMI 12(6)).

use super::{Baseline, Counts, Predictor as Markov};
use crate::error::Error;
use crate::metrics::log_probability;
use crate::sequence::token::{Stored, of_stored};
use crate::sequence::{Dataset, Sequence, Token, Tokens};
use serde::{Deserialize, Serialize};

/// The name in reports.
pub const NAME: &str = "own_history";

/// What [`Weights::choose`] chooses from.
const DECAYS: [f64; 5] = [0.9, 0.95, 0.98, 0.99, 1.0];
const PSEUDO_COUNTS: [f64; 7] = [2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];
/// Training targets, about, where there are more: that it counts, that it scores, and that it scores of one history.
const COUNTED_TARGETS: usize = 1 << 21;
const SCORED_TARGETS: usize = 1 << 18;
const SCORED_TARGETS_OF_ONE: usize = 1 << 12;
/// Ranges that are believed in a model.
const DECAY_RANGE: std::ops::RangeInclusive<f64> = 0.01..=1.0;
const PSEUDO_COUNTS_RANGE: std::ops::RangeInclusive<f64> = 1e-3..=1e9;
/// The weight of an event at which all are scaled back, far from the largest f64.
const LARGEST_WEIGHT: f64 = 1e200;
/// No sum of weights gets here, and a probability made of this is still a number.
const LARGEST_NUMBER: f64 = 1e250;

/// How a user's own actions are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Weight of an event as a share of that of the next one.
    pub decay: f64,
    /// How many events `markov_3` is worth.
    pub pseudo_counts: f64,
}

impl Default for Weights {
    /// What was chosen in each of five splits of 560 recorded users; for models that do not carry a choice.
    fn default() -> Self {
        Self {
            decay: 0.98,
            pseudo_counts: 20.0,
        }
    }
}

impl Weights {
    /// Chooses on training targets alone, so that held-back ones stay unseen: every other history is scored with
    /// `markov_3` counted on the rest and the other way round, and the smallest log loss counts. Where there are many
    /// histories it looks at one in so many, at even distances, and only at the first targets of a long one.
    pub fn choose(dataset: &Dataset) -> Self {
        let all = dataset.sequences().filter(|sequence| sequence.n_train_targets() > 0);
        let n_targets: usize = dataset.sequences().map(|sequence| sequence.n_train_targets()).sum();
        let stride = n_targets.div_ceil(COUNTED_TARGETS).max(1);
        let histories: Vec<Sequence> = all
            .step_by(stride)
            .map(|sequence| first_targets(sequence, COUNTED_TARGETS))
            .collect();
        if histories.len() < 2 {
            return Self::default();
        }
        let n_targets: usize = histories.iter().map(Sequence::n_train_targets).sum();
        // Odd, so that both halves are scored.
        let stride = n_targets.div_ceil(SCORED_TARGETS) | 1;
        let mut losses = Losses::default();
        let mut left = 2 * SCORED_TARGETS;
        for half in 0..2 {
            let others = histories.iter().skip(1 - half).step_by(2).copied();
            let markov_3 = Markov::new(Baseline::Markov3, &Counts::of(dataset.vocabulary().len(), others));
            let scored = histories.iter().enumerate().step_by(stride);
            for (_, &history) in scored.filter(|(index, _)| index % 2 == half) {
                let history = first_targets(history, SCORED_TARGETS_OF_ONE.min(left));
                add_losses(history.tokens.slice(..history.n_train), &markov_3, &mut losses);
                left -= history.n_train_targets();
            }
        }
        best(&losses)
    }

    /// Refuses what no training has chosen.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn check(self) -> Result<Self, Error> {
        if DECAY_RANGE.contains(&self.decay) && PSEUDO_COUNTS_RANGE.contains(&self.pseudo_counts) {
            Ok(self)
        } else {
            Err(Error::damaged(
                "model",
                "the weights behind its baseline own_history are out of range",
            ))
        }
    }
}

/// The same history with at most so many training targets.
fn first_targets(history: Sequence, n: usize) -> Sequence {
    Sequence {
        n_train: history.n_train.min(n + 1),
        ..history
    }
}

/// Calls `found(target, counts so far, row of markov_3)` for the targets of a history from `first_target` on, of
/// which some tokens have been `seen`.
fn visit(
    decay: f64,
    (seen, tokens): (&mut Seen, Tokens),
    first_target: usize,
    markov_3: &Markov,
    found: impl FnMut(usize, &Seen, &[f32]),
) {
    of_stored!(tokens, list => visit_stored(decay, (seen, list), first_target, markov_3, found));
}

fn visit_stored<T: Stored>(
    decay: f64,
    (seen, tokens): (&mut Seen, &[T]),
    first_target: usize,
    markov_3: &Markov,
    mut found: impl FnMut(usize, &Seen, &[f32]),
) {
    for position in seen.n_tokens + 1..tokens.len() {
        let (history, target) = (&tokens[..position], tokens[position].token());
        seen.push(history[position - 1].token(), decay);
        if position >= first_target {
            found(target.index(), seen, markov_3.row(markov_3.place_after(history)));
        }
    }
}

/// The baseline ready to predict.
pub struct Predictor {
    weights: Weights,
    markov_3: Markov,
}

impl Predictor {
    /// Builds it from its weights and the counts over the training targets.
    pub fn new(weights: Weights, counts: &Counts) -> Self {
        Self {
            weights,
            markov_3: Markov::new(Baseline::Markov3, counts),
        }
    }

    /// Appends a row to `rows` for each target of a history from `first_target`, which is 1 or more, on: the
    /// distribution before it. `seen` goes from where it stands in the history to the last token but one.
    pub fn probabilities(&self, seen: &mut Seen, tokens: Tokens, first_target: usize, rows: &mut Vec<f32>) {
        let Weights { decay, pseudo_counts } = self.weights;
        visit(decay, (seen, tokens), first_target, &self.markov_3, |_, seen, row| {
            let probability = seen.probabilities(pseudo_counts);
            rows.extend(row.iter().enumerate().map(|(action, &q)| probability(action, q)));
        });
    }

    /// Mean of -ln p over the held-back targets of a dataset, in nats; `None` without any.
    pub fn log_loss(&self, dataset: &Dataset) -> Option<f64> {
        let Weights { decay, pseudo_counts } = self.weights;
        let mut loss = 0.0;
        for sequence in dataset.sequences() {
            let tokens = sequence.tokens;
            visit(
                decay,
                (&mut Seen::new(self.markov_3.n_actions()), tokens),
                sequence.first_held_out(),
                &self.markov_3,
                |target, seen, row| {
                    loss -= log_probability(seen.probabilities(pseudo_counts)(target, row[target]));
                },
            );
        }
        let n = dataset.n_held_out_targets();
        (n > 0).then(|| loss / n as f64)
    }
}

/// The decayed counts of a history so far. All are kept in units of the weight that an event would have now.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    n_tokens: usize,
    counts: Vec<f64>,
    total: f64,
    weight: f64,
}

impl Seen {
    /// Before the first token.
    pub fn new(n_actions: usize) -> Self {
        Self {
            n_tokens: 0,
            counts: vec![0.0; n_actions],
            total: 0.0,
            weight: 1.0,
        }
    }

    /// After `n_tokens` of a history, from [`Seen::numbers`]; `None` when they are of another number of actions,
    /// or none that it gives.
    pub fn from_numbers(n_actions: usize, n_tokens: usize, numbers: &[f64]) -> Option<Self> {
        let (&[weight, total], counts) = numbers.split_first_chunk()?;
        let counts = counts.to_vec();
        let is_sound = weight >= 1.0 && numbers.iter().all(|number| (0.0..=LARGEST_NUMBER).contains(number));
        (is_sound && counts.len() == n_actions).then_some(Self {
            n_tokens,
            counts,
            total,
            weight,
        })
    }

    /// Everything but the number of tokens.
    pub fn numbers(&self) -> Vec<f64> {
        [&[self.weight, self.total], &self.counts[..]].concat()
    }

    fn push(&mut self, token: Token, decay: f64) {
        self.n_tokens += 1;
        self.weight /= decay;
        if self.weight > LARGEST_WEIGHT {
            self.counts.iter_mut().for_each(|count| *count /= self.weight);
            self.total /= self.weight;
            self.weight = 1.0;
        }
        self.counts[token.index()] += self.weight;
        self.total += self.weight;
    }

    /// The probability of an action to which markov_3 gives `q`, as a function of both.
    fn probabilities(&self, pseudo_counts: f64) -> impl Fn(usize, f32) -> f32 + '_ {
        let m = self.weight * pseudo_counts;
        let scale = 1.0 / (self.total + m);
        move |action, q| ((self.counts[action] + m * f64::from(q)) * scale) as f32
    }
}

/// Log losses by decay and pseudo-counts.
type Losses = [[f64; PSEUDO_COUNTS.len()]; DECAYS.len()];

/// Adds the loss of every choice on the targets of a history.
fn add_losses(tokens: Tokens, markov_3: &Markov, losses: &mut Losses) {
    for (decay, losses) in DECAYS.into_iter().zip(losses) {
        let mut seen = Seen::new(markov_3.n_actions());
        visit(decay, (&mut seen, tokens), 1, markov_3, |target, seen, row| {
            for (pseudo_counts, loss) in PSEUDO_COUNTS.into_iter().zip(losses.iter_mut()) {
                *loss -= log_probability(seen.probabilities(pseudo_counts)(target, row[target]));
            }
        });
    }
}

/// The choice with the smallest loss; the first of equals.
fn best(losses: &Losses) -> Weights {
    let choices = DECAYS
        .into_iter()
        .flat_map(|decay| PSEUDO_COUNTS.map(|pseudo_counts| Weights { decay, pseudo_counts }));
    let ranked = losses.as_flattened().iter().zip(choices);
    let best = ranked.min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map(|(_, choice)| choice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::sequence::Vocabulary;

    fn dataset(histories: &[(Vec<u8>, usize)]) -> Vec<u8> {
        let vocabulary = Vocabulary::new(["a", "b"].map(str::to_owned)).unwrap();
        let sequences = histories.iter().map(|(tokens, n_train)| Sequence {
            tokens: Tokens::U8(tokens),
            n_train: *n_train,
        });
        Dataset::pack(&vocabulary, sequences.collect()).unwrap()
    }

    /// Users who do one of two things more often than the other, each for so long; none is held back.
    fn regimes(n_users: usize, length: usize, regime: usize) -> Vec<u8> {
        let mut random = Random::new(1);
        let mut history = |_| {
            let mut favourite = 0;
            let action = |position| {
                if position % regime == 0 {
                    favourite = random.below(2) as u8;
                }
                favourite ^ u8::from(random.below(10) == 0)
            };
            let tokens: Vec<u8> = (0..length).map(action).collect();
            (tokens, length)
        };
        dataset(&(0..n_users).map(&mut history).collect::<Vec<_>>())
    }

    /// Nothing was counted, so that `markov_3` gives both actions one half.
    fn predictor(decay: f64, pseudo_counts: f64) -> Predictor {
        let weights = Weights { decay, pseudo_counts };
        Predictor::new(weights, &Counts::of(2, std::iter::empty()))
    }

    fn rows(predictor: &Predictor, tokens: &[u8], first_target: usize) -> Vec<f32> {
        let mut rows = Vec::new();
        predictor.probabilities(&mut Seen::new(2), Tokens::U8(tokens), first_target, &mut rows);
        rows
    }

    #[test]
    fn earlier_actions_count_for_less() {
        // Before the last target, after a, b, a: 1/4 + 1 times a and 1/2 times b, and one of either that is made up.
        let found = rows(&predictor(0.5, 2.0), &[0, 1, 0, 1], 3);
        assert_eq!(found, [2.25 / 3.75, 1.5 / 3.75]);
        // After a: 1 time a.
        assert_eq!(rows(&predictor(0.5, 2.0), &[0, 1], 1), [2.0 / 3.0, 1.0 / 3.0]);
    }

    #[test]
    fn a_part_of_a_history_is_scored_as_in_the_whole() {
        let tokens = [0, 1, 1, 0, 1, 0, 0];
        let whole = rows(&predictor(0.9, 5.0), &tokens, 1);
        assert_eq!(rows(&predictor(0.9, 5.0), &tokens, 4), whole[6..]);
        assert_eq!(rows(&predictor(0.9, 5.0), &tokens[..4], 1), whole[..6]);
    }

    #[test]
    fn numbers_that_it_never_gives_are_refused() {
        let refused = |numbers: [f64; 4]| Seen::from_numbers(2, 1, &numbers).is_none();
        assert!(!refused([2.0, 2.0, 2.0, 0.0]));
        for wrong in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            for place in 0..4 {
                let mut numbers = [2.0, 2.0, 2.0, 0.0];
                numbers[place] = wrong;
                assert!(refused(numbers), "{numbers:?}");
            }
        }
        assert!(refused([0.0, 2.0, 2.0, 0.0]));
    }

    #[test]
    fn it_backs_off_to_markov_3() {
        // After a: once a, once b, so (1 + 2 · 1/2) / 4 of both; then 1 own a against 3 made-up events.
        let counts = Counts::from_packed(2, [0x0101, 0x0102].into_iter(), [1, 1].into_iter()).unwrap();
        let weights = Weights {
            decay: 1.0,
            pseudo_counts: 3.0,
        };
        let found = rows(&Predictor::new(weights, &counts), &[0, 1], 1);
        assert_eq!(found, [(1.0 + 3.0 * 0.5) / 4.0, 3.0 * 0.5 / 4.0]);
    }

    #[test]
    fn the_weights_of_a_long_history_stay_finite() {
        let mut random = Random::new(7);
        let tokens: Vec<u8> = (0..5000).map(|_| random.below(2) as u8).collect();
        for decay in [0.01, 0.5, 0.9] {
            let found = rows(&predictor(decay, 2.0), &tokens, 1);
            let mut counts = [0.0f64; 2];
            for (position, row) in found.chunks_exact(2).enumerate() {
                counts = counts.map(|count| decay * count);
                counts[usize::from(tokens[position])] += 1.0;
                let expected = (counts[0] + 1.0) / (counts[0] + counts[1] + 2.0);
                assert!((f64::from(row[0]) - expected).abs() < 1e-6, "{decay}, {position}");
            }
        }
    }

    #[test]
    fn the_log_loss_is_that_of_the_held_back_targets() {
        let bytes = dataset(&[(vec![0, 1, 0, 1], 3), (vec![0, 1], 2)]);
        let found = predictor(0.5, 2.0).log_loss(&Dataset::from_bytes(&bytes).unwrap());
        assert!((found.unwrap() + (1.5f64 / 3.75).ln()).abs() < 1e-7);
        let bytes = dataset(&[(vec![0, 1], 2)]);
        assert_eq!(
            predictor(0.5, 2.0).log_loss(&Dataset::from_bytes(&bytes).unwrap()),
            None
        );
    }

    /// The choice as it is defined, every distribution on its own.
    fn choice_by_definition(dataset: &Dataset) -> Weights {
        let training: Vec<Tokens> = dataset
            .sequences()
            .map(|sequence| sequence.tokens.slice(..sequence.n_train))
            .collect();
        let half = |of: usize| training.iter().skip(of).step_by(2);
        let mut choices = Vec::new();
        for decay in DECAYS {
            for pseudo_counts in PSEUDO_COUNTS {
                let mut loss = 0.0;
                for of in 0..2 {
                    let others = half(1 - of).map(|&tokens| Sequence {
                        tokens,
                        n_train: tokens.len(),
                    });
                    let counts = Counts::of(2, others);
                    let predictor = Predictor::new(Weights { decay, pseudo_counts }, &counts);
                    for tokens in half(of) {
                        let rows = rows(&predictor, tokens.bytes(), 1);
                        let targets = rows.chunks_exact(2).zip(tokens.slice(1..));
                        loss -= targets
                            .map(|(row, target)| log_probability(row[target.index()]))
                            .sum::<f64>();
                    }
                }
                choices.push((loss, Weights { decay, pseudo_counts }));
            }
        }
        choices.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1
    }

    #[test]
    fn the_choice_is_the_best_of_the_other_half() {
        let mut decays = Vec::new();
        for regime in [10, 1000] {
            let bytes = regimes(40, 300, regime);
            let dataset = Dataset::from_bytes(&bytes).unwrap();
            let choice = Weights::choose(&dataset);
            assert_eq!(choice, choice_by_definition(&dataset));
            decays.push(choice.decay);
        }
        // Who changes every ten actions is known by the last few, who never does by all.
        assert!(decays[0] < decays[1], "{decays:?}");
        assert_eq!(decays[1], 1.0);
    }

    #[test]
    fn held_back_targets_have_no_say_in_the_choice() {
        let choose = |held_back: [u8; 3]| {
            let mut histories = vec![(vec![0, 1, 1, 0, 0], 5), (vec![1, 1, 1, 0], 4), (vec![0, 0, 0, 1], 4)];
            histories.push((held_back.repeat(50), 0));
            Weights::choose(&Dataset::from_bytes(&dataset(&histories)).unwrap())
        };
        assert_eq!(choose([0, 0, 0]), choose([1, 0, 1]));
    }

    #[test]
    fn one_history_chooses_nothing() {
        let bytes = dataset(&[(vec![0, 1, 1], 3)]);
        assert_eq!(
            Weights::choose(&Dataset::from_bytes(&bytes).unwrap()),
            Weights::default()
        );
    }

    #[test]
    fn the_choice_looks_at_some_of_many_targets() {
        // Far more than it looks at in one history, and than it looks at in all.
        for (n_users, length) in [(2, 400_000), (8_000, 100)] {
            let bytes = regimes(n_users, length, 1 << 30);
            let choice = Weights::choose(&Dataset::from_bytes(&bytes).unwrap());
            assert_eq!(choice.decay, 1.0);
        }
    }
}
