//! Training: which settings, in which batches, with which optimiser, and the
//! loop that ties them together. The loop knows nothing of the network but the
//! gradients it gives.

mod settings;
mod batches;
mod optimizer;
mod memory;
mod trainer;

pub use memory::memory;
pub use settings::{ClassWeights, Settings};
pub use trainer::{EpochReport, Progress, Trainer};
