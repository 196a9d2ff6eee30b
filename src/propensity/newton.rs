//! Logistic regression with a ridge penalty, by Newton's steps.
//!
//! What is minimised is the sum of the log losses and half the penalty times the sum of the squared weights of standardised
//! features; the intercept has no penalty. (Of scikit-learn's `LogisticRegression` that is `C = 1 / penalty`.) Sums are taken
//! over blocks of rows that do not depend on the number of threads, in their order.
//!
//! A Hessian costs ten times as much as a gradient and changes little between two steps or two penalties, so one is kept
//! for as long as it leads ahead (Shamanskii, "A modification of Newton's method", Ukrainian Mathematical Journal 19, 1967).

use super::logistic::{Scaling, Table, add, blocks, log_loss, probability};
use crate::compute::dispatch::{self, Kernel};
use std::ops::Range;

/// Rows of which the products are added up together.
const TOGETHER: usize = 4;
/// Numbers that are added up side by side.
const LANES: usize = 8;
/// Steps and new Hessians; thirty are many.
const MOST_STEPS: usize = 200;
/// Steps that promise less than this of the sum of the log losses are the last: what is left after it is about its square.
const LITTLE: f64 = 1e-8;
/// The same with a Hessian from elsewhere, after which a share is left.
const LITTLE_FROM_AFAR: f64 = 1e-16;
/// Below this the sum of the losses is too coarse to tell whether a step was good.
const BELOW_ROUNDING: f64 = 1e-6;
/// A Hessian from elsewhere is good as long as each step promises less than this share of the one before.
const PROGRESS: f64 = 0.1;

/// The search for the best weights on some rows of a table, under one penalty after the other.
pub struct Newton<'a> {
    table: &'a Table,
    means: &'a [f64],
    /// What a feature less its mean is multiplied by; 0 where it is the same everywhere.
    factors: Vec<f64>,
    rows: Range<usize>,
    threads: usize,
    /// The lower half of that of the losses, row by row, where it was last made.
    hessian: Option<Vec<f64>>,
}

/// Coefficients, the intercept last, with loss and gradient.
struct Place {
    coefficients: Vec<f64>,
    loss: f64,
    gradient: Vec<f64>,
}

impl Place {
    fn moved(&self, step: &[f64], size: f64) -> Vec<f64> {
        let moved = self.coefficients.iter().zip(step);
        moved.map(|(coefficient, step)| coefficient - size * step).collect()
    }
}

impl<'a> Newton<'a> {
    /// The search on some of the rows.
    pub fn new(table: &'a Table, scaling: &'a Scaling, rows: Range<usize>, threads: usize) -> Self {
        let factor = |&scale: &f64| if scale > 0.0 { 1.0 / scale } else { 0.0 };
        Self {
            table,
            means: &scaling.means,
            factors: scaling.scales.iter().map(factor).collect(),
            rows,
            threads,
            hessian: None,
        }
    }

    /// The weights that are best under a penalty, and behind them the intercept; the search begins at others.
    pub fn fit(&mut self, penalty: f64, start: &[f64]) -> Vec<f64> {
        let mut here = self.place(start.to_vec(), penalty);
        let mut promised_before = f64::INFINITY;
        let mut is_fresh = self.hessian.is_none();
        for _ in 0..MOST_STEPS {
            let step = self.step(&here, penalty);
            let promised: f64 = step.iter().zip(&here.gradient).map(|(a, b)| a * b).sum();
            if promised.is_nan() {
                return here.coefficients;
            }
            if promised < if is_fresh { LITTLE } else { LITTLE_FROM_AFAR } {
                return here.moved(&step, 1.0);
            }
            let leads = is_fresh || promised < PROGRESS * promised_before;
            let next = leads.then(|| self.place(here.moved(&step, 1.0), penalty));
            let next = next.filter(|next| promised < BELOW_ROUNDING || next.loss < here.loss);
            (here, is_fresh) = match (next, is_fresh) {
                (Some(next), _) => (next, false),
                (None, false) => {
                    self.hessian = Some(self.curvature(&here.coefficients));
                    (here, true)
                }
                // A step beyond the quadratic's reach is halved until it helps.
                (None, true) => match self.shorter(&here, &step, penalty) {
                    Some(next) => (next, false),
                    None => return here.coefficients,
                },
            };
            promised_before = if is_fresh { f64::INFINITY } else { promised };
        }
        here.coefficients
    }

    /// The mean log loss.
    pub fn loss(&self, coefficients: &[f64]) -> f64 {
        self.place(coefficients.to_vec(), 0.0).loss / self.rows.len().max(1) as f64
    }

    fn shorter(&self, here: &Place, step: &[f64], penalty: f64) -> Option<Place> {
        let sizes = (1..40).map(|halvings| 0.5f64.powi(halvings));
        let mut places = sizes.map(|size| self.place(here.moved(step, size), penalty));
        places.find(|next| next.loss < here.loss)
    }

