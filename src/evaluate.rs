//! Predictions of a network or a baseline for every held-back target of a dataset, scored.

use crate::baseline::{Baseline, Counts, Predictor};
use crate::error::Error;
use crate::metrics::{self, highest, log_probability, mean_auc, Area, AreaOfCounts, Report};
use crate::network::{Engine, Example};
use crate::own_history;
use crate::random;
use crate::segment::parallel;
use crate::sequence::{Dataset, Sequence};
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

/// Work after which a [`Piece`] ends, in steps times parameters: about a third of a second of two processors.
const PIECE_WORK: usize = 1 << 34;
/// The work of one score of one action, which is the same for every network.
const SCORE_WORK: usize = 1 << 9;

/// The scores of a network on some sequences, and those of the baseline that gives a distribution of its own before
/// each target.
///
/// The areas under the ROC curves need every probability at once, so of more than four million
/// (targets times actions) in a dataset a sample is kept, as in [`Validation`].
pub struct Piece {
    network: Scores,
    own_history: Scores,
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
        own_history: &own_history::Predictor,
        next: &mut usize,
        threads: usize,
    ) -> Result<Self, Error> {
        let n_actions = dataset.vocabulary().len();
        let mut piece = Self {
            network: Scores::new(n_actions),
            own_history: Scores::new(n_actions),
        };
        let sample = Sample::new(dataset, SAMPLE_SEED);
        let work_of_a_step = parameters.len() + SCORE_WORK * n_actions;
        let mut n_steps = 0;
        while n_steps < PIECE_WORK / work_of_a_step {
            let examples = block(dataset, next);
            if examples.is_empty() {
                break;
            }
            n_steps += examples.iter().map(|example| example.tokens.len()).sum::<usize>();
            let probabilities = engine.probabilities(parameters, &examples, false, threads)?;
            piece.network.add(&sample, &examples, &probabilities);
            let mut probabilities = Vec::new();
            for example in &examples {
                own_history.probabilities(example.tokens, example.first_target, &mut probabilities);
            }
            piece.own_history.add(&sample, &examples, &probabilities);
        }
        Ok(piece)
    }

    /// The numbers, little-endian: how many bytes those of the network are, these, and those of the baseline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (network, own_history) = (self.network.to_bytes(), self.own_history.to_bytes());
        [&(network.len() as u64).to_le_bytes()[..], &network, &own_history].concat()
    }
}

/// The bytes of the network and those of the baseline in a [`Piece`]; `None` when it is too short.
fn parts_of_piece(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (n_bytes, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*n_bytes)).ok()?)
}

/// How good a predictor is on the held-back targets of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    pub report: Report,
    /// The sum of -ln p(target) in nats over the targets of each history that has any, in the order of the dataset.
    pub losses: Vec<f64>,
}

/// By how much the loss of a predictor is above that of another on the same targets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Of the mean log losses, in nats.
    pub mean: f64,
    /// Users are drawn and not targets, so it is that of a ratio over histories (Cochran, 1977, "Sampling Techniques",
    /// section 6.4); `None` for a single history.
    pub standard_error: Option<f64>,
}

impl Difference {
    /// Of two evaluations on the same dataset.
    pub fn new(dataset: &Dataset, evaluation: &Evaluation, other: &Evaluation) -> Self {
        let mean = evaluation.report.log_loss - other.report.log_loss;
        let lengths = held_out(dataset).map(|(_, sequence)| sequence.n_held_out_targets() as f64);
        let residual = |((loss, other), n): ((&f64, &f64), f64)| loss - other - mean * n;
        let residuals = evaluation.losses.iter().zip(&other.losses).zip(lengths).map(residual);
        let sum: f64 = residuals.map(|residual| residual * residual).sum();
        let n = evaluation.losses.len() as f64;
        let error = (n / (n - 1.0) * sum).sqrt() / evaluation.report.n as f64;
        Self {
            mean,
            standard_error: (n > 1.0).then_some(error),
        }
    }
}

/// The histories with held-back targets, each with its number.
fn held_out<'a>(dataset: &'a Dataset<'a>) -> impl Iterator<Item = (usize, Sequence<'a>)> + 'a {
    let all = dataset.sequences().enumerate();
    all.filter(|(_, sequence)| sequence.n_held_out_targets() > 0)
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

/// The evaluations of a network and of the baseline `own_history` on a dataset from the bytes of all [`Piece`]s in
/// order; `None` when nothing is held back.
///
/// # Errors
/// When they are not the pieces of such a dataset.
pub fn scored<'a>(
    dataset: &Dataset,
    pieces: impl Iterator<Item = &'a [u8]>,
    threads: usize,
) -> Result<Option<[Evaluation; 2]>, Error> {
    let n_actions = dataset.vocabulary().len();
    let (mut network, mut own_history) = (Scores::new(n_actions), Scores::new(n_actions));
    for bytes in pieces {
        let extended = parts_of_piece(bytes).and_then(|parts| {
            network
                .extend(parts.0, n_actions)
                .and(own_history.extend(parts.1, n_actions))
        });
        if extended.is_none() {
            return Err(foreign_pieces(format!("a BLOB of {} bytes", bytes.len())));
        }
    }
    let network = network.evaluate(dataset, threads)?;
    Ok(network.zip(own_history.evaluate(dataset, threads)?).map(Into::into))
}

fn foreign_pieces(received: String) -> Error {
    Error::argument("pieces", received, "those of evaluate_piece for this dataset")
}

