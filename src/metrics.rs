//! How good predicted distributions are, against what happened.
//!
//! On shop data nine actions in ten are views, so accuracy says little: log
//! loss and the area under the ROC curve of each action come first.

/// Bins of the reliability table, of equal width over the confidence.
pub const N_BINS: usize = 10;
/// Probabilities are not taken as smaller than this, so that one surprise does
/// not make the log loss infinite.
const FLOOR: f64 = 1e-15;

/// One bin of the reliability table: of the predictions made with a confidence
/// in this range, how many came true.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
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
    pub fn add(&mut self, row: &[f32], target: u8, n: u64) -> f64 {
        let target = usize::from(target);
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
            .map(|action| action_report(&confusion, n_actions, action, areas[action]))
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

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0u32), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

fn action_report(confusion: &[u64], n_actions: usize, action: usize, area: Option<Area>) -> ActionReport {
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

/// Mean over the actions of the area under the ROC curve, one against the rest;
/// `None` when no action has one. Arguments as for [`auc`].
pub fn mean_auc(probabilities: &[f32], targets: &[u8], n_actions: usize) -> Option<f64> {
    mean((0..n_actions).filter_map(|action| auc(probabilities, targets, n_actions, action)))
}

/// The area under the ROC curve of one action over a list with a row of `n_actions`
/// probabilities per target; `None` unless both kinds of targets occur.
pub fn auc(probabilities: &[f32], targets: &[u8], n_actions: usize, action: usize) -> Option<f64> {
    // The lowest bit says whether the target is of this action.
    let mut scored: Vec<u64> = probabilities
        .chunks_exact(n_actions)
        .zip(targets)
        .map(|(row, &target)| u64::from(rank(row[action])) << 1 | u64::from(usize::from(target) == action))
        .collect();
    scored.sort_unstable();
    let positives = |items: &[u64]| items.iter().filter(|&&item| item & 1 == 1).count() as u64;
    let negatives = |items: &[u64]| items.len() as u64 - positives(items);
    let mut curve = Curve::new(positives(&scored), negatives(&scored))?;
    for tied in scored.chunk_by(|a, b| a >> 1 == b >> 1) {
        curve.pass(positives(tied), negatives(tied));
    }
    Some(curve.auc())
}

/// An area under the ROC curve of one action against the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub auc: f64,
    /// Over histories; `None` unless both kinds of targets occur in two of them.
    pub standard_error: Option<f64>,
}

/// [`auc`] with its standard error, of targets that belong to histories of `lengths` targets, one after the other.
pub fn clustered_area(
    probabilities: &[f32],
    targets: &[u8],
    lengths: &[usize],
    n_actions: usize,
    action: usize,
) -> Option<Area> {
    let rows = probabilities.chunks_exact(n_actions).zip(targets);
    let histories = lengths
        .iter()
        .enumerate()
        .flat_map(|(history, &n)| std::iter::repeat_n(history as u64, n));
    // From the highest bit on: rank, whether the target is of this action, and history.
    let mut scored: Vec<u64> = rows
        .zip(histories)
        .map(|((row, &target), history)| {
            u64::from(rank(row[action])) << 33 | u64::from(usize::from(target) == action) << 32 | history
        })
        .collect();
    scored.sort_unstable();
    let is_positive = |item: u64| item >> 32 & 1 == 1;
    let n_positives = scored.iter().filter(|&&item| is_positive(item)).count() as u64;
    let mut curve = Curve::new(n_positives, scored.len() as u64 - n_positives)?;
    let mut clusters = vec![Cluster::default(); lengths.len()];
    for tied in scored.chunk_by(|a, b| a >> 33 == b >> 33) {
        let n_positives = tied.iter().filter(|&&item| is_positive(item)).count() as u64;
        let wins = curve.pass(n_positives, tied.len() as u64 - n_positives);
        for &item in tied {
            clusters[item as u32 as usize].add(is_positive(item), wins);
        }
    }
    let mut variance = Variance::new(curve.positives, curve.negatives, curve.auc());
    clusters.iter().for_each(|cluster| variance.add(cluster));
    Some(Area {
        auc: curve.auc(),
        standard_error: variance.standard_error(1.0),
    })
}

