//! Parameters in the shapes the kernels read.
//!
//! H stands for the padded width of `hidden` here. The padding is
//! zero from the start and never written: a padded unit has zero weights, so its state and
//! its gradients stay zero.

use crate::compute::buffer::Buffer;
use crate::compute::matrix::{Matrix, MatrixMut, Onto};
use crate::compute::parallel::do_all;
use crate::compute::product::padded;
use crate::network::architecture::{Architecture, Cell, LayerRanges};
use crate::network::fused::head::{BackwardHead, Head};
use crate::network::fused::kernels::Kernels;
use crate::network::fused::panels::{column_place, put_row};

/// Layers are packed on several threads from this many parameters on; below, starting a
/// thread takes longer.
const PARALLEL_FROM: usize = 100_000;

/// The order of the gates in input parts and saved gates, as indices into PyTorch's.
pub(super) fn gate_order(cell: Cell) -> &'static [usize] {
    match cell {
        Cell::Rnn => &[0],
        Cell::Gru => &[2, 0, 1],
        Cell::Lstm => &[0, 1, 2, 3],
    }
}

/// Threads worth using for work that touches every parameter once.
pub(super) fn threads_for(architecture: &Architecture, threads: usize) -> usize {
    if architecture.n_parameters() < PARALLEL_FROM {
        1
    } else {
        threads
    }
}

/// What the forward pass reads, and with it everything a prediction needs.
pub(super) struct Weights {
    pub architecture: Architecture,
    pub hidden: usize,
    /// (tokens, gates · H): the input part of the first layer's gates for each token,
    /// W_ih · embedding + biases.
    pub table: Buffer,
    pub layers: Vec<Layer>,
    pub head: Head,
}

pub(super) struct Layer {
    /// Panels of (inputs, gates · H); the first layer's only serve to make the table.
    pub input: Buffer,
    pub input_bias: Buffer,
    /// Panels of (H, gates · units): the gates of a block of units side by side.
    pub recurrent: Buffer,
    /// GRU: the recurrent bias of n, (H).
    pub recurrent_bias: Buffer,
}

/// What the backward pass reads besides.
pub(super) struct BackwardWeights {
    pub layers: Vec<BackwardLayer>,
    pub head: BackwardHead,
}

pub(super) struct BackwardLayer {
    /// Panels of (gates · H, H).
    pub recurrent: Buffer,
    /// Panels of (gates · H, H), for every layer but the first.
    pub input: Buffer,
}

/// Row `unit` of gate `gate` of a parameter matrix with rows of `width`.
pub(super) fn gate_row(matrix: &[f32], hidden: usize, width: usize, gate: usize, unit: usize) -> &[f32] {
    &matrix[(gate * hidden + unit) * width..][..width]
}

impl Weights {
    /// Room for the parameters of an architecture.
    pub(super) fn new(architecture: Architecture) -> Self {
        let hidden = padded(architecture.hidden);
        let width = architecture.cell.gates() * hidden;
        let layer = |layer| Layer {
            input: Buffer::zeros(if layer == 0 { architecture.embedding } else { hidden } * width),
            input_bias: Buffer::zeros(width),
            recurrent: Buffer::zeros(hidden * width),
            recurrent_bias: Buffer::zeros(if architecture.cell == Cell::Gru { hidden } else { 0 }),
        };
        Weights {
            architecture,
            hidden,
            table: Buffer::zeros(architecture.vocabulary * width),
            layers: (0..architecture.layers).map(layer).collect(),
            head: Head::new(&architecture),
        }
    }

    /// Replaces the parameters.
    pub(super) fn pack(&mut self, kernels: &Kernels, parameters: &[f32], threads: usize) {
        let Weights {
            architecture, hidden, ..
        } = *self;
        let ranges = architecture.ranges();
        let layers = self.layers.iter_mut().zip(&ranges.layers).enumerate().collect();
        do_all(
            threads_for(&architecture, threads),
            layers,
            |(layer, (packed, places))| {
                packed.pack(kernels, &architecture, layer, parameters, places);
            },
        );
        // The first layer's input product has as many different rows as there are tokens.
        let width = architecture.cell.gates() * hidden;
        kernels.product(
            (architecture.vocabulary, width, architecture.embedding),
            Matrix(&parameters[ranges.embedding.clone()], architecture.embedding),
            &self.layers[0].input,
            Onto::Row(&self.layers[0].input_bias),
            MatrixMut(&mut self.table, width),
        );
        self.head.pack(kernels, architecture.hidden, parameters, &ranges);
    }
}

