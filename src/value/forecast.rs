//! What is to be expected of one customer, from his history and the parameters of all.
//!
//! Of a living customer rate and dropout are independent, given what he has done, so the probability of at least n more
//! purchases is that of a negative binomial number of at least n, times that of not stopping at n - 1 chances. The sum
//! of these over n is the expected number (Fader, Hardie and Lee 2005, eq. 10), in positive terms that no limit of the
//! parameters spoils.

use super::customers::Customer;
use super::gamma_gamma::GammaGamma;
use super::likelihood::ln_1p_over;
use super::purchases::Purchases;
use crate::error::Error;
use crate::special::beta_cdf;

/// Terms that a sum may have: more than a purchase a day for a century.
const MOST_TERMS: usize = 100_000;
/// Numbers of purchases that are told apart where their values are added up. Neighbours share one beyond it, so that the
/// end of an interval takes milliseconds for any number of purchases, and moves by less than a thousandth.
const MOST_COUNTS: usize = 128;
/// The longest time ahead, in the unit of the parameters.
const LONGEST: f64 = 1e9;

/// The purchases of one customer in a time to come.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// The probability that he has not stopped.
    pub alive: f64,
    /// The expected number of purchases.
    pub expected: f64,
    /// The probability of at least n purchases, from n = 1 on.
    at_least: Vec<f64>,
}

impl Outlook {
    /// What is expected of a customer in the `time` after his age.
    ///
    /// # Errors
    /// [`Error::Argument`] for a time that is negative, not finite, or so long that the purchases are beyond counting.
    pub fn new(purchases: &Purchases, customer: &Customer, time: f64) -> Result<Self, Error> {
        if !(0.0..=LONGEST).contains(&time) {
            let allowed = "a time from 0 to 1e9 units of the model";
            return Err(Error::argument("horizon", time, allowed));
        }
        let alive = alive(purchases, customer);
        let Some(at_least) = at_least(purchases, customer, time, alive) else {
            let allowed = format!("times in which a customer is not expected to make {MOST_TERMS} purchases or more");
            return Err(Error::argument("horizon", time, allowed));
        };
        Ok(Self {
            alive,
            // The small ones first.
            expected: at_least.iter().rev().fold(0.0, |sum, probability| sum + probability),
            at_least,
        })
    }

    /// The least number of purchases that is not exceeded with the `probability`.
    pub fn purchases(&self, probability: f64) -> usize {
        self.at_least.partition_point(|&more| more > 1.0 - probability)
    }

    /// The least value that all purchases together do not exceed with the `probability`, after `n` purchases of known
    /// value: as a multiple of v and the sum of those values. 0 where no purchase is so likely.
    pub fn value(&self, values: &GammaGamma, n: f64, probability: f64) -> f64 {
        let none = 1.0 - self.at_least.first().unwrap_or(&0.0);
        if none >= probability {
            return 0.0;
        }
        let shape = values.p * n + values.q;
        let exactly = self.exactly();
        // Of those who buy at all.
        let wanted = (probability - none) / (1.0 - none);
        let below = |ln_odds: f64| {
            let odds = ln_odds.exp();
            let several = exactly
                .iter()
                .map(|&(count, probability)| probability * beta_cdf(values.p * count, shape, odds, 1.0));
            several.sum::<f64>() / (1.0 - none)
        };
        crossing(below, wanted, (values.p * self.expected.max(1.0) / shape).ln()).exp()
    }

    /// Numbers of purchases from 1 on with their probabilities, without those that are of no account; if there are more
    /// than [`MOST_COUNTS`], as many neighbours in one, at their mean.
    fn exactly(&self) -> Vec<(f64, f64)> {
        let following = self.at_least.iter().skip(1).chain(std::iter::once(&0.0));
        let exactly = self.at_least.iter().zip(following).map(|(this, next)| this - next);
        let counted = exactly
            .enumerate()
            .map(|(n, probability)| (n as f64 + 1.0, probability));
        let counted: Vec<_> = counted.filter(|&(_, probability)| probability > 1e-8).collect();
        let merged = |several: &[(f64, f64)]| {
            let probability: f64 = several.iter().map(|(_, probability)| probability).sum();
            let weighted = several.iter().map(|(count, probability)| count * probability);
            (weighted.sum::<f64>() / probability, probability)
        };
        match counted.len().div_ceil(MOST_COUNTS) {
            0 | 1 => counted,
            neighbours => counted.chunks(neighbours).map(merged).collect(),
        }
    }
}

