//! How likely the purchases of customers are, with the derivatives that Newton's steps need.
//!
//! The published likelihood (Fader, Hardie and Lee, 2005, equation 6) in the parameters of [`super::purchases`], which
//! have limits that can be computed with.

use super::customers::{Customer, Customers};
use super::optimum::Evaluation;
use super::purchases::{Family, Purchases};
use crate::compute::job::Steps;

impl Purchases {
    /// The probability to stop at a chance, after `survived` others.
    pub(super) fn hazard(&self, survived: f64) -> f64 {
        Hazard::new(self.dropout, self.dropout_dispersion, survived).probability
    }
}

/// The probability d = a / (a + b + j) to stop at a chance after j others, with its derivatives with respect to the
/// mean and the dispersion.
struct Hazard {
    probability: f64,
    gradient: [f64; 2],
    /// Of the mean and the dispersion, and of the dispersion twice; that of the mean twice is 0.
    mixed: f64,
    dispersion_twice: f64,
}

impl Hazard {
    fn new(mean: f64, dispersion: f64, survived: f64) -> Self {
        if survived == 0.0 {
            return Self {
                probability: mean,
                gradient: [1.0, 0.0],
                mixed: 0.0,
                dispersion_twice: 0.0,
            };
        }
        let below = (1.0 - dispersion) + survived * dispersion;
        let share = (1.0 - dispersion) / below;
        Self {
            probability: mean * share,
            gradient: [share, -mean * survived / (below * below)],
            mixed: -survived / (below * below),
            dispersion_twice: 2.0 * mean * survived * (survived - 1.0) / (below * below * below),
        }
    }

    fn hessian(&self) -> [[f64; 2]; 2] {
        [[0.0, self.mixed], [self.mixed, self.dispersion_twice]]
    }
}

/// A function of two coordinates at a place.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    value: f64,
    gradient: [f64; 2],
    hessian: [[f64; 2]; 2],
}

impl Pair {
    fn add(&mut self, other: &Self, factor: f64) {
        self.value += factor * other.value;
        for i in 0..2 {
            self.gradient[i] += factor * other.gradient[i];
            for j in 0..2 {
                self.hessian[i][j] += factor * other.hessian[i][j];
            }
        }
    }

    /// Adds ln(1 - d) of a hazard.
    fn add_survival(&mut self, hazard: &Hazard) {
        let left = 1.0 - hazard.probability;
        let curvature = hazard.hessian();
        self.value += (-hazard.probability).ln_1p();
        for i in 0..2 {
            self.gradient[i] -= hazard.gradient[i] / left;
            for j in 0..2 {
                self.hessian[i][j] -= curvature[i][j] / left + hazard.gradient[i] * hazard.gradient[j] / (left * left);
            }
        }
    }
}

/// ln(1 + k u) and ln(1 + k u) / k, u = rate * time, with their derivatives with respect to the logarithm of the
/// rate and to k: of what a time adds to the likelihood, -x times the first less the second.
#[derive(Clone, Copy, Debug)]
struct TimeTerms {
    per_purchase: Pair,
    always: Pair,
}

impl TimeTerms {
    fn new(u: f64, k: f64) -> Self {
        let w = k * u;
        let below = 1.0 + w;
        let (first, second) = slopes(w);
        let mixed = u / (below * below);
        Self {
            per_purchase: Pair {
                value: w.ln_1p(),
                gradient: [w / below, u / below],
                hessian: [[k * mixed, mixed], [mixed, -u * mixed]],
            },
            always: Pair {
                value: ln_1p_over(k, u),
                gradient: [u / below, u * u * first],
                hessian: [[mixed, -u * mixed], [-u * mixed, u * u * u * second]],
            },
        }
    }

    /// The logarithm of the likelihood of `x` purchases until this time, without what all times share.
    fn likelihood(&self, x: f64) -> Pair {
        let mut sum = Pair::default();
        sum.add(&self.per_purchase, -x);
        sum.add(&self.always, -1.0);
        sum
    }
}

/// ln(1 + k u) / k, which is u for k = 0.
pub(super) fn ln_1p_over(k: f64, u: f64) -> f64 {
    let w = k * u;
    if w < 1e-17 { u } else { w.ln_1p() / w * u }
}

/// The first two derivatives of ln(1 + w) / w times w: with f(k) = ln(1 + k u) / k, f' = u^2 `.0` and f'' = u^3 `.1`.
fn slopes(w: f64) -> (f64, f64) {
    if w < 0.05 {
        // The terms (-1)^(n + 1) (n + 1) / (n + 2) w^n of the first, and the derivative.
        let (mut first, mut second) = (0.0, 0.0);
        for n in (0..16).rev() {
            let sign = if n % 2 == 0 { -1.0 } else { 1.0 };
            let n = f64::from(n);
            first = first * w + sign * (n + 1.0) / (n + 2.0);
            second = second * w - sign * (n + 1.0) * (n + 2.0) / (n + 3.0);
        }
        return (first, second);
    }
    let below = 1.0 + w;
    let first = (w / below - w.ln_1p()) / (w * w);
    (first, -(1.0 / (below * below) + 2.0 * first) / w)
}

/// Steps that a customer in a sum is worth to [`Steps`].
const STEPS_PER_CUSTOMER: usize = 64;

