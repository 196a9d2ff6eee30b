//! The value of a purchase: the Gamma-Gamma model (Fader and Hardie, "The Gamma-Gamma Model of Monetary Value", 2013,
//! <http://www.brucehardie.com/notes/025/>).
//!
//! The values of a customer's purchases are gamma distributed with shape p and a rate of his own, which is gamma
//! distributed over the customers with shape q and rate v. How often somebody buys is taken to tell nothing of the value.

use super::optimum::{Bounds, Evaluation, Optimum, covariance, maximise};
use crate::compute::job::Steps;
use crate::special::{digamma, ln_beta_density, trigamma};
use serde::{Deserialize, Serialize};

/// The three parameters; the mean value of a purchase is p v / (q - 1).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GammaGamma {
    /// The shape of the values of one customer.
    pub p: f64,
    /// The shape of the customers' scales; up to 1 there is no mean.
    pub q: f64,
    /// In the unit of the values.
    pub v: f64,
}

/// A parameter that comes so far stands for its limit: what is expected then differs by a millionth.
const LIMIT: f64 = 0.999e6;

/// Steps that a customer in a sum is worth to [`Steps`].
const STEPS_PER_CUSTOMER: usize = 16;

/// What is searched: the logarithms of p, of q, and of p v / q, the typical value.
const BOUNDS: Bounds<3> = [
    (-13.8, 13.815_510_557_964_274),
    (-13.8, 13.815_510_557_964_274),
    (-600.0, 600.0),
];

impl GammaGamma {
    /// Checks numbers that come from outside.
    ///
    /// # Errors
    /// What is out of range, in words.
    pub fn check(&self) -> Result<(), String> {
        for (name, value) in [("p", self.p), ("q", self.q), ("v", self.v)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(format!("a {name} of {value}"));
            }
        }
        Ok(())
    }

    fn from_place([p, q, typical]: [f64; 3]) -> Self {
        Self {
            p: p.exp(),
            q: q.exp(),
            v: (typical + q - p).exp(),
        }
    }

    /// The expected value of the next purchase of a customer of whose purchases `n` are known, as a multiple of v and the
    /// sum of their values; of somebody without any it is that of all customers. Nothing where the mean is infinite.
    pub fn expected(&self, n: f64) -> Option<f64> {
        let multiple = self.p / (self.p * n + self.q - 1.0);
        (multiple > 0.0 && multiple.is_finite()).then_some(multiple)
    }

    /// What is at a limit, in words.
    pub fn boundaries(&self) -> Vec<&'static str> {
        let found = [
            (self.p >= LIMIT, "all purchases of a customer have the same value"),
            (self.q >= LIMIT, "all customers have the same mean value"),
            (self.q <= 1.0, "the mean value of all customers is infinite"),
        ];
        found
            .into_iter()
            .filter_map(|(holds, words)| holds.then_some(words))
            .collect()
    }
}

/// Customers who bought again, by how often, with the sums of their values in order.
#[derive(Clone, Debug)]
pub struct Values {
    /// How often, and the sum and the number of customers of each different sum.
    groups: Vec<(f64, Vec<(f64, f64)>)>,
}

impl Values {
    /// From the number of repeat purchases, their mean value and the number of such customers. Who bought only once, or
    /// whose mean is not above 0, tells nothing and is left out.
    pub fn new(weighted: impl IntoIterator<Item = (f64, f64, u64)>) -> Self {
        let usable = |&(x, value, n): &(f64, f64, u64)| x > 0.0 && value > 0.0 && value.is_finite() && n > 0;
        let mut known: Vec<_> = weighted.into_iter().filter(usable).collect();
        known.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut groups: Vec<(f64, Vec<(f64, f64)>)> = Vec::new();
        for (x, value, n) in known {
            if groups.last().is_none_or(|(last, _)| *last != x) {
                groups.push((x, Vec::new()));
            }
            let (_, sums) = groups.last_mut().expect("a group was added above");
            match sums.last_mut() {
                Some((sum, count)) if *sum == x * value => *count += n as f64,
                _ => sums.push((x * value, n as f64)),
            }
        }
        Self { groups }
    }

    /// How many customers tell something.
    pub fn count(&self) -> f64 {
        self.all().map(|(_, _, n)| n).sum()
    }

    fn all(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        self.groups
            .iter()
            .flat_map(|(x, sums)| sums.iter().map(|&(sum, n)| (*x, sum, n)))
    }

    fn n_distinct(&self) -> usize {
        self.groups.iter().map(|(_, sums)| sums.len()).sum()
    }

    fn thinned(&self, n: usize) -> Self {
        let every = self.n_distinct().div_ceil(n).max(1);
        let some = self.all().skip(every / 2).step_by(every);
        Self::new(some.map(|(x, sum, n)| (x, sum / x, n as u64)))
    }

