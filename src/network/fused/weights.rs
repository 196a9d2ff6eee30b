//! Parameters in the shapes the kernels read, and gradients back into the parameters'.
//!
//! H and V stand for the padded widths of `hidden` and `vocabulary` here; a padded unit
//! has zero weights, so its state and its gradients stay zero.

use std::ops::Range;

use super::buffer::Buffer;
use super::kernels::{saved_gates, Kernels, Matrix, MatrixMut, Onto};
use super::product::padded;
use super::softmax::NO_TOKEN;
use crate::network::architecture::{Architecture, Cell, LayerRanges};

/// The order of the gates in input parts and saved gates, as indices into PyTorch's.
fn gate_order(cell: Cell) -> &'static [usize] {
    match cell {
        Cell::Rnn => &[0],
        Cell::Gru => &[2, 0, 1],
        Cell::Lstm => &[0, 1, 2, 3],
    }
}

/// What the forward pass reads, and with it everything a prediction needs.
pub(super) struct Weights {
    pub architecture: Architecture,
    pub hidden: usize,
    pub vocabulary: usize,
    /// (tokens, gates · H): the input part of the first layer's gates for each token,
    /// W_ih · embedding + biases.
    pub table: Buffer,
    pub layers: Vec<Layer>,
    /// Panels of (H, V).
    pub head: Buffer,
    pub head_bias: Buffer,
}

pub(super) struct Layer {
    /// Panels of (H, gates · H), for every layer but the first.
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
    /// Panels of (tokens, H).
    pub head: Buffer,
}

pub(super) struct BackwardLayer {
    /// Panels of (gates · H, H).
    pub recurrent: Buffer,
    /// Panels of (gates · H, H), for every layer but the first.
    pub input: Buffer,
}

/// Packs rows of a matrix as columns: element k of `row` goes to `offset + k · stride`.
fn put_column(packed: &mut [f32], row: &[f32], offset: usize, stride: usize) {
    packed[offset..]
        .iter_mut()
        .step_by(stride)
        .zip(row)
        .for_each(|(to, &from)| *to = from);
}

/// Where column `column` of `n` begins in panels of at most `panel` columns and depth
/// `k`, and how far its elements lie apart.
fn column_place(panel: usize, (k, n): (usize, usize), column: usize) -> (usize, usize) {
    let start = column / panel * panel;
    let width = panel.min(n - start);
    (start * k + column - start, width)
}

/// Packs `row` as row `index` of a (k, n) matrix in panels.
fn put_row(packed: &mut [f32], panel: usize, (k, n): (usize, usize), index: usize, row: &[f32]) {
    for (number, part) in row.chunks(panel).enumerate() {
        let start = number * panel;
        let width = panel.min(n - start);
        let to = start * k + index * width;
        packed[to..to + part.len()].copy_from_slice(part);
    }
}

/// Row `unit` of gate `gate` of a parameter matrix with rows of `width`.
fn gate_row(matrix: &[f32], hidden: usize, width: usize, gate: usize, unit: usize) -> &[f32] {
    &matrix[(gate * hidden + unit) * width..][..width]
}

