//! What can go wrong, one variant per thing the caller can act on.

use crate::limits::{MAX_CLUSTERS, MAX_COMPONENTS};
use thiserror::Error;

/// An error of the library: one line, without the name of the SQL function,
/// which the boundary adds.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the message of each variant says what its fields are")]
pub enum Error {
    /// A value outside what an argument or option allows.
    #[error("argument '{argument}' is {received}; allowed: {allowed}")]
    Argument {
        argument: &'static str,
        received: String,
        allowed: String,
    },
    /// An option within an argument that is unknown or has a value that is not allowed.
    #[error("option '{option}' is {received}; allowed: {allowed}")]
    Option {
        option: String,
        received: String,
        allowed: String,
    },
    /// An action that a vocabulary does not hold.
    #[error("argument '{argument}' holds '{action}', which the model does not know; it knows {known}")]
    UnknownAction {
        argument: &'static str,
        action: String,
        known: String,
    },
    /// A BLOB that is not what it is used as: foreign, truncated or changed.
    #[error(
        "argument '{argument}' is not a footfall {}: {reason}",
        match *argument {
            "init" => "model",
            "weights" => "network",
            other => other,
        }
    )]
    Damaged { argument: &'static str, reason: String },
    /// A BLOB written by a newer version.
    #[error(
        "argument '{argument}' has format version {found}, and this footfall reads versions up to {supported}; \
         update the extension"
    )]
    Newer {
        argument: &'static str,
        found: u32,
        supported: u32,
    },
    /// Nothing to learn from.
    #[error("{0}")]
    NoData(String),
    /// More memory than there is.
    #[error("{0}")]
    Memory(String),
    /// A device that this binary or machine does not have.
    #[error("{0}")]
    Device(String),
    /// An array of another length than the network's.
    #[error("argument '{name}' holds {len} values; allowed: {expected}")]
    Length {
        name: &'static str,
        len: usize,
        expected: usize,
    },
    /// A token that is none of the network's vocabulary.
    #[error("a sequence holds token {token}; allowed: 0 to {}", vocabulary - 1)]
    Token { token: u32, vocabulary: usize },
    /// The state of an unfinished batch with another batch, network or step.
    #[error("the batch that was left unfinished is another")]
    Unfinished,
    /// No point to learn from.
    #[error("argument 'points' holds no points; allowed: at least one point that is not NULL")]
    NoPoints,
    /// Points without coordinates.
    #[error("argument 'points' holds points without coordinates; allowed: one or more coordinates per point")]
    NoDimensions,
    /// A point that differs in length from the first one. `row` counts from 0.
    #[error(
        "argument 'points': point {} has {found} coordinates; allowed: {expected}, as the first point has",
        row + 1
    )]
    UnequalLengths { row: usize, found: usize, expected: usize },
    /// NaN or an infinity. `row` and `dimension` count from 0; `n_rows` is how many rows have one there.
    #[error("argument 'points': coordinate {} of point {} is {value}; allowed: finite numbers", dimension + 1, row + 1)]
    NotFinite {
        row: usize,
        dimension: usize,
        value: f64,
        n_rows: usize,
    },
    /// Coordinates whose spread overflows a DOUBLE.
    #[error("argument 'points': the values of coordinate {} lie too far apart; allowed: within 1e140 of each other", dimension + 1)]
    TooWide { dimension: usize },
    /// No cluster, or more clusters than anyone can use.
    #[error("argument '{argument}' is {found}; allowed: 1 to {}", MAX_CLUSTERS)]
    Clusters { argument: &'static str, found: i64 },
    /// The same for the components of a mixture.
    #[error("argument 'k' is {found}; allowed: 1 to {}", MAX_COMPONENTS)]
    Components { found: usize },
    /// More clusters than distinct points.
    #[error(
        "argument '{argument}' is {found}; allowed: at most {distinct}, the number of distinct points{}",
        if *was_noisy { " when differences within rounding are left out" } else { "" }
    )]
    TooManyClusters {
        argument: &'static str,
        found: usize,
        distinct: usize,
        /// Whether there were points that differ by rounding only.
        was_noisy: bool,
    },
    /// A point of another length than the model's.
    #[error("argument 'point' has {found} coordinates; allowed: {expected}, as the model has")]
    PointLength { found: usize, expected: usize },
    /// NaN or an infinity in a point to be assigned.
    #[error("argument 'point' has the coordinate {value}; allowed: finite numbers")]
    PointNotFinite { value: f64 },
    /// A clustering whose parts do not fit together.
    #[error("argument 'model' is damaged: {0}; allowed: a value made by kmeans")]
    Clustering(String),
    /// A mixture whose parts do not fit together.
    #[error("argument 'mixture' is damaged: {0}; allowed: a value made by gmm")]
    DamagedMixture(String),
    /// A mixture that could not be fitted.
    #[error("the mixture cannot be fitted: {0}")]
    Mixture(String),
}

impl Error {
    /// An argument whose value is not allowed.
    pub fn argument(argument: &'static str, received: impl ToString, allowed: impl Into<String>) -> Self {
        Self::Argument {
            argument,
            received: received.to_string(),
            allowed: allowed.into(),
        }
    }

    /// An option whose value is not allowed.
    pub fn option(option: &str, received: impl ToString, allowed: impl Into<String>) -> Self {
        Self::Option {
            option: option.to_owned(),
            received: received.to_string(),
            allowed: allowed.into(),
        }
    }

    pub(crate) fn damaged(argument: &'static str, reason: impl ToString) -> Self {
        Self::Damaged {
            argument,
            reason: reason.to_string(),
        }
    }

    /// The error of a BLOB that was given as `argument`.
    pub fn of_argument(self, argument: &'static str) -> Self {
        match self {
            Self::Damaged { reason, .. } => Self::Damaged { argument, reason },
            Self::Newer { found, supported, .. } => Self::Newer {
                argument,
                found,
                supported,
            },
            error => error,
        }
    }

    /// The error of some rows, row `i` of which was row `places[i]` among all: it names that one.
    pub fn among_all(self, places: &[usize]) -> Self {
        match self {
            Self::NotFinite {
                row,
                dimension,
                value,
                n_rows,
            } => Self::NotFinite {
                row: places[row],
                dimension,
                value,
                n_rows,
            },
            error => error,
        }
    }

    /// The error of a number of clusters that was given as `argument`.
    pub fn under(self, argument: &'static str) -> Self {
        match self {
            Self::Clusters { found, .. } => Self::Clusters { argument, found },
            Self::TooManyClusters {
                found,
                distinct,
                was_noisy,
                ..
            } => Self::TooManyClusters {
                argument,
                found,
                distinct,
                was_noisy,
            },
            error => error,
        }
    }
}
