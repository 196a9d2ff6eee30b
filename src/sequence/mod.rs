//! Sequences of actions as a model reads them: names become small numbers, and
//! all sequences together one value.

pub mod token;
mod vocabulary;
mod dataset;
pub mod order;
mod split;

pub use dataset::{Dataset, Sequence};
pub use split::{held_out, split_by_history};
pub use token::{Token, TokenList, Tokens};
pub use vocabulary::Vocabulary;