impl Weights {
    pub(super) fn new(kernels: &Kernels, architecture: Architecture, parameters: &[f32]) -> Self {
        let Architecture {
            cell,
            vocabulary: n_tokens,
            embedding,
            hidden: n_units,
            ..
        } = architecture;
        let (hidden, vocabulary) = (padded(n_units), padded(n_tokens));
        let ranges = architecture.ranges();
        let mut head = Buffer::zeros(hidden * vocabulary);
        for (token, row) in parameters[ranges.head_weight.clone()].chunks_exact(n_units).enumerate() {
            let (offset, stride) = column_place(kernels.panel(), (hidden, vocabulary), token);
            put_column(&mut head, row, offset, stride);
        }
        let mut head_bias = Buffer::zeros(vocabulary);
        head_bias.fill(NO_TOKEN);
        head_bias[..n_tokens].copy_from_slice(&parameters[ranges.head_bias.clone()]);

        let mut layers: Vec<Layer> = ranges
            .layers
            .iter()
            .enumerate()
            .map(|(layer, places)| {
                let inputs = architecture.inputs(layer);
                let depth = if layer == 0 { inputs } else { hidden };
                pack_layer(kernels, cell, n_units, (inputs, depth), parameters, places)
            })
            .collect();
        // The first layer's input product has as many different rows as there are tokens.
        let width = cell.gates() * hidden;
        let mut table = Buffer::zeros(n_tokens * width);
        kernels.product(
            (n_tokens, width, embedding),
            Matrix {
                values: &parameters[ranges.embedding.clone()],
                stride: embedding,
            },
            &layers[0].input,
            Onto::Row(&layers[0].input_bias),
            MatrixMut {
                values: &mut table,
                stride: width,
            },
        );
        layers[0].input = Buffer::default();
        Weights {
            architecture,
            hidden,
            vocabulary,
            table,
            layers,
            head,
            head_bias,
        }
    }
}

/// Packs a layer whose input weights have `inputs` columns, padded to `depth`.
fn pack_layer(
    kernels: &Kernels,
    cell: Cell,
    n_units: usize,
    (inputs, depth): (usize, usize),
    parameters: &[f32],
    places: &LayerRanges,
) -> Layer {
    let (n_gates, hidden) = (cell.gates(), padded(n_units));
    let bias_ih = &parameters[places.bias_ih.clone()];
    let bias_hh = &parameters[places.bias_hh.clone()];
    let (weight_ih, weight_hh) = (
        &parameters[places.weight_ih.clone()],
        &parameters[places.weight_hh.clone()],
    );

    let mut input = Buffer::zeros(depth * n_gates * hidden);
    let mut input_bias = Buffer::zeros(n_gates * hidden);
    for (place, &gate) in gate_order(cell).iter().enumerate() {
        let outside = !(cell == Cell::Gru && gate == 2);
        for unit in 0..n_units {
            let column = place * hidden + unit;
            let (offset, stride) = column_place(kernels.panel(), (depth, n_gates * hidden), column);
            put_column(
                &mut input,
                gate_row(weight_ih, n_units, inputs, gate, unit),
                offset,
                stride,
            );
            let bias = gate * n_units + unit;
            input_bias[column] = bias_ih[bias] + if outside { bias_hh[bias] } else { 0.0 };
        }
    }

    let mut recurrent = Buffer::zeros(hidden * n_gates * hidden);
    for unit in 0..n_units {
        let block = kernels.unit_block(cell);
        let start = unit / block * block;
        let units = block.min(hidden - start);
        for gate in 0..n_gates {
            let offset = start * n_gates * hidden + gate * units + unit - start;
            put_column(
                &mut recurrent,
                gate_row(weight_hh, n_units, n_units, gate, unit),
                offset,
                n_gates * units,
            );
        }
    }
    let mut recurrent_bias = Buffer::default();
    if cell == Cell::Gru {
        recurrent_bias.grow(hidden);
        recurrent_bias[..n_units].copy_from_slice(&bias_hh[2 * n_units..]);
    }
    Layer {
        input,
        input_bias,
        recurrent,
        recurrent_bias,
    }
}

