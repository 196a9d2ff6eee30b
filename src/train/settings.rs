//! The settings of a training run, checked once.

use crate::error::Error;
use crate::model::SplitBy;
use crate::network::{Architecture, Cell};
use crate::options;
use crate::sequence::Vocabulary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a user can choose. Absent and NULL options take their defaults.
///
/// The number of threads is no setting: it does not change the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The cell: 'rnn', 'gru' or 'lstm'. Taken from the model that is continued
    /// when there is one.
    pub architecture: Option<String>,
    /// Width of the embedding (default 32).
    pub embedding: Option<usize>,
    /// Units of each layer (default 64).
    pub hidden: Option<usize>,
    /// Recurrent layers (default 1).
    pub layers: Option<usize>,
    /// Probability that an output between layers is dropped (default 0).
    pub dropout: Option<f64>,
    /// Most passes over the training targets.
    pub epochs: u32,
    /// Step size of Adam.
    pub learning_rate: f64,
    /// Sequences per step.
    pub batch_size: usize,
    /// Largest Euclidean norm of a step's gradient.
    pub gradient_clip: f64,
    /// How much a target of each action counts.
    pub class_weights: ClassWeights,
    /// Epochs without a better validation loss before training stops; NULL
    /// never stops early.
    pub patience: Option<u32>,
    /// Share of the users held back, for the record: the split itself is made
    /// where the dataset is packed.
    pub validation: f64,
    /// Steps over which gradients flow back; the state is carried on beyond.
    pub max_length: usize,
    /// Of start weights, order, dropout and split.
    pub seed: u64,
    /// Where to train, as [`crate::device::engine`] names it.
    pub device: String,
    /// What the split was made by, for the record as `validation` is.
    pub split: SplitBy,
    /// Of a split by time the moment.
    pub validation_from: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            architecture: None,
            embedding: None,
            hidden: None,
            layers: None,
            dropout: None,
            epochs: 5,
            learning_rate: 0.005,
            batch_size: 16,
            gradient_clip: 5.0,
            class_weights: ClassWeights::None,
            patience: None,
            validation: 0.1,
            max_length: 512,
            seed: 42,
            device: "cpu".into(),
            split: SplitBy::Unknown,
            validation_from: None,
        }
    }
}

/// How much the loss of a target counts, by its action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "NULL, 'balanced', or a weight per action such as {'buy': 2.0}"
)]
pub enum ClassWeights {
    /// All the same.
    #[default]
    None,
    /// 'balanced': number of targets ÷ (actions × targets of this action), as in
    /// scikit-learn.
    Rule(String),
    /// By name; actions that are not named count 1.
    Named(BTreeMap<String, f64>),
}

impl Settings {
    /// Reads settings from a JSON object. A key whose value is null is left at
    /// its default.
    ///
    /// # Errors
    /// As [`options::read`], and [`Error::Argument`] for a value out of range.
    pub fn from_json(json: serde_json::Value) -> Result<Self, Error> {
        options::read::<Self>("settings", json, "{hidden: 64, epochs: 5}")?.check()
    }