/// Targets that were predicted by few distributions: `rows` are these, and `counts` has a row for each with the number
/// of targets of every action.
pub struct Counted<'a> {
    n_actions: usize,
    rows: &'a [f32],
    counts: &'a [u64],
    /// Targets by row.
    totals: Vec<u64>,
}

impl<'a> Counted<'a> {
    pub fn new(rows: &'a [f32], counts: &'a [u64], n_actions: usize) -> Self {
        Self {
            n_actions,
            rows,
            counts,
            totals: counts
                .chunks_exact(n_actions)
                .map(|counts| counts.iter().sum())
                .collect(),
        }
    }

    /// The area of an action; `None` unless both kinds of targets occur.
    pub fn area(&self, action: usize) -> Option<AreaOfCounts> {
        let cell = |place: usize| place * self.n_actions + action;
        // From the highest bit on: rank and number of the row.
        let mut ranked: Vec<u64> = (0..self.totals.len())
            .map(|place| u64::from(rank(self.rows[cell(place)])) << 32 | place as u64)
            .collect();
        ranked.sort_unstable();
        let place_of = |item: u64| item as u32 as usize;
        let sum = |items: &[u64]| {
            items.iter().fold((0, 0), |(positives, negatives), &item| {
                let n = self.counts[cell(place_of(item))];
                (positives + n, negatives + self.totals[place_of(item)] - n)
            })
        };
        let (positives, negatives) = sum(&ranked);
        let mut curve = Curve::new(positives, negatives)?;
        let mut wins = vec![Wins::default(); ranked.len()];
        for tied in ranked.chunk_by(|a, b| a >> 32 == b >> 32) {
            let (positives, negatives) = sum(tied);
            let of_tied = curve.pass(positives, negatives);
            tied.iter().for_each(|&item| wins[place_of(item)] = of_tied);
        }
        let variance = Variance::new(positives, negatives, curve.auc());
        Some(AreaOfCounts {
            action,
            curve,
            wins,
            variance,
        })
    }
}

/// The area of one action over [`Counted`] targets.
pub struct AreaOfCounts {
    action: usize,
    curve: Curve,
    /// By number of the distribution.
    wins: Vec<Wins>,
    variance: Variance,
}

impl AreaOfCounts {
    /// Adds a history for the standard error: the number of the distribution before each of its targets, and the target.
    pub fn add(&mut self, history: &[(usize, u8)]) {
        let mut cluster = Cluster::default();
        for &(place, target) in history {
            cluster.add(usize::from(target) == self.action, self.wins[place]);
        }
        self.variance.add(&cluster);
    }

    /// The area; of `expansion` histories one was added.
    pub fn area(&self, expansion: f64) -> Area {
        Area {
            auc: self.curve.auc(),
            standard_error: self.variance.standard_error(expansion),
        }
    }
}

/// A ROC curve passed from the lowest probability to the highest.
struct Curve {
    positives: u64,
    negatives: u64,
    positives_below: u64,
    negatives_below: u64,
    /// Twice the number of (positive, negative) pairs in the right order.
    doubled: u128,
}

/// Twice the pairs in the right order that a positive, and a negative, of some probability belongs to.
#[derive(Clone, Copy, Debug, Default)]
struct Wins {
    positive: u64,
    negative: u64,
}

impl Curve {
    /// `None` unless there are both kinds.
    fn new(positives: u64, negatives: u64) -> Option<Self> {
        (positives > 0 && negatives > 0).then_some(Self {
            positives,
            negatives,
            positives_below: 0,
            negatives_below: 0,
            doubled: 0,
        })
    }

