//! Logistic regression: rows, their standardising, and what was found.

use crate::compute::parallel;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Rows that lie side by side, a number of each in one register.
pub(super) const LANES: usize = 8;
/// Rows that are added up at a time.
pub(super) const BLOCK: usize = 512 * LANES;

/// Rows of features and their labels.
pub struct Table {
    n_features: usize,
    /// Group by group of rows, and of each the features, zeros where the last group has no row.
    features: Vec<[f32; LANES]>,
    labels: Vec<bool>,
}

/// The mean of each feature, and what it is divided by: its standard deviation, or 0 where it is the same everywhere.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// Of each feature.
    pub means: Vec<f64>,
    /// Standard deviations.
    pub scales: Vec<f64>,
}

/// What was found.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Regression {
    /// Of the standardised features.
    pub weights: Vec<f64>,
    /// The score where all features are at their means.
    pub intercept: f64,
    /// Of the features.
    pub scaling: Scaling,
}

impl Table {
    /// No rows yet.
    pub fn new(n_features: usize) -> Self {
        Self {
            n_features,
            features: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// One more row.
    pub fn push(&mut self, features: impl Iterator<Item = f32>, label: bool) {
        let lane = self.len() % LANES;
        if lane == 0 {
            self.features
                .resize(self.features.len() + self.n_features, [0.0; LANES]);
        }
        let first = self.features.len() - self.n_features;
        let group = self.features[first..].iter_mut().zip(features);
        group.for_each(|(lanes, value)| lanes[lane] = value);
        self.labels.push(label);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// How many features each row has.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Rows whose label is true.
    pub fn n_positive(&self) -> usize {
        self.labels.iter().filter(|&&label| label).count()
    }

    /// The coefficients of `n_features` without any say: zeros, and behind them the score of the share of the positive among some
    /// rows, half a row of each kind added.
    pub fn base(&self, rows: Range<usize>) -> Vec<f64> {
        let n_positive = self.labels[rows.clone()].iter().filter(|&&label| label).count();
        let n_negative = rows.len() - n_positive;
        let mut base = vec![0.0; self.n_features];
        base.push(((n_positive as f64 + 0.5) / (n_negative as f64 + 0.5)).ln());
        base
    }

    /// Some of the features alone.
    pub fn columns(&self, places: &[usize]) -> Self {
        let groups = 0..self.len().div_ceil(LANES);
        let columns = groups.flat_map(|group| places.iter().map(move |&place| self.group(group)[place]));
        Self {
            n_features: places.len(),
            features: columns.collect(),
            labels: self.labels.clone(),
        }
    }

    /// The features of a group of rows.
    #[inline(always)]
    pub(super) fn group(&self, group: usize) -> &[[f32; LANES]] {
        &self.features[group * self.n_features..][..self.n_features]
    }

    /// The labels of a group of rows, 0 where it has no row.
    #[inline(always)]
    pub(super) fn group_labels(&self, group: usize) -> [f64; LANES] {
        let mut labels = [0.0; LANES];
        let known = labels.iter_mut().zip(&self.labels[group * LANES..]);
        known.for_each(|(to, &label)| *to = f64::from(u8::from(label)));
        labels
    }

    /// Means and standard deviations of all rows.
    pub fn scaling(&self, threads: usize) -> Scaling {
        let n = self.len().max(1) as f64;
        let sums = self.sums(threads, |value, _| value);
        let means: Vec<f64> = sums.iter().map(|sum| sum / n).collect();
        let squares = self.sums(threads, |value, place| (value - means[place]).powi(2));
        let constant = self.constant();
        let scales = squares.iter().zip(constant);
        let scales = scales.map(|(square, constant)| if constant { 0.0 } else { (square / n).sqrt() });
        let scales = scales.collect();
        Scaling { means, scales }
    }

    /// The sum of something over the rows, for each feature.
    fn sums(&self, threads: usize, of: impl Fn(f64, usize) -> f64 + Sync) -> Vec<f64> {
        let blocks = blocks(0..self.len(), 1, threads, |rows| {
            let mut sums = vec![0.0; self.n_features];
            for (group, lanes) in groups(rows) {
                for (place, (sum, values)) in sums.iter_mut().zip(self.group(group)).enumerate() {
                    let values = values[lanes.clone()].iter();
                    *sum += values.map(|&value| of(value.into(), place)).sum::<f64>();
                }
            }
            sums
        });
        let mut total = vec![0.0; self.n_features];
        blocks.iter().for_each(|block| add(&mut total, block));
        total
    }

    /// Which features are the same in all rows.
    fn constant(&self) -> Vec<bool> {
        let mut constant = vec![true; self.n_features];
        for (group, lanes) in groups(0..self.len()) {
            let pairs = self.group(0).iter().zip(self.group(group));
            for (constant, (first, values)) in constant.iter_mut().zip(pairs) {
                *constant &= values[lanes.clone()].iter().all(|value| *value == first[0]);
            }
        }
        constant
    }
}

/// The groups that some rows are in, and which lanes of each.
pub(super) fn groups(rows: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
    (rows.start / LANES..rows.end.div_ceil(LANES)).map(move |group| {
        let lane = |row: usize| row.saturating_sub(group * LANES).min(LANES);
        (group, lane(rows.start)..lane(rows.end))
    })
}

/// What `sums` gives for one of so many blocks of some rows, in their order.
pub(super) fn blocks<T: Send>(
    rows: Range<usize>,
    one_of: usize,
    threads: usize,
    sums: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    parallel::map(threads, rows.len().div_ceil(BLOCK).div_ceil(one_of), |block| {
        let start = rows.start + block * one_of * BLOCK;
        sums(start..(start + BLOCK).min(rows.end))
    })
}

pub(super) fn add(total: &mut [f64], part: &[f64]) {
    total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
}

/// The probability of a score.
pub fn probability(score: f64) -> f64 {
    let small = (-score.abs()).exp();
    if score >= 0.0 {
        1.0 / (1.0 + small)
    } else {
        small / (1.0 + small)
    }
}

impl Scaling {
    /// A standardised feature.
    pub fn scaled(&self, place: usize, value: f32) -> f64 {
        match self.scales[place] {
            scale if scale > 0.0 => (f64::from(value) - self.means[place]) / scale,
            _ => 0.0,
        }
    }
}

impl Regression {
    /// Of coefficients with the intercept behind the weights.
    pub fn new(scaling: Scaling, mut coefficients: Vec<f64>) -> Self {
        let intercept = coefficients.pop().unwrap_or(0.0);
        Self {
            weights: coefficients,
            intercept,
            scaling,
        }
    }

    /// What each feature adds to the score of somebody, compared with the mean of all.
    pub fn contributions(&self, features: impl Iterator<Item = f32>) -> impl Iterator<Item = f64> {
        let scaled = features
            .enumerate()
            .map(|(place, value)| self.scaling.scaled(place, value));
        scaled.zip(&self.weights).map(|(scaled, weight)| scaled * weight)
    }

    /// The probability of somebody.
    pub fn probability(&self, features: impl Iterator<Item = f32>) -> f64 {
        probability(self.intercept + self.contributions(features).sum::<f64>())
    }

    /// What is wrong with a regression on so many features, if anything is.
    ///
    /// # Errors
    /// The reason.
    pub fn check(&self, n_features: usize) -> Result<(), String> {
        let lists = [&self.weights, &self.scaling.means, &self.scaling.scales];
        if lists.iter().any(|list| list.len() != n_features) {
            return Err(format!("numbers for other than {n_features} features"));
        }
        let mut numbers = lists.into_iter().flatten().chain([&self.intercept]);
        if numbers.any(|number| !number.is_finite()) || self.scaling.scales.iter().any(|&scale| scale < 0.0) {
            return Err("numbers that are none".into());
        }
        Ok(())
    }
}
