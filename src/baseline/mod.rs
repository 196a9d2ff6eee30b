//! What a model must beat: predictors that need no training but counting.
//!
//! All of them are read from one table of n-gram counts over the training
//! targets, which travels in the model.

mod gram;
mod counts;
mod markov;
pub mod own_history;

pub use counts::Counts;
pub use markov::{Baseline, Predictor};