    /// Passes all targets of the next probability.
    fn pass(&mut self, positives: u64, negatives: u64) -> Wins {
        let wins = Wins {
            positive: 2 * self.negatives_below + negatives,
            negative: 2 * (self.positives - self.positives_below) - positives,
        };
        self.doubled += u128::from(positives) * u128::from(wins.positive);
        self.positives_below += positives;
        self.negatives_below += negatives;
        wins
    }

    /// The Mann-Whitney statistic, ranks with ties at their mean.
    fn auc(&self) -> f64 {
        self.doubled as f64 / (2.0 * (self.positives as f64 * self.negatives as f64))
    }
}

/// The targets of one history on a ROC curve.
#[derive(Clone, Copy, Debug, Default)]
struct Cluster {
    positives: u64,
    negatives: u64,
    /// Sums of [`Wins`]; below 2⁶³ for up to 2³² targets.
    positive_wins: u64,
    negative_wins: u64,
}

impl Cluster {
    fn add(&mut self, is_positive: bool, wins: Wins) {
        if is_positive {
            self.positives += 1;
            self.positive_wins += wins.positive;
        } else {
            self.negatives += 1;
            self.negative_wins += wins.negative;
        }
    }
}

/// The variance of an area where targets come in clusters: Obuchowski, 1997, "Nonparametric Analysis of Clustered ROC
/// Curve Data", Biometrics 53, pages 570 and 571. Users are drawn and not targets, so the clusters are the histories.
struct Variance {
    positives: f64,
    negatives: f64,
    auc: f64,
    n: f64,
    n_with_positives: f64,
    n_with_negatives: f64,
    of_positives: f64,
    of_negatives: f64,
    of_both: f64,
}

impl Variance {
    fn new(positives: u64, negatives: u64, auc: f64) -> Self {
        Self {
            positives: positives as f64,
            negatives: negatives as f64,
            auc,
            n: 0.0,
            n_with_positives: 0.0,
            n_with_negatives: 0.0,
            of_positives: 0.0,
            of_negatives: 0.0,
            of_both: 0.0,
        }
    }

    fn add(&mut self, cluster: &Cluster) {
        let of_positives = cluster.positive_wins as f64 / (2.0 * self.negatives) - cluster.positives as f64 * self.auc;
        let of_negatives = cluster.negative_wins as f64 / (2.0 * self.positives) - cluster.negatives as f64 * self.auc;
        self.n += 1.0;
        self.n_with_positives += f64::from(u8::from(cluster.positives > 0));
        self.n_with_negatives += f64::from(u8::from(cluster.negatives > 0));
        self.of_positives += of_positives * of_positives;
        self.of_negatives += of_negatives * of_negatives;
        self.of_both += of_positives * of_negatives;
    }

    /// `expansion`: how many histories there are for each that was added.
    fn standard_error(&self, expansion: f64) -> Option<f64> {
        let corrected = |n: f64, sum: f64| n / (n - 1.0) * sum;
        let variance = corrected(self.n_with_positives, self.of_positives) / self.positives.powi(2)
            + corrected(self.n_with_negatives, self.of_negatives) / self.negatives.powi(2)
            + 2.0 * corrected(self.n, self.of_both) / (self.positives * self.negatives);
        let is_known = self.n_with_positives > 1.0 && self.n_with_negatives > 1.0;
        // A sum of squares but for rounding.
        is_known.then(|| (expansion * variance.max(0.0)).sqrt())
    }
}

