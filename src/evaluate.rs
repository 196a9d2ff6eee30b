//! Predictions of a network or a baseline for every held-back target of a dataset, scored.

use crate::baseline::{Baseline, Counts, Predictor};
use crate::error::Error;
use crate::metrics::{self, highest, log_probability, mean_auc, Area, Counted, Report};
use crate::network::{Engine, Example};
use crate::own_history::{self, Seen};
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
/// Steps times parameters after which a block or a [`Piece`] ends: about a third of a second of two processors.
pub(crate) const WORK: usize = 1 << 34;
/// A step of a sequence alone counts as so many: the weights are read for one row, and by one processor.
pub(crate) const ALONE: usize = 4;
/// The work of one score of one action, which is the same for every network.
const SCORE_WORK: usize = 1 << 10;

/// Probabilities that are kept for the AUC, about, when there are more.
pub const KEPT_PROBABILITIES: usize = 4 << 20;

/// How far the scoring of a network on a dataset has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The first sequence that is still to be scored,
    pub next: usize,
    /// and how many of its tokens were fed, when it is a long one;
    pub n_fed: usize,
    /// then the state after them, and what [`Piece`] keeps of them for the baseline. A long list is no matter for JSON.
    #[serde(skip)]
    pub state: Vec<f32>,
    #[serde(skip)]
    seen: Vec<f64>,
}

/// Histories, or a part of a long one, with the distributions before their targets.
struct Block<'a> {
    /// Their targets begin where they are to be scored, and a part ends with its last target.
    examples: Vec<Example<'a>>,
    /// A row for each target.
    probabilities: Vec<f32>,
    /// Those of a part count as [`ALONE`].
    n_steps: usize,
}

impl Place {
    /// Before sequence `next`.
    pub fn before(next: usize) -> Self {
        Self {
            next,
            ..Self::default()
        }
    }

    /// Begins with sequence `next`, or goes on in its middle as [`Place::to_bytes`] says.
    ///
    /// # Errors
    /// [`Error::Argument`] when the bytes are no such place.
    pub fn from_bytes(next: usize, bytes: &[u8]) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Ok(Self::before(next));
        }
        let (sizes, rest) = bytes.split_at_checked(16).ok_or_else(foreign_state)?;
        let size = |bytes: &[u8; 8]| usize::try_from(u64::from_le_bytes(*bytes)).map_err(|_| foreign_state());
        let [n_fed, n_seen] = [size(&sizes.as_chunks().0[0])?, size(&sizes.as_chunks().0[1])?];
        let n_bytes = n_seen.saturating_mul(size_of::<f64>());
        let (seen, state) = rest.split_at_checked(n_bytes).ok_or_else(foreign_state)?;
        let (seen, state) = (seen.as_chunks().0.iter(), state.as_chunks().0.iter());
        let place = Self {
            next,
            n_fed,
            seen: seen.map(|&number| f64::from_le_bytes(number)).collect(),
            state: state.map(|&number| f32::from_le_bytes(number)).collect(),
        };
        let is_finite = place.state.iter().all(|number| number.is_finite());
        if is_finite {
            Ok(place)
        } else {
            Err(foreign_state())
        }
    }

    /// Where it stands within a sequence, little-endian; nothing at the beginning of one.
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.n_fed == 0 {
            return Vec::new();
        }
        let sizes = [self.n_fed as u64, self.seen.len() as u64];
        let mut bytes: Vec<u8> = sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
        bytes.extend(self.seen.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(self.state.iter().flat_map(|number| number.to_le_bytes()));
        bytes
    }

    /// Takes the next sequences that have held-back targets, or the next part of a long one; none at the end. What is
    /// taken together depends on the dataset and the network alone.
    fn advance<'a>(
        &mut self,
        dataset: &'a Dataset<'a>,
        engine: &dyn Engine,
        parameters: &[f32],
        threads: usize,
    ) -> Result<Block<'a>, Error> {
        let n_steps = (WORK / parameters.len().max(1)).clamp(1, BLOCK_STEPS);
        let longest = n_steps.div_ceil(ALONE);
        let mut block = Block {
            examples: Vec::new(),
            probabilities: Vec::new(),
            n_steps: 0,
        };
        while self.next < dataset.len() && block.examples.len() < BLOCK && block.n_steps < n_steps {
            let sequence = dataset.sequence(self.next);
            let example = Example {
                tokens: sequence.tokens,
                first_target: sequence.first_held_out(),
                key: self.next as u64,
            };
            if example.n_targets() > 0 && sequence.n_targets() > longest {
                if block.examples.is_empty() {
                    self.feed(engine, parameters, (example, longest), &mut block)?;
                    return Ok(block);
                }
                break;
            }
            if self.n_fed > 0 {
                return Err(foreign_state());
            }
            if example.n_targets() > 0 {
                block.n_steps += sequence.n_targets();
                block.examples.push(example);
            }
            self.next += 1;
        }
        block.probabilities = engine.probabilities(parameters, &block.examples, false, threads)?;
        Ok(block)
    }

    /// Takes the next part of a long sequence, at most `longest` steps.
    fn feed<'a>(
        &mut self,
        engine: &dyn Engine,
        parameters: &[f32],
        (example, longest): (Example<'a>, usize),
        block: &mut Block<'a>,
    ) -> Result<(), Error> {
        let n_state = engine.architecture().n_state();
        if self.n_fed == 0 {
            self.state = vec![0.0; n_state];
        }
        let n_steps = example.tokens.len() - 1;
        if self.state.len() != n_state || self.n_fed >= n_steps {
            return Err(foreign_state());
        }
        let (from, to) = (self.n_fed, n_steps.min(self.n_fed + longest));
        // After step t the target is at t + 1.
        let first_target = example.first_target.clamp(from + 1, to + 1);
        let n_read = first_target - 1 - from;
        block.probabilities = engine.feed(parameters, &mut self.state, &example.tokens[from..to], n_read)?;
        block.examples.push(Example {
            tokens: &example.tokens[..=to],
            first_target,
            ..example
        });
        block.n_steps = ALONE * (to - from);
        self.n_fed = to;
        if to == n_steps {
            *self = Self::before(self.next + 1);
        }
        Ok(())
    }
}

