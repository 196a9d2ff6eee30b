//! Predictions of a network or a baseline for every held-back target of a dataset, scored.

mod place;
mod sample;
mod identity;
mod evaluation;
mod losses;
mod scores;
mod validation;
mod baselines;
#[cfg(test)]
mod tests;

pub use baselines::{baseline, tally};
pub use evaluation::{Difference, Evaluation};
pub use identity::{identity, of_tokens};
pub use losses::{Comparison, Losses, compare};
pub(crate) use place::{ALONE, WORK};
pub use place::{Network, Place, Unprepared, foreign_state};
pub use sample::KEPT_PROBABILITIES;
pub use scores::{Piece, scored};
pub use validation::{Tally, Validation};
