//! The population under which the purchases of some customers are likeliest.

use super::customers::Customers;
use super::likelihood::Likelihood;
use super::optimum::{Evaluation, Optimum, covariance, maximise};
use super::purchases::{BOUNDS, Family, Purchases};
use crate::error::Error;

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
