//! Logistic regression with a ridge penalty, by Newton's steps.
//!
//! What is minimised is the sum of the log losses and half the penalty times the sum of the squared weights of standardised
//! features; the intercept has no penalty. (Of scikit-learn's `LogisticRegression` that is `C = 1 / penalty`.)
//!
//! A Hessian costs ten times as much as a gradient and changes little between two steps or two penalties, so one is kept
//! for as long as it leads ahead (Shamanskii, "A modification of Newton's method", Ukrainian Mathematical Journal 19, 1967).
//! Of many rows it is that of a sample, which changes the way to the optimum and not the optimum (Roosta-Khorasani and Mahoney,
//! "Sub-sampled Newton methods", Mathematical Programming 174, 2019); one of all rows is made where those of samples do not lead.

use super::logistic::{Scaling, Table};
use super::sums::{Place, Rows};
use std::ops::Range;

/// Steps and new Hessians; thirty are many.
const MOST_STEPS: usize = 200;
/// Hessians of samples under one penalty, before one of all rows is made.
const MOST_SAMPLES: usize = 4;
/// Of the sum of the log losses, what may be left to gain where a choice is made: far less than what tells two penalties apart.
pub const ROUGH: f64 = 1e-9;
/// The same for weights that are kept: they are off by about 1e-8 even where only a slight penalty holds them.
pub const EXACT: f64 = 1e-16;
/// Below this the sum of the losses is too coarse to tell whether a step was good.
const BELOW_ROUNDING: f64 = 1e-6;
/// A Hessian from elsewhere is good as long as each step promises less than this share of the one before.
const PROGRESS: f64 = 0.1;

/// The search for the best weights on some rows of a table, under one penalty after the other.
pub struct Newton<'a> {
    rows: Rows<'a>,
    /// Where the search is.
    here: Place,
    /// The lower half of that of the losses, row by row, and where it was last made.
    hessian: Vec<f64>,
    made: Made,
    /// Of how many blocks one is in a sample.
    one_of: usize,
}

/// Where a Hessian was made.
#[derive(Clone, Copy, PartialEq)]
enum Made {
    /// At the coefficients where the search is, of all rows.
    Here,
    /// There, of a sample.
    OfSample,
    /// At other coefficients.
    Elsewhere,
}

impl<'a> Newton<'a> {
    /// The search on some of the rows, from where features say nothing.
    pub fn new(table: &'a Table, scaling: &'a Scaling, rows: Range<usize>, threads: usize) -> Self {
        let start = table.base(rows.clone());
        let rows = Rows::new(table, scaling, rows, threads);
        let one_of = rows.sampled();
        Self::begin(rows, start, one_of)
    }

    /// The search from coefficients near those sought, the intercept last, for which one Hessian of all rows will do.
    pub fn near(table: &'a Table, scaling: &'a Scaling, rows: Range<usize>, start: Vec<f64>, threads: usize) -> Self {
        Self::begin(Rows::new(table, scaling, rows, threads), start, 1)
    }

    fn begin(rows: Rows<'a>, start: Vec<f64>, one_of: usize) -> Self {
        let mut newton = Self {
            here: rows.place(start),
            rows,
            hessian: Vec::new(),
            made: Made::Elsewhere,
            one_of,
        };
        newton.make_hessian(one_of);
        newton
    }

    /// The weights that are best under a penalty, and behind them the intercept, to [`ROUGH`] or [`EXACT`]; the search begins
    /// where the last one ended.
    pub fn fit(&mut self, penalty: f64, left: f64) -> Vec<f64> {
        let mut promised_before = f64::INFINITY;
        let mut samples_left = MOST_SAMPLES;
        for _ in 0..MOST_STEPS {
            let gradient = gradient(&self.here, penalty);
            let step = self.step(&gradient, penalty);
            let promised: f64 = step.iter().zip(&gradient).map(|(a, b)| a * b).sum();
            if promised.is_nan() {
                break;
            }
            let is_here = self.made == Made::Here;
            // A step keeps the square with a Hessian from here, and with another about the share that the last one kept.
            let kept = if is_here { promised } else { promised / promised_before };
            if promised
                * if promised_before.is_finite() || is_here {
                    kept
                } else {
                    1.0
                }
                < left
            {
                return moved(&self.here, &step, 1.0);
            }
            let leads = self.made != Made::Elsewhere || promised < PROGRESS * promised_before;
            let next = leads.then(|| self.rows.place(moved(&self.here, &step, 1.0)));
            let next = next.filter(|next| promised < BELOW_ROUNDING || loss(next, penalty) < loss(&self.here, penalty));
            // A step beyond the quadratic's reach is halved until it helps.
            let next = if is_here {
                next.or_else(|| self.shorter(&step, penalty))
            } else {
                next
            };
            match next {
                Some(next) => {
                    self.here = next;
                    self.made = Made::Elsewhere;
                    promised_before = promised;
                }
                None if is_here => break,
                None => {
                    self.make_hessian(if samples_left > 0 { self.one_of } else { 1 });
                    samples_left = samples_left.saturating_sub(1);
                    promised_before = f64::INFINITY;
                }
            }
        }
        self.here.coefficients.clone()
    }

    fn make_hessian(&mut self, one_of: usize) {
        self.hessian = self.rows.hessian(&self.here.coefficients, one_of);
        self.made = if one_of == 1 { Made::Here } else { Made::OfSample };
    }

    fn shorter(&self, step: &[f64], penalty: f64) -> Option<Place> {
        let sizes = (1..40).map(|halvings| 0.5f64.powi(halvings));
        let mut places = sizes.map(|size| self.rows.place(moved(&self.here, step, size)));
        places.find(|next| loss(next, penalty) < loss(&self.here, penalty))
    }

    /// The inverse of the Hessian times the gradient, by Cholesky's decomposition.
    fn step(&self, gradient: &[f64], penalty: f64) -> Vec<f64> {
        let n = gradient.len();
        let mut lower = self.hessian.clone();
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
        let mut step = gradient.to_vec();
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

fn moved(place: &Place, step: &[f64], size: f64) -> Vec<f64> {
    let moved = place.coefficients.iter().zip(step);
    moved.map(|(coefficient, step)| coefficient - size * step).collect()
}

/// The loss with the penalty, which is on all coefficients but the last.
fn loss(place: &Place, penalty: f64) -> f64 {
    let weights = &place.coefficients[..place.coefficients.len() - 1];
    place.loss + 0.5 * penalty * weights.iter().map(|weight| weight * weight).sum::<f64>()
}

/// The gradient of [`loss`].
fn gradient(place: &Place, penalty: f64) -> Vec<f64> {
    let mut gradient = place.gradient.clone();
    let n_weights = gradient.len() - 1;
    let weights = gradient.iter_mut().zip(&place.coefficients[..n_weights]);
    weights.for_each(|(gradient, weight)| *gradient += penalty * weight);
    gradient
}

/// The mean log loss on some rows.
pub fn mean_loss(table: &Table, scaling: &Scaling, rows: Range<usize>, coefficients: Vec<f64>, threads: usize) -> f64 {
    let n = rows.len().max(1) as f64;
    Rows::new(table, scaling, rows, threads).place(coefficients).loss / n
}
