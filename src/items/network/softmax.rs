//! The softmax over the whole catalogue by blocks of items: its cross-entropy with gradients, and probabilities.
//!
//! Scores are made twice, once for their sums and the gradients of the rows, once for the gradients of the items: the means of the
//! items by growing sums are those of online softmax (Milakov and Gimelshein, 2018; Dao et al., "FlashAttention", 2022). So of a step
//! of any catalogue a block of scores for each thread is in memory and no more.

use super::kernels::Machine;
use super::shape::Shape;
use crate::compute::buffer::Buffer;
use crate::compute::matrix::{Matrix, MatrixMut, Onto};
use crate::compute::parallel;

/// Items of a block.
const BLOCK: usize = 256;
/// Rows that are taken together.
const ROWS: usize = 128;
/// Smaller than any score.
const LEAST: f32 = -1e30;

/// The vectors of all items as columns, block by block.
#[derive(Clone, Default)]
pub struct Catalogue(Buffer);

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Catalogue({} floats)", self.0.len())
    }
}

impl Catalogue {
    /// Makes it that of some vectors.
    pub fn fill(&mut self, machine: Machine, threads: usize, shape: &Shape, items: &[f32]) {
        let d = shape.dim;
        self.0.grow(shape.n_items.div_ceil(BLOCK) * BLOCK * d);
        let items = &items[..shape.n_of_items()];
        let blocks = self.0.chunks_exact_mut(BLOCK * d).zip(items.chunks(BLOCK * d));
        let mut blocks: Vec<_> = blocks.collect();
        parallel::for_each(threads, &mut blocks, |_, (to, from)| {
            machine.transpose((from.len() / d, d), Matrix(from, d), MatrixMut(to, BLOCK));
        });
    }

    /// The blocks, and how many items each has.
    fn blocks(&self, shape: &Shape) -> impl Iterator<Item = (&[f32], usize)> {
        let n_items = shape.n_items;
        let blocks = self.0.chunks_exact(BLOCK * shape.dim);
        blocks
            .zip((0..n_items).step_by(BLOCK))
            .map(move |(block, begin)| (block, BLOCK.min(n_items - begin)))
    }

    /// Writes the probabilities of all items for each row of `results`: rows of `probabilities`, [`width`] long.
    pub fn probabilities(&self, machine: Machine, shape: &Shape, results: &[f32], probabilities: &mut [f32]) {
        let (d, width) = (shape.dim, width(shape));
        let n = results.len() / d;
        for (number, (block, _)) in self.blocks(shape).enumerate() {
            let to = MatrixMut(&mut probabilities[number * BLOCK..], width);
            machine.product((n, BLOCK, d), Matrix(results, d), Matrix(block, BLOCK), Onto::Zero, to);
        }
        for row in probabilities.chunks_exact_mut(width).take(n) {
            let (mut largest, mut sum) = ([LEAST], [0.0]);
            machine.sum_exponentials(
                MatrixMut(row, width),
                shape.n_items,
                &mut largest,
                &mut sum,
                MatrixMut(&mut [0.0; 16], 16),
            );
            let factor = 1.0 / sum[0];
            row.iter_mut().for_each(|x| *x *= factor);
        }
    }
}

/// Floats of a row of probabilities, of which those behind the items are 0.
pub fn width(shape: &Shape) -> usize {
    shape.n_items.div_ceil(BLOCK) * BLOCK
}

/// Rows that go into the softmax.
#[derive(Clone, Copy)]
pub struct Results<'a> {
    /// What the network makes of each.
    pub rows: &'a [f32],
    /// The item that followed each.
    pub targets: &'a [u32],
}