/// Where a distribution function reaches a `probability`, to six digits of it: secants between the logarithms of odds,
/// in which such functions are nearly straight, and halves where they lead out of what is known.
fn crossing(function: impl Fn(f64) -> f64, probability: f64, start: f64) -> f64 {
    let ln_odds = |share: f64| (share.max(1e-300) / (1.0 - share).max(1e-300)).ln();
    let wanted = ln_odds(probability);
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let mut before: Option<(f64, f64)> = None;
    let mut place = start;
    for _ in 0..100 {
        let reached = function(place);
        if (reached - probability).abs() < 1e-6 || high - low < 1e-12 {
            break;
        }
        if reached < probability {
            low = place;
        } else {
            high = place;
        }
        let off = ln_odds(reached) - wanted;
        let slope = before.map_or(1.0, |(other, other_off)| (off - other_off) / (place - other));
        let next = place - (off / slope).clamp(-4.0, 4.0);
        before = Some((place, off));
        place = match (next > low && next < high, low.is_finite() && high.is_finite()) {
            (true, _) => next,
            (false, true) => 0.5 * (low + high),
            (false, false) => place + if reached < probability { 2.0 } else { -2.0 },
        };
    }
    place
}

/// The probability that a customer has not stopped.
fn alive(purchases: &Purchases, customer: &Customer) -> f64 {
    let chances = purchases.family.chances(customer.x);
    if chances == 0.0 || purchases.rate == 0.0 {
        return 1.0;
    }
    let d = purchases.hazard(chances - 1.0);
    let (k, rate) = (purchases.rate_dispersion, purchases.rate);
    let terms = |time: f64| customer.x * (k * rate * time).ln_1p() + ln_1p_over(k, rate * time);
    let silence = (terms(customer.t_x) - terms(customer.age)).exp();
    if d == 0.0 {
        return 1.0;
    }
    (1.0 - d) * silence / (silence + d * (1.0 - silence))
}

/// The probabilities of at least 1, 2, ... purchases, until they no longer count. Nothing if there are more than
/// [`MOST_TERMS`].
fn at_least(purchases: &Purchases, customer: &Customer, time: f64, alive: f64) -> Option<Vec<f64>> {
    let (k, rate) = (purchases.rate_dispersion, purchases.rate);
    let shape = 1.0 + k * customer.x;
    // Time in multiples of the mean time between purchases that is expected of this customer, over the shape.
    let u = rate * time / (1.0 + k * rate * customer.age);
    let mut ln_exactly = -shape * ln_1p_over(k, u);
    let mut more = -ln_exactly.exp_m1();
    let mut not_stopped = alive;
    let ratio = u / (1.0 + k * u);
    let enough = 1e-16 * more;
    let mut probabilities = Vec::new();
    for n in 0..MOST_TERMS {
        if more <= 0.0 {
            return Some(probabilities);
        }
        probabilities.push(not_stopped * more);
        let n = n as f64;
        not_stopped *= 1.0 - purchases.hazard(purchases.family.chances(customer.x) + n);
        let step = (shape + k * n) / (n + 1.0) * ratio;
        ln_exactly += step.ln();
        let exactly = ln_exactly.exp();
        more -= exactly;
        // From here on no number is more than so many times as likely as the one before; what is left of the difference
        // may be rounding alone.
        let most = step.max(k * ratio);
        if most < 1.0 && exactly * most / (1.0 - most) <= enough {
            return Some(probabilities);
        }
    }
    None
}
