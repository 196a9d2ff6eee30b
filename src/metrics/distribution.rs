//! Log loss, hits and calibration of predicted distributions, added up target by target.

use super::roc::{Area, Point, mean};
use crate::sequence::Token;

/// Bins of the reliability table, of equal width over the confidence.
pub const N_BINS: usize = 10;

/// Probabilities are not taken as smaller than this, so that one surprise does
/// not make the log loss infinite.
const FLOOR: f64 = 1e-15;

/// One bin of the reliability table: of the predictions made with a confidence
/// in this range, how many came true.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Targets in it.
    pub n: u64,
    /// Mean probability of the predicted action; NaN in an empty bin.
    pub confidence: f64,
    /// Share of predictions that came true; NaN in an empty bin.
    pub accuracy: f64,
}

/// The quality of predictions for one action, one against the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActionReport {
    /// Share of the predictions of this action that came true; `None` if it was
    /// never predicted.
    pub precision: Option<f64>,
    /// Share of its occurrences that were predicted; `None` if it never occurred.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall; 0 when it was neither predicted
    /// nor missed correctly, `None` when it neither occurred nor was predicted.
    pub f1: Option<f64>,
    /// Area under the ROC curve of its probability: how often a target of this
    /// action got a higher probability than another target, ties counting half.
    /// `None` unless both kinds occur.
    pub auc: Option<f64>,
    /// Its standard error, over histories; `None` unless both kinds occur in two histories.
    pub auc_standard_error: Option<f64>,
    /// Targets of this action.
    pub support: u64,
}

/// The quality of a list of predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Targets.
    pub n: u64,
    /// Mean of −ln p(target), in nats.
    pub log_loss: f64,
    /// Share of targets that had the highest probability (the first of equals).
    pub accuracy: f64,
    /// Share of targets among the two highest probabilities.
    pub top2_accuracy: f64,
    /// Mean recall over the actions that occur.
    pub balanced_accuracy: f64,
    /// Mean F1 over the actions that occur or are predicted.
    pub macro_f1: f64,
    /// Mean AUC over the actions that have one.
    pub auc: Option<f64>,
    /// Expected calibration error: |confidence − accuracy|, averaged over the
    /// bins with their sizes (Guo et al., 2017, "On Calibration of Modern
    /// Neural Networks", section 2).
    pub calibration_error: f64,
    /// By token.
    pub actions: Vec<ActionReport>,
    /// Counts, row-major: (actual, predicted).
    pub confusion: Vec<u64>,
    /// Equal bins over the confidence, from 0 to 1.
    pub reliability: Vec<Bin>,
    /// By token, equal bins over the probability of this action: its mean, and how often the action came.
    pub action_reliability: Vec<Vec<Bin>>,
    /// By token, its ROC curve; empty where it has none.
    pub roc: Vec<Vec<Point>>,
}

/// What a [`Report`] says, added up target by target; the areas under the ROC
/// curves alone need all targets at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    n_actions: usize,
    confusion: Vec<u64>,
    log_loss: f64,
    in_top2: u64,
    bins: Bins,
    /// By token, over the probability of this action.
    action_bins: Vec<Bins>,
}

/// Per bin the targets, the sum of their probabilities, and how many came true.
type Bins = [(u64, f64, u64); N_BINS];

/// Adds `n` predictions that had the same probability and the same end.
fn fill(bins: &mut Bins, probability: f32, came_true: bool, n: u64) {
    let probability = f64::from(probability);
    let bin = &mut bins[((probability * N_BINS as f64) as usize).min(N_BINS - 1)];
    bin.0 += n;
    bin.1 += n as f64 * probability;
    bin.2 += n * u64::from(came_true);
}

fn reliability(bins: &Bins) -> Vec<Bin> {
    let bin = |&(n, sum, came_true): &(u64, f64, u64)| Bin {
        n,
        confidence: sum / n as f64,
        accuracy: came_true as f64 / n as f64,
    };
    bins.iter().map(bin).collect()
}

impl Tally {
    /// Nothing counted, for a vocabulary of `n_actions`.
    pub fn new(n_actions: usize) -> Self {
        Self {
            n_actions,
            confusion: vec![0; n_actions * n_actions],
            log_loss: 0.0,
            in_top2: 0,
            bins: Bins::default(),
            action_bins: vec![Bins::default(); n_actions],
        }
    }

    /// Adds `n` equal targets and the distribution that was predicted before each of them; returns the loss of one,
    /// -ln p(target) in nats.
    pub fn add(&mut self, row: &[f32], target: Token, n: u64) -> f64 {
        let target = target.index();
        let loss = -log_probability(row[target]);
        self.log_loss += n as f64 * loss;
        let predicted = highest(row);
        self.confusion[target * self.n_actions + predicted] += n;
        let better = row
            .iter()
            .enumerate()
            .filter(|&(action, &p)| p > row[target] || (p == row[target] && action < target));
        self.in_top2 += n * u64::from(better.count() < 2);
        fill(&mut self.bins, row[predicted], predicted == target, n);
        for (action, (bins, &probability)) in self.action_bins.iter_mut().zip(row).enumerate() {
            fill(bins, probability, action == target, n);
        }
        loss
    }