impl BackwardWeights {
    pub(super) fn new(kernels: &Kernels, architecture: Architecture, parameters: &[f32]) -> Self {
        let Architecture {
            cell,
            vocabulary: n_tokens,
            hidden: n_units,
            ..
        } = architecture;
        let hidden = padded(n_units);
        let ranges = architecture.ranges();
        let pack = |matrix: &[f32], order: &[usize]| {
            let shape = (order.len() * hidden, hidden);
            let mut packed = Buffer::zeros(shape.0 * shape.1);
            for (place, &gate) in order.iter().enumerate() {
                for unit in 0..n_units {
                    let row = gate_row(matrix, n_units, n_units, gate, unit);
                    put_row(&mut packed, kernels.panel(), shape, place * hidden + unit, row);
                }
            }
            packed
        };
        let layers = ranges.layers.iter().enumerate().map(|(layer, places)| BackwardLayer {
            recurrent: pack(&parameters[places.weight_hh.clone()], &[0, 1, 2, 3][..cell.gates()]),
            input: if layer == 0 {
                Buffer::default()
            } else {
                pack(&parameters[places.weight_ih.clone()], gate_order(cell))
            },
        });
        let layers = layers.collect();
        let mut head = Buffer::zeros(n_tokens * hidden);
        for (token, row) in parameters[ranges.head_weight].chunks_exact(n_units).enumerate() {
            put_row(&mut head, kernels.panel(), (n_tokens, hidden), token, row);
        }
        BackwardWeights { layers, head }
    }
}

/// The places of the gradients in a shard's buffer.
pub(super) struct GradientPlaces {
    pub layers: Vec<GradientLayer>,
    /// (tokens, H).
    pub head: Range<usize>,
    /// (V).
    pub head_bias: Range<usize>,
    pub len: usize,
}

pub(super) struct GradientLayer {
    /// Sums of the gates' gradients: by token in the first layer, in one row in others;
    /// rows of saved gates · H.
    pub sums: Range<usize>,
    /// (gates · H, H), gates in PyTorch's order.
    pub recurrent: Range<usize>,
    /// (gates · H, H), gates in the order of the input parts; empty for the first layer.
    pub input: Range<usize>,
}

impl GradientPlaces {
    pub(super) fn new(architecture: &Architecture) -> Self {
        let Architecture {
            cell,
            vocabulary: n_tokens,
            layers,
            hidden,
            ..
        } = *architecture;
        let hidden = padded(hidden);
        let mut len = 0;
        let mut place = |size: usize| {
            len += size;
            len - size..len
        };
        let square = cell.gates() * hidden * hidden;
        let layers = (0..layers)
            .map(|layer| GradientLayer {
                sums: place(saved_gates(cell) * hidden * if layer == 0 { n_tokens } else { 1 }),
                recurrent: place(square),
                input: place(if layer == 0 { 0 } else { square }),
            })
            .collect();
        let head = place(n_tokens * hidden);
        let head_bias = place(padded(n_tokens));
        GradientPlaces {
            layers,
            head,
            head_bias,
            len,
        }
    }

    /// Adds gradients in the kernels' shapes to those of the parameters.
    pub(super) fn unpack(
        &self,
        kernels: &Kernels,
        architecture: &Architecture,
        parameters: &[f32],
        packed: &[f32],
        gradient: &mut [f32],
    ) {
        let Architecture {
            cell, hidden: n_units, ..
        } = *architecture;
        let hidden = padded(n_units);
        let ranges = architecture.ranges();
        let width = saved_gates(cell) * hidden;
        for (layer, (places, to)) in self.layers.iter().zip(&ranges.layers).enumerate() {
            let natural = &[0, 1, 2, 3][..cell.gates()];
            let recurrent = &packed[places.recurrent.clone()];
            add_matrix(
                kernels,
                natural,
                (n_units, n_units),
                (recurrent, hidden),
                &mut gradient[to.weight_hh.clone()],
            );
            for row in packed[places.sums.clone()].chunks_exact(width) {
                add_biases(cell, n_units, row, &mut gradient[to.bias_ih.clone()], false);
                add_biases(cell, n_units, row, &mut gradient[to.bias_hh.clone()], true);
            }
            if layer == 0 {
                self.unpack_table(kernels, architecture, parameters, packed, gradient);
            } else {
                let input = &packed[places.input.clone()];
                let to = &mut gradient[to.weight_ih.clone()];
                add_matrix(kernels, gate_order(cell), (n_units, n_units), (input, hidden), to);
            }
        }
        let head = packed[self.head.clone()].chunks_exact(hidden);
        for (row, to) in head.zip(gradient[ranges.head_weight].chunks_exact_mut(n_units)) {
            kernels.add(to, &row[..n_units]);
        }
        kernels.add(&mut gradient[ranges.head_bias], &packed[self.head_bias.clone()]);
    }

