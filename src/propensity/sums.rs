//! The sums over rows by which a regression is found: losses, gradient, Hessian.
//!
//! Blocks of rows do not depend on the number of threads and are added up in their order; within a block the rows of a group lie in
//! the lanes of registers.

use super::logistic::{BLOCK, LANES, Scaling, Table, add, blocks, groups};
use crate::compute::dispatch::{self, Kernel};
use std::f64::consts::LOG2_E;
use std::ops::Range;

/// Blocks in a sample of the rows.
const SAMPLE: usize = 16;

/// Some rows of a table.
pub(super) struct Rows<'a> {
    table: &'a Table,
    means: &'a [f64],
    /// What a feature less its mean is multiplied by; 0 where it is the same everywhere.
    factors: Vec<f64>,
    rows: Range<usize>,
    threads: usize,
}

/// Coefficients, the intercept last, with the sum of the losses and its gradient.
pub(super) struct Place {
    pub(super) coefficients: Vec<f64>,
    pub(super) loss: f64,
    pub(super) gradient: Vec<f64>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(table: &'a Table, scaling: &'a Scaling, rows: Range<usize>, threads: usize) -> Self {
        let factor = |&scale: &f64| if scale > 0.0 { 1.0 / scale } else { 0.0 };
        Self {
            table,
            means: &scaling.means,
            factors: scaling.scales.iter().map(factor).collect(),
            rows,
            threads,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Losses and gradient.
    pub(super) fn place(&self, coefficients: Vec<f64>) -> Place {
        let weights = self.by_difference(&coefficients);
        let of_block = |rows| {
            dispatch::run(Slope {
                of: self,
                weights: &weights,
                rows,
            })
        };
        let (mut loss, mut gradient) = (0.0, vec![0.0; weights.len()]);
        for (block_loss, block) in blocks(self.rows.clone(), 1, self.threads, of_block) {
            loss += block_loss;
            add(&mut gradient, &block);
        }
        let factors = gradient.iter_mut().zip(&self.factors);
        factors.for_each(|(gradient, factor)| *gradient *= factor);
        Place {
            coefficients,
            loss,
            gradient,
        }
    }

    /// Of how many blocks one is in a sample that tells the Hessian well enough to be led by it; 1 where rows or features are few.
    pub(super) fn sampled(&self) -> usize {
        let n_blocks = self.len() / BLOCK;
        if self.factors.len() < LANES {
            1
        } else {
            (n_blocks / SAMPLE).max(1)
        }
    }

    /// The lower half of the Hessian of the losses, row by row, from one of so many blocks.
    pub(super) fn hessian(&self, coefficients: &[f64], one_of: usize) -> Vec<f64> {
        let weights = self.by_difference(coefficients);
        let of_block = |rows| {
            dispatch::run(Curvature {
                of: self,
                weights: &weights,
                rows,
            })
        };
        let mut hessian = vec![0.0; coefficients.len().pow(2)];
        let mut n_rows = 0;
        for (block, n) in blocks(self.rows.clone(), one_of, self.threads, of_block) {
            add(&mut hessian, &block);
            n_rows += n;
        }
        let share = self.len() as f64 / n_rows.max(1) as f64;
        hessian.iter_mut().for_each(|sum| *sum *= share);
        hessian
    }

    /// What a unit of a feature itself adds to the score, and the intercept.
    fn by_difference(&self, coefficients: &[f64]) -> Vec<f64> {
        let mut weights = coefficients.to_vec();
        let factors = weights.iter_mut().zip(&self.factors);
        factors.for_each(|(weight, factor)| *weight *= factor);
        weights
    }
}

#[inline(always)]
fn sum([a, b, c, d, e, f, g, h]: [f64; LANES]) -> f64 {
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// 1.5 times 2^52: what it is added to is rounded to a whole number, which its last bits then hold.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// The logarithm of 2 with 32 zeros at its end, and the rest.
const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
/// 1/12!, 1/11! … 1/0!.
const FACTORIALS: [f64; 13] = [
    2.087_675_698_786_81e-9,
    2.505_210_838_544_172e-8,
    2.755_731_922_398_589_3e-7,
    2.755_731_922_398_589e-6,
    2.480_158_730_158_73e-5,
    1.984_126_984_126_984e-4,
    1.388_888_888_888_889e-3,
    8.333_333_333_333_333e-3,
    4.166_666_666_666_666_4e-2,
    1.666_666_666_666_666_6e-1,
    0.5,
    1.0,
    1.0,
];

/// Loops of one operation each, which the compiler makes one instruction of where it has registers of this width.
macro_rules! lane_by_lane {
    ($($name:ident($($of:ident),+) => $result:expr;)*) => {$(
        #[inline(always)]
        fn $name($($of: [f64; LANES]),+) -> [f64; LANES] {
            let mut results = [0.0; LANES];
            for lane in 0..LANES {
                $(let $of = $of[lane];)+
                results[lane] = $result;
            }
            results
        }
    )*};
}

lane_by_lane! {
    plus(a, b) => a + b;
    minus(a, b) => a - b;
    times(a, b) => a * b;
    over(a, b) => a / b;
    from_negative(x) => if x.abs() > 708.0 { -708.0 } else { -x.abs() };
    positive(x) => if x > 0.0 { x } else { 0.0 };
    one_or(x, small) => if x >= 0.0 { 1.0 } else { small };
    // The exponent of 2^whole.
    power_of_two(shifted) => f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
}

const fn all(number: f64) -> [f64; LANES] {
    [number; LANES]
}

/// e^-|x|, to about two units of the last place down to e^-708, which is what smaller ones become.
#[inline(always)]
fn exp_of_negative(x: [f64; LANES]) -> [f64; LANES] {
    let x = from_negative(x);
    let shifted = plus(times(x, all(LOG2_E)), all(ROUNDER));
    let whole = minus(shifted, all(ROUNDER));
    let rest = minus(minus(x, times(whole, all(LN_2[0]))), times(whole, all(LN_2[1])));
    let mut power = all(FACTORIALS[0]);
    for factorial in &FACTORIALS[1..] {
        power = plus(times(power, rest), all(*factorial));
    }
    times(power, power_of_two(shifted))
}

/// Losses and gradient of a block of rows, by the features less their means.
struct Slope<'a> {
    of: &'a Rows<'a>,
    weights: &'a [f64],
    rows: Range<usize>,
}

/// The losses of the rows in the lanes.
struct Losses {
    /// Of what is above 0: how wrong the scores are.
    wrong: [f64; LANES],
    /// The logarithm is taken of the product, once: its factors are between 1 and 2.
    factors: [f64; LANES],
}

// As many factors as a block has rows for a lane.
const _: () = assert!(BLOCK / LANES <= 1000);

impl Losses {
    /// Adds those of some rows and gives their slopes, the probability less the label.
    #[inline(always)]
    fn add(&mut self, scores: [f64; LANES], labels: [f64; LANES]) -> [f64; LANES] {
        let small = exp_of_negative(scores);
        let factors = plus(small, all(1.0));
        let signs = minus(all(1.0), plus(labels, labels));
        self.wrong = plus(self.wrong, positive(times(scores, signs)));
        self.factors = times(self.factors, factors);
        minus(over(one_or(scores, small), factors), labels)
    }

    fn sum(self) -> f64 {
        sum(self.wrong) + sum(self.factors.map(f64::ln))
    }
}

/// Leaves out the lanes of rows that are none: what they cost is less than rounding.
#[inline(always)]
fn keep(lanes: &Range<usize>, scores: &mut [f64; LANES], labels: &mut [f64; LANES]) {
    if lanes.len() < LANES {
        for lane in (0..lanes.start).chain(lanes.end..LANES) {
            (scores[lane], labels[lane]) = (-1e3, 0.0);
        }
    }
}

impl Kernel for Slope<'_> {
    type Output = (f64, Vec<f64>);

    #[inline(always)]
    fn run(self) -> (f64, Vec<f64>) {
        let (weights, intercept) = self.weights.split_at(self.of.means.len());
        let mut gradient = vec![all(0.0); weights.len()];
        let mut differences = vec![all(0.0); weights.len()];
        let (mut slopes, mut by_intercept) = (all(0.0), all(0.0));
        let mut losses = Losses {
            wrong: all(0.0),
            factors: all(1.0),
        };
        for (group, lanes) in groups(self.rows) {
            let mut scores = all(intercept[0]);
            // The gradient of the group before is added where its differences are overwritten: a loop of its own over the features
            // would be compiled into gathers.
            let features = self.of.table.group(group).iter().zip(self.of.means).zip(weights);
            for ((feature, gradient), difference) in features.zip(&mut gradient).zip(&mut differences) {
                let ((values, mean), weight) = feature;
                *gradient = plus(*gradient, times(slopes, *difference));
                *difference = minus(values.map(f64::from), all(*mean));
                scores = plus(scores, times(*difference, all(*weight)));
            }
            let mut labels = self.of.table.group_labels(group);
            keep(&lanes, &mut scores, &mut labels);
            slopes = losses.add(scores, labels);
            by_intercept = plus(by_intercept, slopes);
        }
        for (gradient, difference) in gradient.iter_mut().zip(&differences) {
            *gradient = plus(*gradient, times(slopes, *difference));
        }
        (
            losses.sum(),
            gradient.into_iter().chain([by_intercept]).map(sum).collect(),
        )
    }
}

/// The lower half of the Hessian of a block of rows, and how many these are.
struct Curvature<'a> {
    of: &'a Rows<'a>,
    weights: &'a [f64],
    rows: Range<usize>,
}

