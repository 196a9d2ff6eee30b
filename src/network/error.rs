//! What can be wrong with a request to a network.

/// Each message names the argument, the value received and the values allowed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    #[error("'{name}' is {value}; allowed: {allowed}")]
    Setting {
        name: &'static str,
        value: String,
        allowed: &'static str,
    },
    #[error("'{name}' holds {len} values; allowed: {expected}")]
    Length {
        name: &'static str,
        len: usize,
        expected: usize,
    },
    #[error("a sequence holds token {token}; allowed: 0 to {}", vocabulary - 1)]
    Token { token: u8, vocabulary: usize },
    #[error("the batch that was left unfinished is another")]
    Unfinished,
    #[error("the device failed: {0}")]
    Device(String),
}

impl From<candle_core::Error> for NetworkError {
    /// Keeps the root message alone: candle's own text can carry a backtrace.
    fn from(error: candle_core::Error) -> Self {
        let text = match error {
            candle_core::Error::WithBacktrace { inner, .. } => inner.to_string(),
            other => other.to_string(),
        };
        NetworkError::Device(text.lines().next().unwrap_or_default().to_owned())
    }
}
