//! Our own CPU kernels: forward, backward and prediction of a recurrent network, fused.
//!
//! A vocabulary here is a handful of actions, networks are small and sequences are many, so
//! with one tensor operation after the other most of the time goes into everything around
//! the products. Here nearly all of it goes into the products: on the machine of the
//! measurements below, which has AVX-512, 72 % of the arithmetic peak over a whole LSTM
//! training step, 98 % within the products.
//!
//! # Equations
//!
//! For token x_t, with e its embedding and σ the logistic function (gate order and biases
//! are PyTorch's):
//!
//! ```text
//! RNN   h' = tanh(W_ih e + b_ih + W_hh h + b_hh)
//! GRU   r, z = σ(W_ih e + b_ih + W_hh h + b_hh)     n = tanh(W_in e + b_in + r (W_hn h + b_hn))
//!       h' = n + z (h - n)
//! LSTM  i, f, o = σ(…)    g = tanh(…)    c' = f c + i g    h' = o tanh c'
//! head  p = softmax(W h' + b)
//! ```
//!
//! # One pass
//!
//! 1. `weights.rs` packs the parameters into panels that a register tile reads in order.
//!    W_ih e + b takes as many values as there are tokens: the input part of the first
//!    layer is a *table* (tokens, G·H), its gradient a scatter-add.
//! 2. `tree.rs` sorts a part of the batch by tokens and gives every different *prefix* one
//!    row: sequences that begin alike have the same states there, and the gradient of a
//!    shared state is the sum of theirs. Rows lie time-major, none of them is padding.
//!    (With dropout between layers every sequence keeps its own rows.)
//! 3. `block.rs` runs the layers one after the other over a window of steps: for an upper
//!    layer one product of all inputs with W_ih, then for each step the recurrent product.
//!    `cells.rs` holds the gates of the same units in one register tile, so activations are
//!    computed where the product ends and only they are stored.
//! 4. `head.rs`: the head's product, softmax, loss and their gradients, a block of rows at a
//!    time: for a few tokens that is all of them.
//! 5. Back through time: the gates' gradients in place, a product with W_hh for each step,
//!    the sum over the rows that share a parent. Then for each layer *one* product of all
//!    steps for W_hh, one for W_ih, one for the layer below.
//! 6. `gradients.rs` adds the parts and returns to the shapes of the parameters.
//!
//! # Stored, and what a step costs
//!
//! For a row and layer: gates (G·H; the GRU also W_hn h + b_hn), h before and after the
//! step, and for the LSTM c before and tanh c after it: 8 H floats for an LSTM, 2 kB with 64
//! units. A row costs 2·G·H² floating-point operations forward and twice that backward, and
//! for an upper layer as much again for its inputs. In time, on the machine below, an LSTM
//! of 64 units takes 770 cycles a row forward (512 of them the product), 523 + 80 for the
//! gradients of h and of the gates, 525 for the weights, 130 in the head.
//!
//! # Threads
//!
//! A batch is cut into at most 16 shards by its own content, threads take shards from a
//! queue, and the shards' gradients are added in their order: every byte is the same for any
//! any number of threads. Threads are started for a call and end with it; buffers are kept.
//!
//! A call that is to stop does so where a thread has done a window of a block. What it leaves
//! is the sum over the first shards, and for each shard under way its gradient and the states
//! behind the window: numbers that a run in one go has in the same places at that moment.
//!
//! # Vectors and dispatch
//!
//! Kernels are written once over the trait of `vector.rs` and compiled for AVX-512 (16
//! lanes), AVX2 with FMA (8), NEON (4) and plain Rust (4); `kernels.rs` picks the first that
//! the processor has. All agree to rounding, so results may differ between processors in
//! the last digits. A tile is 4 vectors wide and 6 rows high where there are 32 registers,
//! narrower where there are 16. e^x is a polynomial of degree 5; with AVX-512 it takes 9
//! instructions, and a reciprocal 5. Every operation is defined to the bit, so that processors
//! of one instruction set agree, whoever made them.
//!
//! Unsafe code is confined to this folder: the kernels work on raw pointers, and the methods
//! of `Kernels` are safe because they check every length first.
//!
//! # What was tried
//!
//! Measured on an Intel Xeon of family 6, model 207 (Sapphire Rapids or its successor), as
//! cycles of processor time beside a loop of bare multiply-adds:
//! - the `gemm` crate for the recurrent product: 75 to 95 % of the peak for 8 to 16 rows
//!   where our tile reaches 97 %, but 10 to 37 % when the weights stay as PyTorch stores
//!   them, transposed, because it packs them anew at each step; and its result goes through
//!   memory before the gates can be computed;
//! - probabilities of columns that are only padding, clamped to 2^-126: products with them
//!   are denormal numbers, which cost a quarter of the RNN's time; the limit is 2^-64 now;
//! - adding a product to its old result at the start of a tile instead of at its end: within
//!   noise while the result is near, slower when it comes from a distant cache;
//! - blocks of 256 instead of 128 along the common dimension of a product: within noise;
//! - transposing weights element by element: 2.5 cycles each, 4 % of a batch of 16 sequences
//!   in 3 layers of 128; in registers half of that;
//! - 12 to 24 rows a block: within noise at 64 units, as long as the block stays in the
//!   second-level cache.

