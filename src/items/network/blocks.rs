//! Rows of items through the layers of a network, and gradients back through them.

use super::attention::{Head, Scratch};
use super::dropout::Dropout;
use super::kernels::Machine;
use super::shape::{Layer, Shape};
use crate::compute::buffer::Buffer;
use crate::compute::matrix::{Matrix, MatrixMut, Onto};

/// The weights of a network: vectors of items, and all others as [`Shape::layer`] has them.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    pub shape: &'a Shape,
    pub items: &'a [f32],
    pub others: &'a [f32],
}

/// Some histories, one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The item of each row.
    pub items: Vec<u32>,
    /// The rows of each history.
    pub lengths: Vec<usize>,
}

impl Rows {
    /// Adds a history.
    pub fn push(&mut self, items: &[u32]) {
        self.items.extend_from_slice(items);
        self.lengths.push(items.len());
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.items.clear();
        self.lengths.clear();
    }

    /// Where each history begins, and its length.
    fn histories(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.lengths.iter().scan(0, |end, &length| {
            *end += length;
            Some((*end - length, length))
        })
    }
}

/// What a norm keeps for its gradients.
#[derive(Default)]
struct Norm {
    normal: Vec<f32>,
    inverse: Vec<f32>,
    y: Vec<f32>,
}

impl Norm {
    fn apply(&mut self, machine: Machine, x: &[f32], weights: &[f32]) {
        let width = weights.len() / 2;
        let (gain, bias) = weights.split_at(width);
        self.normal.resize(x.len(), 0.0);
        self.y.resize(x.len(), 0.0);
        self.inverse.resize(x.len() / width, 0.0);
        machine.normalize(x, gain, bias, &mut self.normal, &mut self.inverse, &mut self.y);
    }

    fn back(&self, machine: Machine, of_y: &[f32], weights: &[f32], of_x: &mut [f32], of_weights: &mut [f32]) {
        let width = weights.len() / 2;
        let of_weights = of_weights.split_at_mut(width);
        machine.denormalize(of_y, &weights[..width], (&self.normal, &self.inverse), of_x, of_weights);
    }
}

/// What a layer keeps for its gradients.
#[derive(Default)]
struct Kept {
    norm: Norm,
    qkv: Vec<f32>,
    /// Of each history and head.
    probabilities: Vec<f32>,
    attended: Vec<f32>,
    factors: Vec<f32>,
    second_norm: Norm,
    inner: Vec<f32>,
    second_factors: Vec<f32>,
}

/// What one pass keeps, and room for it.
#[derive(Default)]
pub struct Tape {
    is_dropped: bool,
    factors: Vec<f32>,
    layers: Vec<Kept>,
    last: Norm,
    x: Vec<f32>,
    /// One number, or three, for each of the rows of a gradient or a result.
    wide: Vec<f32>,
    narrow: Vec<f32>,
    of_attended: Vec<f32>,
    scratch: Scratch,
}

impl Tape {
    /// What the network makes of each row of the last pass.
    pub fn result(&self) -> &[f32] {
        &self.last.y
    }

    /// The gradients of the vectors of the items of the rows, after [`back`].
    pub fn of_rows(&self) -> &[f32] {
        &self.x
    }
}

/// Rows through the network; without `dropout` nothing is left out.
pub fn forward(machine: Machine, weights: Weights, rows: &Rows, dropout: Option<Dropout>, tape: &mut Tape) {
    let (shape, w) = (weights.shape, weights.others);
    let (d, n) = (shape.dim, rows.items.len());
    let Tape {
        is_dropped,
        factors,
        layers,
        last,
        x,
        narrow,
        scratch,
        ..
    } = tape;
    *is_dropped = dropout.is_some();
    embed(weights, rows, x);
    if let Some(dropout) = dropout {
        refill(factors, dropout, 0, n * d, d);
        x.iter_mut().zip(&*factors).for_each(|(x, factor)| *x *= factor);
    }
    layers.resize_with(shape.layers, Kept::default);
    narrow.resize(n * d, 0.0);
    for (number, kept) in layers.iter_mut().enumerate() {
        let at = shape.layer(number);
        kept.norm.apply(machine, x, &w[at.norm.clone()]);
        kept.qkv.resize(3 * n * d, 0.0);
        affine(machine, &kept.norm.y, (w, &at.qkv, &at.qkv_bias), &mut kept.qkv);
        attend(machine, shape, rows, kept, scratch);
        affine(machine, &kept.attended, (w, &at.out, &at.out_bias), narrow);
        let refilled = dropout.map(|dropout| refill(&mut kept.factors, dropout, 2 * number + 1, n * d, d));
        add(x, narrow, refilled.map(|()| &*kept.factors));
        kept.second_norm.apply(machine, x, &w[at.second_norm.clone()]);
        kept.inner.resize(n * d, 0.0);
        affine(
            machine,
            &kept.second_norm.y,
            (w, &at.inner, &at.inner_bias),
            &mut kept.inner,
        );
        kept.inner.iter_mut().for_each(|x| *x = x.max(0.0));
        affine(machine, &kept.inner, (w, &at.outer, &at.outer_bias), narrow);
        let refilled = dropout.map(|dropout| refill(&mut kept.second_factors, dropout, 2 * number + 2, n * d, d));
        add(x, narrow, refilled.map(|()| &*kept.second_factors));
    }
    last.apply(machine, x, &w[shape.last()]);
}

