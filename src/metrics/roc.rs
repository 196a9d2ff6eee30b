//! Areas under ROC curves, and their errors.

use crate::sequence::Token;

/// Mean over the actions of the area under the ROC curve, one against the rest;
/// `None` when no action has one. Arguments as for [`auc`].
pub fn mean_auc(probabilities: &[f32], targets: &[Token], n_actions: usize) -> Option<f64> {
    mean((0..n_actions).filter_map(|action| auc(probabilities, targets, n_actions, action)))
}

pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0u32), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// The area under the ROC curve of one action over a list with a row of `n_actions`
/// probabilities per target; `None` unless both kinds of targets occur.
pub fn auc(probabilities: &[f32], targets: &[Token], n_actions: usize, action: usize) -> Option<f64> {
    // The lowest bit says whether the target is of this action.
    let mut scored: Vec<u64> = probabilities
        .chunks_exact(n_actions)
        .zip(targets)
        .map(|(row, &target)| u64::from(rank(row[action])) << 1 | u64::from(target.index() == action))
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
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// Area under the curve, 0 to 1.
    pub auc: f64,
    /// Over histories; `None` unless both kinds of targets occur in two of them.
    pub standard_error: Option<f64>,
    /// The curve, as far as it can be seen, from the lowest threshold on.
    pub points: Vec<Point>,
}

/// A point of a ROC curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// What is at least this probable is taken for the action; none is infinite, and takes nothing.
    pub threshold: Option<f32>,
    /// The share of the other targets that are.
    pub false_positive_rate: f64,
    /// The share of the targets of the action that are.
    pub true_positive_rate: f64,
}

/// The rates of two points next to each other differ by at least this, where they can.
const STEP: f64 = 1.0 / 40.0;

/// [`auc`] with its standard error, of targets that belong to histories of `lengths` targets, one after the other.
pub fn clustered_area(
    probabilities: &[f32],
    targets: &[Token],
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
            u64::from(rank(row[action])) << 33 | u64::from(target.index() == action) << 32 | history
        })
        .collect();
    scored.sort_unstable();
    let is_positive = |item: u64| item >> 32 & 1 == 1;
    let n_positives = scored.iter().filter(|&&item| is_positive(item)).count() as u64;
    let mut curve = Curve::new(n_positives, scored.len() as u64 - n_positives)?;
    let mut clusters = vec![Cluster::default(); lengths.len()];
    let mut points = Vec::new();
    for tied in scored.chunk_by(|a, b| a >> 33 == b >> 33) {
        curve.trace(f32::from_bits((tied[0] >> 33) as u32), &mut points);
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
        points: ended(points),
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
    /// Probabilities, shape (rows, `n_actions`), and how often each action follows a row, of the same shape.
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
        let mut points = Vec::new();
        for tied in ranked.chunk_by(|a, b| a >> 32 == b >> 32) {
            curve.trace(f32::from_bits((tied[0] >> 32) as u32), &mut points);
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
            points: ended(points),
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
    points: Vec<Point>,
}

impl AreaOfCounts {
    /// Adds a history for the standard error: the number of the distribution before each of its targets, and the target.
    pub fn add(&mut self, history: &[(usize, Token)]) {
        let mut cluster = Cluster::default();
        for &(place, target) in history {
            cluster.add(target.index() == self.action, self.wins[place]);
        }
        self.variance.add(&cluster);
    }

    /// The area; of `expansion` histories one was added.
    pub fn area(&self, expansion: f64) -> Area {
        Area {
            auc: self.curve.auc(),
            standard_error: self.variance.standard_error(expansion),
            points: self.points.clone(),
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

    /// Adds the point of a threshold before its targets are passed, unless it would hardly differ from the last.
    fn trace(&self, threshold: f32, points: &mut Vec<Point>) {
        let share_above = |below: u64, all: u64| (all - below) as f64 / all as f64;
        let point = Point {
            threshold: Some(threshold),
            false_positive_rate: share_above(self.negatives_below, self.negatives),
            true_positive_rate: share_above(self.positives_below, self.positives),
        };
        let is_new = points.last().is_none_or(|last| {
            last.false_positive_rate - point.false_positive_rate >= STEP
                || last.true_positive_rate - point.true_positive_rate >= STEP
        });
        if is_new {
            points.push(point);
        }
    }

    /// The Mann-Whitney statistic, ranks with ties at their mean.
    fn auc(&self) -> f64 {
        self.doubled as f64 / (2.0 * (self.positives as f64 * self.negatives as f64))
    }
}

/// The curve with its end, where nothing is taken for the action.
fn ended(mut points: Vec<Point>) -> Vec<Point> {
    points.push(Point {
        threshold: None,
        false_positive_rate: 0.0,
        true_positive_rate: 0.0,
    });
    points
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
