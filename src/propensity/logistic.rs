//! Logistic regression with a ridge penalty, by Newton's steps.
//!
//! What is minimised is the sum of the log losses and half the penalty times the sum of the squared weights of standardised
//! features; the intercept has no penalty. (Of scikit-learn's `LogisticRegression` that is `C = 1 / penalty`.) Sums are taken
//! over blocks of rows that do not depend on the number of threads, in their order.

use crate::compute::dispatch::{self, Kernel};
use crate::compute::parallel;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Rows that are added up at a time.
const BLOCK: usize = 4096;
/// Rows of which the products are added up together.
const TOGETHER: usize = 4;
/// Newton's steps; ten are many.
const MOST_STEPS: usize = 100;
/// Steps that promise less than this of the sum of the log losses are the last: what is left after it is about its square.
const LITTLE: f64 = 1e-8;

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

    fn row(&self, row: usize) -> &[f32] {
        &self.features[row * self.n_features..][..self.n_features]
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
        let blocks = parallel::map(threads, self.len().div_ceil(BLOCK), |block| {
            let mut sums = vec![0.0; self.n_features];
            for row in rows_of(block, 0..self.len()) {
                for (place, (sum, &value)) in sums.iter_mut().zip(self.row(row)).enumerate() {
                    *sum += of(value.into(), place);
                }
            }
            sums
        });
        added(blocks, self.n_features)
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

    /// The sums over some of the rows at these coefficients, the intercept last.
    fn pass(&self, scaling: &Scaling, coefficients: &[f64], rows: Range<usize>, threads: usize) -> Sums {
        let n = coefficients.len();
        let n_blocks = rows.len().div_ceil(BLOCK);
        let blocks = parallel::map(threads, n_blocks, |block| {
            dispatch::run(Pass {
                table: self,
                scaling,
                coefficients,
                rows: rows_of(block, rows.clone()),
            })
        });
        let mut total = Sums::new(n);
        for block in blocks {
            total.loss += block.loss;
            add(&mut total.gradient, &block.gradient);
            add(&mut total.hessian, &block.hessian);
        }
        total
    }

    /// The weights that are best on some of the rows, beginning with others.
    pub fn fit(&self, scaling: &Scaling, penalty: f64, start: &[f64], rows: Range<usize>, threads: usize) -> Vec<f64> {
        let mut coefficients = start.to_vec();
        let mut sums = self.pass(scaling, &coefficients, rows.clone(), threads);
        for _ in 0..MOST_STEPS {
            let penalised = sums.penalised(penalty, &coefficients);
            let (loss_here, step) = (penalised.loss, penalised.step());
            let promised: f64 = step.iter().zip(&penalised.gradient).map(|(a, b)| a * b).sum();
            let at = |size: f64| -> Vec<f64> {
                let moved = coefficients.iter().zip(&step);
                moved.map(|(coefficient, step)| coefficient - size * step).collect()
            };
            if promised.is_nan() || promised < LITTLE {
                return if promised.is_nan() { coefficients } else { at(1.0) };
            }
            // A step beyond the quadratic's reach is halved until it helps.
            let sizes = (0..40).map(|halvings| 0.5f64.powi(halvings));
            let better = sizes.map(|size| {
                let moved = at(size);
                let sums = self.pass(scaling, &moved, rows.clone(), threads);
                let loss = sums.penalised(penalty, &moved).loss;
                (loss, moved, sums)
            });
            match better.into_iter().find(|(loss, ..)| *loss < loss_here) {
                Some((_, moved, found)) => (coefficients, sums) = (moved, found),
                None => return coefficients,
            }
        }
        coefficients
    }

    /// The mean log loss of some of the rows.
    pub fn loss(&self, scaling: &Scaling, coefficients: &[f64], rows: Range<usize>, threads: usize) -> f64 {
        let n = rows.len().max(1) as f64;
        self.pass(scaling, coefficients, rows, threads).loss / n
    }
}

/// Block `block` of some rows.
fn rows_of(block: usize, rows: Range<usize>) -> Range<usize> {
    let start = rows.start + block * BLOCK;
    start..(start + BLOCK).min(rows.end)
}

fn add(total: &mut [f64], part: &[f64]) {
    total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
}

fn added(parts: Vec<Vec<f64>>, n: usize) -> Vec<f64> {
    let mut total = vec![0.0; n];
    parts.iter().for_each(|part| add(&mut total, part));
    total
}

/// Loss, gradient and the lower half of the Hessian, row by row.
struct Sums {
    loss: f64,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
}

impl Sums {
    fn new(n: usize) -> Self {
        Self {
            loss: 0.0,
            gradient: vec![0.0; n],
            hessian: vec![0.0; n * n],
        }
    }

    /// With the penalty on all coefficients but the last.
    fn penalised(&self, penalty: f64, coefficients: &[f64]) -> Self {
        let n = coefficients.len();
        let weights = &coefficients[..n - 1];
        let squares: f64 = weights.iter().map(|weight| weight * weight).sum();
        let mut penalised = Self {
            loss: self.loss + 0.5 * penalty * squares,
            gradient: self.gradient.clone(),
            hessian: self.hessian.clone(),
        };
        for (place, weight) in weights.iter().enumerate() {
            penalised.gradient[place] += penalty * weight;
            penalised.hessian[place * n + place] += penalty;
        }
        penalised
    }