#![allow(unsafe_code)]

use crate::error::Error;
use std::time::Instant;

mod softmax;
mod cells;
mod kernels;
mod panels;
mod head;
mod weights;
mod gradients;
mod tree;
mod block;

use block::{Progress, Read, Training, Workspace};
use gradients::{GradientPlaces, Gradients, Unpacking};
use kernels::Kernels;
use tree::{Sequence, n_shared};
use weights::{BackwardWeights, Weights};

use crate::compute::buffer::Buffer;
use crate::compute::parallel::do_all;
use crate::compute::pool::Pool;
use crate::compute::product::padded;

use super::batch::{Part, Reader, Wanted, divided};
use super::{Architecture, Engine, Example, LossSum, Step, Unfinished, check};
use crate::sequence::{Token, TokenList, Tokens};

/// Gradients are summed in at most this many parts, so at most this many threads help. The
/// parts are a power of two, so that as many threads have equal shares.
const MOST_SHARDS: usize = 16;

/// Rows that a step of a shard should have: with fewer the recurrent weights are read for
/// too little work.
const SHARD_WIDTH: usize = 12;

/// The shards of a batch with `width` rows in each step; no more for as many sequences.
pub(crate) fn most_shards(width: usize) -> usize {
    width.div_ceil(SHARD_WIDTH).next_power_of_two().min(MOST_SHARDS)
}

/// What the saved steps of a block should take: a part of a second-level cache of 2 MB.
const BLOCK_BYTES: usize = 1_500_000;

/// Floats kept of a step per hidden unit: four gates, h and c before it, h and tanh of c
/// after it.
const KEPT_PER_UNIT: usize = 8;

/// A shard is not cut into blocks of fewer sequences than this.
const SMALLEST_BLOCK: usize = 12;

/// Sequences that run together in prediction, where no step is kept.
const PREDICTION_BLOCK: usize = 64;

/// The engine of this module on the processor it runs on.
pub struct Fused {
    architecture: Architecture,
    kernels: &'static Kernels,
    places: GradientPlaces,
    workspaces: Pool<Workspace>,
    packed: Pool<(Weights, BackwardWeights)>,
    gradients: Pool<Buffer>,
}

impl Fused {
    /// An engine for networks of this architecture.
    ///
    /// # Errors
    /// Sizes out of range.
    pub fn new(architecture: Architecture) -> Result<Self, Error> {
        Fused::with_kernels(architecture, Kernels::best())
    }

