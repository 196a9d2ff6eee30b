//! The distributions that an interval or a p value is read from.

use crate::error::Error;
use crate::special::{self, ln_beta_density};
use libm::erfc;
use std::f64::consts::{PI, SQRT_2};

/// The largest parameter of a beta distribution. Above it a DOUBLE does not tell apart the places near its mean.
const LARGEST: f64 = 1e12;

/// Both parameters above this: the density is narrow and smooth, and is integrated.
const NARROW: f64 = 3000.0;

/// Standard deviations after which nothing of a narrow density is left, and the panels that they are cut into.
const REACH: f64 = 12.0;
const N_PANELS: usize = 16;

/// P(Z <= z) of the standard normal distribution.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// The z with P(Z <= z) = p.
///
/// # Errors
/// When `p` is not within 0 and 1.
pub fn normal_quantile(p: f64) -> Result<f64, Error> {
    Ok(match probability(p)? {
        0.0 => f64::NEG_INFINITY,
        0.5 => 0.0,
        1.0 => f64::INFINITY,
        // In the lower half a probability has more digits.
        p if p > 0.5 => -lower_quantile(1.0 - p),
        p => lower_quantile(p),
    })
}

/// A start that is right to three digits (Abramowitz and Stegun 26.2.23), and Halley's method, which triples them.
fn lower_quantile(p: f64) -> f64 {
    let t = (-2.0 * p.ln()).sqrt();
    let above = 2.515517 + t * (0.802853 + t * 0.010328);
    let below = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308));
    let mut z = above / below - t;
    for _ in 0..3 {
        let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
        let step = (normal_cdf(z) - p) / density;
        z -= step / (1.0 + 0.5 * z * step);
    }
    z
}

/// P(X <= x) of the beta distribution, the regularised incomplete beta function.
///
/// # Errors
/// When a parameter is not above 0 and at most 1e12, or `x` is NaN.
pub fn beta_cdf(x: f64, a: f64, b: f64) -> Result<f64, Error> {
    let (a, b) = (parameter("a", a)?, parameter("b", b)?);
    if x.is_nan() {
        return Err(Error::argument("x", x, "a number"));
    }
    Ok(incomplete_beta(x.clamp(0.0, 1.0), a, b))
}

/// The x with P(X <= x) = p of the beta distribution, by halving an interval: no start can be wrong.
///
/// # Errors
/// When a parameter is not above 0 and at most 1e12, or `p` is not within 0 and 1.
pub fn beta_quantile(p: f64, a: f64, b: f64) -> Result<f64, Error> {
    let (p, a, b) = (probability(p)?, parameter("a", a)?, parameter("b", b)?);
    if p == 0.0 || p == 1.0 {
        return Ok(p);
    }
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    // Half-way between the bits of two positive numbers is a middle that tiny ones have as well.
    while let Some(middle) = between(low, high) {
        if incomplete_beta(middle, a, b) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(high)
}

fn between(low: f64, high: f64) -> Option<f64> {
    let (low, high) = (low.to_bits(), high.to_bits());
    (high - low > 1).then(|| f64::from_bits(low + (high - low) / 2))
}

fn probability(p: f64) -> Result<f64, Error> {
    if (0.0..=1.0).contains(&p) {
        Ok(p)
    } else {
        Err(Error::argument("p", p, "0 to 1"))
    }
}

fn parameter(name: &'static str, value: f64) -> Result<f64, Error> {
    if value > 0.0 && value <= LARGEST {
        Ok(value)
    } else {
        Err(Error::argument(name, value, "a number above 0, at most 1e12"))
    }
}

/// `x` within 0 and 1.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if a <= NARROW || b <= NARROW || x == 0.0 || x == 1.0 {
        return special::beta_cdf(a, b, x, 1.0 - x).clamp(0.0, 1.0);
    }
    // Of both tails the smaller one is computed.
    if x <= a / (a + b) {
        integral(x, a, b).clamp(0.0, 1.0)
    } else {
        1.0 - integral(1.0 - x, b, a).clamp(0.0, 1.0)
    }
}

/// The density integrated from [`REACH`] standard deviations below `x` up to `x`, by Gauss and Legendre.
fn integral(x: f64, a: f64, b: f64) -> f64 {
    let n = a + b;
    let deviation = (a / n * (b / n) / (n + 1.0)).sqrt();
    let from = (x - REACH * deviation).max(0.0);
    let width = (x - from) / N_PANELS as f64;
    let density = |t: f64| {
        if t > 0.0 {
            (ln_beta_density(a, b, t, 1.0 - t) - t.ln() - (-t).ln_1p()).exp()
        } else {
            0.0
        }
    };
    // The largest parts last.
    let panels = (0..N_PANELS).map(|panel| {
        let middle = from + (panel as f64 + 0.5) * width;
        let pairs = LEGENDRE.iter().map(|(place, weight)| {
            weight * (density(middle - 0.5 * width * place) + density(middle + 0.5 * width * place))
        });
        pairs.sum::<f64>()
    });
    0.5 * width * panels.sum::<f64>()
}

