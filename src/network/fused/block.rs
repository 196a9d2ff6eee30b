//! The passes over one block of sequences, and the buffers of one thread.
//!
//! A block is a few sequences sorted by length, longest first. Its steps are packed
//! time-major without padding: the rows of step t are the first n_t sequences, those
//! with more than t steps, and the rows of step t + 1 follow. The sequences that go on
//! are always the first of those that were active.

use std::ops::Range;

use super::buffer::Buffer;
use super::kernels::{saved_gates, Backward, Forward, Inputs, Kernels, Matrix, MatrixMut, Onto};
use super::weights::{BackwardWeights, GradientPlaces, Weights};
use crate::network::dropout::Dropout;
use crate::network::{Architecture, Cell, LossSum};

/// Steps of a window in prediction, where nothing is kept: few, so that the buffers stay
/// in the first-level cache, yet enough for one product of the inputs of upper layers.
const PREDICTION_WINDOW: usize = 4;

/// One sequence of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence<'a> {
    pub tokens: &'a [u8],
    /// How many of the tokens are fed.
    pub n_steps: usize,
    pub first_target: usize,
    pub key: u64,
}

/// A sequence whose distributions at positions `first_target..=n_steps` are wanted, and
/// the place for them.
pub(super) struct Wanted<'a> {
    pub sequence: Sequence<'a>,
    pub distributions: &'a mut [f32],
}

/// What a training step is made of beside its sequences.
#[derive(Clone, Copy)]
pub(super) struct Training<'a> {
    pub kernels: &'static Kernels,
    pub weights: &'a Weights,
    pub backward: &'a BackwardWeights,
    pub places: &'a GradientPlaces,
    pub class_weights: Option<&'a [f32]>,
    pub dropout_seed: Option<u64>,
    pub window: usize,
}

/// What one layer keeps of the steps of a window, one row for each active sequence and
/// step.
#[derive(Default)]
struct LayerBuffers {
    /// (rows, saved gates · H).
    gates: Buffer,
    /// h and c before the step; behind the window's rows those that go on.
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
    layers: Vec<LayerBuffers>,
    /// First row of each step of the window, and the end of the last.
    starts: Vec<usize>,
    /// Sequences that go on behind the window.
    n_carried: usize,
    /// The token of each row.
    tokens: Vec<u32>,
    /// The target of each row and its class weight, 0 for a row that does not count.
    targets: Vec<u32>,
    target_weights: Vec<f32>,
    /// (rows, V).
    logits: Buffer,
    /// Outputs whose distributions are wanted, (rows, H).
    picked: Buffer,
    /// Gradients of h and c between two steps, (sequences, H).
    h_gradient: Buffer,
    c_gradient: Buffer,
}

/// How many of the sequences have more than `t` steps.
fn n_active(sequences: &[Sequence], t: usize) -> usize {
    sequences.partition_point(|sequence| sequence.n_steps > t)
}

/// The floats of a buffer from row `row` on; none of a buffer that the cell does not use.
fn rows_from(buffer: &mut Buffer, row: usize, width: usize) -> &mut [f32] {
    buffer.get_mut(row * width..).unwrap_or_default()
}

