//! Special functions of positive arguments.
//!
//! Below [`LARGE`] an argument is moved up by the recurrence of its function, above it Stirling's series
//! has the accuracy of a DOUBLE (Abramowitz and Stegun 1964, 6.1.41, 6.3.18, 6.4.12).

/// Where Stirling's series begins.
const LARGE: f64 = 12.0;
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

/// What Stirling's series adds to (x - 1/2) ln x - x + ln(2 pi) / 2, for an argument from [`LARGE`] on.
fn stirling(x: f64) -> f64 {
    let y = 1.0 / (x * x);
    let terms = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| sum * y + term) / x
}

/// The logarithm of the gamma function, less (x - 1/2) ln x - x + ln(2 pi) / 2.
fn correction(x: f64) -> f64 {
    if x >= LARGE {
        return stirling(x);
    }
    ln_gamma(x) - ((x - 0.5) * x.ln() - x + HALF_LN_TAU)
}

/// The logarithm of the gamma function.
pub fn ln_gamma(mut x: f64) -> f64 {
    let mut product = 1.0;
    while x < LARGE {
        product *= x;
        x += 1.0;
    }
    (x - 0.5) * x.ln() - x + HALF_LN_TAU + stirling(x) - product.ln()
}

/// The derivative of [`ln_gamma`].
pub fn digamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < LARGE {
        below += 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let terms = [
        1.0 / 12.0,
        -1.0 / 120.0,
        1.0 / 252.0,
        -1.0 / 240.0,
        1.0 / 132.0,
        -691.0 / 32_760.0,
        1.0 / 12.0,
    ];
    x.ln() - 0.5 / x - y * terms.iter().rev().fold(0.0, |sum, term| sum * y + term) - below
}

/// The derivative of [`digamma`].
pub fn trigamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < LARGE {
        below += 1.0 / (x * x);
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let terms = [
        1.0 / 6.0,
        -1.0 / 30.0,
        1.0 / 42.0,
        -1.0 / 30.0,
        5.0 / 66.0,
        -691.0 / 2730.0,
        7.0 / 6.0,
    ];
    1.0 / x + 0.5 * y + y / x * terms.iter().rev().fold(0.0, |sum, term| sum * y + term) + below
}

/// The logarithm of s^a v^b / ((s + v)^(a + b) B(a, b)): the density of ln(s / v) where s / (s + v) is
/// beta distributed. The terms of size a and b cancel before they are added, so it is exact for large ones.
pub fn ln_beta_density(a: f64, b: f64, s: f64, v: f64) -> f64 {
    let excess = s * b - v * a;
    let share = |part: f64, other: f64, power: f64, sign: f64| {
        let ratio = sign * excess / (power * (s + v));
        // Far from 1 the logarithm of the ratio itself is as good, and cannot be off by what 1 + ratio loses.
        if ratio < -0.5 {
            power * ((part / (part + other)) / (power / (a + b))).ln()
        } else {
            power * ratio.ln_1p()
        }
    };
    let spread = 0.5 * (a.ln() + b.ln() - (a + b).ln()) - HALF_LN_TAU;
    share(s, v, a, 1.0) + share(v, s, b, -1.0) + spread + correction(a + b) - correction(a) - correction(b)
}

/// The probability that a beta distributed number is at most x / (x + y), for x and y from 0 on
/// (continued fraction of DiDonato and Morris, "Significant digit computation of the incomplete beta
/// function ratios", ACM TOMS 18, 1992).
pub fn beta_cdf(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    // On its own side of the mean the fraction converges soon.
    if x * b > y * a {
        return 1.0 - beta_cdf_below(b, a, y / (x + y), x / (x + y), ln_beta_density(b, a, y, x));
    }
    beta_cdf_below(a, b, x / (x + y), y / (x + y), ln_beta_density(a, b, x, y))
}