    /// Targets.
    pub fn n(&self) -> u64 {
        self.confusion.iter().copied().fold(0, u64::saturating_add)
    }

    /// Adds what another tally has counted. A tally from bytes may count anything: nothing overflows.
    pub fn combine(&mut self, other: &Self) {
        for (n, more) in self.confusion.iter_mut().zip(&other.confusion) {
            *n = n.saturating_add(*more);
        }
        self.log_loss += other.log_loss;
        self.in_top2 = self.in_top2.saturating_add(other.in_top2);
        for (bin, more) in self
            .all_bins()
            .zip(other.bins.iter().chain(other.action_bins.as_flattened()))
        {
            *bin = (
                bin.0.saturating_add(more.0),
                bin.1 + more.1,
                bin.2.saturating_add(more.2),
            );
        }
    }

    /// Every bin, those of the confidence first.
    fn all_bins(&mut self) -> impl Iterator<Item = &mut (u64, f64, u64)> {
        self.bins.iter_mut().chain(self.action_bins.as_flattened_mut())
    }

    /// Length of [`Tally::to_bytes`].
    fn n_bytes(n_actions: usize) -> usize {
        size_of::<u64>() * (n_actions * n_actions + 2 + 3 * N_BINS * (1 + n_actions))
    }

    /// All numbers, little-endian, 8 bytes each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bins = self
            .bins
            .iter()
            .chain(self.action_bins.as_flattened())
            .flat_map(|&(n, confidence, correct)| [n, confidence.to_bits(), correct]);
        let numbers = self
            .confusion
            .iter()
            .copied()
            .chain([self.log_loss.to_bits(), self.in_top2])
            .chain(bins);
        numbers.flat_map(u64::to_le_bytes).collect()
    }

    /// The tally whose bytes these begin with, and the bytes behind it; `None` when there are too few.
    pub fn from_bytes(bytes: &[u8], n_actions: usize) -> Option<(Self, &[u8])> {
        let (bytes, rest) = bytes.split_at_checked(Self::n_bytes(n_actions))?;
        let mut numbers = bytes.as_chunks().0.iter().map(|&number| u64::from_le_bytes(number));
        let mut next = || numbers.next();
        let mut tally = Self::new(n_actions);
        for n in &mut tally.confusion {
            *n = next()?;
        }
        tally.log_loss = f64::from_bits(next()?);
        tally.in_top2 = next()?;
        for bin in tally.all_bins() {
            *bin = (next()?, f64::from_bits(next()?), next()?);
        }
        Some((tally, rest))
    }

    /// The report, with the area under the ROC curve of each action, where it has one; `None`
    /// without targets.
    pub fn report(self, areas: &[Option<Area>]) -> Option<Report> {
        let n = self.n();
        let Self {
            n_actions,
            confusion,
            log_loss,
            in_top2,
            bins,
            action_bins,
        } = self;
        if n == 0 {
            return None;
        }
        let actions: Vec<ActionReport> = (0..n_actions)
            .map(|action| action_report(&confusion, n_actions, action, areas[action].as_ref()))
            .collect();
        let correct: u64 = (0..n_actions)
            .map(|action| confusion[action * n_actions + action])
            .sum();
        let gaps = bins
            .iter()
            .map(|&(_, confidence, correct)| (confidence - correct as f64).abs());
        Some(Report {
            n,
            log_loss: log_loss / n as f64,
            accuracy: correct as f64 / n as f64,
            top2_accuracy: in_top2 as f64 / n as f64,
            balanced_accuracy: mean(actions.iter().filter_map(|action| action.recall)).unwrap_or(0.0),
            macro_f1: mean(actions.iter().filter_map(|action| action.f1)).unwrap_or(0.0),
            auc: mean(actions.iter().filter_map(|action| action.auc)),
            calibration_error: gaps.sum::<f64>() / n as f64,
            actions,
            confusion,
            reliability: reliability(&bins),
            action_reliability: action_bins.iter().map(reliability).collect(),
            roc: areas
                .iter()
                .map(|area| area.as_ref().map_or_else(Vec::new, |area| area.points.clone()))
                .collect(),
        })
    }
}

/// ln p, with p taken as no smaller than 10⁻¹⁵.
pub fn log_probability(p: f32) -> f64 {
    f64::from(p).max(FLOOR).ln()
}

/// Position of the highest probability; the first of equals.
pub fn highest(row: &[f32]) -> usize {
    let mut best = 0;
    for (action, &p) in row.iter().enumerate() {
        if p > row[best] {
            best = action;
        }
    }
    best
}

fn action_report(confusion: &[u64], n_actions: usize, action: usize, area: Option<&Area>) -> ActionReport {
    let hits = confusion[action * n_actions + action];
    let support: u64 = confusion[action * n_actions..][..n_actions].iter().sum();
    let predicted: u64 = (0..n_actions)
        .map(|actual| confusion[actual * n_actions + action])
        .sum();
    let share = |of: u64| (of > 0).then(|| hits as f64 / of as f64);
    ActionReport {
        precision: share(predicted),
        recall: share(support),
        f1: (support + predicted > 0).then(|| 2.0 * hits as f64 / (support + predicted) as f64),
        auc: area.map(|area| area.auc),
        auc_standard_error: area.and_then(|area| area.standard_error),
        support,
    }
}