pub(crate) fn foreign_state() -> Error {
    Error::argument(
        "state",
        "not one of this dataset and model",
        "empty, or the 'state' of the piece before",
    )
}

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
    /// Scores a network on the sequences from `place` on, so many that it takes a fraction of a second, and moves
    /// `place` to what is left. Where a piece ends depends on the dataset and the network alone; a history that is long
    /// for the network may be in several.
    ///
    /// # Errors
    /// When the device fails, or the place is none in this dataset.
    pub fn score(
        dataset: &Dataset,
        engine: &dyn Engine,
        parameters: &[f32],
        own_history: &own_history::Predictor,
        place: &mut Place,
        threads: usize,
    ) -> Result<Self, Error> {
        let n_actions = dataset.vocabulary().len();
        let mut piece = Self {
            network: Scores::new(n_actions),
            own_history: Scores::new(n_actions),
        };
        let sample = Sample::new(dataset, SAMPLE_SEED);
        let mut work = 0;
        while work < WORK {
            let seen_before = match place.n_fed {
                0 => Some(Seen::new(n_actions)),
                n_fed => Seen::from_numbers(n_actions, n_fed, &std::mem::take(&mut place.seen)),
            };
            let seen_before = seen_before.ok_or_else(foreign_state)?;
            let block = place.advance(dataset, engine, parameters, threads)?;
            let Block {
                examples,
                probabilities,
                ..
            } = &block;
            if examples.is_empty() {
                break;
            }
            work += block.n_steps * (parameters.len() + SCORE_WORK * n_actions);
            piece.network.add(&sample, examples, probabilities);
            let mut probabilities = Vec::new();
            for example in examples {
                // A part is alone in its block.
                let mut seen = seen_before.clone();
                own_history.probabilities(&mut seen, example.tokens, example.first_target, &mut probabilities);
                if place.n_fed > 0 {
                    place.seen = seen.numbers();
                }
            }
            piece.own_history.add(&sample, examples, &probabilities);
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
        Self::over_histories(dataset, mean, &evaluation.losses, &other.losses)
    }

    fn over_histories(dataset: &Dataset, mean: f64, losses: &[f64], others: &[f64]) -> Self {
        let lengths = held_out(dataset).map(|(_, sequence)| sequence.n_held_out_targets() as f64);
        let residual = |((loss, other), n): ((&f64, &f64), f64)| loss - other - mean * n;
        let residuals = losses.iter().zip(others).zip(lengths).map(residual);
        let sum: f64 = residuals.map(|residual| residual * residual).sum();
        let n = losses.len() as f64;
        let error = (n / (n - 1.0) * sum).sqrt() / dataset.n_held_out_targets() as f64;
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

/// The sum of -ln p(target) in nats over the targets of each history that has any, behind its number in the dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Losses(Vec<(u64, f64)>);

impl Losses {
    /// Those of a network on as many histories as a [`Piece`] holds.
    ///
    /// # Errors
    /// As [`Piece::score`].
    pub fn of(
        dataset: &Dataset,
        engine: &dyn Engine,
        parameters: &[f32],
        place: &mut Place,
        threads: usize,
    ) -> Result<Self, Error> {
        let n_actions = dataset.vocabulary().len();
        let (mut losses, mut work) = (Self::default(), 0);
        while work < WORK {
            let block = place.advance(dataset, engine, parameters, threads)?;
            if block.examples.is_empty() {
                break;
            }
            work += block.n_steps * (parameters.len() + SCORE_WORK * n_actions);
            let mut rows = block.probabilities.chunks_exact(n_actions);
            for example in &block.examples {
                let targets = example.tokens[example.first_target..].iter().zip(&mut rows);
                let loss = targets.fold(0.0, |sum, (&target, row)| {
                    sum - log_probability(row[usize::from(target)])
                });
                losses.add(example.key, loss);
            }
        }
        Ok(losses)
    }

    /// The parts of a history follow each other.
    fn add(&mut self, key: u64, loss: f64) {
        match self.0.last_mut().filter(|last| last.0 == key) {
            Some((_, sum)) => *sum += loss,
            None => self.0.push((key, loss)),
        }
    }

    /// Numbers and losses, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers = self.0.iter().map(|(key, loss)| [key.to_le_bytes(), loss.to_le_bytes()]);
        numbers.flatten().flatten().collect()
    }

    /// Adds what [`Losses::to_bytes`] wrote; `None` when it did not.
    fn extend(&mut self, bytes: &[u8]) -> Option<()> {
        let (numbers, []) = bytes.as_chunks() else {
            return None;
        };
        let (pairs, []) = numbers.as_chunks() else { return None };
        for &[key, loss] in pairs {
            self.add(u64::from_le_bytes(key), f64::from_le_bytes(loss));
        }
        Some(())
    }
}

/// Two models on the same targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Mean of -ln p(target) in nats.
    pub log_loss_a: f64,
    pub log_loss_b: f64,
    pub difference: Difference,
    pub n_histories: u64,
    pub n_targets: u64,
}

