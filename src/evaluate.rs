//! Predictions of a network or a baseline for every held-back target of a dataset, scored.

use crate::baseline::{Baseline, Counts, Predictor};
use crate::error::Error;
use crate::metrics::{self, auc_of_counts, highest, log_probability, mean_auc, Report};
use crate::network::{Engine, Example};
use crate::random;
use crate::segment::parallel;
use crate::sequence::Dataset;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Sequences that go through a network at once: enough to fill it, few enough
/// to keep the memory flat.
const BLOCK: usize = 1024;
/// A block ends at the sequence that brings it to this many steps, so that the
/// time between two blocks stays short when histories are long.
const BLOCK_STEPS: usize = 1 << 17;

/// Probabilities that are kept for the AUC, about, when there are more.
pub const KEPT_PROBABILITIES: usize = 4 << 20;

/// The next sequences from `next` on that have held-back targets; empty at the end.
fn block<'a>(dataset: &'a Dataset<'a>, next: &mut usize) -> Vec<Example<'a>> {
    let mut examples = Vec::new();
    let mut n_steps = 0;
    while *next < dataset.len() && examples.len() < BLOCK && n_steps < BLOCK_STEPS {
        let sequence = dataset.sequence(*next);
        if sequence.n_held_out_targets() > 0 {
            n_steps += sequence.tokens.len();
            examples.push(Example {
                tokens: sequence.tokens,
                first_target: sequence.first_held_out(),
                key: *next as u64,
            });
        }
        *next += 1;
    }
    examples
}

/// Steps times parameters after which a [`Piece`] ends: about a third of a second of two processors.
const PIECE_WORK: usize = 1 << 34;

/// The scores of a network on some sequences.
///
/// The areas under the ROC curves need every probability at once, so of more than four million
/// (targets times actions) in a dataset a sample is kept, as in [`Validation`].
pub struct Piece {
    network: Scores,
}

impl Piece {
    /// Scores a network on the sequences from `next` on, so many that it takes a fraction of a second, and moves
    /// `next` to the first that is left. Where a piece ends depends on the dataset and the network alone.
    ///
    /// # Errors
    /// When the device fails.
    pub fn score(
        dataset: &Dataset,
        engine: &dyn Engine,
        parameters: &[f32],
        next: &mut usize,
        threads: usize,
    ) -> Result<Self, Error> {
        let mut network = Scores::new(dataset.vocabulary().len());
        let sample = Sample::new(dataset, SAMPLE_SEED);
        let mut n_steps = 0;
        while n_steps < PIECE_WORK / parameters.len().max(1) {
            let examples = block(dataset, next);
            if examples.is_empty() {
                break;
            }
            n_steps += examples.iter().map(|example| example.tokens.len()).sum::<usize>();
            let probabilities = engine.probabilities(parameters, &examples, false, threads)?;
            network.add(&sample, &examples, &probabilities);
        }
        Ok(Self { network })
    }

    /// The numbers, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.network.to_bytes()
    }
}

/// How good a predictor is on the held-back targets of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    pub report: Report,
    /// The sum of -ln p(target) in nats over the targets of each history that has any, in the order of the dataset.
    pub losses: Vec<f64>,
}

/// What a predictor that gives a distribution of its own before each target has scored on some histories.
#[derive(Clone, Debug, PartialEq)]
struct Scores {
    tally: metrics::Tally,
    /// As in an [`Evaluation`].
    losses: Vec<f64>,
    /// Of the sampled histories: a row per target.
    probabilities: Vec<f32>,
}

impl Scores {
    fn new(n_actions: usize) -> Self {
        Self {
            tally: metrics::Tally::new(n_actions),
            losses: Vec::new(),
            probabilities: Vec::new(),
        }
    }

    /// Adds some histories with the distributions before their targets.
    fn add(&mut self, sample: &Sample, examples: &[Example], probabilities: &[f32]) {
        let mut rows = probabilities.chunks_exact(sample.n_actions);
        for example in examples {
            let kept = sample.holds(example.key);
            let mut loss = 0.0;
            for (&target, row) in example.tokens[example.first_target..].iter().zip(&mut rows) {
                loss += self.tally.add(row, target, 1);
                if kept {
                    self.probabilities.extend_from_slice(row);
                }
            }
            self.losses.push(loss);
        }
    }