    fn with_kernels(architecture: Architecture, kernels: &'static Kernels) -> Result<Self, Error> {
        check::architecture(&architecture)?;
        let places = GradientPlaces::new(&architecture);
        Ok(Fused {
            architecture,
            kernels,
            places,
            workspaces: Pool::default(),
            packed: Pool::default(),
            gradients: Pool::default(),
        })
    }

    /// One engine for every instruction set that this processor can run, the fastest
    /// first; [`Fused::new`] takes the first.
    pub fn variants(architecture: Architecture) -> Result<Vec<Self>, Error> {
        Kernels::available()
            .into_iter()
            .map(|kernels| Fused::with_kernels(architecture, kernels))
            .collect()
    }

    /// The instruction set in use, such as `AVX-512`.
    pub fn instructions(&self) -> &'static str {
        self.kernels.name
    }

    /// Packs parameters for any number of predictions.
    pub fn prepare(&self, parameters: &[f32]) -> Result<Prepared, Error> {
        check::parameters(&self.architecture, parameters)?;
        let mut weights = Weights::new(self.architecture);
        weights.pack(self.kernels, parameters, 1);
        Ok(Prepared {
            kernels: self.kernels,
            weights,
            workspaces: Pool::default(),
        })
    }
}

impl Fused {
    /// The sequences with targets, sorted by their tokens and cut into shards of nearly
    /// equal work. Depends on nothing but the arguments.
    fn shards<'a>(&self, batch: &[Example<'a>], merge: bool) -> Vec<Vec<Sequence<'a>>> {
        let mut sequences: Vec<Sequence> = batch
            .iter()
            .filter(|example| example.n_targets() > 0)
            .map(
                |&Example {
                     tokens,
                     first_target,
                     key,
                 }| Sequence {
                    tokens,
                    n_steps: tokens.len() - 1,
                    first_target,
                    key,
                },
            )
            .collect();
        sequences.sort_by_key(Sequence::fed);
        // Rows that a sequence adds to those of the one before.
        let mut new_rows: Vec<usize> = sequences.iter().map(|sequence| sequence.n_steps).collect();
        if merge {
            for (pair, rows) in sequences.windows(2).zip(new_rows.iter_mut().skip(1)) {
                *rows -= n_shared(&pair[0], &pair[1]);
            }
        }
        let n_rows: usize = new_rows.iter().sum();
        let width = mean_width(sequences.iter().map(|sequence| sequence.n_steps).collect(), n_rows);
        let n_shards = most_shards(width);
        let mut shards = vec![Vec::new(); n_shards];
        let mut rows_before = 0;
        for (sequence, rows) in sequences.into_iter().zip(new_rows) {
            // The last sequences may add no row and stay with the one before.
            let shard = (rows_before * n_shards / n_rows).min(n_shards - 1);
            shards[shard].push(sequence);
            rows_before += rows;
        }
        shards.retain(|shard| !shard.is_empty());
        shards
    }

    /// How many sequences of a shard run together.
    fn block_len(&self, shard: &[Sequence], window: usize) -> usize {
        let n_rows: usize = shard.iter().map(|sequence| sequence.n_steps.min(window)).sum();
        let row_bytes = KEPT_PER_UNIT * size_of::<f32>() * padded(self.architecture.hidden) * self.architecture.layers;
        let n_blocks = (n_rows * row_bytes / BLOCK_BYTES).clamp(1, shard.len().div_ceil(SMALLEST_BLOCK));
        shard.len().div_ceil(n_blocks)
    }
}

/// A shard in training.
struct Shard<'a> {
    sequences: Vec<Sequence<'a>>,
    block_len: usize,
    /// Blocks that are complete, and their sums.
    n_blocks: usize,
    sum: LossSum,
    /// The block after them.
    block: Progress,
    /// Once it has begun.
    gradient: Option<Gradients>,
}

impl Shard<'_> {
    fn is_complete(&self) -> bool {
        self.n_blocks == self.sequences.len().div_ceil(self.block_len)
    }
}