/// Probabilities are not negative, so their bits sort like their values.
fn rank(probability: f32) -> u32 {
    probability.max(0.0).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The report on a list of predictions, its tally taken in two parts of which one went through bytes.
    fn score(probabilities: &[f32], targets: &[u8], n_actions: usize) -> Option<Report> {
        let mut parts = [Tally::new(n_actions), Tally::new(n_actions)];
        for (index, (row, &target)) in probabilities.chunks_exact(n_actions).zip(targets).enumerate() {
            parts[index % 2].add(row, target, 1);
        }
        let [mut tally, other] = parts;
        let bytes = [other.to_bytes(), vec![7]].concat();
        assert!(Tally::from_bytes(&bytes[..bytes.len() - 2], n_actions).is_none());
        let (again, rest) = Tally::from_bytes(&bytes, n_actions).unwrap();
        assert_eq!((&again, rest), (&other, &[7][..]));
        tally.combine(&again);
        // Every target is a history.
        let lengths = vec![1; targets.len()];
        let areas: Vec<_> = (0..n_actions)
            .map(|action| clustered_area(probabilities, targets, &lengths, n_actions, action))
            .collect();
        tally.report(&areas)
    }

    /// Recipe (scikit-learn 1.9.1):
    /// ```python
    /// import numpy as np; from sklearn.metrics import *
    /// p = np.array([[.7,.2,.1],[.4,.5,.1],[.1,.2,.7],[.6,.3,.1],[.32,.28,.4],[.5,.4,.1]]); t = [0,1,2,1,0,0]
    /// log_loss(t, p); accuracy_score(t, p.argmax(1)); balanced_accuracy_score(t, p.argmax(1))
    /// f1_score(t, p.argmax(1), average=None); [roc_auc_score(np.array(t) == k, p[:, k]) for k in range(3)]
    /// top_k_accuracy_score(t, p, k=2); confusion_matrix(t, p.argmax(1))
    /// ```
    #[test]
    fn scores_agree_with_scikit_learn() {
        let probabilities = [
            0.7, 0.2, 0.1, 0.4, 0.5, 0.1, 0.1, 0.2, 0.7, 0.6, 0.3, 0.1, 0.32, 0.28, 0.4, 0.5, 0.4, 0.1,
        ];
        let report = score(&probabilities, &[0, 1, 2, 1, 0, 0], 3).unwrap();
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        assert_eq!(report.confusion, [2, 0, 1, 1, 1, 0, 0, 0, 1]);
        close(report.log_loss, 0.7405086);
        close(report.accuracy, 4.0 / 6.0);
        close(report.balanced_accuracy, 0.7222222);
        close(report.actions[0].f1.unwrap(), 0.6666667);
        close(report.actions[1].f1.unwrap(), 0.6666667);
        close(report.actions[2].f1.unwrap(), 0.6666667);
        close(report.actions[0].auc.unwrap(), 0.6666667);
        close(report.actions[1].auc.unwrap(), 0.875);
        close(report.actions[2].auc.unwrap(), 1.0);
        close(report.top2_accuracy, 1.0);
        // By hand: [0.4, 0.5) holds one wrong 0.4; [0.5, 0.6) two right 0.5; [0.6, 0.7) a wrong 0.6 and
        // two right 0.7, whose nearest f32 is just below.
        close(
            report.calibration_error,
            ((0.4f64 - 0.0).abs() + (1.0f64 - 2.0).abs() + (2.0f64 - 2.0).abs()) / 6.0,
        );
    }

    #[test]
    fn the_bins_of_an_action_hold_its_probabilities_and_how_often_it_came() {
        let report = score(&[0.75, 0.25, 0.25, 0.75, 0.75, 0.25], &[0, 1, 1], 2).unwrap();
        let bin = |n, confidence, accuracy| Bin {
            n,
            confidence,
            accuracy,
        };
        assert_eq!(report.action_reliability[0][7], bin(2, 0.75, 0.5));
        assert_eq!(report.action_reliability[0][2], bin(1, 0.25, 0.0));
        assert_eq!(report.action_reliability[1][2], bin(2, 0.25, 0.5));
        assert_eq!(report.action_reliability[1][7], bin(1, 0.75, 1.0));
        assert_eq!(
            report.action_reliability.iter().flatten().map(|bin| bin.n).sum::<u64>(),
            6
        );
    }

    #[test]
    fn constant_predictions_have_an_auc_of_one_half() {
        let report = score(&[0.9f32, 0.1].repeat(4), &[0, 0, 1, 0], 2).unwrap();
        assert_eq!(report.actions[1].auc, Some(0.5));
        assert_eq!(report.actions[1].precision, None);
        assert_eq!(report.accuracy, 0.75);
    }

    #[test]
    fn an_action_that_never_occurs_is_left_out_of_the_means() {
        let report = score(&[0.8, 0.1, 0.1, 0.2, 0.7, 0.1], &[0, 1], 3).unwrap();
        assert_eq!(
            (report.balanced_accuracy, report.macro_f1, report.auc),
            (1.0, 1.0, Some(1.0))
        );
        assert_eq!(report.actions[2].auc, None);
    }

    #[test]
    fn a_probability_of_zero_costs_much_but_not_everything() {
        let report = score(&[0.0, 1.0], &[0], 2).unwrap();
        assert!((report.log_loss - 34.538_776).abs() < 1e-4);
        assert_eq!(score(&[], &[], 2), None);
    }

    #[test]
    fn the_area_of_counts_is_that_of_the_list() {
        let rows = [0.7, 0.2, 0.1, 0.4, 0.5, 0.1, 0.7, 0.1, 0.2];
        let counts = [3, 1, 0, 2, 2, 1, 0, 4, 0];
        let (mut probabilities, mut targets, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (cell, &n) in counts.iter().enumerate() {
            for _ in 0..n {
                probabilities.extend_from_slice(&rows[cell / 3 * 3..][..3]);
                targets.push((cell % 3) as u8);
                places.push((cell / 3, (cell % 3) as u8));
            }
        }
        let lengths = [3, 1, 5, 2, 2];
        for action in 0..3 {
            let expected = clustered_area(&probabilities, &targets, &lengths, 3, action).unwrap();
            assert_eq!(auc(&probabilities, &targets, 3, action), Some(expected.auc));
            let mut area = Counted::new(&rows, &counts, 3).area(action).unwrap();
            let mut rest = &places[..];
            for length in lengths {
                area.add(rest.split_off(..length).unwrap());
            }
            assert_eq!(area.area(1.0), expected);
        }
    }

    /// Recipe (Python 3, the sums of Obuchowski's page 571 over all pairs):
    /// ```python
    /// p = [.5, .2, .5, .7, .1, .5, .4]; y = [1, 0, 0, 1, 0, 1, 0]; h = [0, 0, 0, 1, 1, 2, 2]
    /// X = [i for i in range(7) if y[i]]; Y = [i for i in range(7) if not y[i]]; m, n = len(X), len(Y)
    /// v = {(i, j): (p[i] > p[j]) + .5 * (p[i] == p[j]) for i in X for j in Y}; t = sum(v.values()) / m / n
    /// a = [sum(v[i, j] for i in X if h[i] == c for j in Y) / n - t * sum(h[i] == c for i in X) for c in range(3)]
    /// b = [sum(v[i, j] for j in Y if h[j] == c for i in X) / m - t * sum(h[j] == c for j in Y) for c in range(3)]
    /// s = lambda u, v: 3 / 2 * sum(x * y for x, y in zip(u, v))
    /// t, (s(a, a) / m**2 + s(b, b) / n**2 + 2 * s(a, b) / m / n) ** .5
    /// ```
    #[test]
    fn the_error_of_an_area_is_that_of_clusters() {
        let scores = [0.5f32, 0.2, 0.5, 0.7, 0.1, 0.5, 0.4];
        let probabilities: Vec<f32> = scores.iter().flat_map(|p| [1.0 - p, *p]).collect();
        let targets = [1, 0, 0, 1, 0, 1, 0];
        let area = |lengths: &[usize]| clustered_area(&probabilities, &targets, lengths, 2, 1).unwrap();
        let found = area(&[3, 2, 2]);
        assert!((found.auc - 0.9166666666666666).abs() < 1e-12, "{found:?}");
        assert!(
            (found.standard_error.unwrap() - 0.09081039465709734).abs() < 1e-12,
            "{found:?}"
        );
        // One history says nothing about others.
        assert_eq!(area(&[7]).standard_error, None);
    }
}