impl Kernel for Curvature<'_> {
    type Output = (Vec<f64>, usize);

    #[inline(always)]
    fn run(self) -> (Vec<f64>, usize) {
        let (weights, intercept) = self.weights.split_at(self.of.means.len());
        let (n, n_rows) = (self.weights.len(), self.rows.len());
        let mut hessian = vec![0.0; n * n];
        // Behind the features of each row stands a 1 for the intercept.
        let mut differences = vec![all(1.0); n];
        let mut scaled = vec![0.0; LANES * n];
        for (group, lanes) in groups(self.rows) {
            let mut scores = all(intercept[0]);
            let features = self.of.table.group(group).iter().zip(self.of.means).zip(weights);
            for (((values, mean), weight), difference) in features.zip(&mut differences) {
                *difference = minus(values.map(f64::from), all(*mean));
                scores = plus(scores, times(*difference, all(*weight)));
            }
            keep(&lanes, &mut scores, &mut all(0.0));
            let small = exp_of_negative(scores);
            let factors = self.of.factors.iter().chain([&1.0]);
            for (place, (differences, factor)) in differences.iter().zip(factors).enumerate() {
                for lane in 0..LANES {
                    scaled[lane * n + place] = differences[lane] * factor;
                }
            }
            let factors = plus(small, all(1.0));
            add_products(&mut hessian, &scaled, over(small, times(factors, factors)));
        }
        (hessian, n_rows)
    }
}