    /// Newton's step: the Hessian's inverse times the gradient, by Cholesky's decomposition.
    fn step(&self) -> Vec<f64> {
        let n = self.gradient.len();
        let mut lower = self.hessian.clone();
        for row in 0..n {
            for column in 0..=row {
                let products = (0..column).map(|k| lower[row * n + k] * lower[column * n + k]);
                let rest = lower[row * n + column] - products.sum::<f64>();
                lower[row * n + column] = if row == column {
                    rest.max(f64::MIN_POSITIVE).sqrt()
                } else {
                    rest / lower[column * n + column]
                };
            }
        }
        let mut step = self.gradient.clone();
        for row in 0..n {
            let products: f64 = (0..row).map(|k| lower[row * n + k] * step[k]).sum();
            step[row] = (step[row] - products) / lower[row * n + row];
        }
        for row in (0..n).rev() {
            let products: f64 = (row + 1..n).map(|k| lower[k * n + row] * step[k]).sum();
            step[row] = (step[row] - products) / lower[row * n + row];
        }
        step
    }
}

/// The sums over a block of rows.
struct Pass<'a> {
    table: &'a Table,
    scaling: &'a Scaling,
    coefficients: &'a [f64],
    rows: Range<usize>,
}

impl Kernel for Pass<'_> {
    type Output = Sums;

    #[inline(always)]
    fn run(self) -> Sums {
        let n = self.coefficients.len();
        let mut sums = Sums::new(n);
        // A missing row of the last few is one of zeros without a weight.
        let mut scaled = vec![0.0; TOGETHER * n];
        let mut start = self.rows.start;
        while start < self.rows.end {
            let rows = start..(start + TOGETHER).min(self.rows.end);
            self.scale(&mut scaled, rows.clone());
            let (slopes, curvatures) = self.derivatives(&scaled, rows, &mut sums.loss);
            add_products(&mut sums, &scaled, slopes, curvatures);
            start += TOGETHER;
        }
        sums
    }
}

impl Pass<'_> {
    /// Some rows standardised, with a 1 for the intercept behind them.
    #[inline(always)]
    fn scale(&self, scaled: &mut [f64], rows: Range<usize>) {
        let n = self.coefficients.len();
        scaled.fill(0.0);
        for (scaled, row) in scaled.chunks_exact_mut(n).zip(rows) {
            let scaling = self.scaling.means.iter().zip(&self.scaling.scales);
            for ((scaled, &value), (mean, &scale)) in scaled.iter_mut().zip(self.table.row(row)).zip(scaling) {
                *scaled = if scale > 0.0 {
                    (f64::from(value) - mean) / scale
                } else {
                    0.0
                };
            }
            scaled[n - 1] = 1.0;
        }
    }

    /// First and second derivatives of the losses of some rows, which are added to `loss`.
    #[inline(always)]
    fn derivatives(&self, scaled: &[f64], rows: Range<usize>, loss: &mut f64) -> ([f64; TOGETHER], [f64; TOGETHER]) {
        let n = self.coefficients.len();
        let mut scores = [0.0; TOGETHER];
        for (place, coefficient) in self.coefficients.iter().enumerate() {
            for (row, score) in scores.iter_mut().enumerate() {
                *score += coefficient * scaled[row * n + place];
            }
        }
        let (mut slopes, mut curvatures) = ([0.0; TOGETHER], [0.0; TOGETHER]);
        for (place, row) in rows.enumerate() {
            let label = f64::from(u8::from(self.table.labels[row]));
            let probability = probability(scores[place]);
            *loss += log_loss(scores[place], self.table.labels[row]);
            slopes[place] = probability - label;
            curvatures[place] = probability * (1.0 - probability);
        }
        (slopes, curvatures)
    }
}

#[inline(always)]
fn add_products(sums: &mut Sums, scaled: &[f64], slopes: [f64; TOGETHER], curvatures: [f64; TOGETHER]) {
    let n = sums.gradient.len();
    let (first, rest) = scaled.split_at(n);
    let (second, rest) = rest.split_at(n);
    let (third, fourth) = rest.split_at(n);
    for place in 0..n {
        let values = [first[place], second[place], third[place], fourth[place]];
        sums.gradient[place] +=
            (slopes[0] * values[0] + slopes[1] * values[1]) + (slopes[2] * values[2] + slopes[3] * values[3]);
        let [a, b, c, d] = [0, 1, 2, 3].map(|row| curvatures[row] * values[row]);
        let row = &mut sums.hessian[place * n..][..=place];
        let left = row.iter_mut().zip(&first[..=place]).zip(&second[..=place]);
        let right = third[..=place].iter().zip(&fourth[..=place]);
        for (((sum, first), second), (third, fourth)) in left.zip(right) {
            *sum += (a * first + b * second) + (c * third + d * fourth);
        }
    }
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
fn log_loss(score: f64, label: bool) -> f64 {
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