fn beta_cdf_below(a: f64, b: f64, x: f64, y: f64, ln_density: f64) -> f64 {
    let lambda = a - (a + b) * x;
    let factor = ln_density.exp();
    if factor == 0.0 {
        return 0.0;
    }
    // Lentz's way to evaluate the fraction (Numerical Recipes, section 5.2).
    let mut n = 0.0_f64;
    let mut denominator = beta_term(a, b, x, y, lambda, n).1;
    let (mut c, mut d) = (denominator, 0.0);
    for _ in 0..10_000 {
        n += 1.0;
        let (alpha, beta) = beta_term(a, b, x, y, lambda, n);
        d = 1.0 / (beta + alpha * d);
        c = beta + alpha / c;
        let change = c * d;
        denominator *= change;
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    (factor / denominator).min(1.0)
}

/// The numerator and the denominator of place n in the continued fraction.
fn beta_term(a: f64, b: f64, x: f64, y: f64, lambda: f64, n: f64) -> (f64, f64) {
    let odd = a + 2.0 * n - 1.0;
    let alpha = if n == 0.0 {
        1.0
    } else {
        (a + n - 1.0) * (a + b + n - 1.0) * n * (b - n) * x * x / (odd * odd)
    };
    let beta = if n == 0.0 {
        a * (lambda + 1.0) / (a + 1.0)
    } else {
        n + n * (b - n) * x / odd + (a + n) * (lambda + 1.0 + n * (1.0 + y)) / (odd + 2.0)
    };
    (alpha, beta)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 2e-13 * expected.abs().max(1.0),
            "{found} and {expected}"
        );
    }

    // From mpmath 1.3.0: loggamma(x), digamma(x), psi(1, x).
    #[test]
    fn agrees_with_mpmath() {
        for (x, ln, first, second) in [
            (1e-05, 11.512919692895826, -100000.57719921567, 10000000001.644909),
            (0.1, 2.252712651734206, -10.423754940411076, 101.43329915079275),
            (0.2426, 1.3197854750907922, -4.358361853222514, 18.198210324240314),
            (1.0, 0.0, -0.5772156649015329, 1.6449340668482264),
            (1.5, -0.12078223763524522, 0.03648997397857652, 0.9348022005446793),
            (6.25, 5.219603986990229, 1.750453526883736, 0.17347923315893218),
            (11.9, 17.25847745059552, 2.4339335368825377, 0.08766320119000419),
            (12.0, 17.502307845873887, 2.442661679975812, 0.08690187287176838),
            (37.5, 97.52177522288821, 3.6109483445963386, 0.027025382266785015),
            (1000.0, 5905.220423209181, 6.907255195648812, 0.0010005001666666333),
            (
                1000000.0,
                12815504.569147611,
                13.815510057964191,
                1.0000005000001667e-06,
            ),
        ] {
            close(ln_gamma(x), ln);
            close(digamma(x), first);
            close(trigamma(x), second);
        }
    }

    // From mpmath 1.3.0 with 50 digits: betainc(a, b, 0, x / (x + y), regularized=True).
    #[test]
    fn the_beta_distribution_agrees_with_mpmath() {
        for (a, b, x, y, expected) in [
            (6.25, 3.74, 20.0, 15.45, 0.3300433641802571),
            (18.75, 10.0, 100.0, 30.0, 0.9141952882047385),
            (0.3, 0.4, 1.0, 9.0, 0.3315413600511184),
            (2.0, 1000.0, 1.0, 300.0, 0.8449506582595573),
            (50.0, 3.5, 20.0, 1.0, 0.6600116502037257),
            (90.0, 80.0, 1.2, 1.0, 0.6613228960615067),
            (0.01, 5.0, 1.0, 1000.0, 0.9527863944978217),
        ] {
            close(beta_cdf(a, b, x, y), expected);
            close(beta_cdf(b, a, y, x), 1.0 - expected);
        }
    }

    // From mpmath 1.3.0 with 50 digits: log(u^a (1 - u)^b / beta(a, b)), u = s / (s + v).
    #[test]
    fn the_density_is_exact_for_large_numbers() {
        for (a, b, s, v, expected) in [
            (6.25, 3.74, 20.0, 15.45, -0.5988611748211102),
            (1000000.0, 1000000.0, 1.001, 1.0, 5.392492811934885),
            (1000000.0, 3.5, 1000000.0, 3.3, -0.3222466926908498),
            (0.001, 2.0, 0.1, 10.0, -6.931271560872231),
            (400000000.0, 2.0, 1000000000.0, 7.5, -0.8027754239137807),
        ] {
            close(ln_beta_density(a, b, s, v), expected);
        }
    }
}