impl Layer {
    fn pack(
        &mut self,
        kernels: &Kernels,
        architecture: &Architecture,
        layer: usize,
        parameters: &[f32],
        places: &LayerRanges,
    ) {
        let Architecture {
            cell, hidden: n_units, ..
        } = *architecture;
        let (n_gates, hidden, inputs) = (cell.gates(), padded(n_units), architecture.inputs(layer));
        let bias_ih = &parameters[places.bias_ih.clone()];
        let bias_hh = &parameters[places.bias_hh.clone()];
        let weight_ih = Matrix(&parameters[places.weight_ih.clone()], inputs);
        let weight_hh = Matrix(&parameters[places.weight_hh.clone()], n_units);
        let depth = if layer == 0 { inputs } else { hidden };
        // As many units at a time as a vector has lanes: no panel is divided.
        for unit in (0..n_units).step_by(kernels.lanes()) {
            let n_rows = kernels.lanes().min(n_units - unit);
            for (place, &gate) in gate_order(cell).iter().enumerate() {
                let shape = (depth, n_gates * hidden);
                let (offset, stride) = column_place(kernels.panel(), shape, place * hidden + unit);
                let rows = weight_ih.skip_rows(gate * n_units + unit);
                kernels.put_columns((n_rows, inputs), rows, &mut self.input[offset..], stride);
            }
            let block = kernels.unit_block(cell);
            let start = unit / block * block;
            let units = block.min(hidden - start);
            for gate in 0..n_gates {
                let offset = start * n_gates * hidden + gate * units + unit - start;
                let rows = weight_hh.skip_rows(gate * n_units + unit);
                kernels.put_columns((n_rows, n_units), rows, &mut self.recurrent[offset..], n_gates * units);
            }
        }
        for (place, &gate) in gate_order(cell).iter().enumerate() {
            let inside = cell == Cell::Gru && gate == 2;
            for unit in 0..n_units {
                let bias = gate * n_units + unit;
                self.input_bias[place * hidden + unit] = bias_ih[bias] + if inside { 0.0 } else { bias_hh[bias] };
            }
        }
        if cell == Cell::Gru {
            self.recurrent_bias[..n_units].copy_from_slice(&bias_hh[2 * n_units..]);
        }
    }
}

impl BackwardWeights {
    /// Room for the parameters of an architecture.
    pub(super) fn new(architecture: Architecture) -> Self {
        let hidden = padded(architecture.hidden);
        let square = architecture.cell.gates() * hidden * hidden;
        let layer = |layer| BackwardLayer {
            recurrent: Buffer::zeros(square),
            input: Buffer::zeros(if layer == 0 { 0 } else { square }),
        };
        BackwardWeights {
            layers: (0..architecture.layers).map(layer).collect(),
            head: BackwardHead::new(&architecture),
        }
    }

    /// Replaces the parameters.
    pub(super) fn pack(&mut self, kernels: &Kernels, architecture: &Architecture, parameters: &[f32], threads: usize) {
        let Architecture {
            cell, hidden: n_units, ..
        } = *architecture;
        let hidden = padded(n_units);
        let ranges = architecture.ranges();
        let layers = self.layers.iter_mut().zip(&ranges.layers).enumerate().collect();
        do_all(
            threads_for(architecture, threads),
            layers,
            |(layer, (packed, places))| {
                let pack = |packed: &mut Buffer, matrix: &[f32], order: &[usize]| {
                    for (place, &gate) in order.iter().enumerate() {
                        for unit in 0..n_units {
                            let row = gate_row(matrix, n_units, n_units, gate, unit);
                            let shape = (order.len() * hidden, hidden);
                            put_row(packed, kernels.panel(), shape, place * hidden + unit, row);
                        }
                    }
                };
                pack(
                    &mut packed.recurrent,
                    &parameters[places.weight_hh.clone()],
                    &[0, 1, 2, 3][..cell.gates()],
                );
                if layer > 0 {
                    pack(
                        &mut packed.input,
                        &parameters[places.weight_ih.clone()],
                        gate_order(cell),
                    );
                }
            },
        );
        self.head.pack(kernels, architecture, parameters, &ranges);
    }
}
