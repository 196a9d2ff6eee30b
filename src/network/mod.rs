//! Recurrent networks that predict the next token of a sequence.
//!
//! A network is an [`Architecture`] and a flat list of `f32` parameters; an
//! [`Engine`] turns both into losses, gradients and probabilities. It knows nothing
//! of files, training loops or optimisers.
//!
//! - [`architecture`]: cell, sizes, names and places of the parameters, start weights.
//! - [`dropout`]: masks as a pure function of seed, sequence, layer, position, unit.
//! - [`batch`]: what an engine is given and what it answers.
//! - [`engine`]: what an engine is asked.
//! - [`fused`]: our CPU kernels.
//! - [`gpu`]: our kernels for an NVIDIA GPU.
//! - [`plain`]: candle operations and autograd; the reference.
//!
//! A sequence x_0 … x_{n-1} is fed token by token. After x_t the network gives a
//! distribution over the token at position t + 1, so a sequence of n tokens has the
//! n - 1 targets 1 … n-1, each predicted from everything before it.

pub mod architecture;
pub mod dropout;
pub mod batch;
mod check;
pub mod engine;
pub mod fused;
pub mod gpu;
pub mod plain;

pub use architecture::{Architecture, Cell, Slot};
pub use batch::{AdamStep, Example, LossSum, Reader, Resident, Step, Unfinished, Wanted};
pub use engine::Engine;
pub use fused::{Fused, Prepared};
pub use gpu::Gpu;
pub use plain::Plain;
