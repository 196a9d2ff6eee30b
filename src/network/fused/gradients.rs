//! Gradients in the shapes the kernels write, and back into the parameters'.
//!
//! H and V stand for the padded widths of `hidden` and `vocabulary` here.

use std::ops::Range;

use crate::compute::buffer::Buffer;
use crate::compute::matrix::{Matrix, MatrixMut, Onto};
use crate::compute::parallel::do_all;
use crate::compute::product::padded;
use crate::network::architecture::{Architecture, Cell, Ranges};
use crate::network::fused::kernels::{Kernels, saved_gates};
use crate::network::fused::panels::put_row;
use crate::network::fused::weights::{gate_order, gate_row, threads_for};

/// The gradients of one shard.
pub(super) struct Gradients {
    pub values: Buffer,
    /// Whether the weight matrices of the layers hold gradients, or what the buffer was
    /// used for before: they are large, and the first products overwrite them.
    pub has_matrices: bool,
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

/// What turns gradients back.
pub(super) struct Unpacking<'a> {
    pub kernels: &'static Kernels,
    pub architecture: &'a Architecture,
    pub parameters: &'a [f32],
    pub threads: usize,
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

    /// Zero gradients, in a buffer that was used before or in a new one.
    pub(super) fn start(&self, buffer: Option<Buffer>) -> Gradients {
        let mut values = buffer.unwrap_or_else(|| Buffer::zeros(self.len));
        for places in &self.layers {
            values[places.sums.clone()].fill(0.0);
        }
        values[self.head.start..].fill(0.0);
        Gradients {
            values,
            has_matrices: false,
        }
    }

    /// Gradients that were left in the middle.
    pub(super) fn restore(&self, floats: &[f32]) -> Gradients {
        let mut values = Buffer::zeros(self.len);
        values[..self.len].copy_from_slice(floats);
        Gradients {
            values,
            has_matrices: false,
        }
    }

    /// The buffer of gradients that are complete.
    pub(super) fn finish(&self, mut gradients: Gradients) -> Buffer {
        if !gradients.has_matrices {
            for places in &self.layers {
                gradients.values[places.recurrent.start..places.input.end].fill(0.0);
            }
        }
        gradients.values
    }

    /// Adds the shards' gradients, in their order, to those of the parameters. The first
    /// shard's buffer is used for their sum.
    pub(super) fn unpack(&self, unpacking: &Unpacking, shards: &mut [Buffer], gradient: &mut [f32]) {
        let Unpacking {
            kernels,
            architecture,
            threads,
            ..
        } = *unpacking;
        let Some((total, others)) = shards.split_first_mut() else {
            return;
        };
        let ranges = architecture.ranges();
        // One job for each layer and one for the head: the parts of the sum, of the
        // gradient, and where they begin.
        let (embedding, mut gradient) = gradient.split_at_mut(ranges.embedding.end);
        let mut total = &mut total[..self.len];
        let (mut jobs, mut packed_from, mut from) = (Vec::new(), 0, ranges.embedding.end);
        for (places, layer) in self.layers.iter().zip(&ranges.layers) {
            let (part, rest) = total.split_at_mut(places.input.end - packed_from);
            let (to, behind) = gradient.split_at_mut(layer.bias_hh.end - from);
            jobs.push((part, packed_from, to, from));
            (total, gradient) = (rest, behind);
            (packed_from, from) = (places.input.end, layer.bias_hh.end);
        }
        jobs.push((total, packed_from, gradient, from));
        let jobs = jobs.into_iter().enumerate().collect();
        let tables = do_all(
            threads_for(architecture, threads),
            jobs,
            |(number, (total, packed_from, to, from))| {
                for other in others.iter() {
                    kernels.add(total, &other[packed_from..packed_from + total.len()]);
                }
                if number < self.layers.len() {
                    self.unpack_layer(unpacking, &ranges, number, (total, packed_from), (to, from))
                } else {
                    self.unpack_head(unpacking, (total, packed_from), to);
                    None
                }
            },
        );
        for rows in tables.into_iter().flatten() {
            let width = architecture.embedding;
            for (to, row) in embedding.chunks_exact_mut(width).zip(rows.chunks_exact(padded(width))) {
                kernels.add(to, &row[..width]);
            }
        }
    }

