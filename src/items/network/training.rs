//! How a network learns.

use super::blocks::{Rows, Tape, Weights, back, forward, transpose};
use super::dropout::Dropout;
use super::kernels::Machine;
use super::shape::Shape;
use super::softmax::{Catalogue, Results, cross_entropy};
use super::trained::Network;
use crate::compute::buffer::Buffer;
use crate::compute::parallel;
use crate::random::{Random, hash};

/// Rows of a step, unless one history has more.
pub const STEP: usize = 1024;
/// A step is cut into so many parts, whatever the number of threads.
const N_PARTS: usize = 16;
/// Floats that are updated at a time.
const UPDATED: usize = 1 << 16;
/// The deviation of all weights before the first step, as in the publications.
const DEVIATION: f64 = 0.02;

/// How it learns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Numbers of the vector of an item.
    pub dim: usize,
    /// Blocks.
    pub layers: usize,
    /// Parts of the vectors that attend on their own.
    pub heads: usize,
    /// Items that it looks at.
    pub max_length: usize,
    /// Most passes over the training.
    pub epochs: usize,
    /// Passes without a better one after which it ends.
    pub patience: usize,
    /// Of Adam.
    pub learning_rate: f64,
    /// The share of numbers that are left out at random.
    pub dropout: f64,
    /// Of all that is random.
    pub seed: u64,
    /// Fewest events of an item that it knows.
    pub min_count: usize,
}

/// Weights with their moments and gradients.
struct Learned {
    weights: Buffer,
    moments: [Buffer; 2],
    gradient: Buffer,
}

impl Learned {
    fn zeros(n: usize) -> Self {
        let zeros = || Buffer::zeros(n);
        Self {
            weights: zeros(),
            moments: [zeros(), zeros()],
            gradient: zeros(),
        }
    }

    fn update(&mut self, machine: Machine, threads: usize, rate: f32, correction: f32) {
        let [first, second] = &mut self.moments;
        let moments = first.chunks_mut(UPDATED).zip(second.chunks_mut(UPDATED));
        let weights = self.weights.chunks_mut(UPDATED).zip(self.gradient.chunks(UPDATED));
        let mut parts: Vec<_> = weights.zip(moments).collect();
        parallel::for_each(threads, &mut parts, |_, ((weights, gradient), (first, second))| {
            machine.adam(weights, gradient, [first, second], rate, correction);
        });
    }
}

/// A part of a step: some histories, what they keep, and their gradients.
#[derive(Default)]
struct Part {
    rows: Rows,
    targets: Vec<u32>,
    first_row: usize,
    tape: Tape,
    gradient: Buffer,
}

/// A network that learns.
pub struct Trainer {
    settings: Settings,
    shape: Shape,
    machine: Machine,
    histories: Vec<Vec<u32>>,
    items: Learned,
    others: Learned,
    catalogue: Catalogue,
    transposed: Buffer,
    parts: Vec<Part>,
    n_epochs: usize,
    n_steps: i32,
}

impl Trainer {
    /// For histories of items below `n_items`, each of two or more.
    pub fn new(settings: &Settings, n_items: usize, histories: Vec<Vec<u32>>) -> Self {
        let &Settings {
            dim,
            layers,
            heads,
            max_length,
            seed,
            ..
        } = settings;
        let shape = Shape {
            n_items,
            dim,
            layers,
            heads,
            max_length,
        };
        let (mut items, mut others) = (Learned::zeros(shape.n_of_items()), Learned::zeros(shape.n_weights()));
        let mut random = Random::for_purpose(seed, "weights");
        let draw = |weights: &mut [f32], random: &mut Random| {
            weights
                .iter_mut()
                .for_each(|x| *x = (DEVIATION * random.normal()) as f32);
        };
        draw(&mut items.weights[..shape.n_of_items()], &mut random);
        draw(&mut others.weights[shape.positions()], &mut random);
        for layer in (0..layers).map(|layer| shape.layer(layer)) {
            for matrix in [layer.qkv, layer.out, layer.inner, layer.outer] {
                draw(&mut others.weights[matrix], &mut random);
            }
            for norm in [layer.norm, layer.second_norm] {
                others.weights[norm][..dim].fill(1.0);
            }
        }
        others.weights[shape.last()][..dim].fill(1.0);
        Self {
            settings: *settings,
            shape,
            machine: Machine::best(),
            histories,
            items,
            others,
            catalogue: Catalogue::default(),
            transposed: Buffer::default(),
            parts: std::iter::repeat_with(Part::default).take(N_PARTS).collect(),
            n_epochs: 0,
            n_steps: 0,
        }
    }

    /// The network as it is, with the places of its items in a catalogue.
    pub fn network(&self, places: Vec<u32>, n_in_catalogue: usize) -> Option<Network> {
        let items = &self.items.weights[..self.shape.n_of_items()];
        let others = &self.others.weights[..self.shape.n_weights()];
        Network::new(self.shape, items, others, places, n_in_catalogue)
    }

    /// One pass over all histories; the mean cross-entropy of what came next.
    pub fn epoch(&mut self, threads: usize) -> f64 {
        self.n_epochs += 1;
        let pieces = self.pieces();
        let n_rows = |&(_, begin, end): &(u32, u32, u32)| (end - begin) as usize;
        let (mut loss, mut n) = (0.0, 0);
        let mut begin = 0;
        while begin < pieces.len() {
            let mut rows = 0;
            let end = begin
                + pieces[begin..]
                    .iter()
                    .take_while(|piece| {
                        let is_first = rows == 0;
                        rows += n_rows(piece);
                        is_first || rows <= STEP
                    })
                    .count();
            let pieces = &pieces[begin..end];
            let of_step: usize = pieces.iter().map(n_rows).sum();
            loss += self.step(pieces, of_step, threads);
            n += of_step;
            begin = end;
        }
        loss / n as f64
    }