impl Workspace {
    fn n_rows(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    fn rows(&self, t: usize) -> Range<usize> {
        self.starts[t]..self.starts[t + 1]
    }

    /// Packs the steps `window` of the sequences and makes room for them. The state
    /// before the first is the one carried out of the window before, or zero.
    fn lay_out(&mut self, weights: &Weights, sequences: &[Sequence], window: Range<usize>, carried: bool) {
        let Weights {
            architecture: Architecture { cell, layers, .. },
            hidden,
            ..
        } = *weights;
        let carried_rows = carried.then(|| self.n_rows()..self.n_rows() + self.n_carried);
        self.starts.clear();
        self.tokens.clear();
        for t in window.clone() {
            self.starts.push(self.tokens.len());
            let active = &sequences[..n_active(sequences, t)];
            self.tokens
                .extend(active.iter().map(|sequence| u32::from(sequence.tokens[t])));
        }
        self.starts.push(self.tokens.len());
        self.n_carried = n_active(sequences, window.end);

        let (n_rows, n_first) = (self.n_rows(), self.rows(0).len());
        self.layers
            .resize_with(layers.max(self.layers.len()), LayerBuffers::default);
        for layer in &mut self.layers[..layers] {
            layer.gates.grow(n_rows * saved_gates(cell) * hidden);
            layer.outputs.grow(n_rows * hidden);
            if cell == Cell::Lstm {
                layer.tanh_c.grow(n_rows * hidden);
            }
            for state in [&mut layer.h, &mut layer.c].into_iter().take(cell.states()) {
                state.grow((n_rows + self.n_carried) * hidden);
                match &carried_rows {
                    Some(rows) => state.copy_within(rows.start * hidden..rows.end * hidden, 0),
                    None => state[..n_first * hidden].fill(0.0),
                }
            }
        }
    }

    /// Runs all layers over the steps `window`, at least one, of sequences of which at
    /// least one is active.
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
        let (n_rows, width) = (self.n_rows(), saved_gates(cell) * hidden);
        for layer in 0..layers {
            let (below, above) = self.layers.split_at_mut(layer);
            let (buffers, packed) = (&mut above[0], &weights.layers[layer]);
            if let Some(below) = below.last() {
                kernels.product(
                    (n_rows, cell.gates() * hidden, hidden),
                    Matrix {
                        values: &below.outputs,
                        stride: hidden,
                    },
                    &packed.input,
                    Onto::Row(&packed.input_bias),
                    MatrixMut {
                        values: &mut buffers.gates,
                        stride: width,
                    },
                );
            }
            for t in 0..window.len() {
                let rows = self.starts[t]..self.starts[t + 1];
                let inputs = if layer == 0 {
                    Inputs::Table(&weights.table, &self.tokens[rows.clone()])
                } else {
                    Inputs::Gates
                };
                kernels.forward(
                    cell,
                    Forward {
                        n_rows: rows.len(),
                        n_next: self.starts.get(t + 2).map_or(self.n_carried, |end| end - rows.end),
                        state_is_zero: t == 0 && !carried,
                        hidden,
                        weights: &packed.recurrent,
                        bias: &packed.recurrent_bias,
                        inputs,
                        gates: rows_from(&mut buffers.gates, rows.start, width),
                        h: rows_from(&mut buffers.h, rows.start, hidden),
                        c: rows_from(&mut buffers.c, rows.start, hidden),
                        outputs: rows_from(&mut buffers.outputs, rows.start, hidden),
                        tanh_c: rows_from(&mut buffers.tanh_c, rows.start, hidden),
                    },
                );
            }
            if let (Some(seed), true) = (dropout_seed, layer + 1 < layers && dropout > 0.0) {
                let dropout = Dropout::new(seed, layer, dropout);
                self.drop(kernels, &dropout, layer, sequences, window.start, n_units);
            }
        }
    }

    /// Applies the masks of a layer's outputs to them or to their gradients.
    fn drop(
        &mut self,
        kernels: &Kernels,
        dropout: &Dropout,
        layer: usize,
        sequences: &[Sequence],
        first_step: usize,
        n_units: usize,
    ) {
        let hidden = super::product::padded(n_units);
        let mut outputs = self.layers[layer].outputs.chunks_exact_mut(hidden);
        for (t, ends) in self.starts.windows(2).enumerate() {
            for (sequence, row) in sequences[..ends[1] - ends[0]].iter().zip(&mut outputs) {
                kernels.drop(dropout, sequence.key, first_step + t, &mut row[..n_units]);
            }
        }
    }

    /// Adds the gradient of the loss sum of `sequences` (sorted, each with at least one
    /// step) to `gradient` and gives the sums.
    pub(super) fn train(&mut self, training: &Training, sequences: &[Sequence], gradient: &mut [f32]) -> LossSum {
        let mut sum = LossSum::default();
        let n_steps = sequences.first().map_or(0, |longest| longest.n_steps);
        for start in (0..n_steps).step_by(training.window) {
            let window = start..n_steps.min(start.saturating_add(training.window));
            let Training {
                kernels,
                weights,
                dropout_seed,
                ..
            } = *training;
            self.forward(kernels, weights, sequences, window.clone(), start > 0, dropout_seed);
            self.set_targets(training, sequences, window.clone());
            if self.target_weights.iter().all(|&weight| weight == 0.0) {
                continue;
            }
            sum.weight += self.target_weights.iter().map(|&weight| f64::from(weight)).sum::<f64>();
            sum.loss += self.head(training, gradient);
            for layer in (0..weights.layers.len()).rev() {
                self.backward(training, layer, start > 0, gradient);
                if layer > 0 {
                    self.backward_inputs(training, layer, gradient);
                    let Architecture {
                        hidden: n_units,
                        dropout,
                        ..
                    } = weights.architecture;
                    if let (Some(seed), true) = (dropout_seed, dropout > 0.0) {
                        let dropout = Dropout::new(seed, layer - 1, dropout);
                        self.drop(kernels, &dropout, layer - 1, sequences, start, n_units);
                    }
                }
            }
        }
        sum
    }