    /// Tally, number of losses, losses and probabilities, little-endian.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.tally.to_bytes();
        bytes.extend((self.losses.len() as u64).to_le_bytes());
        bytes.extend(self.losses.iter().flat_map(|loss| loss.to_le_bytes()));
        bytes.extend(self.probabilities.iter().flat_map(|number| number.to_le_bytes()));
        bytes
    }

    /// Adds what [`Scores::to_bytes`] wrote of the histories that follow; `None` when it is too short.
    fn extend(&mut self, bytes: &[u8], n_actions: usize) -> Option<()> {
        let (tally, rest) = metrics::Tally::from_bytes(bytes, n_actions)?;
        let (n_losses, rest) = rest.split_first_chunk()?;
        let n_bytes = usize::try_from(u64::from_le_bytes(*n_losses))
            .ok()?
            .checked_mul(size_of::<f64>())?;
        let (losses, rest) = rest.split_at_checked(n_bytes)?;
        self.tally.combine(&tally);
        self.losses
            .extend(losses.as_chunks().0.iter().map(|&number| f64::from_le_bytes(number)));
        self.probabilities
            .extend(rest.as_chunks().0.iter().map(|&number| f32::from_le_bytes(number)));
        Some(())
    }
}

/// The evaluation of a network on a dataset from the bytes of all [`Piece`]s in order; `None` when nothing is held
/// back.
///
/// # Errors
/// When they are not the pieces of such a dataset.
pub fn network<'a>(
    dataset: &Dataset,
    pieces: impl Iterator<Item = &'a [u8]>,
    threads: usize,
) -> Result<Option<Evaluation>, Error> {
    let n_actions = dataset.vocabulary().len();
    let foreign = |received: String| {
        Err(Error::argument(
            "pieces",
            received,
            "those of evaluate_piece for this dataset",
        ))
    };
    let mut scores = Scores::new(n_actions);
    for bytes in pieces {
        if scores.extend(bytes, n_actions).is_none() {
            return foreign(format!("a BLOB of {} bytes", bytes.len()));
        }
    }
    let sample = Sample::new(dataset, SAMPLE_SEED);
    let kept = (0..dataset.len()).filter(|&index| sample.holds(index as u64));
    let held_out = kept.map(|index| dataset.sequence(index));
    let targets: Vec<u8> = held_out
        .flat_map(|sequence| &sequence.tokens[sequence.first_held_out()..])
        .copied()
        .collect();
    let Scores {
        tally,
        losses,
        probabilities,
    } = scores;
    if probabilities.len() != targets.len() * n_actions {
        return foreign(format!("BLOBs with {} probabilities", probabilities.len()));
    }
    let n_histories = dataset
        .sequences()
        .filter(|sequence| sequence.n_held_out_targets() > 0)
        .count();
    if tally.n() != dataset.n_held_out_targets() as u64 || losses.len() != n_histories {
        return foreign(format!(
            "BLOBs with the scores of {} targets of {} histories",
            tally.n(),
            losses.len()
        ));
    }
    let aucs = parallel::map(threads, n_actions, |action| {
        metrics::auc(&probabilities, &targets, n_actions, action)
    });
    Ok(tally.report(&aucs).map(|report| Evaluation { report, losses }))
}

/// The histories whose probabilities are kept: all, or of many those whose number, hashed with a
/// seed, falls below their share.
struct Sample {
    n_actions: usize,
    seed: u64,
    limit: f64,
}

impl Sample {
    fn new(dataset: &Dataset, seed: u64) -> Self {
        let n_actions = dataset.vocabulary().len();
        let share = KEPT_PROBABILITIES as f64 / (dataset.n_held_out_targets() * n_actions) as f64;
        Self {
            n_actions,
            seed,
            limit: share * u64::MAX as f64,
        }
    }

    fn holds(&self, key: u64) -> bool {
        random::hash(self.seed, &[key]) as f64 <= self.limit
    }

    /// Calls `found(row of probabilities, target, whether it is kept)` for the targets of some
    /// histories, in order.
    fn visit(&self, examples: &[Example], probabilities: &[f32], mut found: impl FnMut(&[f32], u8, bool)) {
        let mut rows = probabilities.chunks_exact(self.n_actions);
        for example in examples {
            let kept = self.holds(example.key);
            for (&target, row) in example.tokens[example.first_target..].iter().zip(&mut rows) {
                found(row, target, kept);
            }
        }
    }
}