/// Compares two models by the bytes of all their [`Losses`] on a dataset, in order; `None` when nothing is held back.
///
/// # Errors
/// When they are not the losses on such a dataset.
pub fn compare<'a>(
    dataset: &Dataset,
    a: impl IntoIterator<Item = &'a [u8]>,
    b: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<Comparison>, Error> {
    let (a, b) = (all_losses(dataset, a)?, all_losses(dataset, b)?);
    let n_targets = dataset.n_held_out_targets();
    if n_targets == 0 {
        return Ok(None);
    }
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / n_targets as f64;
    let (log_loss_a, log_loss_b) = (mean(&a), mean(&b));
    Ok(Some(Comparison {
        log_loss_a,
        log_loss_b,
        difference: Difference::over_histories(dataset, log_loss_a - log_loss_b, &a, &b),
        n_histories: a.len() as u64,
        n_targets: n_targets as u64,
    }))
}

/// The losses in some bytes, one for each history with held-back targets.
fn all_losses<'a>(dataset: &Dataset, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<f64>, Error> {
    let mut losses = Losses::default();
    let complete = pieces.into_iter().all(|bytes| losses.extend(bytes).is_some());
    let (keys, losses): (Vec<u64>, Vec<f64>) = losses.0.into_iter().unzip();
    let expected = held_out(dataset).map(|(index, _)| index as u64);
    if complete && expected.eq(keys) {
        return Ok(losses);
    }
    let received = format!("BLOBs with the losses of {} histories", losses.len());
    Err(Error::argument(
        "losses",
        received,
        "those of history_losses for this dataset",
    ))
}

/// What a predictor that gives a distribution of its own before each target has scored on some histories.
#[derive(Clone, Debug, PartialEq)]
struct Scores {
    tally: metrics::Tally,
    losses: Losses,
    /// Of the sampled histories: a row per target.
    probabilities: Vec<f32>,
}

