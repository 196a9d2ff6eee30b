//! The passes over one block of sequences, and the buffers of one thread.
//!
//! A block is packed as a [`Tree`] of prefixes; its rows are the rows of every buffer here.

use crate::error::Error;
use std::ops::Range;
use std::time::Instant;

use crate::compute::buffer::Buffer;
use crate::compute::matrix::{Matrix, MatrixMut, Onto};
use crate::compute::product::padded;
use crate::network::dropout::Dropout;
use crate::network::fused::gradients::{GradientPlaces, Gradients};
use crate::network::fused::head::{HeadBuffers, HeadGradient, Target};
use crate::network::fused::kernels::{Backward, Forward, Inputs, Kernels, saved_gates};
use crate::network::fused::tree::{Member, Sequence, Tree};
use crate::network::fused::weights::{BackwardWeights, Weights};
use crate::network::{Architecture, Cell, Example, LossSum, Reader, Wanted};
use crate::sequence::Tokens;

/// Steps of a window in prediction, where nothing is kept: few, so that the buffers stay
/// small, yet enough for one product of the inputs of upper layers.
const PREDICTION_WINDOW: usize = 4;

/// The same for a sequence alone, whose buffers have one row for each step.
const FEEDING_WINDOW: usize = 64;

/// A sequence whose distributions at positions `first_target..=n_steps` are wanted, and
/// who reads them.
pub(super) struct Read<'a> {
    pub sequence: Sequence<'a>,
    pub reader: &'a mut dyn Reader,
}

impl<'a> From<Wanted<'a>> for Read<'a> {
    fn from(wanted: Wanted<'a>) -> Self {
        let Example {
            tokens,
            first_target,
            key,
        } = wanted.example;
        let n_steps = (tokens.len() + usize::from(wanted.include_last)).saturating_sub(1);
        let sequence = Sequence {
            tokens,
            n_steps,
            first_target,
            key,
        };
        Self {
            sequence,
            reader: wanted.reader,
        }
    }
}

/// What a training step is made of beside its sequences.
#[derive(Clone, Copy)]
pub(super) struct Training<'a> {
    pub kernels: &'static Kernels,
    pub weights: &'a Weights,
    pub backward: &'a BackwardWeights,
    pub places: &'a GradientPlaces,
    pub class_weights: Option<&'a [f32]>,
    /// Set when there is dropout between the layers.
    pub dropout_seed: Option<u64>,
    pub window: usize,
    /// When to stop after a window.
    pub until: Option<Instant>,
}

impl Training<'_> {
    /// Whether to stop now, after a window that began at `started`: when another would end nearer to a time after
    /// `until` than to one before.
    pub(super) fn is_over(&self, started: Instant) -> bool {
        let now = Instant::now();
        self.until.is_some_and(|until| now + (now - started) / 2 >= until)
    }
}

/// How far a block is in training.
#[derive(Default)]
pub(super) struct Progress {
    /// Steps done, and their sums.
    pub n_steps: usize,
    pub sum: LossSum,
    /// The states after them when the block is not at its end: for each layer the rows of h, and for the LSTM of c.
    pub states: Vec<f32>,
}

/// What one layer keeps of the steps of a window.
#[derive(Default)]
struct LayerBuffers {
    /// (rows, saved gates · H).
    gates: Buffer,
    /// h and c before the step; behind the window's rows those of the step behind it.
    h: Buffer,
    c: Buffer,
    /// h after the step, with dropout what the layer above was given. On the way back it
    /// is overwritten with its gradient.
    outputs: Buffer,
    tanh_c: Buffer,
}

/// The buffers of one thread.
#[derive(Default)]
pub(super) struct Workspace {
    tree: Tree,
    layers: Vec<LayerBuffers>,
    /// What is behind the rows of a window, in their order.
    targets: Vec<Target>,
    head: HeadBuffers,
    /// Gradients of h and c of the rows of a step, and of the step before.
    h_gradient: [Buffer; 2],
    c_gradient: [Buffer; 2],
}

/// The floats of a buffer from row `row` on; none of a buffer that the cell does not use.
fn rows_from(buffer: &mut Buffer, row: usize, width: usize) -> &mut [f32] {
    buffer.get_mut(row * width..).unwrap_or_default()
}

