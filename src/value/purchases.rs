//! How often the customers of a shop buy, and when they stop.
//!
//! While alive a customer buys at a rate of his own, gamma distributed over the customers, and after each purchase
//! he stops for good with a probability of his own, beta distributed: BG/NBD (Fader, Hardie and Lee, "Counting Your
//! Customers the Easy Way", Marketing Science 24 (2), 2005), where the first purchase is the one after which nobody
//! stops, and MBG/NBD (Batislam, Denizel and Filiztekin, International Journal of Research in Marketing 24 (3),
//! 2007), where one may.
//!
//! The published parameters r, alpha, a, b run to infinity or to 0 where customers do not differ, or nobody stops.
//! Here the same distributions have parameters with limits that can be computed with ([`Purchases`]), so that a
//! maximum on a boundary is found on it.

use super::customers::{Customer, Customers};
use super::optimum::{Bounds, Evaluation, Optimum, covariance, maximise};
use crate::compute::job::Steps;
use crate::error::Error;
use serde::{Deserialize, Serialize};

/// Whether a customer may stop after the first purchase.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// After a repeat purchase only (Fader, Hardie and Lee, 2005).
    BgNbd,
    /// After the first one too (Batislam, Denizel and Filiztekin, 2007).
    MbgNbd,
}

impl Family {
    /// The name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::BgNbd => "bgnbd",
            Self::MbgNbd => "mbgnbd",
        }
    }

    /// How many chances to stop come before the first repeat purchase.
    fn first_chances(self) -> f64 {
        match self {
            Self::BgNbd => 0.0,
            Self::MbgNbd => 1.0,
        }
    }

    /// How often a customer with `x` repeat purchases could have stopped.
    pub(super) fn chances(self, x: f64) -> f64 {
        x + self.first_chances()
    }
}

/// The rates and the dropout of a population.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Purchases {
    /// When they may stop.
    pub family: Family,
    /// The mean rate of purchases while alive, per unit of time: r / alpha. 0 where nobody bought again.
    pub rate: f64,
    /// The variance of the rates over their squared mean: 1 / r. 0 where all customers have the same.
    pub rate_dispersion: f64,
    /// The mean probability to stop after a purchase: a / (a + b). 0 where nobody stops.
    pub dropout: f64,
    /// The variance of the probabilities over the most that it can be, dropout (1 - dropout): 1 / (a + b + 1).
    /// 0 where all customers have the same, 1 where each has 0 or 1.
    pub dropout_dispersion: f64,
}

/// What is searched: the logarithm of the rate, and the other three as they are.
const BOUNDS: Bounds<4> = [(-600.0, 600.0), (0.0, 1e9), (0.0, 1.0), (0.0, 1.0)];

impl Purchases {
    /// Checks numbers that come from outside.
    ///
    /// # Errors
    /// What is out of range, in words.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: f64, most: f64| {
            if (0.0..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!("a {name} of {value}"))
            }
        };
        within("rate", self.rate, 1e300)?;
        within("rate_dispersion", self.rate_dispersion, BOUNDS[1].1)?;
        within("dropout", self.dropout, 1.0)?;
        within("dropout_dispersion", self.dropout_dispersion, 1.0)
    }

    fn from_place(family: Family, [rate, rate_dispersion, dropout, dropout_dispersion]: [f64; 4]) -> Self {
        Self {
            family,
            rate: rate.exp(),
            rate_dispersion,
            dropout,
            // Where nobody stops there is nothing to differ in.
            dropout_dispersion: if dropout == 0.0 { 0.0 } else { dropout_dispersion },
        }
    }

    /// The shape of the gamma distribution; infinite where all rates are the same.
    pub fn r(&self) -> f64 {
        1.0 / self.rate_dispersion
    }

    /// Its rate parameter, in units of time.
    pub fn alpha(&self) -> f64 {
        1.0 / (self.rate_dispersion * self.rate)
    }

    /// The first parameter of the beta distribution.
    pub fn a(&self) -> f64 {
        if self.dropout == 0.0 {
            return 0.0;
        }
        self.dropout * (1.0 - self.dropout_dispersion) / self.dropout_dispersion
    }

    /// The second parameter of the beta distribution; NaN where nobody stops, since any will do.
    pub fn b(&self) -> f64 {
        if self.dropout == 0.0 {
            return f64::NAN;
        }
        (1.0 - self.dropout) * (1.0 - self.dropout_dispersion) / self.dropout_dispersion
    }

    /// What is at a limit, in words; empty for a maximum within the bounds.
    pub fn boundaries(&self) -> Vec<&'static str> {
        let found = [
            (self.rate == 0.0, "nobody bought again"),
            (
                self.rate > 0.0 && self.rate_dispersion == 0.0,
                "all customers have the same rate",
            ),
            (self.rate > 0.0 && self.dropout == 0.0, "nobody stops"),
            (self.dropout == 1.0, "everybody stops after the first chance"),
            (
                self.dropout > 0.0 && self.dropout_dispersion == 0.0,
                "all customers stop with the same probability",
            ),
            (self.dropout_dispersion == 1.0, "each customer stops at once or never"),
        ];
        found
            .into_iter()
            .filter_map(|(holds, words)| holds.then_some(words))
            .collect()
    }

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