    /// Lists the target and the class weight of each row.
    fn set_targets(&mut self, training: &Training, sequences: &[Sequence], window: Range<usize>) {
        self.targets.clear();
        self.target_weights.clear();
        for t in window {
            for sequence in &sequences[..n_active(sequences, t)] {
                let target = sequence.tokens[t + 1];
                let weight = training
                    .class_weights
                    .map_or(1.0, |weights| weights[usize::from(target)]);
                self.targets.push(target.into());
                self.target_weights
                    .push(if t + 1 < sequence.first_target { 0.0 } else { weight });
            }
        }
    }

    /// The loss sum of the window; adds the head's gradient and turns the last layer's
    /// outputs into their gradients.
    fn head(&mut self, training: &Training, gradient: &mut [f32]) -> f64 {
        let Training {
            kernels,
            weights,
            backward,
            places,
            ..
        } = *training;
        let Weights {
            architecture,
            hidden,
            vocabulary,
            ..
        } = weights;
        let (hidden, vocabulary, n_tokens) = (*hidden, *vocabulary, architecture.vocabulary);
        let n_rows = self.n_rows();
        let outputs = &mut self.layers[architecture.layers - 1].outputs;
        self.logits.grow(n_rows * vocabulary);
        let logits = &mut self.logits[..n_rows * vocabulary];
        kernels.product(
            (n_rows, vocabulary, hidden),
            Matrix {
                values: outputs,
                stride: hidden,
            },
            &weights.head,
            Onto::Row(&weights.head_bias),
            MatrixMut {
                values: logits,
                stride: vocabulary,
            },
        );
        let bias = &mut gradient[places.head_bias.clone()];
        let loss = kernels.cross_entropy(logits, &self.targets, &self.target_weights, bias);
        let logits = Matrix {
            values: logits,
            stride: vocabulary,
        };
        kernels.add_outer_products(
            (n_tokens, hidden, n_rows),
            logits,
            Matrix {
                values: outputs,
                stride: hidden,
            },
            MatrixMut {
                values: &mut gradient[places.head.clone()],
                stride: hidden,
            },
        );
        kernels.product(
            (n_rows, hidden, n_tokens),
            logits,
            &backward.head,
            Onto::Zero,
            MatrixMut {
                values: outputs,
                stride: hidden,
            },
        );
        loss
    }