/// Adds the gradients of all weights but the vectors of items to `gradients`, by `of_result`; those of the vectors of items are [`Tape::of_rows`].
/// `transposed` has each matrix transposed, where it lies.
pub fn back(
    machine: Machine,
    weights: Weights,
    transposed: &[f32],
    rows: &Rows,
    of_result: &[f32],
    tape: &mut Tape,
    gradients: &mut [f32],
) {
    let (shape, w) = (weights.shape, weights.others);
    let (d, n) = (shape.dim, rows.items.len());
    let is_dropped = tape.is_dropped;
    let Tape {
        factors,
        layers,
        last,
        x: of_x,
        wide,
        narrow,
        of_attended,
        scratch,
        ..
    } = tape;
    of_x.clear();
    of_x.resize(n * d, 0.0);
    let ends = shape.last();
    last.back(machine, of_result, &w[ends.clone()], of_x, &mut gradients[ends]);
    for (number, kept) in layers.iter().enumerate().rev() {
        let at = shape.layer(number);
        let Layer {
            inner, outer, qkv, out, ..
        } = &at;
        multiply_into(of_x, is_dropped.then_some(&kept.second_factors), narrow);
        collect(machine, &kept.inner, narrow, (outer, &at.outer_bias), gradients);
        wide.resize(n * d, 0.0);
        linear(machine, narrow, (transposed, outer), wide, d);
        let through = wide.iter_mut().zip(&kept.inner);
        through.for_each(|(of, &x)| *of = if x > 0.0 { *of } else { 0.0 });
        collect(machine, &kept.second_norm.y, wide, (inner, &at.inner_bias), gradients);
        linear(machine, wide, (transposed, inner), narrow, d);
        let norm = &at.second_norm;
        let of_norm = &mut gradients[norm.clone()];
        kept.second_norm.back(machine, narrow, &w[norm.clone()], of_x, of_norm);

        multiply_into(of_x, is_dropped.then_some(&kept.factors), narrow);
        collect(machine, &kept.attended, narrow, (out, &at.out_bias), gradients);
        of_attended.resize(n * d, 0.0);
        linear(machine, narrow, (transposed, out), of_attended, d);
        wide.clear();
        wide.resize(3 * n * d, 0.0);
        attend_back(machine, shape, rows, kept, of_attended, wide, scratch);
        collect(machine, &kept.norm.y, wide, (qkv, &at.qkv_bias), gradients);
        linear(machine, wide, (transposed, qkv), narrow, d);
        let of_norm = &mut gradients[at.norm.clone()];
        kept.norm.back(machine, narrow, &w[at.norm.clone()], of_x, of_norm);
    }
    if is_dropped {
        of_x.iter_mut().zip(&*factors).for_each(|(x, factor)| *x *= factor);
    }
    for (begin, length) in rows.histories() {
        let of_positions = &mut gradients[..length * d];
        add(of_positions, &of_x[begin * d..(begin + length) * d], None);
    }
    let scale = (d as f32).sqrt();
    of_x.iter_mut().for_each(|x| *x *= scale);
}

/// Writes each matrix of `weights` transposed where it lies.
pub fn transpose(machine: Machine, shape: &Shape, weights: &[f32], transposed: &mut Buffer) {
    let d = shape.dim;
    transposed.grow(weights.len());
    for number in 0..shape.layers {
        let at = shape.layer(number);
        for (range, n_columns) in [(at.qkv, 3 * d), (at.out, d), (at.inner, d), (at.outer, d)] {
            let from = Matrix(&weights[range.clone()], n_columns);
            machine.transpose((d, n_columns), from, MatrixMut(&mut transposed[range], d));
        }
    }
}

/// The vectors of the items and of the positions of all rows.
fn embed(weights: Weights, rows: &Rows, x: &mut Vec<f32>) {
    let d = weights.shape.dim;
    let scale = (d as f32).sqrt();
    x.resize(rows.items.len() * d, 0.0);
    for (begin, length) in rows.histories() {
        for place in 0..length {
            let item = rows.items[begin + place] as usize;
            let of_item = &weights.items[item * d..(item + 1) * d];
            let of_place = &weights.others[place * d..(place + 1) * d];
            let x = &mut x[(begin + place) * d..(begin + place + 1) * d];
            for (x, (of_item, of_place)) in x.iter_mut().zip(of_item.iter().zip(of_place)) {
                *x = of_item * scale + of_place;
            }
        }
    }
}