/// Shards that are complete, from the first on.
#[derive(Default)]
struct Complete {
    n_shards: usize,
    sum: LossSum,
    gradients: Vec<Buffer>,
}

impl Complete {
    fn add(&mut self, sum: LossSum, gradient: Option<Buffer>) {
        self.n_shards += 1;
        self.sum = self.sum.plus(sum);
        self.gradients.extend(gradient);
    }
}

/// Training that stops within a batch and goes on.
impl Fused {
    /// Runs the blocks of a shard to the end, or until the training is over; the first one gets on in any case.
    fn train<'a>(&self, training: &Training, mut shard: Shard<'a>, is_first: bool) -> Result<Shard<'a>, Error> {
        if training.is_over(Instant::now()) && !is_first {
            return Ok(shard);
        }
        let mut workspace = self.workspaces.take().unwrap_or_default();
        let mut gradient = shard
            .gradient
            .take()
            .unwrap_or_else(|| self.places.start(self.gradients.take()));
        for block in shard.sequences.chunks(shard.block_len).skip(shard.n_blocks) {
            if !workspace.train(training, block, &mut shard.block, &mut gradient)? {
                break;
            }
            shard.sum = shard.sum.plus(std::mem::take(&mut shard.block).sum);
            shard.n_blocks += 1;
            if training.is_over(Instant::now()) {
                break;
            }
        }
        self.workspaces.put(workspace);
        shard.gradient = Some(gradient);
        Ok(shard)
    }

    /// The shards as [`Fused::leave`] left them: those that are summed up, and the others.
    fn resume<'a>(
        &self,
        unfinished: Unfinished,
        shards: Vec<Vec<Sequence<'a>>>,
        window: usize,
    ) -> Result<(Complete, Vec<Shard<'a>>), Error> {
        let Unfinished {
            n_summed,
            sum,
            parts,
            floats,
        } = unfinished;
        let mut shards: Vec<Shard> = shards
            .into_iter()
            .map(|sequences| Shard {
                block_len: self.block_len(&sequences, window),
                sequences,
                n_blocks: 0,
                sum: LossSum::default(),
                block: Progress::default(),
                gradient: None,
            })
            .collect();
        let mut floats = &floats[..];
        let mut take = |n: usize| -> Result<&[f32], Error> {
            let (taken, rest) = floats.split_at_checked(n).ok_or(Error::Unfinished)?;
            floats = rest;
            Ok(taken)
        };
        let mut complete = Complete {
            n_shards: n_summed,
            sum,
            gradients: Vec::new(),
        };
        if n_summed > 0 {
            complete
                .gradients
                .push(self.places.restore(take(self.places.len)?).values);
        }
        for part in parts {
            let shard = shards.get_mut(part.number).filter(|_| part.number >= n_summed);
            let shard = shard.ok_or(Error::Unfinished)?;
            let mut gradient = self.places.restore(take(self.places.len)?);
            gradient.has_matrices = part.has_matrices;
            shard.gradient = Some(gradient);
            (shard.n_blocks, shard.sum) = (part.n_blocks, part.sum);
            shard.block = Progress {
                n_steps: part.n_steps,
                sum: part.block_sum,
                states: take(part.n_states)?.to_vec(),
            };
        }
        let fits = |shard: &Shard| shard.n_blocks <= shard.sequences.len().div_ceil(shard.block_len);
        if n_summed > shards.len() || !shards.iter().all(fits) {
            return Err(Error::Unfinished);
        }
        Ok((complete, shards.split_off(n_summed)))
    }

    /// What is left when not all shards are complete: those that are complete from the first on are summed up.
    fn leave(&self, mut complete: Complete, shards: Vec<Shard>) -> Unfinished {
        let mut waiting = shards.into_iter().peekable();
        while let Some(shard) = waiting.next_if(Shard::is_complete) {
            complete.add(shard.sum, shard.gradient.map(|gradient| self.places.finish(gradient)));
        }
        let mut floats = Vec::new();
        if let Some((total, others)) = complete.gradients.split_first_mut() {
            for other in others.iter() {
                self.kernels
                    .add(&mut total[..self.places.len], &other[..self.places.len]);
            }
            floats.extend_from_slice(&total[..self.places.len]);
        }
        complete.gradients.into_iter().for_each(|part| self.gradients.put(part));
        let mut parts = Vec::new();
        for (number, shard) in (complete.n_shards..).zip(waiting) {
            let Some(gradient) = shard.gradient else { continue };
            floats.extend_from_slice(&gradient.values[..self.places.len]);
            floats.extend_from_slice(&shard.block.states);
            parts.push(Part {
                number,
                n_blocks: shard.n_blocks,
                sum: shard.sum,
                has_matrices: gradient.has_matrices,
                n_steps: shard.block.n_steps,
                block_sum: shard.block.sum,
                n_states: shard.block.states.len(),
            });
            self.gradients.put(gradient.values);
        }
        Unfinished {
            n_summed: complete.n_shards,
            sum: complete.sum,
            parts,
            floats,
        }
    }
}

