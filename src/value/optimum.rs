//! The maximum of a smooth function within bounds.
//!
//! Newton's steps, damped as Levenberg and Marquardt do and cut off at the bounds; a coordinate at a bound stays
//! there while the function rises outwards (projected Newton method: Bertsekas, "Projected Newton Methods for
//! Optimization Problems with Simple Constraints", SIAM J. Control Optim. 20, 1982). A maximum on a bound is found
//! on it, and not far out on the way to infinity.

/// A function's value and derivatives at a place.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation<const N: usize> {
    pub value: f64,
    pub gradient: [f64; N],
    /// The upper triangle is used.
    pub hessian: [[f64; N]; N],
}

impl<const N: usize> Default for Evaluation<N> {
    fn default() -> Self {
        Self {
            value: 0.0,
            gradient: [0.0; N],
            hessian: [[0.0; N]; N],
        }
    }
}

impl<const N: usize> Evaluation<N> {
    fn is_finite(&self) -> bool {
        self.value.is_finite()
            && self.gradient.iter().all(|slope| slope.is_finite())
            && self.hessian.iter().flatten().all(|curvature| curvature.is_finite())
    }
}

/// Where the maximum is.
#[derive(Clone, Copy, Debug)]
pub struct Optimum<const N: usize> {
    pub at: [f64; N],
    pub evaluation: Evaluation<N>,
    /// Whether no coordinate can move by more than a tiny part of its standard error.
    pub converged: bool,
}

/// The least and the greatest value of each coordinate.
pub type Bounds<const N: usize> = [(f64, f64); N];

const MOST_STEPS: usize = 100;
/// How far from the maximum the search ends, in standard errors.
const NEAR: f64 = 1e-9;
/// From here on the steps are taken for what they are.
const CLOSE: f64 = 1e-3;
/// Above this damping no step can change anything.
const MOST_DAMPING: f64 = 1e12;

/// Climbs from `start`, which is within `bounds`.
pub fn maximise<const N: usize>(
    function: impl Fn(&[f64; N]) -> Evaluation<N>,
    start: [f64; N],
    bounds: &Bounds<N>,
) -> Optimum<N> {
    let mut at = start;
    let mut here = function(&at);
    let mut damping = 1e-3;
    for _ in 0..MOST_STEPS {
        let free = free(&at, &here, bounds);
        let away = distance(&here, &free).unwrap_or(f64::INFINITY);
        if away < NEAR {
            return Optimum {
                at,
                evaluation: here,
                converged: true,
            };
        }
        // So near the function rises by less than its rounding, and the distance tells whether a step was one.
        if away < CLOSE {
            let Some(next) = step(&here, &free, 0.0).map(|step| clamped(&at, &step, bounds)) else {
                break;
            };
            let there = function(&next);
            let left = distance(&there, &self::free(&next, &there, bounds)).unwrap_or(f64::INFINITY);
            if !there.is_finite() || left > 0.5 * away {
                break;
            }
            (at, here) = (next, there);
            continue;
        }
        let improved = loop {
            let next = step(&here, &free, damping).map(|step| clamped(&at, &step, bounds));
            if let Some(next) = next.filter(|next| next != &at) {
                let there = function(&next);
                if there.is_finite() && there.value > here.value {
                    break Some((next, there));
                }
            }
            damping *= 8.0;
            if damping > MOST_DAMPING {
                break None;
            }
        };
        match improved {
            Some((next, there)) => (at, here) = (next, there),
            None => break,
        }
        damping = (damping / 20.0).max(1e-12);
    }
    // Where rounding ends the climb, the slope tells whether it had arrived.
    let free = free(&at, &here, bounds);
    let converged = distance(&here, &free).is_some_and(|distance| distance < 1e-4);
    Optimum {
        at,
        evaluation: here,
        converged,
    }
}

/// Which coordinates may move: those that are not held at a bound, and that the function depends on.
fn free<const N: usize>(at: &[f64; N], here: &Evaluation<N>, bounds: &Bounds<N>) -> [bool; N] {
    std::array::from_fn(|i| {
        let slope = here.gradient[i];
        let held = at[i] <= bounds[i].0 && slope <= 0.0 || at[i] >= bounds[i].1 && slope >= 0.0;
        !held && (slope != 0.0 || here.hessian[i][i] != 0.0)
    })
}

fn clamped<const N: usize>(at: &[f64; N], step: &[f64; N], bounds: &Bounds<N>) -> [f64; N] {
    std::array::from_fn(|i| (at[i] + step[i]).clamp(bounds[i].0, bounds[i].1))
}

