//! How good a predictor is, and by how much another is worse.

use super::sample::held_out;
use crate::metrics::Report;
use crate::sequence::Dataset;

/// How good a predictor is on the held-back targets of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Its measures.
    pub report: Report,
    /// The sum of -ln p(target) in nats over the targets of each history that has any, in the order of the dataset.
    pub losses: Vec<f64>,
}

impl Evaluation {
    /// The mean over the histories of the mean loss of each, in nats: each user counts once, however many targets he has.
    /// It is of the dataset that was scored.
    pub fn mean_user_loss(&self, dataset: &Dataset) -> f64 {
        let lengths = held_out(dataset).map(|(_, sequence)| sequence.n_held_out_targets() as f64);
        let sum: f64 = self.losses.iter().zip(lengths).map(|(loss, n)| loss / n).sum();
        sum / self.losses.len() as f64
    }
}

/// By how much the loss of a predictor is above that of another on the same targets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Of the mean log losses, in nats.
    pub mean: f64,
    /// Users are drawn and not targets, so it is that of a ratio over histories (Cochran, 1977, "Sampling Techniques",
    /// section 6.4); `None` for a single history.
    pub standard_error: Option<f64>,
}

impl Difference {
    /// Of two evaluations on the same dataset.
    pub fn new(dataset: &Dataset, evaluation: &Evaluation, other: &Evaluation) -> Self {
        let mean = evaluation.report.log_loss - other.report.log_loss;
        Self::over_histories(dataset, mean, &evaluation.losses, &other.losses)
    }

    pub(super) fn over_histories(dataset: &Dataset, mean: f64, losses: &[f64], others: &[f64]) -> Self {
        let lengths = held_out(dataset).map(|(_, sequence)| sequence.n_held_out_targets() as f64);
        let residual = |((loss, other), n): ((&f64, &f64), f64)| loss - other - mean * n;
        let residuals = losses.iter().zip(others).zip(lengths).map(residual);
        let sum: f64 = residuals.map(|residual| residual * residual).sum();
        let n = losses.len() as f64;
        let error = (n / (n - 1.0) * sum).sqrt() / dataset.n_held_out_targets() as f64;
        Self {
            mean,
            standard_error: (n > 1.0).then_some(error),
        }
    }
}
