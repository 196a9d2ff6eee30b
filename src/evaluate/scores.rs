//! The scores of a network and of the baseline that gives a distribution of its own before each target.

use super::evaluation::Evaluation;
use super::losses::Losses;
use super::place::{Block, Network, Place, SCORE_WORK, WORK, foreign_state};
use super::sample::{SAMPLE_SEED, Sample, held_out, is_kept};
use crate::baseline::own_history::{self, Seen};
use crate::compute::parallel;
use crate::error::Error;
use crate::metrics;
use crate::network::Example;
use crate::sequence::Dataset;

/// The scores of a network on some sequences, and those of the baseline that gives a distribution of its own before
/// each target.
///
/// The areas under the ROC curves need every probability at once, so of more than four million
/// (targets times actions) in a dataset a sample is kept, as in [`Validation`](super::Validation).
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
        network: &dyn Network,
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
            let block = place.advance(dataset, network, threads)?;
            let Block {
                examples,
                probabilities,
                ..
            } = &block;
            if examples.is_empty() {
                break;
            }
            work += block.n_steps * (network.architecture().n_parameters() + SCORE_WORK * n_actions);
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
            let stride = sample.stride(example.key);
            let mut loss = 0.0;
            for (position, row) in (example.first_target..example.tokens.len()).zip(&mut rows) {
                loss += self.tally.add(row, example.tokens.at(position), 1);
                if is_kept(stride, position) {
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

impl Scores {
    /// The evaluation from the scores of all histories; `None` when nothing is held back.
    fn evaluate(self, dataset: &Dataset, threads: usize) -> Result<Option<Evaluation>, Error> {
        let Self {
            tally,
            losses,
            probabilities,
        } = self;
        let sample = Sample::new(dataset, SAMPLE_SEED);
        let (mut targets, mut lengths) = (Vec::new(), Vec::new());
        for (index, sequence) in held_out(dataset) {
            let stride = sample.stride(index as u64);
            let kept = (sequence.first_held_out()..sequence.tokens.len()).filter(|&position| is_kept(stride, position));
            let n_before = targets.len();
            targets.extend(kept.map(|position| sequence.tokens.at(position)));
            lengths.extend(stride.map(|_| targets.len() - n_before));
        }
        let n_actions = sample.n_actions;
        if probabilities.len() != targets.len() * n_actions {
            return Err(foreign_pieces(format!(
                "BLOBs with {} probabilities",
                probabilities.len()
            )));
        }
        let n_targets = dataset.n_held_out_targets() as u64;
        let (keys, losses): (Vec<u64>, Vec<f64>) = losses.0.into_iter().unzip();
        if tally.n() != n_targets || losses.len() != held_out(dataset).count() {
            let (n, n_histories) = (tally.n(), losses.len());
            return Err(foreign_pieces(format!(
                "BLOBs with the scores of {n} targets of {n_histories} histories"
            )));
        }
        if !held_out(dataset).map(|(index, _)| index as u64).eq(keys) {
            return Err(foreign_pieces("BLOBs in another order".into()));
        }
        let areas = parallel::map(threads, n_actions, |action| {
            metrics::clustered_area(&probabilities, &targets, &lengths, n_actions, action)
        });
        Ok(tally.report(&areas).map(|report| Evaluation { report, losses }))
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
