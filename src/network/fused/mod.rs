//! The fused engine.

#![allow(unsafe_code)]

mod block;
mod buffer;
mod cells;
mod gradients;
mod kernels;
mod product;
mod softmax;
mod threads;
mod tile;
mod tree;
mod vector;
mod weights;

use block::{Training, Wanted, Workspace};
use buffer::Buffer;
use gradients::{GradientPlaces, Unpacking};
use kernels::Kernels;
use product::padded;
use threads::{do_all, Pool};
use tree::{n_shared, Sequence};
use weights::{BackwardWeights, Weights};

use super::{check, Architecture, Engine, Example, LossSum, NetworkError, Step};

/// Gradients are summed in at most this many parts, so at most this many threads help.
const MOST_SHARDS: usize = 16;

/// Mean rows of a step below which a batch is not cut further: the recurrent weights would
/// be read for too little work.
const SHARD_WIDTH: usize = 10;

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
    pub fn new(architecture: Architecture) -> Result<Self, NetworkError> {
        Fused::with_kernels(architecture, Kernels::best())
    }

    fn with_kernels(architecture: Architecture, kernels: &'static Kernels) -> Result<Self, NetworkError> {
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
    pub fn variants(architecture: Architecture) -> Result<Vec<Self>, NetworkError> {
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
    pub fn prepare(&self, parameters: &[f32]) -> Result<Prepared, NetworkError> {
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
        let n_steps = sequences.iter().map(|sequence| sequence.n_steps).max().unwrap_or(1);
        let n_shards = (n_rows.div_ceil(n_steps) + SHARD_WIDTH / 2) / SHARD_WIDTH;
        let n_shards = n_shards.clamp(1, MOST_SHARDS);
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

impl Engine for Fused {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn loss_and_gradient(
        &self,
        parameters: &[f32],
        batch: &[Example],
        step: &Step,
        gradient: &mut [f32],
    ) -> Result<LossSum, NetworkError> {
        check::parameters(&self.architecture, parameters)?;
        check::batch(&self.architecture, batch)?;
        check::step(&self.architecture, step)?;
        check::gradient(&self.architecture, gradient)?;

        // Masks belong to sequences, so with dropout between layers nothing can be shared.
        let drops = self.architecture.layers > 1 && self.architecture.dropout > 0.0;
        let dropout_seed = step.dropout_seed.filter(|_| drops);
        let shards = self.shards(batch, dropout_seed.is_none());
        if shards.is_empty() {
            return Ok(LossSum::default());
        }
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
        };
        let parts = do_all(step.threads, shards, |shard| {
            let mut workspace = self.workspaces.take().unwrap_or_default();
            let mut part = self.places.start(self.gradients.take());
            let mut sum = LossSum::default();
            for block in shard.chunks(self.block_len(&shard, step.window)) {
                let LossSum { loss, weight } = workspace.train(&training, block, &mut part);
                sum.loss += loss;
                sum.weight += weight;
            }
            self.workspaces.put(workspace);
            (sum, self.places.finish(part))
        });
        let (sums, mut parts): (Vec<LossSum>, Vec<Buffer>) = parts.into_iter().unzip();
        let unpacking = Unpacking {
            kernels: self.kernels,
            architecture: &self.architecture,
            parameters,
            threads: step.threads,
        };
        self.places.unpack(&unpacking, &mut parts, gradient);
        parts.into_iter().for_each(|part| self.gradients.put(part));
        self.packed.put((weights, backward));
        let sum = sums.into_iter().fold(LossSum::default(), |total, sum| LossSum {
            loss: total.loss + sum.loss,
            weight: total.weight + sum.weight,
        });
        Ok(sum)
    }

    fn probabilities(
        &self,
        parameters: &[f32],
        batch: &[Example],
        include_last: bool,
        threads: usize,
    ) -> Result<Vec<f32>, NetworkError> {
        self.prepare(parameters)?.probabilities(batch, include_last, threads)
    }

    fn predict(&self, parameters: &[f32], sequences: &[&[u8]], threads: usize) -> Result<Vec<f32>, NetworkError> {
        self.prepare(parameters)?.predict(sequences, threads)
    }

    fn advance(
        &self,
        parameters: &[f32],
        state: &mut [f32],
        token: u8,
        probabilities: &mut [f32],
    ) -> Result<(), NetworkError> {
        self.prepare(parameters)?.advance(state, token, probabilities)
    }
}

/// Parameters packed for prediction.
pub struct Prepared {
    kernels: &'static Kernels,
    weights: Weights,
    workspaces: Pool<Workspace>,
}

impl Prepared {
    pub fn architecture(&self) -> &Architecture {
        &self.weights.architecture
    }

    /// [`Engine::probabilities`].
    pub fn probabilities(
        &self,
        batch: &[Example],
        include_last: bool,
        threads: usize,
    ) -> Result<Vec<f32>, NetworkError> {
        check::batch(self.architecture(), batch)?;
        check::threads(threads)?;
        let sequences = batch.iter().map(
            |&Example {
                 tokens,
                 first_target,
                 key,
             }| {
                let n_steps = (tokens.len() + usize::from(include_last)).saturating_sub(1);
                Sequence {
                    tokens,
                    n_steps,
                    first_target,
                    key,
                }
            },
        );
        Ok(self.distributions(sequences.collect(), threads))
    }

    /// [`Engine::predict`].
    pub fn predict(&self, sequences: &[&[u8]], threads: usize) -> Result<Vec<f32>, NetworkError> {
        check::sequences(self.architecture(), sequences)?;
        check::threads(threads)?;
        let sequences = sequences.iter().map(|&tokens| {
            let n_steps = tokens.len();
            Sequence {
                tokens,
                n_steps,
                first_target: n_steps,
                key: 0,
            }
        });
        Ok(self.distributions(sequences.collect(), threads))
    }

    /// The distributions at positions `first_target..=n_steps` of each sequence. At
    /// position 0 the state is zero.
    fn distributions(&self, sequences: Vec<Sequence>, threads: usize) -> Vec<f32> {
        let n_tokens = self.architecture().vocabulary;
        let n_rows = |sequence: &Sequence| (sequence.n_steps + 1).saturating_sub(sequence.first_target);
        let mut rows = vec![0.0; sequences.iter().map(n_rows).sum::<usize>() * n_tokens];
        let mut rest = &mut rows[..];
        let mut wanted = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            let (distributions, behind) = rest.split_at_mut(n_rows(&sequence) * n_tokens);
            rest = behind;
            if sequence.n_steps == 0 && !distributions.is_empty() {
                let mut logits = Buffer::zeros(self.weights.vocabulary);
                logits.copy_from_slice(&self.weights.head_bias);
                self.kernels.softmax(&mut logits, self.weights.vocabulary);
                distributions.copy_from_slice(&logits[..n_tokens]);
            } else if !distributions.is_empty() {
                wanted.push(Wanted {
                    sequence,
                    distributions,
                });
            }
        }
        wanted.sort_by_key(|wanted| wanted.sequence.fed());
        let mut blocks = Vec::with_capacity(wanted.len().div_ceil(PREDICTION_BLOCK));
        while !wanted.is_empty() {
            let rest = wanted.split_off(wanted.len().min(PREDICTION_BLOCK));
            blocks.push(std::mem::replace(&mut wanted, rest));
        }
        do_all(threads, blocks, |mut block| {
            let mut workspace = self.workspaces.take().unwrap_or_default();
            workspace.distributions(self.kernels, &self.weights, &mut block);
            self.workspaces.put(workspace);
        });
        rows
    }

    /// [`Engine::advance`].
    pub fn advance(&self, state: &mut [f32], token: u8, probabilities: &mut [f32]) -> Result<(), NetworkError> {
        check::advance(self.architecture(), state, token, probabilities)?;
        let mut workspace = self.workspaces.take().unwrap_or_default();
        probabilities.copy_from_slice(workspace.advance(self.kernels, &self.weights, state, token));
        self.workspaces.put(workspace);
        Ok(())
    }
}
