//! Who does something within a horizon: features known at a moment, and a logistic regression on them.
//!
//! - [`plan`]: what is learned from: actions, windows, cut-offs; the list of the features;
//! - [`history`]: the events of one user and the features that they are at a moment;
//! - [`rows`]: features, labels and the part of the users they belong to, as bytes;
//! - [`logistic`]: rows with their labels, and a regression on them;
//! - `sums`: the sums over rows by which a regression is found;
//! - [`newton`]: the best weights under a ridge penalty;
//! - [`model`]: the regression with its plan and its baselines, as bytes;
//! - [`learn`]: the choice of the penalty, and the model;
//! - [`reasons`]: what moves a score, in words.

pub mod plan;
pub mod history;
pub mod rows;
pub mod logistic;
mod sums;
pub mod newton;
pub mod model;
pub mod learn;
pub mod reasons;
