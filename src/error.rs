//! What can go wrong, one variant per thing the caller can act on.

use crate::network::NetworkError;
use thiserror::Error;

/// An error of the library: one line, without the name of the SQL function,
/// which the boundary adds.
#[derive(Debug, Error)]
#[non_exhaustive]
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
    #[error("argument 'actions' holds '{action}', which the model does not know; it knows {known}")]
    UnknownAction { action: String, known: String },
    /// A BLOB that is not what it is used as: foreign, truncated or changed.
    #[error("argument '{argument}' is not a footfall {argument}: {reason}")]
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
    /// What a network refuses.
    #[error(transparent)]
    Network(#[from] NetworkError),
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

    pub(crate) fn damaged(argument: &'static str, reason: impl ToString) -> Self {
        Self::Damaged {
            argument,
            reason: reason.to_string(),
        }
    }
}