impl Workspace {
    /// Packs the steps `window` of the sequences and makes room for them. The state
    /// before the first is the one carried out of the window before, or zero.
    fn lay_out(&mut self, weights: &Weights, sequences: &[Sequence], window: Range<usize>, carried: bool) {
        let Weights {
            architecture: Architecture { cell, layers, .. },
            hidden,
            ..
        } = *weights;
        let before = self.tree.n_rows() * hidden;
        self.tree.place(sequences, window);
        let (n_rows, n_first, n_carried) = (self.tree.n_rows(), self.tree.rows(0).len(), self.tree.n_carried());
        self.layers
            .resize_with(layers.max(self.layers.len()), LayerBuffers::default);
        for layer in &mut self.layers[..layers] {
            layer.gates.grow(n_rows * saved_gates(cell) * hidden);
            layer.outputs.grow(n_rows * hidden);
            if cell == Cell::Lstm {
                layer.tanh_c.grow(n_rows * hidden);
            }
            for state in [&mut layer.h, &mut layer.c].into_iter().take(cell.states()) {
                state.grow((n_rows + n_carried) * hidden);
                if carried {
                    state.copy_within(before..before + n_first * hidden, 0);
                } else {
                    state[..n_first * hidden].fill(0.0);
                }
            }
        }
    }

    /// Runs all layers over the steps `window`, at least one, of the sequences that the
    /// tree was begun with.
    fn forward(
        &mut self,
        kernels: &Kernels,
        weights: &Weights,
        sequences: &[Sequence],
        window: Range<usize>,
        carried: bool,
        dropout_seed: Option<u64>,
    ) {
        self.lay_out(weights, sequences, window.clone(), carried);
        let Weights {
            architecture:
                Architecture {
                    cell,
                    layers,
                    hidden: n_units,
                    dropout,
                    ..
                },
            hidden,
            ..
        } = *weights;
        let (n_rows, width) = (self.tree.n_rows(), saved_gates(cell) * hidden);
        for layer in 0..layers {
            let (below, above) = self.layers.split_at_mut(layer);
            let (buffers, packed) = (&mut above[0], &weights.layers[layer]);
            if let Some(below) = below.last() {
                kernels.product(
                    (n_rows, cell.gates() * hidden, hidden),
                    Matrix(&below.outputs, hidden),
                    &packed.input,
                    Onto::Row(&packed.input_bias),
                    MatrixMut(&mut buffers.gates, width),
                );
            }
            for t in 0..self.tree.n_steps() {
                let rows = self.tree.rows(t);
                let tokens = &self.tree.tokens()[rows.clone()];
                kernels.forward(
                    cell,
                    Forward {
                        n_rows: rows.len(),
                        children: self.tree.children(t),
                        state_is_zero: t == 0 && !carried,
                        hidden,
                        weights: &packed.recurrent,
                        bias: &packed.recurrent_bias,
                        inputs: if layer == 0 {
                            Inputs::Table(&weights.table, tokens)
                        } else {
                            Inputs::Gates
                        },
                        gates: rows_from(&mut buffers.gates, rows.start, width),
                        h: rows_from(&mut buffers.h, rows.start, hidden),
                        c: rows_from(&mut buffers.c, rows.start, hidden),
                        outputs: rows_from(&mut buffers.outputs, rows.start, hidden),
                        tanh_c: rows_from(&mut buffers.tanh_c, rows.start, hidden),
                    },
                );
            }
            if let (Some(seed), true) = (dropout_seed, layer + 1 < layers) {
                let dropout = Dropout::new(seed, layer, dropout);
                self.drop(kernels, &dropout, layer, sequences, window.start, n_units);
            }
        }
    }

    /// Applies the masks of a layer's outputs to them or to their gradients. With dropout
    /// every row belongs to one sequence.
    fn drop(
        &mut self,
        kernels: &Kernels,
        dropout: &Dropout,
        layer: usize,
        sequences: &[Sequence],
        first_step: usize,
        n_units: usize,
    ) {
        let hidden = padded(n_units);
        for t in 0..self.tree.n_steps() {
            for member in self.tree.members(t) {
                let row = &mut self.layers[layer].outputs[member.row * hidden..][..n_units];
                kernels.drop(dropout, sequences[member.sequence].key, first_step + t, row);
            }
        }
    }

