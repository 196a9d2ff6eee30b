//! Logistic regression: rows, their standardising, and what was found.

use crate::compute::parallel;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Rows that are added up at a time.
const BLOCK: usize = 4096;

/// Rows of features and their labels.
pub struct Table {
    n_features: usize,
    /// Row by row.
    features: Vec<f32>,
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
        self.features.extend(features);
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

    /// Some of the features alone.
    pub fn columns(&self, places: &[usize]) -> Self {
        let mut part = Self::new(places.len());
        for (row, &label) in self.labels.iter().enumerate() {
            let row = self.row(row);
            part.push(places.iter().map(|&place| row[place]), label);
        }
        part
    }

    /// The features of a row.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.features[row * self.n_features..][..self.n_features]
    }

    pub(super) fn label(&self, row: usize) -> bool {
        self.labels[row]
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
        let blocks = blocks(0..self.len(), threads, |rows| {
            let mut sums = vec![0.0; self.n_features];
            for row in rows {
                for (place, (sum, &value)) in sums.iter_mut().zip(self.row(row)).enumerate() {
                    *sum += of(value.into(), place);
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
        for row in 1..self.len() {
            for (constant, (a, b)) in constant.iter_mut().zip(self.row(0).iter().zip(self.row(row))) {
                *constant &= a == b;
            }
        }
        constant
    }
}

/// What `sums` gives for each block of some rows, in their order.
pub(super) fn blocks<T: Send>(rows: Range<usize>, threads: usize, sums: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    parallel::map(threads, rows.len().div_ceil(BLOCK), |block| {
        let start = rows.start + block * BLOCK;
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

/// The log loss of a score.
pub(super) fn log_loss(score: f64, label: bool) -> f64 {
    let wrong = if label { -score } else { score };
    wrong.max(0.0) + (-wrong.abs()).exp().ln_1p()
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