/// What a fit found.
#[derive(Clone, Debug)]
pub struct PurchasesFit {
    /// The parameters.
    pub purchases: Purchases,
    /// Standard errors of r, alpha, a and b; NaN where one is at a limit or the data do not tell.
    pub errors: [f64; 4],
    /// At the parameters, in nats.
    pub log_likelihood: f64,
    /// Customers.
    pub n: f64,
    /// Those with a repeat purchase.
    pub n_repeat: f64,
    /// Whether the search ended where nothing is gained any more.
    pub converged: bool,
}

/// Which family is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This one.
    Only(Family),
    /// BG/NBD; where its maximum is on a boundary MBG/NBD, if that is more likely.
    Auto,
}

impl Choice {
    /// The choice with a name in SQL.
    ///
    /// # Errors
    /// Another name.
    pub fn parse(name: &str) -> Result<Self, Error> {
        match name {
            "auto" => Ok(Self::Auto),
            "bgnbd" => Ok(Self::Only(Family::BgNbd)),
            "mbgnbd" => Ok(Self::Only(Family::MbgNbd)),
            _ => Err(Error::argument(
                "family",
                format!("'{name}'"),
                "'auto', 'bgnbd', 'mbgnbd'",
            )),
        }
    }
}

/// Fits by maximum likelihood; nothing for no customers.
pub fn fit(customers: &Customers, choice: Choice) -> Option<PurchasesFit> {
    if customers.distinct().is_empty() {
        return None;
    }
    let first = match choice {
        Choice::Only(family) => return Some(fit_family(customers, family)),
        Choice::Auto => fit_family(customers, Family::BgNbd),
    };
    if first.purchases.boundaries().is_empty() || first.purchases.rate == 0.0 {
        return Some(first);
    }
    let other = fit_family(customers, Family::MbgNbd);
    // Where nobody stops the two are one.
    let is_more_likely = other.log_likelihood - first.log_likelihood > INDISTINCT;
    Some(if is_more_likely { other } else { first })
}

/// A difference of log likelihoods that no data tell from none: 1.05 times as likely.
const INDISTINCT: f64 = 0.05;
/// Different customers among which a search begins, and how many times more each stage takes.
const FEW: usize = 4096;
const MORE: usize = 16;
/// Steps that a customer in a sum is worth to [`Steps`].
const STEPS_PER_CUSTOMER: usize = 64;
/// Starts that are climbed from.
const N_CLIMBS: usize = 3;

fn fit_family(customers: &Customers, family: Family) -> PurchasesFit {
    let (n, n_repeat) = (customers.count(), customers.n_repeat());
    let (bought, time) = (customers.sum(|one| one.x), customers.sum(|one| one.age));
    if bought == 0.0 {
        // Any rate above 0 makes so much silence less likely.
        return PurchasesFit {
            purchases: Purchases {
                family,
                rate: 0.0,
                rate_dispersion: 0.0,
                dropout: 0.0,
                dropout_dispersion: 0.0,
            },
            errors: [f64::NAN; 4],
            log_likelihood: 0.0,
            n,
            n_repeat,
            converged: true,
        };
    }
    let mut size = FEW;
    let mut best = begin(family, &customers.thinned(size), (bought / time).ln());
    while size < customers.distinct().len() {
        size = size.saturating_mul(MORE);
        let some = customers.thinned(size);
        let likelihood = Likelihood::new(family, &some);
        best = maximise(|at| likelihood.evaluate(at), inner(best.at), &BOUNDS);
    }
    let likelihood = Likelihood::new(family, customers);
    let best = at_limits(|at| likelihood.evaluate(at), best);
    PurchasesFit {
        purchases: Purchases::from_place(family, best.at),
        errors: errors(&best),
        log_likelihood: best.evaluation.value,
        n,
        n_repeat,
        converged: best.converged,
    }
}

