//! How much memory a run will take, before it takes it.

use super::Settings;
use crate::compute::product;
use crate::error::Error;
use crate::evaluate::KEPT_PROBABILITIES;
use crate::model::Model;
use crate::network::{Architecture, fused};
use crate::sequence::Dataset;

/// Floats per parameter outside the network's passes, as measured with models of 4 to
/// 60 million parameters: weight, gradient and two moments; the state that the epoch began
/// from, of which the host holds two, and at its end a third, with ours four; and models.
const COPIES: usize = 24;
/// Blocks of up to 32 MiB the allocator keeps when they are free: so many floats per parameter, of so many parameters.
const KEPT_COPIES: usize = 24;
const MOST_KEPT: usize = 8 << 20;
/// Copies of the weights in the shapes that the passes read.
const PACKED: usize = 3;
/// Sequences whose steps a thread keeps at once, and floats per hidden unit of each.
const SEQUENCES_PER_THREAD: usize = 24;
const KEPT_PER_UNIT: usize = 12;
/// How often the numbers of a batch that is left unfinished are held when the next call takes them up; and how many
/// steps times parameters a batch can have that is not: some tenths of a second.
const UNFINISHED_COPIES: usize = 3;
const UNDIVIDED_WORK: usize = 1 << 31;
/// Floats for each probability that a validation keeps: in the list, which may be half
/// empty, and where it is read.
const PER_PROBABILITY: usize = 2 + 4;
/// Bytes for each sequence of the dataset: offsets, batches, order.
const PER_SEQUENCE: usize = 64;
/// What a program takes besides: buffers of a few megabytes for each thread.
const BESIDE: usize = 16 << 20;

/// Bytes that a run holds at its peak, the dataset and the models of its epochs not
/// counted: an estimate from above.
///
/// # Errors
/// A size that contradicts `init`.
pub fn memory(dataset: &Dataset, settings: &Settings, init: Option<&Model>, threads: usize) -> Result<usize, Error> {
    let architecture = match init {
        None => settings.new_architecture(dataset.vocabulary())?,
        Some(init) => settings.continued_architecture(init.architecture)?,
    };
    let n_parameters = architecture.n_parameters();
    let longest = dataset.sequences().map(|sequence| sequence.n_train).max().unwrap_or(0);
    let batch = settings.batch_size.min(dataset.len());
    let parts = fused::most_shards(batch);
    let rows = batch.min(SEQUENCES_PER_THREAD) * longest.min(settings.max_length);
    let padded = Architecture {
        hidden: product::padded(architecture.hidden),
        vocabulary: product::padded(architecture.vocabulary),
        ..architecture
    };
    let per_row = KEPT_PER_UNIT * padded.hidden * padded.layers + 4 * padded.vocabulary;
    // The first layer's gates have a row for each token.
    let tables = 4 * padded.vocabulary * padded.hidden;
    // The gradients of the parts that are complete, and of those under way.
    let is_divided = batch * longest > UNDIVIDED_WORK / n_parameters;
    let unfinished = if is_divided { parts.min(1 + threads) } else { 0 };
    let floats = COPIES * n_parameters
        + KEPT_COPIES * n_parameters.min(MOST_KEPT)
        + UNFINISHED_COPIES * unfinished * (padded.n_parameters() + tables)
        + (PACKED + parts) * (padded.n_parameters() + tables)
        + threads.min(parts) * rows * per_row
        + PER_PROBABILITY * KEPT_PROBABILITIES.min(dataset.n_held_out_targets() * architecture.vocabulary);
    Ok(size_of::<f32>() * floats + PER_SEQUENCE * dataset.len() + BESIDE)
}