/// How many rows the step of a row has, on average over the `n_rows` that are left of
/// sequences of these lengths.
fn mean_width(mut lengths: Vec<usize>, n_rows: usize) -> usize {
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    // Before sharing, step t has n_t rows, those of the sequences longer than t; the sum of
    // n_t² over t is that of the shorter length over all pairs.
    let pairs: usize = lengths
        .iter()
        .enumerate()
        .map(|(index, length)| length * (2 * index + 1))
        .sum();
    let unshared = lengths.iter().sum::<usize>().max(1);
    (pairs as f64 / unshared as f64 * (n_rows as f64 / unshared as f64)) as usize
}

impl Engine for Fused {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn gradient_until(
        &self,
        until: Option<Instant>,
        parameters: &[f32],
        batch: &[Example],
        step: &Step,
        unfinished: &mut Option<Unfinished>,
        gradient: &mut [f32],
    ) -> Result<Option<LossSum>, Error> {
        check::training(&self.architecture, parameters, batch, step, gradient)?;

        // Masks belong to sequences, so with dropout between layers nothing can be shared.
        let drops = self.architecture.layers > 1 && self.architecture.dropout > 0.0;
        let dropout_seed = step.dropout_seed.filter(|_| drops);
        let shards = self.shards(batch, dropout_seed.is_none());
        if shards.is_empty() {
            return Ok(Some(LossSum::default()));
        }
        let unfinished_before = unfinished.take().unwrap_or_default();
        let (mut total, shards) = self.resume(unfinished_before, shards, step.window)?;
        let packed = self.packed.take();
        let (mut weights, mut backward) =
            packed.unwrap_or_else(|| (Weights::new(self.architecture), BackwardWeights::new(self.architecture)));
        weights.pack(self.kernels, parameters, step.threads);
        backward.pack(self.kernels, &self.architecture, parameters, step.threads);
        let training = Training {
            kernels: self.kernels,
            weights: &weights,
            backward: &backward,
            places: &self.places,
            class_weights: step.class_weights,
            dropout_seed,
            window: step.window,
            until,
        };
        let jobs = shards.into_iter().enumerate().collect();
        let shards = do_all(step.threads, jobs, |(place, shard)| {
            self.train(&training, shard, place == 0)
        });
        self.packed.put((weights, backward));
        let shards = shards.into_iter().collect::<Result<Vec<Shard>, _>>()?;
        if !shards.iter().all(Shard::is_complete) {
            *unfinished = Some(self.leave(total, shards));
            return Ok(None);
        }
        for shard in shards {
            total.add(shard.sum, shard.gradient.map(|gradient| self.places.finish(gradient)));
        }
        let unpacking = Unpacking {
            kernels: self.kernels,
            architecture: &self.architecture,
            parameters,
            threads: step.threads,
        };
        self.places.unpack(&unpacking, &mut total.gradients, gradient);
        total.gradients.into_iter().for_each(|part| self.gradients.put(part));
        Ok(Some(total.sum))
    }

