//! How good predicted distributions are, against what happened.
//!
//! On shop data nine actions in ten are views, so accuracy says little: log
//! loss and the area under the ROC curve of each action come first.

mod roc;
mod distribution;
mod ranking;
#[cfg(test)]
mod tests;

pub use distribution::{ActionReport, Bin, N_BINS, Report, Tally, highest, log_probability};
pub use ranking::{Ranked, mean_over_users};
pub use roc::{Area, AreaOfCounts, Counted, Point, auc, clustered_area, mean_auc};