/// The positive nodes of the eight-point rule and their weights (DLMF 3.5.v).
const LEGENDRE: [(f64, f64); 4] = [
    (0.960_289_856_497_536_2, 0.101_228_536_290_376_26),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assert_near(found: f64, expected: f64, tolerance: f64) {
        assert!(
            (found - expected).abs() <= tolerance * expected.abs(),
            "{found:e}, not {expected:e}"
        );
    }

    /// `scipy.special.ndtr(z)` and `ndtri(p)` of scipy 1.17.1.
    #[test]
    fn normal_agrees_with_scipy() {
        for (z, p) in [
            (-37.0, 5.725_571_222_523_927e-300),
            (-8.0, 6.220_960_574_271_74e-16),
            (0.5, 0.691_462_461_274_013_1),
            (3.0, 0.998_650_101_968_369_9),
        ] {
            assert_near(normal_cdf(z), p, 1e-10);
        }
        for (p, z) in [
            (1e-300, -37.047_096_299_361_2),
            (1e-10, -6.361_340_902_404_056),
            (0.025, -1.959_963_984_540_054_5),
            (0.3, -0.524_400_512_708_040_9),
            (0.975, 1.959_963_984_540_054),
        ] {
            assert_near(normal_quantile(p).unwrap(), z, 1e-14);
        }
    }

    /// `scipy.special.betainc(a, b, x)` of scipy 1.17.1; a beta distribution with equal parameters is symmetric.
    #[test]
    fn beta_agrees_with_scipy() {
        for (x, a, b, p) in [
            (0.3, 2.0, 5.0, 0.579_825_000_000_000_3),
            (0.495, 1e4, 1e4, 0.078_647_008_881_663_1),
            (0.2, 0.5, 0.5, 0.295_167_235_300_866_5),
            (0.9999, 50.0, 0.5, 0.920_540_571_382_63),
            (0.001, 0.5, 500.0, 0.682_689_552_690_282_4),
            (0.7, 3000.0, 1200.0, 0.020_951_213_151_204_594),
            (0.0001, 20.0, 1e5, 0.003_459_757_354_320_651_7),
            (2.9e-6, 2999.0, 1e9, 0.034_242_166_664_467_9),
            (0.49, 2900.0, 3100.0, 0.849_280_718_899_772_7),
            (0.6, 3000.0, 2000.0, 0.499_232_212_054_410_26),
            (1e-200, 0.01, 50.0, 0.010_457_258_260_309_958),
            (1e-5, 0.5, 1e5, 0.842_701_311_838_518_8),
            (0.5, 1e6, 1e6, 0.5),
            (0.5, 1e8, 1e8, 0.5),
        ] {
            assert_near(beta_cdf(x, a, b).unwrap(), p, 5e-9);
        }
    }

    /// `scipy.special.betaincinv(a, b, p)` of scipy 1.17.1.
    #[test]
    fn beta_quantile_agrees_with_scipy() {
        for (p, a, b, x) in [
            (0.025, 23.0, 123.0, 0.103_288_659_098_180_82),
            (0.95, 0.5, 15.0, 0.122_059_401_984_791_91),
            (0.5, 1e6, 2e6, 0.333_333_296_296_291_7),
            (1e-12, 0.5, 0.5, 2.467_401_100_272_34e-24),
        ] {
            assert_near(beta_quantile(p, a, b).unwrap(), x, 1e-11);
        }
        assert_eq!(beta_quantile(0.0, 2.0, 3.0).unwrap(), 0.0);
        assert_eq!(beta_quantile(1.0, 2.0, 3.0).unwrap(), 1.0);
    }

    #[test]
    fn what_is_not_allowed_is_named() {
        assert!(
            normal_quantile(f64::NAN)
                .unwrap_err()
                .to_string()
                .contains("'p' is NaN")
        );
        assert!(
            beta_quantile(1.5, 1.0, 1.0)
                .unwrap_err()
                .to_string()
                .contains("'p' is 1.5")
        );
        assert!(beta_cdf(0.5, 0.0, 1.0).unwrap_err().to_string().contains("'a' is 0"));
        assert!(beta_cdf(0.5, 1.0, 2e12).unwrap_err().to_string().contains("'b' is 2"));
        assert!(
            beta_cdf(f64::NAN, 1.0, 1.0)
                .unwrap_err()
                .to_string()
                .contains("'x' is NaN")
        );
    }

    proptest! {
        /// The parameters' logarithms are drawn, so that all sizes occur.
        #[test]
        fn beta_is_a_distribution(x in 0.0..=1.0, further in 0.0..=1.0, a in -7.0..27.6, b in -7.0..27.6) {
            let (a, b) = (f64::exp(a), f64::exp(b));
            let p = beta_cdf(x, a, b).unwrap();
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!(beta_cdf(x + (1.0 - x) * further, a, b).unwrap() >= p - 1e-6);
            prop_assert!((1.0 - p - beta_cdf(1.0 - x, b, a).unwrap()).abs() < 1e-6);
        }
    }
}