    fn score(&self, parameters: &[f32], wanted: Vec<Wanted>, threads: usize) -> Result<(), Error> {
        self.prepare(parameters)?.score(wanted, threads)
    }

    fn feed_to(
        &self,
        parameters: &[f32],
        state: &mut [f32],
        tokens: Tokens,
        n_read: usize,
        reader: &mut dyn Reader,
    ) -> Result<(), Error> {
        self.prepare(parameters)?.feed_to(state, tokens, n_read, reader)
    }
}

/// Parameters packed for prediction.
pub struct Prepared {
    kernels: &'static Kernels,
    weights: Weights,
    workspaces: Pool<Workspace>,
}

impl Prepared {
    /// What it was made for.
    pub fn architecture(&self) -> &Architecture {
        &self.weights.architecture
    }

    /// [`Engine::score`].
    pub fn score(&self, wanted: Vec<Wanted>, threads: usize) -> Result<(), Error> {
        wanted
            .iter()
            .try_for_each(|wanted| check::example(self.architecture(), &wanted.example))?;
        check::threads(threads)?;
        let reads = wanted.into_iter().map(Read::from);
        let reads = reads.filter(|read| read.sequence.n_steps >= read.sequence.first_target);
        self.show(reads.collect(), threads);
        Ok(())
    }

    /// [`Engine::probabilities`].
    pub fn probabilities(&self, batch: &[Example], include_last: bool, threads: usize) -> Result<Vec<f32>, Error> {
        Wanted::collect(batch, include_last, self.architecture().vocabulary, |wanted| {
            self.score(wanted, threads)
        })
    }

    /// Distribution over the token after each whole sequence: (n_sequences, V). After
    /// an empty sequence it is the softmax of the head's bias, the state being zero.
    pub fn predict(&self, sequences: &[Tokens], threads: usize) -> Result<Vec<f32>, Error> {
        check::sequences(self.architecture(), sequences)?;
        check::threads(threads)?;
        let n_tokens = self.architecture().vocabulary;
        let mut rows = vec![0.0; sequences.len() * n_tokens];
        let mut readers = divided(&mut rows, sequences.iter().map(|_| n_tokens));
        let mut reads = Vec::with_capacity(sequences.len());
        for (&tokens, reader) in sequences.iter().zip(&mut readers) {
            let n_steps = tokens.len();
            let sequence = Sequence {
                tokens,
                n_steps,
                first_target: n_steps,
                key: 0,
            };
            if n_steps == 0 {
                reader.read(0, &self.weights.head.before_the_first(self.kernels)[..n_tokens]);
            } else {
                reads.push(Read { sequence, reader });
            }
        }
        self.show(reads, threads);
        Ok(rows)
    }

    /// Shows the readers the distributions at positions `first_target..=n_steps`, at least one and not before the first
    /// token, of each sequence.
    fn show(&self, mut reads: Vec<Read>, threads: usize) {
        reads.sort_by_key(|read| read.sequence.fed());
        let mut blocks = Vec::with_capacity(reads.len().div_ceil(PREDICTION_BLOCK));
        while !reads.is_empty() {
            let rest = reads.split_off(reads.len().min(PREDICTION_BLOCK));
            blocks.push(std::mem::replace(&mut reads, rest));
        }
        do_all(threads, blocks, |mut block| {
            let mut workspace = self.workspaces.take().unwrap_or_default();
            workspace.score(self.kernels, &self.weights, &mut block);
            self.workspaces.put(workspace);
        });
    }

