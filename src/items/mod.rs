//! Which item comes next: what counting says and what a network learns, and how good it is.
//!
//! A catalogue has millions of items where a network of actions has four, so nothing here is as large as users times items:
//! what a method says of a history is a list of the items that it has something to say of, behind which all others stand in the
//! order of their popularity (`ranking`).

mod histories;
mod network;
mod training;
mod popularity;
mod followers;
mod sessions;
mod ranking;
mod cases;
mod counts;
mod predictor;
mod mixture;
mod ids;
mod model;
mod file;
mod predictors;
mod learning;
mod evaluation;
mod rules;

pub use cases::{Asked, Targets};
pub use evaluation::{Evaluation, Given, Measure, Settings, Trained, evaluate, memory, train};
pub use histories::{Event, HISTORY_LIMIT, Histories, History};
pub use ids::{Id, Ids, Texts};
pub use learning::Epoch;
pub use mixture::Mixture;
pub use model::{About, ItemModel, Places, Question, Room, Wanted};
pub use network::{MAX_DIM, STEP, Settings as NetworkSettings, Shape, memory as network_memory};
pub use predictor::Predictor;
pub use rules::{RULE_BYTES, Rule, RuleSettings, item_rules};