    /// Turns the saved gates of a layer into the gradients of their sums, back through
    /// time, and adds the gradients of the recurrent weights and of the biases.
    fn backward(&mut self, training: &Training, layer: usize, carried: bool, gradient: &mut [f32]) {
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
        let buffers = &mut self.layers[layer];
        let n_first = self.starts[1];
        for state in [&mut self.h_gradient, &mut self.c_gradient] {
            state.grow(n_first * hidden);
            state[..n_first * hidden].fill(0.0);
        }
        for t in (0..self.starts.len() - 1).rev() {
            let rows = self.starts[t]..self.starts[t + 1];
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
                    h_gradient: &mut self.h_gradient,
                    c_gradient: &mut self.c_gradient,
                    sums: &mut gradient[places.sums.clone()],
                    index: (layer == 0).then(|| &self.tokens[rows.clone()]),
                },
            );
            if t > 0 {
                kernels.product(
                    (rows.len(), hidden, n_gates),
                    Matrix {
                        values: &buffers.gates[rows.start * saved + recurrent..],
                        stride: saved,
                    },
                    &backward.layers[layer].recurrent,
                    if cell == Cell::Gru { Onto::Result } else { Onto::Zero },
                    MatrixMut {
                        values: &mut self.h_gradient,
                        stride: hidden,
                    },
                );
            }
        }
        // A zero state gives the weights no gradient.
        let rows = if carried { 0 } else { n_first }..self.starts.last().copied().unwrap_or(0);
        if !rows.is_empty() {
            kernels.add_outer_products(
                (n_gates, hidden, rows.len()),
                Matrix {
                    values: &buffers.gates[rows.start * saved + recurrent..],
                    stride: saved,
                },
                Matrix {
                    values: &buffers.h[rows.start * hidden..],
                    stride: hidden,
                },
                MatrixMut {
                    values: &mut gradient[places.recurrent.clone()],
                    stride: hidden,
                },
            );
        }
    }

    /// Adds the gradient of a layer's input weights and turns the outputs of the layer
    /// below into their gradients.
    fn backward_inputs(&mut self, training: &Training, layer: usize, gradient: &mut [f32]) {
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
        let (n_rows, n_gates) = (self.n_rows(), cell.gates() * hidden);
        let (below, above) = self.layers.split_at_mut(layer);
        let outputs = &mut below[layer - 1].outputs;
        let gates = Matrix {
            values: &above[0].gates,
            stride: saved_gates(cell) * hidden,
        };
        kernels.add_outer_products(
            (n_gates, hidden, n_rows),
            gates,
            Matrix {
                values: outputs,
                stride: hidden,
            },
            MatrixMut {
                values: &mut gradient[places.layers[layer].input.clone()],
                stride: hidden,
            },
        );
        kernels.product(
            (n_rows, hidden, n_gates),
            gates,
            &backward.layers[layer].input,
            Onto::Zero,
            MatrixMut {
                values: outputs,
                stride: hidden,
            },
        );
    }

    /// Writes the wanted distributions of sequences sorted by steps, each with at least
    /// one.
    pub(super) fn distributions(&mut self, kernels: &Kernels, weights: &Weights, wanted: &mut [Wanted]) {
        let sequences: Vec<Sequence> = wanted.iter().map(|wanted| wanted.sequence).collect();
        let n_tokens = weights.architecture.vocabulary;
        let n_steps = sequences.first().map_or(0, |longest| longest.n_steps);
        for start in (0..n_steps).step_by(PREDICTION_WINDOW) {
            let window = start..n_steps.min(start + PREDICTION_WINDOW);
            self.forward(kernels, weights, &sequences, window.clone(), start > 0, None);
            let rows: Vec<(usize, usize)> = window
                .flat_map(|t| (0..n_active(&sequences, t)).map(move |row| (t, row)))
                .filter(|&(t, row)| t + 1 >= sequences[row].first_target)
                .collect();
            let packed = rows
                .iter()
                .map(|&(t, row)| self.starts[t - start] + row)
                .collect::<Vec<_>>();
            self.softmax(kernels, weights, &packed);
            for (&(t, row), probabilities) in rows.iter().zip(self.logits.chunks_exact(weights.vocabulary)) {
                let place = (t + 1 - sequences[row].first_target) * n_tokens;
                wanted[row].distributions[place..place + n_tokens].copy_from_slice(&probabilities[..n_tokens]);
            }
        }
    }

    /// Sets `logits` to the distributions after the outputs of the given packed rows.
    fn softmax(&mut self, kernels: &Kernels, weights: &Weights, rows: &[usize]) {
        let Weights { hidden, vocabulary, .. } = *weights;
        let outputs = &self.layers[weights.layers.len() - 1].outputs;
        self.picked.grow(rows.len() * hidden);
        for (&row, picked) in rows.iter().zip(self.picked.chunks_exact_mut(hidden)) {
            picked.copy_from_slice(&outputs[row * hidden..][..hidden]);
        }
        self.logits.grow(rows.len() * vocabulary);
        let logits = &mut self.logits[..rows.len() * vocabulary];
        kernels.product(
            (rows.len(), vocabulary, hidden),
            Matrix {
                values: &self.picked,
                stride: hidden,
            },
            &weights.head,
            Onto::Row(&weights.head_bias),
            MatrixMut {
                values: logits,
                stride: vocabulary,
            },
        );
        kernels.softmax(logits, vocabulary);
    }

    /// Feeds one token to a state of one sequence (layer by layer h, and for the LSTM
    /// then c, without padding) and gives the distribution after it.
    pub(super) fn advance(&mut self, kernels: &Kernels, weights: &Weights, state: &mut [f32], token: u8) -> &[f32] {
        let Weights {
            architecture:
                Architecture {
                    cell,
                    layers,
                    hidden: n_units,
                    vocabulary,
                    ..
                },
            hidden,
            ..
        } = *weights;
        // The state is put where a window before of no steps would have left it. The
        // sequence is said to have a second step, so that its state is carried out.
        self.starts.clear();
        self.n_carried = 1;
        self.layers
            .resize_with(layers.max(self.layers.len()), LayerBuffers::default);
        let buffers = self
            .layers
            .iter_mut()
            .flat_map(|layer| [&mut layer.h, &mut layer.c].into_iter().take(cell.states()));
        for (buffer, state) in buffers.zip(state.chunks_exact(n_units)) {
            buffer.grow(hidden);
            buffer[..hidden].fill(0.0);
            buffer[..n_units].copy_from_slice(state);
        }
        let sequence = Sequence {
            tokens: &[token],
            n_steps: 2,
            first_target: 1,
            key: 0,
        };
        self.forward(kernels, weights, &[sequence], 0..1, true, None);
        let buffers = self
            .layers
            .iter()
            .flat_map(|layer| [&layer.h, &layer.c].into_iter().take(cell.states()));
        for (buffer, state) in buffers.zip(state.chunks_exact_mut(n_units)) {
            state.copy_from_slice(&buffer[hidden..][..n_units]);
        }
        self.softmax(kernels, weights, &[0]);
        &self.logits[..vocabulary]
    }
}
