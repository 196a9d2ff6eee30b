//! Which item comes next: what counting says, and how good it is.
//!
//! A catalogue has millions of items where a network of actions has four, so nothing here is as large as users times items:
//! what a method says of a history is a list of the items that it has something to say of, behind which all others stand in the
//! order of their popularity (`ranking`).

mod histories;
mod training;
mod popularity;
mod followers;
mod sessions;
mod ranking;
mod cases;
mod counts;
mod mixture;
mod predictors;
mod evaluation;
mod rules;

pub use cases::{Asked, Targets};
pub use evaluation::{Evaluation, Measure, Settings, evaluate};
pub use histories::{Event, HISTORY_LIMIT, Histories, History};
pub use predictors::Predictor;
pub use rules::{RULE_BYTES, Rule, RuleSettings, item_rules};