/// Adds the products of the numbers of each row, times the curvature there.
#[inline(always)]
fn add_products(hessian: &mut [f64], scaled: &[f64], curvatures: [f64; LANES]) {
    let n = scaled.len() / LANES;
    let rows: [&[f64]; LANES] = std::array::from_fn(|row| &scaled[row * n..][..n]);
    for place in 0..n {
        let factors: [f64; LANES] = std::array::from_fn(|row| curvatures[row] * rows[row][place]);
        let [a, b, c, d, e, f, g, h] = rows.map(|row| &row[..=place]);
        for (at, sum) in hessian[place * n..][..=place].iter_mut().enumerate() {
            let left = (factors[0] * a[at] + factors[1] * b[at]) + (factors[2] * c[at] + factors[3] * d[at]);
            let right = (factors[4] * e[at] + factors[5] * f[at]) + (factors[6] * g[at] + factors[7] * h[at]);
            *sum += left + right;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_the_standard_library() {
        for from in 0..20_000 {
            let x = std::array::from_fn(|lane| (from * LANES + lane) as f64 * 0.004_41);
            for (x, power) in x.into_iter().zip(exp_of_negative(x)) {
                let expected = (-x.min(708.0)).exp();
                assert!((power - expected).abs() <= 4e-16 * expected, "e^-{x} is {power}");
            }
        }
        assert_eq!(exp_of_negative([0.0; LANES]), [1.0; LANES]);
        assert!(exp_of_negative([f64::NAN; LANES]).iter().all(|power| power.is_nan()));
    }
}