    /// Adds a layer's gradients; `packed` and `to` are its parts, each with the place of
    /// its first float. Gives the first layer's embedding gradient, (tokens, padded E).
    fn unpack_layer(
        &self,
        unpacking: &Unpacking,
        ranges: &Ranges,
        layer: usize,
        (packed, packed_from): (&[f32], usize),
        (to, from): (&mut [f32], usize),
    ) -> Option<Buffer> {
        let Unpacking {
            kernels, architecture, ..
        } = *unpacking;
        let Architecture {
            cell, hidden: n_units, ..
        } = *architecture;
        let hidden = padded(n_units);
        let (places, ranges) = (&self.layers[layer], &ranges.layers[layer]);
        let packed = |range: &Range<usize>| &packed[range.start - packed_from..range.end - packed_from];
        let place = |range: &Range<usize>| range.start - from..range.end - from;

        let natural = &[0, 1, 2, 3][..cell.gates()];
        let shape = (n_units, n_units);
        add_matrix(
            kernels,
            natural,
            shape,
            (packed(&places.recurrent), hidden),
            &mut to[place(&ranges.weight_hh)],
        );
        for row in packed(&places.sums).chunks_exact(saved_gates(cell) * hidden) {
            add_biases(cell, n_units, row, &mut to[place(&ranges.bias_ih)], false);
            add_biases(cell, n_units, row, &mut to[place(&ranges.bias_hh)], true);
        }
        let to = &mut to[place(&ranges.weight_ih)];
        if layer == 0 {
            return Some(unpack_table(unpacking, packed(&places.sums), to));
        }
        add_matrix(kernels, gate_order(cell), shape, (packed(&places.input), hidden), to);
        None
    }

    fn unpack_head(&self, unpacking: &Unpacking, (packed, packed_from): (&[f32], usize), to: &mut [f32]) {
        let Unpacking {
            kernels, architecture, ..
        } = *unpacking;
        let Architecture {
            vocabulary: n_tokens,
            hidden: n_units,
            ..
        } = *architecture;
        let (weight, bias) = to.split_at_mut(n_tokens * n_units);
        let head = packed[..self.head_bias.start - packed_from].chunks_exact(padded(n_units));
        for (to, row) in weight.chunks_exact_mut(n_units).zip(head) {
            kernels.add(to, &row[..n_units]);
        }
        kernels.add(bias, &packed[self.head_bias.start - packed_from..]);
    }
}

/// Adds the gradient of the first layer's input weights, (gates · units, E), and gives that
/// of the embedding, from the gradient of the table that is their product.
fn unpack_table(unpacking: &Unpacking, table: &[f32], to: &mut [f32]) -> Buffer {
    let Unpacking {
        kernels,
        architecture,
        parameters,
        ..
    } = *unpacking;
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
    let weight = &parameters[ranges.layers[0].weight_ih.clone()];

    // (gates · H, E) = tableᵀ · embedding.
    let mut rows = Buffer::zeros(n_tokens * inputs);
    for (to, from) in rows
        .chunks_exact_mut(inputs)
        .zip(parameters[ranges.embedding].chunks(embedding))
    {
        to[..embedding].copy_from_slice(from);
    }
    let mut matrix = Buffer::zeros(n_rows * inputs);
    kernels.outer_products(
        (n_rows, inputs, n_tokens),
        Matrix(table, width),
        Matrix(&rows, inputs),
        Onto::Zero,
        MatrixMut(&mut matrix, inputs),
    );
    add_matrix(kernels, gate_order(cell), (n_units, embedding), (&matrix, inputs), to);

    // (tokens, E) = table · W_ih.
    matrix.fill(0.0);
    for (place, &gate) in gate_order(cell).iter().enumerate() {
        for unit in 0..n_units {
            let row = gate_row(weight, n_units, embedding, gate, unit);
            put_row(
                &mut matrix,
                kernels.panel(),
                (n_rows, inputs),
                place * hidden + unit,
                row,
            );
        }
    }
    kernels.product(
        (n_tokens, inputs, n_rows),
        Matrix(table, width),
        &matrix,
        Onto::Zero,
        MatrixMut(&mut rows, inputs),
    );
    rows
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
    if hidden == n_units && stride == width && order.is_sorted() {
        return kernels.add(to, from);
    }
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