    /// The settings, if every value is in its range.
    ///
    /// # Errors
    /// [`Error::Argument`] for the first that is not.
    pub(super) fn check(self) -> Result<Self, Error> {
        fn within<T: PartialOrd + ToString>(name: &'static str, value: T, low: T, high: T) -> Result<(), Error> {
            if value >= low && value <= high {
                return Ok(());
            }
            Err(Error::argument(
                name,
                value.to_string(),
                format!("{} to {}", low.to_string(), high.to_string()),
            ))
        }
        fn positive(name: &'static str, value: f64) -> Result<(), Error> {
            if value > 0.0 && value.is_finite() {
                return Ok(());
            }
            Err(Error::argument(name, value, "a positive number"))
        }
        within("epochs", self.epochs, 1, 100_000)?;
        within("embedding", self.embedding.unwrap_or(1), 1, 4096)?;
        within("hidden", self.hidden.unwrap_or(1), 1, 4096)?;
        within("layers", self.layers.unwrap_or(1), 1, 16)?;
        let dropout = self.dropout.unwrap_or(0.0);
        if !(0.0..1.0).contains(&dropout) {
            return Err(Error::argument("dropout", dropout, "0 up to but not including 1"));
        }
        positive("learning_rate", self.learning_rate)?;
        within("batch_size", self.batch_size, 1, 1 << 20)?;
        positive("gradient_clip", self.gradient_clip)?;
        within("patience", self.patience.unwrap_or(1), 1, 100_000)?;
        within("validation", self.validation, 0.0, 1.0)?;
        within("max_length", self.max_length, 1, 1 << 20)?;
        match &self.class_weights {
            ClassWeights::Rule(rule) if rule != "balanced" => {
                return Err(Error::argument(
                    "class_weights",
                    format!("'{rule}'"),
                    "NULL, 'balanced', or a weight per action such as {'buy': 2.0}",
                ));
            }
            ClassWeights::Named(weights) => {
                for (action, &weight) in weights {
                    if !(weight > 0.0 && weight.is_finite()) {
                        return Err(Error::argument(
                            "class_weights",
                            format!("{weight} for '{action}'"),
                            "a positive number",
                        ));
                    }
                }
            }
            _ => {}
        }
        self.cell()?;
        Ok(self)
    }

    fn cell(&self) -> Result<Option<Cell>, Error> {
        let Some(name) = &self.architecture else {
            return Ok(None);
        };
        match name.as_str() {
            "rnn" => Ok(Some(Cell::Rnn)),
            "gru" => Ok(Some(Cell::Gru)),
            "lstm" => Ok(Some(Cell::Lstm)),
            other => Err(Error::argument(
                "architecture",
                format!("'{other}'"),
                "'rnn', 'gru', 'lstm'",
            )),
        }
    }

    /// The architecture of a new model.
    ///
    /// # Errors
    /// As [`Vocabulary::check_actions`].
    pub fn new_architecture(&self, vocabulary: &Vocabulary) -> Result<Architecture, Error> {
        vocabulary.check_actions()?;
        Ok(Architecture {
            cell: self.cell()?.unwrap_or(Cell::Lstm),
            vocabulary: vocabulary.len(),
            embedding: self.embedding.unwrap_or(32),
            hidden: self.hidden.unwrap_or(64),
            layers: self.layers.unwrap_or(1),
            dropout: self.dropout.unwrap_or(0.0) as f32,
        })
    }

    /// The architecture when training goes on from a model: the model's own,
    /// with the dropout that is asked for.
    ///
    /// # Errors
    /// [`Error::Argument`] when a size is asked for that the model does not have.
    pub fn continued_architecture(&self, of: Architecture) -> Result<Architecture, Error> {
        fn same<T: PartialEq + std::fmt::Debug>(name: &'static str, asked: Option<T>, has: T) -> Result<(), Error> {
            match asked {
                Some(asked) if asked != has => Err(Error::argument(
                    name,
                    format!("{asked:?}"),
                    format!("{has:?}, which 'init' has, or NULL"),
                )),
                _ => Ok(()),
            }
        }
        same("architecture", self.cell()?, of.cell)?;
        same("embedding", self.embedding, of.embedding)?;
        same("hidden", self.hidden, of.hidden)?;
        same("layers", self.layers, of.layers)?;
        Ok(Architecture {
            dropout: self.dropout.map_or(of.dropout, |dropout| dropout as f32),
            ..of
        })
    }