    /// The rows of the states at the beginning of each layer's buffers.
    fn put_states(&mut self, weights: &Weights, states: &[f32]) {
        let Architecture { cell, layers, .. } = weights.architecture;
        let width = states.len() / (layers * cell.states());
        self.layers
            .resize_with(layers.max(self.layers.len()), LayerBuffers::default);
        let buffers = self.layers[..layers]
            .iter_mut()
            .flat_map(|layer| [&mut layer.h, &mut layer.c].into_iter().take(cell.states()));
        for (buffer, state) in buffers.zip(states.chunks_exact(width.max(1))) {
            buffer.grow(width);
            buffer[..width].copy_from_slice(state);
        }
    }

    /// The states of the rows behind the window.
    fn carried_states(&self, weights: &Weights) -> Vec<f32> {
        let Architecture { cell, layers, .. } = weights.architecture;
        let rows = self.tree.n_rows()..self.tree.n_rows() + self.tree.n_carried();
        let buffers = self.layers[..layers]
            .iter()
            .flat_map(|layer| [&layer.h, &layer.c].into_iter().take(cell.states()));
        buffers
            .flat_map(|buffer| &buffer[rows.start * weights.hidden..rows.end * weights.hidden])
            .copied()
            .collect()
    }

    /// Adds the gradient of the loss sum of `sequences` (sorted, each with at least one step) to `gradient`, and their
    /// sums to those of `progress`, from where that stands to the end, or to the window after which the training is to
    /// stop. Says whether it is the end.
    ///
    /// # Errors
    /// When `progress` is not of these sequences.
    pub(super) fn train(
        &mut self,
        training: &Training,
        sequences: &[Sequence],
        progress: &mut Progress,
        gradient: &mut Gradients,
    ) -> Result<bool, Error> {
        let Training {
            kernels,
            weights,
            dropout_seed,
            ..
        } = *training;
        let Architecture {
            hidden: n_units,
            dropout,
            ..
        } = weights.architecture;
        let n_steps = sequences.iter().map(|sequence| sequence.n_steps).max().unwrap_or(0);
        self.tree.begin(sequences, dropout_seed.is_none());
        let n_states = match progress.n_steps {
            0 => 0,
            step => self.tree.width(sequences, step) * weights.hidden * weights.architecture.cell.states(),
        };
        if progress.states.len() != n_states * weights.layers.len() || progress.n_steps > n_steps {
            return Err(Error::Unfinished);
        }
        self.put_states(weights, &std::mem::take(&mut progress.states));
        while progress.n_steps < n_steps {
            let (started, start) = (Instant::now(), progress.n_steps);
            let window = start..n_steps.min(start.saturating_add(training.window));
            progress.n_steps = window.end;
            self.forward(kernels, weights, sequences, window, start > 0, dropout_seed);
            let weight = self.set_targets(training, sequences, start);
            if weight > 0.0 {
                progress.sum.weight += weight;
                progress.sum.loss += self.head(training, gradient);
                for layer in (0..weights.layers.len()).rev() {
                    self.backward(training, layer, start > 0, gradient);
                    if layer > 0 {
                        self.backward_inputs(training, layer, gradient);
                        if let Some(seed) = dropout_seed {
                            let dropout = Dropout::new(seed, layer - 1, dropout);
                            self.drop(kernels, &dropout, layer - 1, sequences, start, n_units);
                        }
                    }
                }
                gradient.has_matrices = true;
            }
            if training.is_over(started) && progress.n_steps < n_steps {
                progress.states = self.carried_states(weights);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lists the targets behind the rows and gives the sum of their class weights.
    fn set_targets(&mut self, training: &Training, sequences: &[Sequence], first_step: usize) -> f64 {
        self.targets.clear();
        let mut sum = 0.0;
        for step in 0..self.tree.n_steps() {
            let position = first_step + step + 1;
            for &Member { sequence, row } in self.tree.members(step) {
                let Sequence {
                    tokens, first_target, ..
                } = sequences[sequence];
                if position >= first_target {
                    let token = tokens.at(position);
                    let weight = training.class_weights.map_or(1.0, |weights| weights[token.index()]);
                    self.targets.push(Target {
                        row: row as u32,
                        token,
                        weight,
                    });
                    sum += f64::from(weight);
                }
            }
        }
        sum
    }

    /// The loss sum of the window; adds the head's gradient and turns the last layer's
    /// outputs into their gradients.
    fn head(&mut self, training: &Training, gradient: &mut Gradients) -> f64 {
        let Training {
            kernels,
            weights,
            backward,
            places,
            ..
        } = *training;
        let outputs = &mut self.layers[weights.layers.len() - 1].outputs[..self.tree.n_rows() * weights.hidden];
        let (to_weights, to_bias) =
            gradient.values[places.head.start..places.head_bias.end].split_at_mut(places.head.len());
        let gradient = HeadGradient {
            weights: to_weights,
            bias: to_bias,
        };
        let head = (&weights.head, &backward.head);
        self.head.train(kernels, head, outputs, &self.targets, gradient)
    }

    /// Turns the saved gates of a layer into the gradients of their sums, back through
    /// time, and adds the gradients of the recurrent weights and of the biases.
    fn backward(&mut self, training: &Training, layer: usize, carried: bool, gradient: &mut Gradients) {
        let Training {
            kernels,
            weights,
            backward,
            places,
            ..
        } = *training;
        let Weights {
            architecture: Architecture { cell, .. },
            hidden,
            ..
        } = *weights;
        let places = &places.layers[layer];
        let (n_gates, saved) = (cell.gates() * hidden, saved_gates(cell) * hidden);
        // The gates of the recurrent weights are the last of the saved ones.
        let recurrent = saved - n_gates;
        let Workspace {
            layers,
            tree,
            h_gradient: [h, h_before],
            c_gradient: [c, c_before],
            ..
        } = self;
        let buffers = &mut layers[layer];
        let last = tree.rows(tree.n_steps() - 1).len() * hidden;
        for state in [&mut *h, &mut *h_before, &mut *c, &mut *c_before] {
            state.grow(tree.widest() * hidden);
            state[..last].fill(0.0);
        }
        for t in (0..tree.n_steps()).rev() {
            let rows = tree.rows(t);
            kernels.backward(
                cell,
                Backward {
                    n_rows: rows.len(),
                    hidden,
                    gates: rows_from(&mut buffers.gates, rows.start, saved),
                    h: rows_from(&mut buffers.h, rows.start, hidden),
                    c: rows_from(&mut buffers.c, rows.start, hidden),
                    tanh_c: rows_from(&mut buffers.tanh_c, rows.start, hidden),
                    outputs: rows_from(&mut buffers.outputs, rows.start, hidden),
                    h_gradient: h,
                    c_gradient: c,
                    sums: &mut gradient.values[places.sums.clone()],
                    index: (layer == 0).then(|| &tree.tokens()[rows.clone()]),
                },
            );
            if t > 0 {
                kernels.product(
                    (rows.len(), hidden, n_gates),
                    Matrix(&buffers.gates[rows.start * saved + recurrent..], saved),
                    &backward.layers[layer].recurrent,
                    if cell == Cell::Gru { Onto::Result } else { Onto::Zero },
                    MatrixMut(h, hidden),
                );
                kernels.sum_children(tree.children(t - 1), h, h_before, hidden);
                std::mem::swap(h, h_before);
                if cell == Cell::Lstm {
                    kernels.sum_children(tree.children(t - 1), c, c_before, hidden);
                    std::mem::swap(c, c_before);
                }
            }
        }
        // A zero state gives the weights no gradient.
        let rows = if carried { 0 } else { tree.rows(0).end }..tree.n_rows();
        if !rows.is_empty() {
            kernels.outer_products(
                (n_gates, hidden, rows.len()),
                Matrix(&buffers.gates[rows.start * saved + recurrent..], saved),
                Matrix(&buffers.h[rows.start * hidden..], hidden),
                if gradient.has_matrices {
                    Onto::Result
                } else {
                    Onto::Zero
                },
                MatrixMut(&mut gradient.values[places.recurrent.clone()], hidden),
            );
        } else if !gradient.has_matrices {
            gradient.values[places.recurrent.clone()].fill(0.0);
        }
    }

    /// Adds the gradient of a layer's input weights and turns the outputs of the layer
    /// below into their gradients.
    fn backward_inputs(&mut self, training: &Training, layer: usize, gradient: &mut Gradients) {
        let Training {
            kernels,
            weights,
            backward,
            places,
            ..
        } = *training;
        let Weights {
            architecture: Architecture { cell, .. },
            hidden,
            ..
        } = *weights;
        let (n_rows, n_gates) = (self.tree.n_rows(), cell.gates() * hidden);
        let (below, above) = self.layers.split_at_mut(layer);
        let outputs = &mut below[layer - 1].outputs;
        let gates = Matrix(&above[0].gates, saved_gates(cell) * hidden);
        kernels.outer_products(
            (n_gates, hidden, n_rows),
            gates,
            Matrix(outputs, hidden),
            if gradient.has_matrices {
                Onto::Result
            } else {
                Onto::Zero
            },
            MatrixMut(&mut gradient.values[places.layers[layer].input.clone()], hidden),
        );
        kernels.product(
            (n_rows, hidden, n_gates),
            gates,
            &backward.layers[layer].input,
            Onto::Zero,
            MatrixMut(outputs, hidden),
        );
    }

    /// Shows the readers of sorted sequences, each with at least one step, their distributions.
    pub(super) fn score(&mut self, kernels: &Kernels, weights: &Weights, reads: &mut [Read]) {
        let sequences: Vec<Sequence> = reads.iter().map(|read| read.sequence).collect();
        let n_steps = sequences.iter().map(|sequence| sequence.n_steps).max().unwrap_or(0);
        let (mut rows, mut places) = (Vec::new(), Vec::new());
        self.tree.begin(&sequences, true);
        for start in (0..n_steps).step_by(PREDICTION_WINDOW) {
            let window = start..n_steps.min(start + PREDICTION_WINDOW);
            self.forward(kernels, weights, &sequences, window.clone(), start > 0, None);
            rows.clear();
            places.clear();
            for position in window.start + 1..=window.end {
                for &Member { sequence, row } in self.tree.members(position - 1 - start) {
                    if position >= sequences[sequence].first_target {
                        if rows.last() != Some(&row) {
                            rows.push(row);
                        }
                        places.push((rows.len() - 1, sequence, position));
                    }
                }
            }
            let mut places = places.iter().copied().peekable();
            self.distributions(kernels, weights, &rows, |number, distribution| {
                while let Some((_, sequence, position)) = places.next_if(|place| place.0 == number) {
                    reads[sequence].reader.read(position, distribution);
                }
            });
        }
    }

    /// Calls `found` with the number and the distribution of each of the given packed rows.
    fn distributions(
        &mut self,
        kernels: &Kernels,
        weights: &Weights,
        rows: &[usize],
        found: impl FnMut(usize, &[f32]),
    ) {
        let outputs = &self.layers[weights.layers.len() - 1].outputs;
        self.head.distributions(kernels, &weights.head, outputs, rows, found);
    }

    /// Feeds tokens to the state of one sequence (layer by layer h, and for the LSTM then c,
    /// without padding) and shows the distributions after each of them but the first `n_read`.
    pub(super) fn feed(
        &mut self,
        kernels: &Kernels,
        weights: &Weights,
        state: &mut [f32],
        tokens: Tokens,
        (n_read, reader): (usize, &mut dyn Reader),
    ) {
        let (n_units, hidden) = (weights.architecture.hidden, weights.hidden);
        // Said to go on behind them, so that its state is carried out.
        let sequence = Sequence {
            tokens,
            n_steps: tokens.len() + 1,
            first_target: 1,
            key: 0,
        };
        self.tree.begin(&[sequence], false);
        let mut padded = vec![0.0; state.len() / n_units * hidden];
        for (padded, state) in padded.chunks_exact_mut(hidden).zip(state.chunks_exact(n_units)) {
            padded[..n_units].copy_from_slice(state);
        }
        self.put_states(weights, &padded);
        for start in (0..tokens.len()).step_by(FEEDING_WINDOW) {
            let window = start..tokens.len().min(start + FEEDING_WINDOW);
            self.forward(kernels, weights, &[sequence], window.clone(), true, None);
            let rows: Vec<usize> = (n_read.max(start)..window.end).map(|step| step - start).collect();
            self.distributions(kernels, weights, &rows, |number, distribution| {
                reader.read(start + rows[number] + 1, distribution);
            });
        }
        let padded = self.carried_states(weights);
        for (padded, state) in padded.chunks_exact(hidden).zip(state.chunks_exact_mut(n_units)) {
            state.copy_from_slice(&padded[..n_units]);
        }
    }

    /// Writes the distribution after a state as [`Workspace::feed`] leaves it.
    pub(super) fn read_out(&mut self, kernels: &Kernels, weights: &Weights, state: &[f32], to: &mut [f32]) {
        let Architecture {
            cell,
            layers,
            hidden: n_units,
            ..
        } = weights.architecture;
        let mut hidden = Buffer::zeros(weights.hidden);
        hidden[..n_units].copy_from_slice(&state[(layers - 1) * cell.states() * n_units..][..n_units]);
        self.head
            .distributions(kernels, &weights.head, &hidden, &[0], |_, distribution| {
                to.copy_from_slice(distribution);
            });
    }
}