impl Scores {
    /// The evaluation from the scores of all histories; `None` when nothing is held back.
    fn evaluate(self, dataset: &Dataset, threads: usize) -> Result<Option<Evaluation>, Error> {
        let Self {
            tally,
            losses,
            probabilities,
        } = self;
        let sample = Sample::new(dataset, SAMPLE_SEED);
        let kept = held_out(dataset).filter(|&(index, _)| sample.holds(index as u64));
        let (mut targets, mut lengths) = (Vec::new(), Vec::new());
        for (_, sequence) in kept {
            targets.extend_from_slice(&sequence.tokens[sequence.first_held_out()..]);
            lengths.push(sequence.n_held_out_targets());
        }
        let n_actions = sample.n_actions;
        if probabilities.len() != targets.len() * n_actions {
            return Err(foreign_pieces(format!(
                "BLOBs with {} probabilities",
                probabilities.len()
            )));
        }
        let n_targets = dataset.n_held_out_targets() as u64;
        if tally.n() != n_targets || losses.len() != held_out(dataset).count() {
            let (n, n_histories) = (tally.n(), losses.len());
            return Err(foreign_pieces(format!(
                "BLOBs with the scores of {n} targets of {n_histories} histories"
            )));
        }
        let areas = parallel::map(threads, n_actions, |action| {
            metrics::clustered_area(&probabilities, &targets, &lengths, n_actions, action)
        });
        Ok(tally.report(&areas).map(|report| Evaluation { report, losses }))
    }
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

/// The number of the distribution that a baseline gives before each held-back target of a history, and the target.
fn places<'a>(predictor: &'a Predictor, sequence: Sequence<'a>) -> impl Iterator<Item = (usize, u8)> + Clone + 'a {
    let tokens = sequence.tokens;
    let place = |position| (predictor.place(&tokens[..position]), tokens[position]);
    (sequence.first_held_out()..tokens.len()).map(place)
}

/// Scores a baseline; `None` when nothing is held back.
///
/// A baseline has few distributions, so the targets after each are counted. The standard errors of the areas are
/// those of a sample of histories where there are as many targets as in a [`Piece`] with one.
pub fn baseline(dataset: &Dataset, counts: &Counts, baseline: Baseline) -> Option<Evaluation> {
    let predictor = Predictor::new(baseline, counts);
    let n_actions = predictor.n_actions();
    let costs: Vec<f64> = predictor.rows().iter().map(|&p| -log_probability(p)).collect();
    let sample = Sample::new(dataset, SAMPLE_SEED);
    let mut targets = vec![0; predictor.rows().len()];
    let (mut losses, mut kept, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for (index, sequence) in held_out(dataset) {
        let places = places(&predictor, sequence);
        let mut loss = 0.0;
        for (place, target) in places.clone() {
            targets[place * n_actions + usize::from(target)] += 1;
            loss += costs[place * n_actions + usize::from(target)];
        }
        losses.push(loss);
        if sample.holds(index as u64) {
            kept.extend(places);
            lengths.push(sequence.n_held_out_targets());
        }
    }
    let mut tally = metrics::Tally::new(n_actions);
    let rows = predictor.rows().chunks_exact(n_actions);
    for (row, targets) in rows.zip(targets.chunks_exact(n_actions)) {
        for (target, &n) in (0..).zip(targets) {
            tally.add(row, target, n);
        }
    }
    let expansion = losses.len() as f64 / lengths.len() as f64;
    let area = |action| -> Option<Area> {
        let mut area = AreaOfCounts::new(predictor.rows(), &targets, n_actions, action)?;
        let mut rest = &kept[..];
        for &length in &lengths {
            let (history, others) = rest.split_at(length);
            area.add(history);
            rest = others;
        }
        Some(area.area(expansion))
    };
    let areas: Vec<_> = (0..n_actions).map(area).collect();
    tally.report(&areas).map(|report| Evaluation { report, losses })
}

/// Loss and hits of a baseline, without the memory that the rest of a [`Report`] takes.
pub fn tally(dataset: &Dataset, counts: &Counts, baseline: Baseline) -> Tally {
    let predictor = Predictor::new(baseline, counts);
    let mut tally = Tally::default();
    for (place, target) in dataset.sequences().flat_map(|sequence| places(&predictor, sequence)) {
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
    use crate::sequence::Vocabulary;

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

    fn own_history() -> own_history::Predictor {
        let weights = own_history::Weights {
            decay: 0.5,
            pseudo_counts: 2.0,
        };
        own_history::Predictor::new(weights, &Counts::from_grams(2, Vec::new()).unwrap())
    }

    /// The evaluations of the network and of the baseline on the pieces of a dataset.
    fn evaluated(dataset: &Dataset, parameters: &[f32]) -> [Evaluation; 2] {
        let (mut pieces, mut next) = (Vec::new(), 0);
        while next < dataset.len() {
            let piece = Piece::score(dataset, &engine(), parameters, &own_history(), &mut next, 2).unwrap();
            pieces.push(piece.to_bytes());
        }
        let all = || pieces.iter().map(Vec::as_slice);
        assert!(scored(dataset, all().skip(1), 1).is_err());
        assert!(scored(dataset, all().map(|bytes| &bytes[1..]), 1).is_err());
        assert!(scored(dataset, all().map(|bytes| &bytes[..bytes.len() - 4]), 1).is_err());
        scored(dataset, all(), 2).unwrap().unwrap()
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
        let [Evaluation { report, losses }, own] = evaluated(&dataset, &parameters);
        assert_eq!(losses, losses_one_by_one(&dataset, &parameters));
        assert!((own.report.log_loss - own_history().log_loss(&dataset).unwrap()).abs() < 1e-12);
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
        let [Evaluation { report, .. }, _] = evaluated(&dataset, &parameters);
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
