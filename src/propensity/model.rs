//! A model of propensity as bytes: JSON, in which numbers keep all their digits.

use super::logistic::{Regression, Scaling};
use super::plan::{Feature, Plan};
use crate::error::Error;
use crate::format::JsonFormat;
use serde::{Deserialize, Serialize};

const FORMAT: JsonFormat = JsonFormat {
    argument: "model",
    kind: "footfall propensity",
    version: 1,
    most_bytes: 4 << 20,
    maker: "footfall.train_propensity",
};

/// A regression on few of the features, which a model must beat.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The places of the features.
    pub places: Vec<usize>,
    /// On these.
    pub regression: Regression,
}

/// Who does something within a horizon.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PropensityModel {
    kind: String,
    format: u32,
    /// What was learned from.
    pub plan: Plan,
    /// On all features.
    pub regression: Regression,
    /// The penalty that validation chose.
    pub penalty: f64,
    /// The share of those who did it among all that were learned from.
    pub base_rate: f64,
    /// By how often the target was done.
    pub count: Baseline,
    /// By how long ago anything was done.
    pub recency: Baseline,
    /// By how often lately the target was done, and for how long somebody is known.
    pub own_history: Baseline,
}

/// The probabilities of somebody, by each way to tell them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probabilities {
    /// By the model.
    pub model: f64,
    /// As in [`PropensityModel`].
    pub count: f64,
    /// As in [`PropensityModel`].
    pub recency: f64,
    /// As in [`PropensityModel`].
    pub own_history: f64,
    /// The same for everybody.
    pub base_rate: f64,
}

impl Baseline {
    fn probability(&self, features: &[f32]) -> f64 {
        self.regression
            .probability(self.places.iter().map(|&place| features[place]))
    }

    fn check(&self, n_features: usize) -> Result<(), String> {
        if self.places.is_empty() || self.places.iter().any(|&place| place >= n_features) {
            return Err("a baseline of no feature".into());
        }
        self.regression.check(self.places.len())
    }
}

impl PropensityModel {
    /// A model of the present format.
    pub fn new(plan: Plan, regression: Regression, penalty: f64, base_rate: f64, baselines: [Baseline; 3]) -> Self {
        let [count, recency, own_history] = baselines;
        Self {
            kind: FORMAT.kind.into(),
            format: FORMAT.version,
            plan,
            regression,
            penalty,
            base_rate,
            count,
            recency,
            own_history,
        }
    }

    /// The features of the baselines: `count`, `recency`, `own_history`.
    pub fn baseline_features(plan: &Plan) -> [Vec<usize>; 3] {
        let action = plan.target;
        [
            vec![plan.place(Feature::Total { action })],
            vec![plan.place(Feature::Seen)],
            vec![plan.place(Feature::Decayed { action }), plan.place(Feature::Known)],
        ]
    }

    /// The probabilities of somebody.
    pub fn probabilities(&self, features: &[f32]) -> Probabilities {
        Probabilities {
            model: self.regression.probability(features.iter().copied()),
            count: self.count.probability(features),
            recency: self.recency.probability(features),
            own_history: self.own_history.probability(features),
            base_rate: self.base_rate,
        }
    }

    /// The model as JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and names are JSON")
    }

    /// Whether bytes begin as those that [`PropensityModel::to_bytes`] writes. A `.safetensors` file would begin so only
    /// with a header larger than any that is read.
    pub fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(br#"{"kind""#)
    }

    /// Reads and checks what [`PropensityModel::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Damaged`] for other bytes, [`Error::Newer`] for those of a newer version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        FORMAT.read(bytes, Self::check)
    }

    fn check(&self) -> Result<(), String> {
        self.plan.check()?;
        let n_features = self.plan.features().len();
        self.regression.check(n_features)?;
        for baseline in [&self.count, &self.recency, &self.own_history] {
            baseline.check(n_features)?;
        }
        if !(self.penalty > 0.0 && self.penalty.is_finite() && self.base_rate > 0.0 && self.base_rate < 1.0) {
            return Err("a penalty or a share that is none".into());
        }
        Ok(())
    }

    /// The weights and the intercept for features that are not standardised.
    pub fn raw_weights(&self) -> (Vec<f64>, f64) {
        let Scaling { means, scales } = &self.regression.scaling;
        let scaled = self.regression.weights.iter().zip(scales);
        let weights: Vec<f64> = scaled
            .map(|(weight, &scale)| if scale > 0.0 { weight / scale } else { 0.0 })
            .collect();
        let shift: f64 = weights.iter().zip(means).map(|(weight, mean)| weight * mean).sum();
        (weights, self.regression.intercept - shift)
    }
}