/// The seed of the sample of an evaluation, which is the same for every model.
const SAMPLE_SEED: u64 = 0;

/// The number of the distribution that a baseline gives before each held-back target, and the target.
fn baseline_places<'a>(dataset: &'a Dataset<'a>, predictor: &'a Predictor) -> impl Iterator<Item = (usize, u8)> + 'a {
    dataset.sequences().flat_map(move |sequence| {
        (sequence.first_held_out()..sequence.tokens.len()).map(move |position| {
            let history = &sequence.tokens[..position];
            (predictor.place(history), sequence.tokens[position])
        })
    })
}

/// Scores a baseline; `None` when nothing is held back.
///
/// A baseline has few distributions, so the targets after each are counted.
pub fn baseline(dataset: &Dataset, counts: &Counts, baseline: Baseline) -> Option<Report> {
    let predictor = Predictor::new(baseline, counts);
    let n_actions = predictor.n_actions();
    let mut targets = vec![0; predictor.rows().len()];
    for (place, target) in baseline_places(dataset, &predictor) {
        targets[place * n_actions + usize::from(target)] += 1;
    }
    let mut tally = metrics::Tally::new(n_actions);
    let rows = predictor.rows().chunks_exact(n_actions);
    for (row, targets) in rows.zip(targets.chunks_exact(n_actions)) {
        for (target, &n) in (0..).zip(targets) {
            tally.add(row, target, n);
        }
    }
    let aucs: Vec<_> = (0..n_actions)
        .map(|action| auc_of_counts(predictor.rows(), &targets, n_actions, action))
        .collect();
    tally.report(&aucs)
}

/// Loss and hits of a baseline, without the memory that the rest of a [`Report`] takes.
pub fn tally(dataset: &Dataset, counts: &Counts, baseline: Baseline) -> Tally {
    let predictor = Predictor::new(baseline, counts);
    let mut tally = Tally::default();
    for (place, target) in baseline_places(dataset, &predictor) {
        tally.add(predictor.row(place), target);
    }
    tally
}

/// Loss and hits of predictions, added target by target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    n: u64,
    /// Sum of -ln p(target), in nats.
    loss: f64,
    n_correct: u64,
}

