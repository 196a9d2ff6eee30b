//! The names of the methods that are compared.

use serde::{Deserialize, Serialize};

/// A method to say which item comes next.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say which, and `name` is what they are called")]
pub enum Predictor {
    Model,
    Network,
    Mixture,
    Popular,
    PopularRecent,
    Repeat,
    Markov1,
    Rules,
    Knn,
}

impl Predictor {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Model,
        Self::Network,
        Self::Mixture,
        Self::Popular,
        Self::PopularRecent,
        Self::Repeat,
        Self::Markov1,
        Self::Rules,
        Self::Knn,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Network => "network",
            Self::Mixture => "mixture",
            Self::Popular => "popular",
            Self::PopularRecent => "popular_recent",
            Self::Repeat => "repeat",
            Self::Markov1 => "markov_1",
            Self::Rules => "rules",
            Self::Knn => "knn",
        }
    }
}