/// The log likelihood of customers as a function of the parameters.
pub struct Likelihood<'a> {
    family: Family,
    customers: &'a [(Customer, f64)],
    /// All times, in order.
    times: Vec<f64>,
    /// Per customer the places of t_x and of the age among the times.
    places: Vec<(u32, u32)>,
}

impl<'a> Likelihood<'a> {
    /// Of some customers; equal ones are counted once, with their number.
    pub fn new(family: Family, customers: &'a Customers) -> Self {
        let customers = customers.distinct();
        let mut times: Vec<f64> = customers.iter().flat_map(|(one, _)| [one.t_x, one.age]).collect();
        times.sort_unstable_by(f64::total_cmp);
        times.dedup();
        let place = |time: f64| times.partition_point(|&earlier| earlier < time) as u32;
        let places = customers
            .iter()
            .map(|(one, _)| (place(one.t_x), place(one.age)))
            .collect();
        Self {
            family,
            customers,
            times,
            places,
        }
    }

    /// The log likelihood with its derivatives at (ln rate, rate dispersion, dropout, dropout dispersion).
    pub fn evaluate(&self, place: &[f64; 4]) -> Evaluation<4> {
        let &[ln_rate, k, mean, dispersion] = place;
        let rate = ln_rate.exp();
        let terms: Vec<TimeTerms> = self.times.iter().map(|time| TimeTerms::new(rate * time, k)).collect();
        let mut total = Evaluation::default();
        // What customers with the same x share, built up from one x to the next.
        let (mut chance, mut purchase) = (0.0, 0.0);
        let mut survived = Pair::default();
        let mut counted = Pair::default();
        let mut steps = Steps::default();
        for (&(customer, n), &(bought, known)) in self.customers.iter().zip(&self.places) {
            steps.count(STEPS_PER_CUSTOMER);
            let x = customer.x;
            let last = self.family.chances(x) - 1.0;
            while chance < last {
                survived.add_survival(&Hazard::new(mean, dispersion, chance));
                chance += 1.0;
            }
            while purchase < x {
                let below = 1.0 + purchase * k;
                let slope = purchase / below;
                counted.value += below.ln() + ln_rate;
                counted.gradient[0] += 1.0;
                counted.gradient[1] += slope;
                counted.hessian[1][1] -= slope * slope;
                purchase += 1.0;
            }
            let alive = terms[known as usize].likelihood(x);
            let mut rates = counted;
            if last < 0.0 {
                rates.add(&alive, 1.0);
                add(&mut total, n, &rates, &Pair::default(), &[[0.0; 2]; 2]);
                continue;
            }
            let gone = terms[bought as usize].likelihood(x);
            let mut dropout = survived;
            let cross = mixture(
                &alive,
                &gone,
                &Hazard::new(mean, dispersion, last),
                &mut rates,
                &mut dropout,
            );
            add(&mut total, n, &rates, &dropout, &cross);
        }
        total
    }
}

/// Adds the logarithm of (1 - d) exp(alive) + d exp(gone), its derivatives with respect to the rates to `rates` and
/// those with respect to the dropout to `dropout`; gives the mixed ones.
fn mixture(alive: &Pair, gone: &Pair, hazard: &Hazard, rates: &mut Pair, dropout: &mut Pair) -> [[f64; 2]; 2] {
    let d = hazard.probability;
    let difference = gone.value - alive.value;
    // How much less likely so long a silence of a living customer is; not 0, so that a slope is a number.
    let silence = (-difference).exp().max(1e-100);
    let weight = silence + d * (1.0 - silence);
    rates.value += if d == 0.0 {
        alive.value
    } else {
        gone.value + weight.ln()
    };
    let (p_alive, p_gone) = ((1.0 - d) * silence / weight, d / weight);
    rates.add(&Pair { value: 0.0, ..*alive }, p_alive);
    rates.add(&Pair { value: 0.0, ..*gone }, p_gone);
    let slope = (1.0 - silence) / weight;
    let bend = silence / (weight * weight);
    let apart: [f64; 2] = std::array::from_fn(|i| gone.gradient[i] - alive.gradient[i]);
    let curvature = hazard.hessian();
    let mut cross = [[0.0; 2]; 2];
    for i in 0..2 {
        dropout.gradient[i] += slope * hazard.gradient[i];
        for j in 0..2 {
            rates.hessian[i][j] += p_alive * p_gone * apart[i] * apart[j];
            dropout.hessian[i][j] += slope * curvature[i][j] - slope * slope * hazard.gradient[i] * hazard.gradient[j];
            cross[i][j] = bend * apart[i] * hazard.gradient[j];
        }
    }
    cross
}

/// Adds `n` customers: the first two coordinates are those of `rates`, the other two those of `dropout`.
fn add(total: &mut Evaluation<4>, n: f64, rates: &Pair, dropout: &Pair, cross: &[[f64; 2]; 2]) {
    total.value += n * (rates.value + dropout.value);
    for i in 0..2 {
        total.gradient[i] += n * rates.gradient[i];
        total.gradient[i + 2] += n * dropout.gradient[i];
        for j in 0..2 {
            total.hessian[i][j] += n * rates.hessian[i][j];
            total.hessian[i + 2][j + 2] += n * dropout.hessian[i][j];
            total.hessian[i][j + 2] += n * cross[i][j];
            total.hessian[i + 2][j] += n * cross[j][i];
        }
    }
}