impl Tally {
    fn add(&mut self, row: &[f32], target: u8) {
        self.n += 1;
        self.loss -= log_probability(row[usize::from(target)]);
        self.n_correct += u64::from(highest(row) == usize::from(target));
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
/// sequences and go on.
///
/// Loss and accuracy are those of all held-back targets. The AUC needs every
/// probability at once, so of more than four million (targets times actions)
/// it takes a `Sample`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// The first sequence that is still to be scored.
    pub next: usize,
    pub tally: Tally,
    /// Of the sampled histories: a row per target. Millions of numbers are no matter for JSON.
    #[serde(skip)]
    pub probabilities: Vec<f32>,
    #[serde(skip)]
    pub targets: Vec<u8>,
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
        engine: &dyn Engine,
        parameters: &[f32],
        seed: u64,
        threads: usize,
        until: Option<Instant>,
    ) -> Result<bool, Error> {
        let sample = Sample::new(dataset, seed);
        loop {
            let examples = block(dataset, &mut self.next);
            if examples.is_empty() {
                return Ok(true);
            }
            let probabilities = engine.probabilities(parameters, &examples, false, threads)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Architecture, Cell, Fused};
    use crate::sequence::{Sequence, Vocabulary};

    /// `n` histories of `length` random actions of two kinds, all held back.
    fn packed(n: usize, length: usize) -> Vec<u8> {
        let mut random = random::Random::new(3);
        let histories: Vec<Vec<u8>> = (0..n)
            .map(|_| (0..length).map(|_| random.below(2) as u8).collect())
            .collect();
        let vocabulary = Vocabulary::new(["a", "b"].map(str::to_owned)).unwrap();
        let sequences = histories.iter().map(|tokens| Sequence { tokens, n_train: 0 });
        Dataset::pack(&vocabulary, sequences.collect()).unwrap()
    }

    fn engine() -> Fused {
        Fused::new(Architecture {
            cell: Cell::Rnn,
            vocabulary: 2,
            embedding: 1,
            hidden: 2,
            layers: 1,
            dropout: 0.0,
        })
        .unwrap()
    }

    /// Validates with a stop after every `until`, and the number of stops.
    fn validate(dataset: &Dataset, until: Option<Instant>) -> (Validation, usize) {
        let (engine, mut validation, mut n_stops) = (engine(), Validation::default(), 0);
        let parameters = engine.architecture().initial_parameters(1);
        while !validation.advance(dataset, &engine, &parameters, 7, 2, until).unwrap() {
            n_stops += 1;
        }
        (validation, n_stops)
    }

    /// The report on the pieces of a dataset.
    fn evaluated(dataset: &Dataset, parameters: &[f32]) -> Evaluation {
        let (mut pieces, mut next) = (Vec::new(), 0);
        while next < dataset.len() {
            let piece = Piece::score(dataset, &engine(), parameters, &mut next, 2).unwrap();
            pieces.push(piece.to_bytes());
        }
        let all = || pieces.iter().map(Vec::as_slice);
        assert!(network(dataset, all().skip(1), 1).is_err());
        assert!(network(dataset, all().map(|bytes| &bytes[1..]), 1).is_err());
        assert!(network(dataset, all().map(|bytes| &bytes[..bytes.len() - 4]), 1).is_err());
        network(dataset, all(), 2).unwrap().unwrap()
    }

    /// The loss of every history, each given to the network alone.
    fn losses_one_by_one(dataset: &Dataset, parameters: &[f32]) -> Vec<f64> {
        let loss = |sequence: Sequence| {
            let example = Example {
                tokens: sequence.tokens,
                first_target: 1,
                key: 0,
            };
            let rows = engine().probabilities(parameters, &[example], false, 1).unwrap();
            let targets = rows.chunks_exact(2).zip(&sequence.tokens[1..]);
            targets.fold(0.0, |sum, (row, &target)| {
                sum - log_probability(row[usize::from(target)])
            })
        };
        dataset.sequences().map(loss).collect()
    }

    #[test]
    fn a_validation_in_pieces_is_the_evaluation_in_one() {
        let bytes = packed(3 * BLOCK + 5, 6);
        let dataset = Dataset::from_bytes(&bytes).unwrap();
        let (whole, _) = validate(&dataset, None);
        let (pieces, n_stops) = validate(&dataset, Some(Instant::now()));
        assert_eq!(n_stops, 4);
        assert_eq!(whole, pieces);
        let parameters = engine().architecture().initial_parameters(1);
        let Evaluation { report, losses } = evaluated(&dataset, &parameters);
        assert_eq!(losses, losses_one_by_one(&dataset, &parameters));
        assert_eq!(whole.tally.log_loss(), Some(report.log_loss));
        assert_eq!(whole.tally.accuracy(), Some(report.accuracy));
        assert_eq!(whole.auc(2), report.auc);
    }

    #[test]
    fn the_auc_of_many_targets_is_that_of_a_sample() {
        let bytes = packed(4000, 1001);
        let dataset = Dataset::from_bytes(&bytes).unwrap();
        let (validation, _) = validate(&dataset, None);
        let kept = validation.probabilities.len() as f64;
        assert!((kept / KEPT_PROBABILITIES as f64 - 1.0).abs() < 0.05, "{kept}");
        let parameters = engine().architecture().initial_parameters(1);
        let report = evaluated(&dataset, &parameters).report;
        assert_eq!(validation.tally.log_loss(), Some(report.log_loss));
        let (mut probabilities, mut targets, mut next) = (Vec::new(), Vec::new(), 0);
        while next < dataset.len() {
            let examples = block(&dataset, &mut next);
            probabilities.extend(engine().probabilities(&parameters, &examples, false, 2).unwrap());
            targets.extend(
                examples
                    .iter()
                    .flat_map(|example| &example.tokens[example.first_target..]),
            );
        }
        let all = mean_auc(&probabilities, &targets, 2).unwrap();
        for sampled in [validation.auc(2).unwrap(), report.auc.unwrap()] {
            assert!((sampled - all).abs() < 1e-3, "{sampled}, {all}");
        }
    }
}