/// How many standard errors the maximum is away, for all that can be told here; nothing where the function is
/// not concave.
fn distance<const N: usize>(here: &Evaluation<N>, free: &[bool; N]) -> Option<f64> {
    let step = step(here, free, 0.0)?;
    let square: f64 = step.iter().zip(&here.gradient).map(|(step, slope)| step * slope).sum();
    Some(square.max(0.0).sqrt())
}

/// Newton's step of the free coordinates, damped; nothing where the damped Hessian is not negative definite.
fn step<const N: usize>(here: &Evaluation<N>, free: &[bool; N], damping: f64) -> Option<[f64; N]> {
    let factor = cholesky(&here.hessian, free, damping)?;
    let mut step = [0.0; N];
    for i in 0..N {
        let known: f64 = (0..i).map(|j| factor[i][j] * step[j]).sum();
        step[i] = (here.gradient[i] * f64::from(u8::from(free[i])) - known) / factor[i][i];
    }
    for i in (0..N).rev() {
        let known: f64 = (i + 1..N).map(|j| factor[j][i] * step[j]).sum();
        step[i] = (step[i] - known) / factor[i][i];
    }
    Some(step)
}

/// The lower triangle L with L L' = -Hessian, the diagonal raised by the `damping`; the unit matrix in what is
/// not free.
fn cholesky<const N: usize>(hessian: &[[f64; N]; N], free: &[bool; N], damping: f64) -> Option<[[f64; N]; N]> {
    let mut factor = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..=i {
            let mut rest = match (free[i] && free[j], i == j) {
                (true, true) => -hessian[i][i] + damping * hessian[i][i].abs(),
                (true, false) => -hessian[j][i],
                (false, true) => 1.0,
                (false, false) => 0.0,
            };
            rest -= (0..j).map(|k| factor[i][k] * factor[j][k]).sum::<f64>();
            if i == j {
                // What is left of a diagonal by rounding alone is nothing.
                if !(rest > 1e-14 * hessian[i][i].abs().min(1e300) && rest > 0.0) {
                    return None;
                }
                factor[i][i] = rest.sqrt();
            } else {
                factor[i][j] = rest / factor[j][j];
            }
        }
    }
    Some(factor)
}

/// The inverse of -Hessian over the coordinates `within`, 0 elsewhere: the covariance of maximum likelihood
/// estimates. Nothing where the function is not concave.
pub fn covariance<const N: usize>(hessian: &[[f64; N]; N], within: &[bool; N]) -> Option<[[f64; N]; N]> {
    let mut inverse = [[0.0; N]; N];
    for column in (0..N).filter(|&column| within[column]) {
        let mut unit = Evaluation {
            hessian: *hessian,
            ..Evaluation::default()
        };
        unit.gradient[column] = 1.0;
        let solution = step(&unit, within, 0.0)?;
        for row in 0..N {
            inverse[row][column] = solution[row];
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// -(x - 2)^2 - 10 (y - x^2)^2: its maximum is at (2, 4), and at (1, 1) where x is at most 1.
    fn valley([x, y]: &[f64; 2]) -> Evaluation<2> {
        let bend = y - x * x;
        Evaluation {
            value: -(x - 2.0).powi(2) - 10.0 * bend * bend,
            gradient: [-2.0 * (x - 2.0) + 40.0 * x * bend, -20.0 * bend],
            hessian: [[-2.0 + 40.0 * bend - 80.0 * x * x, 40.0 * x], [40.0 * x, -20.0]],
        }
    }

    #[test]
    fn a_maximum_within_the_bounds_and_one_on_them() {
        let inside = maximise(valley, [-3.0, 9.0], &[(-10.0, 10.0), (-100.0, 100.0)]);
        assert!(inside.converged && (inside.at[0] - 2.0).abs() < 1e-8 && (inside.at[1] - 4.0).abs() < 1e-8);
        let edge = maximise(valley, [-3.0, 9.0], &[(-10.0, 1.0), (-100.0, 100.0)]);
        assert!(edge.converged && edge.at[0] == 1.0 && (edge.at[1] - 1.0).abs() < 1e-8);
    }

    #[test]
    fn the_covariance_is_the_inverse_of_the_negative_hessian() {
        let inverse = covariance(&valley(&[2.0, 4.0]).hessian, &[true, true]).unwrap();
        // -H = [[322, -80], [-80, 20]], whose determinant is 40.
        assert!((inverse[0][0] - 0.5).abs() < 1e-12 && (inverse[0][1] - 2.0).abs() < 1e-12);
        assert!((inverse[1][1] - 8.05).abs() < 1e-12);
        let one = covariance(&valley(&[2.0, 4.0]).hessian, &[false, true]).unwrap();
        assert!(one[0][0] == 0.0 && (one[1][1] - 0.05).abs() < 1e-12);
    }
}