    /// The gradients of the embedding and of the first layer's input weights, from those
    /// of the table that is their product.
    fn unpack_table(
        &self,
        kernels: &Kernels,
        architecture: &Architecture,
        parameters: &[f32],
        packed: &[f32],
        gradient: &mut [f32],
    ) {
        let Architecture {
            cell,
            vocabulary: n_tokens,
            embedding,
            hidden: n_units,
            ..
        } = *architecture;
        let ranges = architecture.ranges();
        let (hidden, inputs) = (padded(n_units), padded(embedding));
        let (n_rows, width) = (cell.gates() * hidden, saved_gates(cell) * hidden);
        let table = &packed[self.layers[0].sums.clone()];
        let weight = &parameters[ranges.layers[0].weight_ih.clone()];

        // (gates · H, E) = tableᵀ · embedding.
        let mut rows = Buffer::zeros(n_tokens * inputs);
        for (to, from) in rows
            .chunks_exact_mut(inputs)
            .zip(parameters[ranges.embedding.clone()].chunks(embedding))
        {
            to[..embedding].copy_from_slice(from);
        }
        let mut product = Buffer::zeros(n_rows * inputs);
        kernels.add_outer_products(
            (n_rows, inputs, n_tokens),
            Matrix {
                values: table,
                stride: width,
            },
            Matrix {
                values: &rows,
                stride: inputs,
            },
            MatrixMut {
                values: &mut product,
                stride: inputs,
            },
        );
        let to = &mut gradient[ranges.layers[0].weight_ih.clone()];
        add_matrix(kernels, gate_order(cell), (n_units, embedding), (&product, inputs), to);

        // (tokens, E) = table · W_ih.
        let mut weights = Buffer::zeros(n_rows * inputs);
        for (place, &gate) in gate_order(cell).iter().enumerate() {
            for unit in 0..n_units {
                let row = gate_row(weight, n_units, embedding, gate, unit);
                put_row(
                    &mut weights,
                    kernels.panel(),
                    (n_rows, inputs),
                    place * hidden + unit,
                    row,
                );
            }
        }
        kernels.product(
            (n_tokens, inputs, n_rows),
            Matrix {
                values: table,
                stride: width,
            },
            &weights,
            Onto::Zero,
            MatrixMut {
                values: &mut rows,
                stride: inputs,
            },
        );
        for (to, from) in gradient[ranges.embedding]
            .chunks_exact_mut(embedding)
            .zip(rows.chunks_exact(inputs))
        {
            kernels.add(to, &from[..embedding]);
        }
    }
}

/// Adds (gates · H, padded width) with the gates in `order` to (gates · n_units, width).
fn add_matrix(
    kernels: &Kernels,
    order: &[usize],
    (n_units, width): (usize, usize),
    (from, stride): (&[f32], usize),
    to: &mut [f32],
) {
    let hidden = padded(n_units);
    for (place, &gate) in order.iter().enumerate() {
        for unit in 0..n_units {
            let to = &mut to[(gate * n_units + unit) * width..][..width];
            kernels.add(to, &from[(place * hidden + unit) * stride..][..width]);
        }
    }
}

/// Adds a row of sums of the gates' gradients to the input or to the recurrent biases;
/// they differ in the GRU's n, whose recurrent part is saved last.
fn add_biases(cell: Cell, n_units: usize, sums: &[f32], to: &mut [f32], recurrent: bool) {
    let hidden = padded(n_units);
    for (place, &gate) in gate_order(cell).iter().enumerate() {
        let place = if recurrent && cell == Cell::Gru && gate == 2 {
            3
        } else {
            place
        };
        let sums = &sums[place * hidden..][..n_units];
        to[gate * n_units..][..n_units]
            .iter_mut()
            .zip(sums)
            .for_each(|(to, sum)| *to += sum);
    }
}
