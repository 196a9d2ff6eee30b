//! The losses of histories, and two models compared by them.

use super::evaluation::Difference;
use super::place::{Network, Place, SCORE_WORK, WORK};
use super::sample::held_out;
use crate::error::Error;
use crate::metrics::log_probability;
use crate::sequence::Dataset;

/// The sum of -ln p(target) in nats over the targets of each history that has any, behind its number in the dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Losses(pub(super) Vec<(u64, f64)>);

impl Losses {
    /// Those of a network on as many histories as a [`Piece`](super::Piece) holds.
    ///
    /// # Errors
    /// As [`Piece::score`](super::Piece::score).
    pub fn of(dataset: &Dataset, network: &dyn Network, place: &mut Place, threads: usize) -> Result<Self, Error> {
        let n_actions = dataset.vocabulary().len();
        let (mut losses, mut work) = (Self::default(), 0);
        while work < WORK {
            let block = place.advance(dataset, network, threads)?;
            if block.examples.is_empty() {
                break;
            }
            work += block.n_steps * (network.architecture().n_parameters() + SCORE_WORK * n_actions);
            let mut rows = block.probabilities.chunks_exact(n_actions);
            for example in &block.examples {
                let targets = example.tokens.slice(example.first_target..).iter().zip(&mut rows);
                let loss = targets.fold(0.0, |sum, (target, row)| sum - log_probability(row[target.index()]));
                losses.add(example.key, loss);
            }
        }
        Ok(losses)
    }

    /// The parts of a history follow each other.
    pub(super) fn add(&mut self, key: u64, loss: f64) {
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
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Option<()> {
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
    /// The same of the second model.
    pub log_loss_b: f64,
    /// The first less the second.
    pub difference: Difference,
    /// Histories with targets.
    pub n_histories: u64,
    /// Targets of all of them.
    pub n_targets: u64,
}

/// Compares two models by the bytes of all their [`Losses`], in order, each on a dataset with its own numbers for the
/// actions; `None` when nothing is held back.
///
/// # Errors
/// When they are not the losses on such datasets, or the datasets differ in more than these numbers.
pub fn compare<'a>(
    (dataset, a): (&Dataset, impl IntoIterator<Item = &'a [u8]>),
    (other, b): (&Dataset, impl IntoIterator<Item = &'a [u8]>),
) -> Result<Option<Comparison>, Error> {
    let (a, b) = (all_losses("losses_a", dataset, a)?, all_losses("losses_b", other, b)?);
    fn lengths<'a>(dataset: &'a Dataset) -> impl Iterator<Item = (usize, usize)> + 'a {
        held_out(dataset).map(|(index, sequence)| (index, sequence.n_held_out_targets()))
    }
    if !lengths(dataset).eq(lengths(other)) {
        return Err(Error::argument(
            "dataset_b",
            "other histories than 'dataset_a'",
            "the same histories",
        ));
    }
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

/// The losses in the bytes of `argument`, one for each history with held-back targets.
fn all_losses<'a>(
    argument: &'static str,
    dataset: &Dataset,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<f64>, Error> {
    let mut losses = Losses::default();
    let complete = pieces.into_iter().all(|bytes| losses.extend(bytes).is_some());
    let (keys, losses): (Vec<u64>, Vec<f64>) = losses.0.into_iter().unzip();
    let expected = held_out(dataset).map(|(index, _)| index as u64);
    if complete && expected.eq(keys) {
        return Ok(losses);
    }
    let received = format!("BLOBs with the losses of {} histories", losses.len());
    Err(Error::argument(
        argument,
        received,
        "those of history_losses for this dataset",
    ))
}
