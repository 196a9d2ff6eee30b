//! Predictions of a network or a baseline for every held-back target of a dataset, scored.

mod place;
mod sample;
mod evaluation;
mod losses;
mod scores;
mod validation;
mod baselines;
#[cfg(test)]
mod tests;

pub use baselines::{baseline, tally};
pub use evaluation::{Difference, Evaluation};
pub use losses::{Comparison, Losses, compare};
pub use place::Place;
pub(crate) use place::{ALONE, WORK, foreign_state};
pub use sample::KEPT_PROBABILITIES;
pub use scores::{Piece, scored};
pub use validation::{Tally, Validation};