    /// Which events of which history are read at once, in the order of this pass: all that have one behind them, in pieces as long as the network looks
    /// back, that begin elsewhere in each pass.
    fn pieces(&self) -> Vec<(u32, u32, u32)> {
        let (seed, epoch) = (self.settings.seed, self.n_epochs as u64);
        let length = self.shape.max_length;
        let mut pieces = Vec::new();
        for (number, history) in self.histories.iter().enumerate() {
            let n = history.len() - 1;
            let shift = match n > length {
                true => hash(seed, &[epoch, number as u64]) as usize % length,
                false => 0,
            };
            let mut begin = 0;
            while begin < n {
                let end = n.min(if begin == 0 && shift > 0 { shift } else { begin + length });
                pieces.push((number as u32, begin as u32, end as u32));
                begin = end;
            }
        }
        Random::for_purpose(hash(seed, &[epoch]), "order").shuffle(&mut pieces);
        pieces
    }

    /// Learns from some pieces of `n_rows` events together; the sum of their cross-entropies.
    fn step(&mut self, pieces: &[(u32, u32, u32)], n_rows: usize, threads: usize) -> f64 {
        let loss = self.gradients(pieces, n_rows, threads);
        self.n_steps = self.n_steps.saturating_add(1);
        let rate = self.settings.learning_rate / (1.0 - 0.9f64.powi(self.n_steps));
        let correction = 1.0 / (1.0 - 0.999f64.powi(self.n_steps));
        for learned in [&mut self.items, &mut self.others] {
            learned.update(self.machine, threads, rate as f32, correction as f32);
        }
        loss
    }

    /// The gradients of the mean cross-entropy of some pieces, and their sum of it.
    fn gradients(&mut self, pieces: &[(u32, u32, u32)], n_rows: usize, threads: usize) -> f64 {
        let (machine, shape, d) = (self.machine, self.shape, self.shape.dim);
        let dropout_seed = hash(self.settings.seed, &[self.n_epochs as u64, self.n_steps as u64]);
        self.deal(pieces, n_rows);
        let weights = Weights {
            shape: &shape,
            items: &self.items.weights,
            others: &self.others.weights,
        };
        transpose(machine, &shape, &self.others.weights, &mut self.transposed);
        self.catalogue.fill(machine, threads, &shape, &self.items.weights);
        let rate = self.settings.dropout;
        parallel::for_each(threads, &mut self.parts, |_, part| {
            let dropout = (rate > 0.0).then_some(Dropout {
                rate,
                seed: dropout_seed,
                first_row: part.first_row,
            });
            forward(machine, weights, &part.rows, dropout, &mut part.tape);
        });
        let (mut rows, mut targets) = (Vec::with_capacity(n_rows * d), Vec::with_capacity(n_rows));
        for part in &self.parts {
            rows.extend_from_slice(&part.tape.result()[..part.targets.len() * d]);
            targets.extend_from_slice(&part.targets);
        }
        let mut of_rows = vec![0.0; rows.len()];
        let results = Results {
            rows: &rows,
            targets: &targets,
        };
        let catalogue = (&shape, &*self.items.weights, &self.catalogue);
        let of_items = &mut self.items.gradient;
        let loss = cross_entropy(machine, threads, catalogue, results, &mut of_rows, of_items);
        let transposed = &self.transposed;
        parallel::for_each(threads, &mut self.parts, |_, part| {
            let Part {
                rows,
                targets,
                first_row,
                tape,
                gradient,
            } = part;
            gradient.grow(shape.n_weights());
            gradient.fill(0.0);
            let of_result = &of_rows[*first_row * d..(*first_row + targets.len()) * d];
            back(machine, weights, transposed, rows, of_result, tape, gradient);
        });
        self.collect();
        loss
    }

    /// Gives the pieces to the parts, as many rows to each.
    fn deal(&mut self, pieces: &[(u32, u32, u32)], n_rows: usize) {
        let mut pieces = pieces.iter().peekable();
        let mut first_row = 0;
        for (number, part) in self.parts.iter_mut().enumerate() {
            part.rows.clear();
            part.targets.clear();
            part.first_row = first_row;
            while first_row * N_PARTS < (number + 1) * n_rows
                && let Some(&(history, begin, end)) = pieces.next()
            {
                let history = &self.histories[history as usize];
                let (begin, end) = (begin as usize, end as usize);
                part.rows.push(&history[begin..end]);
                part.targets.extend_from_slice(&history[begin + 1..=end]);
                first_row += end - begin;
            }
        }
    }

    /// Adds the gradients of the parts, one after the other.
    fn collect(&mut self) {
        let d = self.shape.dim;
        let gradient = &mut self.others.gradient;
        gradient.fill(0.0);
        for part in &self.parts {
            gradient
                .iter_mut()
                .zip(&*part.gradient)
                .for_each(|(sum, one)| *sum += one);
            for (&item, of_row) in part.rows.items.iter().zip(part.tape.of_rows().chunks_exact(d)) {
                let of_item = &mut self.items.gradient[item as usize * d..(item as usize + 1) * d];
                of_item.iter_mut().zip(of_row).for_each(|(sum, one)| *sum += one);
            }
        }
    }
}

#[cfg(test)]
mod tests;