impl Scores {
    fn new(n_actions: usize) -> Self {
        Self {
            tally: metrics::Tally::new(n_actions),
            losses: Losses::default(),
            probabilities: Vec::new(),
        }
    }

    /// Adds some histories, or a part of one, with the distributions before their targets.
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
            self.losses.add(example.key, loss);
        }
    }

    /// Tally, number of losses, losses with their histories, and probabilities, little-endian.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.tally.to_bytes();
        bytes.extend((self.losses.0.len() as u64).to_le_bytes());
        bytes.extend(self.losses.to_bytes());
        bytes.extend(self.probabilities.iter().flat_map(|number| number.to_le_bytes()));
        bytes
    }

    /// Adds what [`Scores::to_bytes`] wrote of the histories that follow; `None` when it is too short.
    fn extend(&mut self, bytes: &[u8], n_actions: usize) -> Option<()> {
        let (tally, rest) = metrics::Tally::from_bytes(bytes, n_actions)?;
        let (n_losses, rest) = rest.split_first_chunk()?;
        let n_bytes = usize::try_from(u64::from_le_bytes(*n_losses))
            .ok()?
            .checked_mul(size_of::<(u64, f64)>())?;
        let (losses, rest) = rest.split_at_checked(n_bytes)?;
        self.tally.combine(&tally);
        self.losses.extend(losses)?;
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
        let losses: Vec<f64> = losses.0.into_iter().map(|(_, loss)| loss).collect();
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
    let counted = Counted::new(predictor.rows(), &targets, n_actions);
    let area = |action| -> Option<Area> {
        let mut area = counted.area(action)?;
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
/// sequences or part of a long one and go on.
///
/// Loss and accuracy are those of all held-back targets. The AUC needs every
/// probability at once, so of more than four million (targets times actions)
/// it takes a `Sample`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// What is still to be scored.
    pub place: Place,
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
            let block = self.place.advance(dataset, engine, parameters, threads)?;
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
        engine_of(Cell::Rnn, 2, 1)
    }

    fn engine_of(cell: Cell, hidden: usize, layers: usize) -> Fused {
        Fused::new(Architecture {
            cell,
            vocabulary: 2,
            embedding: 1,
            hidden,
            layers,
            dropout: 0.0,
        })
        .unwrap()
    }

    /// Validates with a stop after every `until`, and the number of stops.
    fn validate(dataset: &Dataset, engine: &Fused, until: Option<Instant>) -> (Validation, usize) {
        let (mut validation, mut n_stops) = (Validation::default(), 0);
        let parameters = engine.architecture().initial_parameters(1);
        while !validation.advance(dataset, engine, &parameters, 7, 2, until).unwrap() {
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
    fn evaluated(dataset: &Dataset, engine: &Fused, parameters: &[f32]) -> ([Evaluation; 2], usize) {
        let (mut pieces, mut place) = (Vec::new(), Place::default());
        while place.next < dataset.len() {
            let piece = Piece::score(dataset, engine, parameters, &own_history(), &mut place, 2).unwrap();
            pieces.push(piece.to_bytes());
            place = Place::from_bytes(place.next, &place.to_bytes()).unwrap();
        }
        let all = || pieces.iter().map(Vec::as_slice);
        assert!(scored(dataset, all().skip(1), 1).is_err());
        assert!(scored(dataset, all().map(|bytes| &bytes[1..]), 1).is_err());
        assert!(scored(dataset, all().map(|bytes| &bytes[..bytes.len() - 4]), 1).is_err());
        (scored(dataset, all(), 2).unwrap().unwrap(), pieces.len())
    }

    /// The loss of every history, each given to the network alone and in one.
    fn losses_one_by_one(dataset: &Dataset, engine: &Fused, parameters: &[f32]) -> Vec<f64> {
        let loss = |sequence: Sequence| {
            let example = Example {
                tokens: sequence.tokens,
                first_target: sequence.first_held_out(),
                key: 0,
            };
            let rows = engine.probabilities(parameters, &[example], false, 1).unwrap();
            let targets = rows.chunks_exact(2).zip(&sequence.tokens[example.first_target..]);
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
        let (whole, _) = validate(&dataset, &engine(), None);
        let (pieces, n_stops) = validate(&dataset, &engine(), Some(Instant::now()));
        assert_eq!(n_stops, 4);
        assert_eq!(whole, pieces);
        let parameters = engine().architecture().initial_parameters(1);
        let ([Evaluation { report, losses }, own], _) = evaluated(&dataset, &engine(), &parameters);
        assert_eq!(losses, losses_one_by_one(&dataset, &engine(), &parameters));
        assert!((own.report.log_loss - own_history().log_loss(&dataset).unwrap()).abs() < 1e-12);
        assert_eq!(whole.tally.log_loss(), Some(report.log_loss));
        assert_eq!(whole.tally.accuracy(), Some(report.accuracy));
        assert_eq!(whole.auc(2), report.auc);
    }

    /// Histories of which some are longer than a block, one of them held back from its middle on.
    fn packed_long() -> Vec<u8> {
        let mut random = random::Random::new(4);
        let histories: Vec<(Vec<u8>, usize)> = [
            (5, 0),
            (80_000, 0),
            (7, 0),
            (90_000, 40_000),
            (100_000, 100_000),
            (3, 0),
        ]
        .map(|(length, n_train)| ((0..length).map(|_| random.below(2) as u8).collect(), n_train))
        .into();
        let vocabulary = Vocabulary::new(["a", "b"].map(str::to_owned)).unwrap();
        let sequences = histories
            .iter()
            .map(|&(ref tokens, n_train)| Sequence { tokens, n_train });
        Dataset::pack(&vocabulary, sequences.collect()).unwrap()
    }

    #[test]
    fn a_stop_within_a_history_leaves_no_trace() {
        let bytes = packed_long();
        let dataset = Dataset::from_bytes(&bytes).unwrap();
        for engine in [engine_of(Cell::Gru, 2, 2), engine_of(Cell::Lstm, 2, 1)] {
            let parameters = engine.architecture().initial_parameters(1);
            let (whole, _) = validate(&dataset, &engine, None);
            let (pieces, n_stops) = validate(&dataset, &engine, Some(Instant::now()));
            // Each of the long histories is three blocks, and between them are at most three more.
            assert!((6..=9).contains(&n_stops), "{n_stops}");
            assert_eq!(whole, pieces);
            let ([Evaluation { report, losses }, own], n_pieces) = evaluated(&dataset, &engine, &parameters);
            assert_eq!(
                (whole.tally.log_loss(), whole.auc(2)),
                (Some(report.log_loss), report.auc)
            );
            assert_eq!(n_pieces, 1);
            assert!((own.report.log_loss - own_history().log_loss(&dataset).unwrap()).abs() < 1e-12);
            assert_losses(&losses, &losses_one_by_one(&dataset, &engine, &parameters));
        }
    }

    /// The sums of parts differ in rounding from those of the whole.
    fn assert_losses(losses: &[f64], expected: &[f64]) {
        let expected: Vec<f64> = expected.iter().copied().filter(|&loss| loss > 0.0).collect();
        assert_eq!(losses.len(), expected.len());
        for (loss, expected) in losses.iter().zip(expected) {
            assert!((loss / expected - 1.0).abs() < 1e-9, "{loss}, {expected}");
        }
    }

    #[test]
    fn a_piece_may_end_within_a_history() {
        let tokens: Vec<u8> = (0..100_000u32)
            .map(|position| (position.count_ones() % 2) as u8)
            .collect();
        let vocabulary = Vocabulary::new(["a", "b"].map(str::to_owned)).unwrap();
        let sequences = [(&tokens[..], 0), (&[1, 1, 1][..], 0)].map(|(tokens, n_train)| Sequence { tokens, n_train });
        let bytes = Dataset::pack(&vocabulary, sequences.to_vec()).unwrap();
        let dataset = Dataset::from_bytes(&bytes).unwrap();
        // 66 thousand weights times 65 thousand steps, each counted four times, are a piece.
        let engine = engine_of(Cell::Rnn, 256, 1);
        let parameters = engine.architecture().initial_parameters(1);
        let ([Evaluation { report, losses }, own], n_pieces) = evaluated(&dataset, &engine, &parameters);
        assert_eq!((n_pieces, report.n, own.report.n), (2, 100_001, 100_001));
        assert_losses(&losses, &losses_one_by_one(&dataset, &engine, &parameters));
        let mut place = Place::default();
        let mut parts = Losses::default();
        while place.next < dataset.len() {
            let part = Losses::of(&dataset, &engine, &parameters, &mut place, 1).unwrap();
            parts.extend(&part.to_bytes()).unwrap();
        }
        assert_eq!(parts.0.iter().map(|&(_, loss)| loss).collect::<Vec<_>>(), losses);
    }

    /// By hand: losses of 1, 2 and 6 against 2, 2 and 2 on 1, 2 and 3 targets.
    #[test]
    fn a_comparison_is_that_of_a_ratio() {
        let vocabulary = Vocabulary::new(["a".to_owned()]).unwrap();
        let histories = [&[0u8; 2][..], &[0; 3], &[0; 4]];
        let sequences = histories.map(|tokens| Sequence { tokens, n_train: 0 });
        let bytes = Dataset::pack(&vocabulary, sequences.to_vec()).unwrap();
        let dataset = Dataset::from_bytes(&bytes).unwrap();
        let losses = |of: [f64; 3]| Losses((0..).zip(of).collect()).to_bytes();
        let (a, b) = (losses([1.0, 2.0, 6.0]), losses([2.0, 2.0, 2.0]));
        let comparison = compare(&dataset, [&a[..]], [&b[..16], &b[16..]]).unwrap().unwrap();
        // Differences -1, 0 and 4, the mean 0.5 a target; residuals -1.5, -1 and 2.5.
        let standard_error = (9.5f64 * 3.0 / 2.0).sqrt() / 6.0;
        let expected = Comparison {
            log_loss_a: 1.5,
            log_loss_b: 1.0,
            difference: Difference {
                mean: 0.5,
                standard_error: Some(standard_error),
            },
            n_histories: 3,
            n_targets: 6,
        };
        assert_eq!(comparison, expected);
        assert!(compare(&dataset, [&a[..16]], [&b[..]]).is_err());
        assert!(compare(&dataset, [&a[..17]], [&b[..]]).is_err());
        assert!(compare(&dataset, [&b[16..], &b[..16]], [&b[..]]).is_err());
    }

    #[test]
    fn a_place_of_other_histories_is_refused() {
        let bytes = packed_long();
        let dataset = Dataset::from_bytes(&bytes).unwrap();
        let parameters = engine().architecture().initial_parameters(1);
        let long = (0..dataset.len())
            .find(|&index| dataset.sequence(index).tokens.len() == 80_000)
            .unwrap();
        let score = |next, n_fed: u64, n_state: usize| {
            let sizes = [n_fed.to_le_bytes(), 4u64.to_le_bytes()].concat();
            let seen = [1.0, 0.0, 0.0, 0.0f64].map(f64::to_le_bytes).concat();
            let state = [&sizes[..], &seen, &vec![0u8; 4 * n_state]].concat();
            let mut place = Place::from_bytes(next, &state)?;
            Piece::score(&dataset, &engine(), &parameters, &own_history(), &mut place, 1).map(|_| ())
        };
        assert!(score(long, 100, 2).is_ok());
        assert!(score(long, 79_999, 2).is_err());
        assert!(score(long, 100, 3).is_err());
        assert!(score(0, 2, 2).is_err() || dataset.sequence(0).tokens.len() > BLOCK_STEPS / ALONE);
        assert!(Place::from_bytes(0, &[1, 2]).is_err());
    }

    #[test]
    fn the_auc_of_many_targets_is_that_of_a_sample() {
        let bytes = packed(4000, 1001);
        let dataset = Dataset::from_bytes(&bytes).unwrap();
        let (validation, _) = validate(&dataset, &engine(), None);
        let kept = validation.probabilities.len() as f64;
        assert!((kept / KEPT_PROBABILITIES as f64 - 1.0).abs() < 0.05, "{kept}");
        let parameters = engine().architecture().initial_parameters(1);
        let ([Evaluation { report, .. }, _], _) = evaluated(&dataset, &engine(), &parameters);
        assert_eq!(validation.tally.log_loss(), Some(report.log_loss));
        let (mut probabilities, mut targets, mut place) = (Vec::new(), Vec::new(), Place::default());
        while place.next < dataset.len() {
            let block = place.advance(&dataset, &engine(), &parameters, 2).unwrap();
            let Block {
                examples,
                probabilities: rows,
                ..
            } = block;
            probabilities.extend(rows);
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