/// The maximum, or the limit near it that the data do not tell from it: the parameters beside a limit would be noise.
fn at_limits(evaluate: impl Fn(&[f64; 4]) -> Evaluation<4>, mut best: Optimum<4>) -> Optimum<4> {
    let most = best.evaluation.value;
    let mut bounds = BOUNDS;
    for (index, limit) in [(2, 0.0), (3, 0.0), (3, 1.0), (1, 0.0)] {
        if best.at[index] == limit || !is_near(&best, index, limit) {
            continue;
        }
        let mut narrowed = bounds;
        narrowed[index] = (limit, limit);
        let mut start = best.at;
        start[index] = limit;
        let other = maximise(&evaluate, start, &narrowed);
        if other.evaluation.value > most - INDISTINCT {
            (best, bounds) = (other, narrowed);
        }
    }
    best
}

/// Whether a limit is within two standard errors, or the errors are not known.
fn is_near(found: &Optimum<4>, index: usize, limit: f64) -> bool {
    covariance(&found.evaluation.hessian, &within(found))
        .is_none_or(|covariance| (found.at[index] - limit).powi(2) < 4.0 * covariance[index][index])
}

/// A little away from the bounds, so that a search among more customers is not held by those of fewer.
fn inner(at: [f64; 4]) -> [f64; 4] {
    [at[0], at[1].max(1e-3), at[2].clamp(1e-3, 0.99), at[3].clamp(1e-3, 0.99)]
}

/// The best of a few climbs.
fn begin(family: Family, customers: &Customers, ln_rate: f64) -> Optimum<4> {
    let likelihood = Likelihood::new(family, customers);
    let evaluate = |at: &[f64; 4]| likelihood.evaluate(at);
    let mut starts = Vec::new();
    for rate in [0.0, 1.0] {
        for rate_dispersion in [0.3, 3.0] {
            for dropout in [0.03, 0.3] {
                for dropout_dispersion in [0.05, 0.5] {
                    let at = [
                        (ln_rate + rate).clamp(-500.0, 500.0),
                        rate_dispersion,
                        dropout,
                        dropout_dispersion,
                    ];
                    starts.push((evaluate(&at).value, at));
                }
            }
        }
    }
    starts.sort_by(|a, b| b.0.total_cmp(&a.0));
    let climbs = starts
        .iter()
        .take(N_CLIMBS)
        .map(|(_, at)| maximise(evaluate, *at, &BOUNDS));
    let better = |best: Optimum<4>, other: Optimum<4>| {
        // The first of those that are the same but for rounding.
        let more = other.evaluation.value - best.evaluation.value;
        if more > 1e-9 * best.evaluation.value.abs() {
            other
        } else {
            best
        }
    };
    climbs
        .reduce(better)
        .unwrap_or_else(|| maximise(evaluate, starts[0].1, &BOUNDS))
}

/// Which coordinates are within their bounds, and known.
fn within(found: &Optimum<4>) -> [bool; 4] {
    std::array::from_fn(|i| {
        let is_known = found.evaluation.hessian[i][i] != 0.0;
        found.at[i] > BOUNDS[i].0 && found.at[i] < BOUNDS[i].1 && is_known
    })
}

/// The standard errors of r, alpha, a and b by the delta method, from the curvature within the bounds.
fn errors(found: &Optimum<4>) -> [f64; 4] {
    let at = &found.at;
    let within = within(found);
    let Some(covariance) = covariance(&found.evaluation.hessian, &within) else {
        return [f64::NAN; 4];
    };
    let purchases = Purchases::from_place(Family::BgNbd, *at);
    let [_, k, mean, dispersion] = *at;
    // The derivatives of ln r, ln alpha, ln a, ln b, and the coordinates that each depends on.
    let spread = -1.0 / (dispersion * (1.0 - dispersion));
    let slopes = [
        (purchases.r(), [0.0, -1.0 / k, 0.0, 0.0]),
        (purchases.alpha(), [-1.0, -1.0 / k, 0.0, 0.0]),
        (purchases.a(), [0.0, 0.0, 1.0 / mean, spread]),
        (purchases.b(), [0.0, 0.0, -1.0 / (1.0 - mean), spread]),
    ];
    slopes.map(|(value, slope)| {
        if (0..4).any(|i| slope[i] != 0.0 && !within[i]) {
            return f64::NAN;
        }
        let variance: f64 = (0..4)
            .flat_map(|i| (0..4).map(move |j| (i, j)))
            .filter(|&(i, j)| within[i] && within[j])
            .map(|(i, j)| slope[i] * covariance[i][j] * slope[j])
            .sum();
        value * variance.sqrt()
    })
}