/// The sum of the cross-entropies of all rows; writes the gradients of their mean, of the rows and of all items.
pub fn cross_entropy(
    machine: Machine,
    threads: usize,
    (shape, items, catalogue): (&Shape, &[f32], &Catalogue),
    results: Results,
    of_rows: &mut [f32],
    of_items: &mut [f32],
) -> f64 {
    let d = shape.dim;
    let factor = 1.0 / results.targets.len() as f32;
    let mut sums = vec![0.0; results.targets.len()];
    let parts = results.rows.chunks(ROWS * d).zip(results.targets.chunks(ROWS));
    let written = of_rows.chunks_mut(ROWS * d).zip(sums.chunks_mut(ROWS));
    let mut parts: Vec<_> = parts
        .zip(written)
        .map(|(read, (of, sums))| (read, of, sums, 0.0))
        .collect();
    parallel::for_each(threads, &mut parts, |_, ((rows, targets), of, sums, loss)| {
        let results = Results { rows, targets };
        *loss = sum_up(machine, (shape, items, catalogue), results, of, sums, factor);
    });
    let loss = parts.iter().map(|(.., loss)| loss).sum();
    let blocks = of_items[..shape.n_of_items()].chunks_mut(BLOCK * d);
    let mut blocks: Vec<_> = blocks.zip(catalogue.blocks(shape)).collect();
    parallel::for_each(threads, &mut blocks, |_, (of, (block, n_columns))| {
        let mut scores = vec![0.0; ROWS * BLOCK];
        of.fill(0.0);
        for (rows, sums) in results.rows.chunks(ROWS * d).zip(sums.chunks(ROWS)) {
            let scores = &mut scores[..sums.len() * BLOCK];
            let (left, right) = (Matrix(rows, d), Matrix(block, BLOCK));
            machine.product(
                (sums.len(), BLOCK, d),
                left,
                right,
                Onto::Zero,
                MatrixMut(scores, BLOCK),
            );
            machine.exponentials(MatrixMut(scores, BLOCK), *n_columns, sums, factor);
            let shape = (*n_columns, d, sums.len());
            machine.outer_products(shape, Matrix(scores, BLOCK), left, Onto::Result, MatrixMut(of, d));
        }
    });
    for (row, &target) in results.rows.chunks_exact(d).zip(results.targets) {
        let of = &mut of_items[target as usize * d..(target as usize + 1) * d];
        of.iter_mut().zip(row).for_each(|(of, x)| *of -= factor * x);
    }
    loss
}

/// The cross-entropies of some rows, the logarithms of their sums, and the gradients of the rows.
fn sum_up(
    machine: Machine,
    (shape, items, catalogue): (&Shape, &[f32], &Catalogue),
    Results { rows, targets }: Results,
    of_rows: &mut [f32],
    sums: &mut [f32],
    factor: f32,
) -> f64 {
    let (d, n) = (shape.dim, targets.len());
    let (mut scores, mut largest) = (vec![0.0; n * BLOCK], vec![LEAST; n]);
    of_rows.fill(0.0);
    for ((block, n_columns), vectors) in catalogue.blocks(shape).zip(items.chunks(BLOCK * d)) {
        let (left, right) = (Matrix(rows, d), Matrix(block, BLOCK));
        machine.product((n, BLOCK, d), left, right, Onto::Zero, MatrixMut(&mut scores, BLOCK));
        let means = MatrixMut(of_rows, d);
        machine.sum_exponentials(MatrixMut(&mut scores, BLOCK), n_columns, &mut largest, sums, means);
        let (left, right) = (Matrix(&scores, BLOCK), Matrix(vectors, d));
        machine.product((n, d, n_columns), left, right, Onto::Result, MatrixMut(of_rows, d));
    }
    let mut loss = 0.0;
    for (place, &target) in targets.iter().enumerate() {
        let (row, of) = (
            &rows[place * d..(place + 1) * d],
            &mut of_rows[place * d..(place + 1) * d],
        );
        let vector = &items[target as usize * d..(target as usize + 1) * d];
        let score: f32 = row.iter().zip(vector).map(|(x, y)| x * y).sum();
        let scale = factor / sums[place];
        of.iter_mut()
            .zip(vector)
            .for_each(|(of, x)| *of = *of * scale - factor * x);
        sums[place] = largest[place] + sums[place].ln();
        loss += f64::from(sums[place] - score);
    }
    loss
}
