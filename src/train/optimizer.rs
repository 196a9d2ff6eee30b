//! Adam (Kingma and Ba, 2015, algorithm 1) with the gradient's norm clipped.

use crate::network::AdamStep;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Adam's moments, as long as the parameters, and the number of steps taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    pub first_moments: Vec<f32>,
    pub second_moments: Vec<f32>,
    pub steps: u64,
}

impl Adam {
    /// Before the first step.
    pub fn new(n_parameters: usize) -> Self {
        Self {
            first_moments: vec![0.0; n_parameters],
            second_moments: vec![0.0; n_parameters],
            steps: 0,
        }
    }

    /// Counts a step and gives its sizes.
    pub fn count(&mut self, learning_rate: f64, clip: f64) -> AdamStep {
        self.steps += 1;
        let steps = self.steps as f64;
        let correction_1 = 1.0 - BETA_1.powf(steps);
        let correction_2 = (1.0 - BETA_2.powf(steps)).sqrt();
        AdamStep {
            rate: (learning_rate * correction_2 / correction_1) as f32,
            // PyTorch adds epsilon to the corrected root; scaled alike it is the same step.
            epsilon: (EPSILON * correction_2) as f32,
            clip,
        }
    }

    /// Takes one step against `gradient`, as it is.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], learning_rate: f64) {
        let AdamStep { rate, epsilon, .. } = self.count(learning_rate, f64::INFINITY);
        let moments = self.first_moments.iter_mut().zip(&mut self.second_moments);
        for ((parameter, &g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
            *m += (1.0 - BETA_1) as f32 * (g - *m);
            *v += (1.0 - BETA_2) as f32 * (g * g - *v);
            *parameter -= rate * *m / (v.sqrt() + epsilon);
        }
    }
}

/// Scales the gradient down to the given Euclidean norm if it is longer, and
/// returns its norm before.
pub fn clip(gradient: &mut [f32], largest: f64) -> f64 {
    let norm = gradient
        .iter()
        .map(|&g| f64::from(g) * f64::from(g))
        .sum::<f64>()
        .sqrt();
    if norm > largest {
        let factor = (largest / norm) as f32;
        gradient.iter_mut().for_each(|g| *g *= factor);
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recipe (PyTorch 2.15):
    /// ```python
    /// p = torch.tensor([1., -2., .5], requires_grad=True); o = torch.optim.Adam([p], lr=.1)
    /// for g in ([.5, -1., 0.], [.1, 2., -.3], [-.4, .3, .2]): p.grad = torch.tensor(g); o.step()
    /// ```
    #[test]
    fn steps_agree_with_pytorch() {
        let mut parameters = [1.0f32, -2.0, 0.5];
        let mut adam = Adam::new(3);
        for gradient in [[0.5, -1.0, 0.0], [0.1, 2.0, -0.3], [-0.4, 0.3, 0.2]] {
            adam.step(&mut parameters, &gradient, 0.1);
        }
        for (found, expected) in parameters.iter().zip([0.810_326, -1.973_158_1, 0.586_820_2]) {
            assert!((found - expected).abs() < 1e-6, "{parameters:?}");
        }
    }

    #[test]
    fn only_long_gradients_are_clipped() {
        let mut gradient = [3.0, 4.0];
        assert_eq!(clip(&mut gradient, 10.0), 5.0);
        assert_eq!(gradient, [3.0, 4.0]);
        assert_eq!(clip(&mut gradient, 1.0), 5.0);
        assert_eq!(gradient, [0.6, 0.8]);
    }
}