    /// The weight of each action, by token, from how often each is a training
    /// target; `None` when all count the same.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name outside the vocabulary.
    pub fn weights(&self, vocabulary: &Vocabulary, targets: &[u64]) -> Result<Option<Vec<f32>>, Error> {
        match &self.class_weights {
            ClassWeights::None => Ok(None),
            ClassWeights::Rule(_) => {
                let total: u64 = targets.iter().sum();
                let weight = |&n: &u64| {
                    if n == 0 {
                        1.0
                    } else {
                        total as f64 / (targets.len() as f64 * n as f64)
                    }
                };
                Ok(Some(targets.iter().map(|n| weight(n) as f32).collect()))
            }
            ClassWeights::Named(named) => {
                let mut weights = vec![1.0; vocabulary.len()];
                for (action, &weight) in named {
                    let token = vocabulary.find(action.as_bytes()).ok_or_else(|| {
                        Error::argument(
                            "class_weights",
                            format!("a weight for '{action}', which does not occur"),
                            vocabulary.listed(),
                        )
                    })?;
                    weights[token.index()] = weight as f32;
                }
                Ok(Some(weights))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(json: serde_json::Value) -> String {
        Settings::from_json(json).unwrap_err().to_string()
    }

    #[test]
    fn null_means_the_default() {
        assert_eq!(
            Settings::from_json(json!({"epochs": null, "patience": null})).unwrap(),
            Settings::default()
        );
    }

    #[test]
    fn errors_name_the_option_and_what_is_allowed() {
        assert!(
            message(json!({"epoch": 3})).starts_with("option 'epoch' is unknown; allowed: architecture, embedding")
        );
        assert_eq!(
            message(json!({"hidden": "many"})),
            "option 'hidden' is \"many\"; allowed: a whole number from 0 on"
        );
        assert_eq!(
            message(json!({"class_weights": [1]})),
            "option 'class_weights' is [1]; allowed: NULL, 'balanced', or a weight per action such as {'buy': 2.0}"
        );
        assert_eq!(
            message(json!({"hidden": 0})),
            "argument 'hidden' is 0; allowed: 1 to 4096"
        );
        assert_eq!(
            message(json!({"architecture": "cnn"})),
            "argument 'architecture' is 'cnn'; allowed: 'rnn', 'gru', 'lstm'"
        );
        assert!(message(json!({"learning_rate": -0.1})).contains("a positive number"));
        assert!(message(json!({"dropout": 1})).contains("not including 1"));
        assert!(message(json!({"class_weights": "equal"})).contains("'balanced'"));
        assert!(message(json!({"class_weights": {"buy": 0.0}})).contains("'buy'"));
    }

    #[test]
    fn class_weights_by_rule_and_by_name() {
        let vocabulary = Vocabulary::new(["buy".to_owned(), "pv".to_owned()]).unwrap();
        let weights = |json| Settings::from_json(json).unwrap().weights(&vocabulary, &[10, 90]);
        assert_eq!(weights(json!({})).unwrap(), None);
        // 100 / (2 · 10) and 100 / (2 · 90), as compute_class_weight('balanced') of scikit-learn.
        assert_eq!(
            weights(json!({"class_weights": "balanced"})).unwrap(),
            Some(vec![5.0, 0.555_555_6])
        );
        assert_eq!(
            weights(json!({"class_weights": {"buy": 2}})).unwrap(),
            Some(vec![2.0, 1.0])
        );
        assert!(
            weights(json!({"class_weights": {"wish": 2}}))
                .unwrap_err()
                .to_string()
                .contains("buy, pv")
        );
    }

    #[test]
    fn a_continued_model_keeps_its_sizes() {
        let vocabulary = Vocabulary::new(["buy".to_owned()]).unwrap();
        let gru = Settings::from_json(json!({"architecture": "gru", "hidden": 8}))
            .unwrap()
            .new_architecture(&vocabulary)
            .unwrap();
        let ask = |json| Settings::from_json(json).unwrap().continued_architecture(gru);
        assert_eq!(ask(json!({})).unwrap(), gru);
        assert!(
            ask(json!({"hidden": 16}))
                .unwrap_err()
                .to_string()
                .contains("allowed: 8")
        );
        assert!(ask(json!({"architecture": "lstm"})).is_err());
    }
}