    /// Loss and gradient with the penalty, which is on all coefficients but the last.
    fn place(&self, coefficients: Vec<f64>, penalty: f64) -> Place {
        let padded = self.padded(&coefficients);
        let blocks = blocks(self.rows.clone(), self.threads, |rows| {
            dispatch::run(Slope {
                newton: self,
                coefficients: &padded,
                rows,
            })
        });
        let (mut loss, mut gradient) = (0.0, vec![0.0; padded.len()]);
        for (block_loss, block) in blocks {
            loss += block_loss;
            add(&mut gradient, &block);
        }
        gradient.truncate(coefficients.len());
        if let [weights @ .., _] = &coefficients[..] {
            loss += 0.5 * penalty * weights.iter().map(|weight| weight * weight).sum::<f64>();
            let gradient = gradient.iter_mut().zip(weights);
            gradient.for_each(|(gradient, weight)| *gradient += penalty * weight);
        }
        Place {
            coefficients,
            loss,
            gradient,
        }
    }

    /// The Hessian of the losses.
    fn curvature(&self, coefficients: &[f64]) -> Vec<f64> {
        let padded = self.padded(coefficients);
        let blocks = blocks(self.rows.clone(), self.threads, |rows| {
            dispatch::run(Curvature {
                newton: self,
                coefficients: &padded,
                rows,
            })
        });
        let mut hessian = vec![0.0; coefficients.len().pow(2)];
        blocks.iter().for_each(|block| add(&mut hessian, block));
        hessian
    }

    /// With zeros up to whole lanes.
    fn padded(&self, coefficients: &[f64]) -> Vec<f64> {
        let mut padded = coefficients.to_vec();
        padded.resize(coefficients.len().next_multiple_of(LANES), 0.0);
        padded
    }

    /// The inverse of the Hessian times the gradient, by Cholesky's decomposition.
    fn step(&mut self, here: &Place, penalty: f64) -> Vec<f64> {
        let n = here.gradient.len();
        let hessian = match self.hessian.take() {
            Some(hessian) => hessian,
            None => self.curvature(&here.coefficients),
        };
        let mut lower = hessian.clone();
        self.hessian = Some(hessian);
        for row in 0..n {
            if row + 1 < n {
                lower[row * n + row] += penalty;
            }
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
        let mut step = here.gradient.clone();
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

    /// A row standardised, with a 1 for the intercept behind it; what pads it is left as it is.
    #[inline(always)]
    fn scale(&self, scaled: &mut [f64], row: usize) {
        let scaling = self.means.iter().zip(&self.factors);
        let values = scaled.iter_mut().zip(self.table.row(row)).zip(scaling);
        for ((scaled, &value), (mean, factor)) in values {
            *scaled = (f64::from(value) - mean) * factor;
        }
        scaled[self.means.len()] = 1.0;
    }
}

/// The sum of the products, lane by lane.
#[inline(always)]
fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// Loss and gradient of a block of rows.
struct Slope<'a> {
    newton: &'a Newton<'a>,
    coefficients: &'a [f64],
    rows: Range<usize>,
}

impl Kernel for Slope<'_> {
    type Output = (f64, Vec<f64>);

    #[inline(always)]
    fn run(self) -> (f64, Vec<f64>) {
        let n = self.coefficients.len();
        let (mut loss, mut gradient, mut scaled) = (0.0, vec![0.0; n], vec![0.0; n]);
        for row in self.rows {
            self.newton.scale(&mut scaled, row);
            let score = product(self.coefficients, &scaled);
            let label = self.newton.table.label(row);
            loss += log_loss(score, label);
            let slope = probability(score) - f64::from(u8::from(label));
            for (gradient, value) in gradient.iter_mut().zip(&scaled) {
                *gradient += slope * value;
            }
        }
        (loss, gradient)
    }
}

/// The lower half of the Hessian of a block of rows.
struct Curvature<'a> {
    newton: &'a Newton<'a>,
    coefficients: &'a [f64],
    rows: Range<usize>,
}

impl Kernel for Curvature<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run(self) -> Vec<f64> {
        let (n, width) = (self.newton.means.len() + 1, self.coefficients.len());
        let mut hessian = vec![0.0; n * n];
        let mut scaled = vec![0.0; TOGETHER * width];
        for start in self.rows.clone().step_by(TOGETHER) {
            // A missing row of the last few counts nothing.
            let mut curvatures = [0.0; TOGETHER];
            for (at, row) in (start..(start + TOGETHER).min(self.rows.end)).enumerate() {
                let scaled = &mut scaled[at * width..][..width];
                self.newton.scale(scaled, row);
                let probability = probability(product(self.coefficients, scaled));
                curvatures[at] = probability * (1.0 - probability);
            }
            add_products(&mut hessian, n, &scaled, curvatures);
        }
        hessian
    }
}

#[inline(always)]
fn add_products(hessian: &mut [f64], n: usize, scaled: &[f64], curvatures: [f64; TOGETHER]) {
    let width = scaled.len() / TOGETHER;
    let rows: [&[f64]; TOGETHER] = std::array::from_fn(|row| &scaled[row * width..][..n]);
    for place in 0..n {
        let [a, b, c, d] = std::array::from_fn(|row| curvatures[row] * rows[row][place]);
        let sums = &mut hessian[place * n..][..=place];
        let left = sums.iter_mut().zip(&rows[0][..=place]).zip(&rows[1][..=place]);
        let right = rows[2][..=place].iter().zip(&rows[3][..=place]);
        for (((sum, first), second), (third, fourth)) in left.zip(right) {
            *sum += (a * first + b * second) + (c * third + d * fourth);
        }
    }
}