fn refill(factors: &mut Vec<f32>, dropout: Dropout, place: usize, n: usize, width: usize) {
    factors.resize(n, 0.0);
    dropout.fill(place, factors, width);
}

/// Adds the terms, each times its factor.
fn add(x: &mut [f32], terms: &[f32], factors: Option<&[f32]>) {
    match factors {
        Some(factors) => {
            let terms = terms.iter().zip(factors);
            x.iter_mut()
                .zip(terms)
                .for_each(|(x, (term, factor))| *x += term * factor);
        }
        None => x.iter_mut().zip(terms).for_each(|(x, term)| *x += term),
    }
}

fn multiply_into(x: &[f32], factors: Option<&Vec<f32>>, to: &mut Vec<f32>) {
    to.clear();
    match factors {
        Some(factors) => to.extend(x.iter().zip(factors).map(|(x, factor)| x * factor)),
        None => to.extend_from_slice(x),
    }
}

type At = std::ops::Range<usize>;

/// Rows times a matrix, plus a bias.
fn affine(machine: Machine, x: &[f32], (weights, matrix, bias): (&[f32], &At, &At), result: &mut [f32]) {
    let n_out = bias.len();
    let n_in = matrix.len() / n_out;
    let shape = (x.len() / n_in, n_out, n_in);
    let right = Matrix(&weights[matrix.clone()], n_out);
    let onto = Onto::Row(&weights[bias.clone()]);
    machine.product(shape, Matrix(x, n_in), right, onto, MatrixMut(result, n_out));
}

/// Rows of gradients times a matrix that is transposed, which gives `n_out` numbers for each.
fn linear(machine: Machine, of: &[f32], (transposed, matrix): (&[f32], &At), result: &mut [f32], n_out: usize) {
    let n_in = matrix.len() / n_out;
    let shape = (of.len() / n_in, n_out, n_in);
    let right = Matrix(&transposed[matrix.clone()], n_out);
    machine.product(shape, Matrix(of, n_in), right, Onto::Zero, MatrixMut(result, n_out));
}

/// Adds the gradients of a matrix and its bias by rows that went in and gradients of those that came out.
fn collect(machine: Machine, x: &[f32], of: &[f32], (matrix, bias): (&At, &At), gradients: &mut [f32]) {
    let n_out = bias.len();
    let n_in = matrix.len() / n_out;
    let shape = (n_in, n_out, x.len() / n_in);
    let to = MatrixMut(&mut gradients[matrix.clone()], n_out);
    machine.outer_products(shape, Matrix(x, n_in), Matrix(of, n_out), Onto::Result, to);
    let of_bias = &mut gradients[bias.clone()];
    of.chunks_exact(n_out).for_each(|row| add(of_bias, row, None));
}

/// Each head of each history, where its rows begin and where its probabilities do.
fn heads(shape: &Shape, rows: &Rows, mut each: impl FnMut(Head, usize, usize)) {
    let width = shape.dim / shape.heads;
    let mut end = 0;
    for (begin, n_rows) in rows.histories() {
        for head in 0..shape.heads {
            let head = Head {
                n_rows,
                width,
                stride: 3 * shape.dim,
                first: head * width,
            };
            each(head, begin, end);
            end += head.n_probabilities();
        }
    }
}

fn attend(machine: Machine, shape: &Shape, rows: &Rows, kept: &mut Kept, scratch: &mut Scratch) {
    let d = shape.dim;
    let mut n_probabilities = 0;
    heads(shape, rows, |head, _, _| n_probabilities += head.n_probabilities());
    kept.probabilities.resize(n_probabilities, 0.0);
    kept.attended.resize(rows.items.len() * d, 0.0);
    heads(shape, rows, |head, begin, first| {
        let qkv = &kept.qkv[begin * 3 * d..];
        let probabilities = &mut kept.probabilities[first..first + head.n_probabilities()];
        let to = MatrixMut(&mut kept.attended[begin * d + head.first..], d);
        head.attend(machine, qkv, probabilities, to, scratch);
    });
}

fn attend_back(
    machine: Machine,
    shape: &Shape,
    rows: &Rows,
    kept: &Kept,
    of_attended: &[f32],
    of_qkv: &mut [f32],
    scratch: &mut Scratch,
) {
    let d = shape.dim;
    heads(shape, rows, |head, begin, first| {
        let (qkv, of_qkv) = (&kept.qkv[begin * 3 * d..], &mut of_qkv[begin * 3 * d..]);
        let probabilities = &kept.probabilities[first..first + head.n_probabilities()];
        let of = Matrix(&of_attended[begin * d + head.first..], d);
        head.gradients(machine, qkv, probabilities, of, of_qkv, scratch);
    });
}