    /// The log likelihood of the mean values with its derivatives at (ln p, ln q, ln (p v / q)).
    pub fn evaluate(&self, place: &[f64; 3]) -> Evaluation<3> {
        let GammaGamma { p, q, v } = GammaGamma::from_place(*place);
        let (psi_q, psi_q_slope) = (digamma(q), trigamma(q));
        let mut total = Evaluation::default();
        let mut steps = Steps::default();
        for (x, sums) in &self.groups {
            let a = p * x;
            let (both, both_slope) = (digamma(a + q), trigamma(a + q));
            let (psi_a, psi_a_slope) = (digamma(a), trigamma(a));
            for &(sum, n) in sums {
                steps.count(STEPS_PER_CUSTOMER);
                let (own, prior) = (sum / (sum + v), v / (sum + v));
                // With respect to a, q and ln v.
                let slope = [both - psi_a + own.ln(), both - psi_q + prior.ln(), q * own - a * prior];
                let curvature = [
                    [both_slope - psi_a_slope, both_slope, -prior],
                    [both_slope, both_slope - psi_q_slope, own],
                    [-prior, own, -(a + q) * own * prior],
                ];
                // ln v is place 3 and place 2 less place 1.
                let through = [[a, 0.0, 0.0], [0.0, q, 0.0], [-1.0, 1.0, 1.0]];
                total.value += n * (ln_beta_density(a, q, sum, v) - (sum / x).ln());
                for i in 0..3 {
                    total.gradient[i] += n * (0..3).map(|s| slope[s] * through[s][i]).sum::<f64>();
                    for j in 0..3 {
                        let bent: f64 = (0..3)
                            .flat_map(|s| (0..3).map(move |t| (s, t)))
                            .map(|(s, t)| through[s][i] * curvature[s][t] * through[t][j])
                            .sum();
                        total.hessian[i][j] += n * bent;
                    }
                }
                total.hessian[0][0] += n * slope[0] * a;
                total.hessian[1][1] += n * slope[1] * q;
            }
        }
        total
    }
}

/// What a fit found.
#[derive(Clone, Debug)]
pub struct GammaGammaFit {
    /// The parameters.
    pub values: GammaGamma,
    /// Standard errors of p, q and v; NaN where one is at a limit or the data do not tell.
    pub errors: [f64; 3],
    /// At the parameters, in nats.
    pub log_likelihood: f64,
    /// Customers with a value.
    pub n: f64,
    /// Whether the search ended where nothing is gained any more.
    pub converged: bool,
}

/// Customers among which a search begins.
const FEW: usize = 4096;

/// Fits by maximum likelihood; nothing where nobody bought again for more than 0.
pub fn fit(values: &Values) -> Option<GammaGammaFit> {
    let n = values.count();
    if n == 0.0 {
        return None;
    }
    // The largest in every size of money, of which the sums of squares would be too large.
    let typical = values.all().map(|(x, sum, n)| n * (sum / x).ln()).sum::<f64>() / n;
    let few = values.thinned(FEW);
    let climb = |values: &Values, start: [f64; 3]| maximise(|at| values.evaluate(at), start, &BOUNDS);
    let starts = [[1.5, 1.5], [0.0, 1.0], [3.0, 3.0]].map(|[p, q]| [p, q, typical.clamp(-500.0, 500.0)]);
    let best = starts
        .map(|start| climb(&few, start))
        .into_iter()
        .reduce(|best, other| {
            let more = other.evaluation.value - best.evaluation.value;
            if more > 1e-9 * best.evaluation.value.abs() {
                other
            } else {
                best
            }
        })?;
    let inner = best.at.map(|coordinate| coordinate.min(10.0));
    let found = if values.n_distinct() > FEW {
        climb(values, inner)
    } else {
        best
    };
    Some(GammaGammaFit {
        values: GammaGamma::from_place(found.at),
        errors: errors(&found),
        log_likelihood: found.evaluation.value,
        n,
        converged: found.converged,
    })
}

/// The standard errors of p, q and v by the delta method.
fn errors(found: &Optimum<3>) -> [f64; 3] {
    let at = &found.at;
    let within: [bool; 3] = std::array::from_fn(|i| at[i] > BOUNDS[i].0 && at[i] < BOUNDS[i].1);
    let Some(covariance) = covariance(&found.evaluation.hessian, &within) else {
        return [f64::NAN; 3];
    };
    let GammaGamma { p, q, v } = GammaGamma::from_place(*at);
    [(p, [1.0, 0.0, 0.0]), (q, [0.0, 1.0, 0.0]), (v, [-1.0, 1.0, 1.0])].map(|(value, slope)| {
        if (0..3).any(|i| slope[i] != 0.0 && !within[i]) {
            return f64::NAN;
        }
        let variance: f64 = (0..3)
            .map(|i| (0..3).map(|j| slope[i] * covariance[i][j] * slope[j]).sum::<f64>())
            .sum();
        value * variance.sqrt()
    })
}