    /// [`Engine::feed_to`] with one more token, the distribution (length V) written to `probabilities`.
    pub fn advance(&self, state: &mut [f32], token: Token, probabilities: &mut [f32]) -> Result<(), Error> {
        check::advance(self.architecture(), state, token, probabilities)?;
        let mut tokens = TokenList::new(self.architecture().vocabulary);
        tokens.push(token);
        self.feed_to(state, tokens.tokens(), 0, &mut &mut *probabilities)
    }

    /// [`Engine::feed_to`].
    pub fn feed_to(
        &self,
        state: &mut [f32],
        tokens: Tokens,
        n_read: usize,
        reader: &mut dyn Reader,
    ) -> Result<(), Error> {
        check::state(self.architecture(), state)?;
        check::sequences(self.architecture(), &[tokens])?;
        if !tokens.is_empty() {
            let mut workspace = self.workspaces.take().unwrap_or_default();
            workspace.feed(self.kernels, &self.weights, state, tokens, (n_read, reader));
            self.workspaces.put(workspace);
        }
        Ok(())
    }

    /// [`Engine::feed`].
    pub fn feed(&self, state: &mut [f32], tokens: Tokens, n_read: usize) -> Result<Vec<f32>, Error> {
        let mut rows = vec![0.0; tokens.len().saturating_sub(n_read) * self.architecture().vocabulary];
        self.feed_to(state, tokens, n_read, &mut &mut rows[..])?;
        Ok(rows)
    }

    /// The distribution after a state that [`Prepared::advance`] left, once more.
    ///
    /// # Errors
    /// When the state or the probabilities have another length.
    pub fn read_out(&self, state: &[f32], probabilities: &mut [f32]) -> Result<(), Error> {
        check::advance(self.architecture(), state, Token(0), probabilities)?;
        let mut workspace = self.workspaces.take().unwrap_or_default();
        workspace.read_out(self.kernels, &self.weights, state, probabilities);
        self.workspaces.put(workspace);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Cell;

    #[test]
    fn the_width_of_a_step_is_weighed_by_its_rows() {
        assert_eq!(mean_width(vec![5; 8], 40), 8);
        // Half of the rows are shared.
        assert_eq!(mean_width(vec![5; 8], 20), 4);
        // Steps of 3, 2, 2, 1 rows: (9 + 4 + 4 + 1) / 8.
        assert_eq!(mean_width(vec![1, 4, 3], 8), 2);
        assert_eq!(mean_width(Vec::new(), 0), 0);
    }

    #[test]
    fn shards_hold_every_sequence_with_targets_and_nearly_equal_work() {
        let architecture = Architecture {
            cell: Cell::Rnn,
            vocabulary: 4,
            embedding: 2,
            hidden: 4,
            layers: 1,
            dropout: 0.0,
        };
        let engine = Fused::new(architecture).unwrap();
        let tokens: Vec<Vec<u8>> = (0..200u32)
            .map(|i| (0..20).map(|t| ((i * 37 + t * i) % 4) as u8).collect())
            .collect();
        let mut batch: Vec<Example> = tokens
            .iter()
            .zip(0..)
            .map(|(tokens, key)| Example {
                tokens: Tokens::U8(tokens),
                first_target: 1,
                key,
            })
            .collect();
        batch.push(Example {
            tokens: Tokens::U8(&[1]),
            first_target: 1,
            key: 200,
        });
        let shards = engine.shards(&batch, false);
        assert_eq!(shards.len(), 16);
        let mut keys: Vec<u64> = shards.iter().flatten().map(|sequence| sequence.key).collect();
        keys.sort_unstable();
        assert_eq!(keys, (0..200).collect::<Vec<_>>());
        assert!(shards.iter().all(|shard| (12..=13).contains(&shard.len())));
        // These tokens repeat after 4 steps and in many sequences: little is left of them.
        assert!(engine.shards(&batch, true).len() < 4);
        assert!(engine.shards(&[], true).iter().all(Vec::is_empty));
    }
}
