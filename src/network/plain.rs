//! The network in candle operations, one after the other, with candle's autograd.
//!
//! This is the reference that our own kernels are tested against. A batch is padded to its longest sequence; the rows that
//! count are selected before the head, so padding costs time and changes nothing.

use std::time::Instant;

use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::ops::{log_softmax, sigmoid, softmax};

use super::architecture::Architecture;
use super::batch::{Example, LossSum, Reader, Step, Unfinished, Wanted};
use super::dropout::Dropout;
use super::engine::Engine;
use super::{Cell, check};
use crate::error::Error;
use crate::sequence::Tokens;

type Result<T, E = candle_core::Error> = std::result::Result<T, E>;

/// Sequences per padded batch in prediction, to bound memory.
const PREDICTED_TOGETHER: usize = 512;

/// Scores that are computed together, about.
const SCORES_TOGETHER: usize = 1 << 24;

/// Steps whose outputs are kept at a time in prediction.
const PREDICTED_STEPS: usize = 256;

impl From<candle_core::Error> for Error {
    /// Keeps the root message alone: candle's own text can carry a backtrace.
    fn from(error: candle_core::Error) -> Self {
        let text = match error {
            candle_core::Error::WithBacktrace { inner, .. } => inner.to_string(),
            other => other.to_string(),
        };
        Error::Device(format!(
            "the device failed: {}",
            text.lines().next().unwrap_or_default()
        ))
    }
}

/// The candle engine. The number of threads of a request is not used: candle's CPU
/// operations share a pool of their own.
#[derive(Clone, Debug)]
pub struct Plain {
    architecture: Architecture,
    device: Device,
}

impl Plain {
    /// An engine for networks of this architecture on a device.
    ///
    /// # Errors
    /// Sizes out of range.
    pub fn new(architecture: Architecture, device: Device) -> Result<Self, Error> {
        check::architecture(&architecture)?;
        Ok(Plain { architecture, device })
    }

    /// The parameters as tensors in the order of [`Architecture::slots`].
    fn tensors(&self, parameters: &[f32]) -> Result<Vec<Tensor>> {
        let slots = self.architecture.slots();
        slots
            .into_iter()
            .map(|slot| Tensor::from_slice(&parameters[slot.range], slot.shape, &self.device))
            .collect()
    }

    /// Shows the readers their distributions, for some sequences at a time.
    fn show(&self, network: &Network, part: &mut [Wanted]) -> Result<()> {
        let n_steps = |wanted: &Wanted| {
            let n_tokens = wanted.example.tokens.len() + usize::from(wanted.include_last);
            n_tokens.saturating_sub(1)
        };
        let padded = Padded::new(
            part.iter().map(|wanted| wanted.example.tokens),
            part.iter().map(n_steps).max(),
        );
        let mut state = network.start(part.len(), &self.device)?;
        for from in (0..padded.n_steps).step_by(PREDICTED_STEPS) {
            let to = padded.n_steps.min(from + PREDICTED_STEPS);
            let outputs = network.forward(&padded, from..to, &mut state, None)?;
            // The output of step t is the distribution at position t + 1.
            let rows: Vec<(usize, usize)> = (from..to)
                .flat_map(|t| (0..part.len()).map(move |row| (t, row)))
                .filter(|&(t, row)| t + 1 >= part[row].example.first_target && t < n_steps(&part[row]))
                .collect();
            for rows in rows.chunks(self.rows_together()) {
                let picked = pick(&outputs, rows.iter().map(|&(t, row)| (t - from) * part.len() + row))?;
                let distributions = softmax(&network.head(&picked)?, D::Minus1)?.to_vec2::<f32>()?;
                for (&(t, row), distribution) in rows.iter().zip(&distributions) {
                    part[row].reader.read(t + 1, distribution);
                }
            }
        }
        Ok(())
    }

    /// Rows that go through the head together.
    fn rows_together(&self) -> usize {
        SCORES_TOGETHER.div_ceil(self.architecture.vocabulary)
    }
}

impl Engine for Plain {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Does not stop within a batch.
    fn gradient_until(
        &self,
        _until: Option<Instant>,
        parameters: &[f32],
        batch: &[Example],
        step: &Step,
        _unfinished: &mut Option<Unfinished>,
        gradient: &mut [f32],
    ) -> Result<Option<LossSum>, Error> {
        check::training(&self.architecture, parameters, batch, step, gradient)?;

        let tensors = self.tensors(parameters)?;
        let variables = tensors.iter().map(Var::from_tensor).collect::<Result<Vec<_>>>()?;
        let network = Network::new(
            &self.architecture,
            variables.iter().map(|v| v.as_tensor().clone()).collect(),
        );
        let batch: Vec<&Example> = batch.iter().filter(|example| example.n_targets() > 0).collect();
        let padded = Padded::new(
            batch.iter().map(|example| example.tokens),
            batch.iter().map(|example| example.tokens.len() - 1).max(),
        );

        let mut sum = LossSum::default();
        let mut state = network.start(batch.len(), &self.device)?;
        for from in (0..padded.n_steps).step_by(step.window) {
            let to = padded.n_steps.min(from + step.window);
            let masks = step.dropout_seed.map(|seed| Masks { seed, batch: &batch });
            let outputs = network.forward(&padded, from..to, &mut state, masks)?;
            state.iter_mut().for_each(|layer| *layer = layer.detach());

            let counted: Vec<(usize, usize)> = (from..to)
                .flat_map(|t| (0..batch.len()).map(move |row| (t, row)))
                .filter(|&(t, row)| t + 1 >= batch[row].first_target && t + 1 < batch[row].tokens.len())
                .collect();
            if counted.is_empty() {
                continue;
            }
            let targets: Vec<u32> = counted.iter().map(|&(t, row)| batch[row].tokens.at(t + 1).0).collect();
            let weights: Vec<f32> = match step.class_weights {
                Some(weights) => targets.iter().map(|&target| weights[target as usize]).collect(),
                None => vec![1.0; targets.len()],
            };
            sum.weight += weights.iter().map(|&weight| f64::from(weight)).sum::<f64>();

            let n = targets.len();
            let picked = pick(&outputs, counted.iter().map(|&(t, row)| (t - from) * batch.len() + row))?;
            let log_probabilities = log_softmax(&network.head(&picked)?, D::Minus1)?;
            let losses = (log_probabilities
                .gather(&Tensor::from_vec(targets, (n, 1), &self.device)?, 1)?
                .squeeze(1)?
                * Tensor::from_vec(weights, n, &self.device)?)?
            .neg()?;
            sum.loss += losses.to_vec1::<f32>()?.into_iter().map(f64::from).sum::<f64>();

            let gradients = losses.sum_all()?.backward()?;
            for (slot, variable) in self.architecture.slots().iter().zip(&variables) {
                if let Some(part) = gradients.get(variable.as_tensor()) {
                    let part = part.flatten_all()?.to_vec1::<f32>()?;
                    gradient[slot.range.clone()]
                        .iter_mut()
                        .zip(part)
                        .for_each(|(total, x)| *total += x);
                }
            }
        }
        Ok(Some(sum))
    }

    fn score(&self, parameters: &[f32], mut wanted: Vec<Wanted>, threads: usize) -> Result<(), Error> {
        check::parameters(&self.architecture, parameters)?;
        wanted
            .iter()
            .try_for_each(|wanted| check::example(&self.architecture, &wanted.example))?;
        check::threads(threads)?;
        let network = Network::new(&self.architecture, self.tensors(parameters)?);
        let mut parts = wanted.chunks_mut(PREDICTED_TOGETHER);
        Ok(parts.try_for_each(|part| self.show(&network, part))?)
    }

    fn feed_to(
        &self,
        parameters: &[f32],
        state: &mut [f32],
        tokens: Tokens,
        n_read: usize,
        reader: &mut dyn Reader,
    ) -> Result<(), Error> {
        check::parameters(&self.architecture, parameters)?;
        check::state(&self.architecture, state)?;
        check::sequences(&self.architecture, &[tokens])?;
        let network = Network::new(&self.architecture, self.tensors(parameters)?);
        let hidden = self.architecture.hidden;
        let mut layers = state
            .chunks_exact(hidden)
            .map(|part| Tensor::from_slice(part, (1, hidden), &self.device))
            .collect::<Result<Vec<_>>>()?;
        let padded = Padded::new([tokens].into_iter(), Some(tokens.len()));
        for from in (0..tokens.len()).step_by(PREDICTED_STEPS) {
            let to = tokens.len().min(from + PREDICTED_STEPS);
            let outputs = network.forward(&padded, from..to, &mut layers, None)?;
            let steps: Vec<usize> = (n_read.max(from)..to).collect();
            for steps in steps.chunks(self.rows_together()) {
                let picked = pick(&outputs, steps.iter().map(|step| step - from))?;
                let distributions = softmax(&network.head(&picked)?, D::Minus1)?.to_vec2::<f32>()?;
                for (step, distribution) in steps.iter().zip(&distributions) {
                    reader.read(step + 1, distribution);
                }
            }
        }
        for (part, layer) in state.chunks_exact_mut(hidden).zip(&layers) {
            part.copy_from_slice(&layer.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(())
    }
}

/// A batch with every sequence padded with token 0 to the same number of steps.
struct Padded {
    n_rows: usize,
    n_steps: usize,
    /// Time-major: (n_steps, n_rows).
    tokens: Vec<u32>,
}

impl Padded {
    fn new<'a>(sequences: impl ExactSizeIterator<Item = Tokens<'a>>, n_steps: Option<usize>) -> Self {
        let (n_rows, n_steps) = (sequences.len(), n_steps.unwrap_or(0));
        let mut tokens = vec![0; n_rows * n_steps];
        for (row, sequence) in sequences.enumerate() {
            for (t, token) in sequence.iter().take(n_steps).enumerate() {
                tokens[t * n_rows + row] = token.0;
            }
        }
        Padded {
            n_rows,
            n_steps,
            tokens,
        }
    }
}

/// What the dropout masks of a training step are made from.
#[derive(Clone, Copy)]
struct Masks<'a> {
    seed: u64,
    batch: &'a [&'a Example<'a>],
}

/// The parameters as tensors, in the order of [`Architecture::slots`].
struct Network<'a> {
    architecture: &'a Architecture,
    tensors: Vec<Tensor>,
}

impl<'a> Network<'a> {
    fn new(architecture: &'a Architecture, tensors: Vec<Tensor>) -> Self {
        Network { architecture, tensors }
    }

    /// The zero state: for each layer h, and for the LSTM then c, each (n_rows, H).
    fn start(&self, n_rows: usize, device: &Device) -> Result<Vec<Tensor>> {
        let n = self.architecture.layers * self.architecture.cell.states();
        (0..n)
            .map(|_| Tensor::zeros((n_rows, self.architecture.hidden), DType::F32, device))
            .collect()
    }

    /// Runs the steps `window`, updates `state` and gives the last layer's outputs,
    /// (steps · n_rows, H), time-major.
    fn forward(
        &self,
        padded: &Padded,
        window: std::ops::Range<usize>,
        state: &mut [Tensor],
        masks: Option<Masks>,
    ) -> Result<Tensor> {
        let Architecture {
            cell, layers, dropout, ..
        } = *self.architecture;
        let n_rows = padded.n_rows;
        let embedding = &self.tensors[0];
        let tokens = &padded.tokens[window.start * n_rows..window.end * n_rows];
        let mut x = embedding.index_select(&Tensor::new(tokens, embedding.device())?, 0)?;
        for (layer, state) in state.chunks_exact_mut(cell.states()).enumerate() {
            // The input product does not depend on the state: all steps at once.
            let [weight_ih, weight_hh, bias_ih, bias_hh] = &self.tensors[1 + 4 * layer..][..4] else {
                unreachable!("a slice of four");
            };
            let inputs = x.matmul(&weight_ih.t()?)?.broadcast_add(bias_ih)?;
            let mut outputs = Vec::with_capacity(window.len());
            for t in 0..window.len() {
                let input = inputs.narrow(0, t * n_rows, n_rows)?;
                let recurrent = state[0].matmul(&weight_hh.t()?)?.broadcast_add(bias_hh)?;
                step(cell, &input, &recurrent, state)?;
                outputs.push(state[0].clone());
            }
            x = Tensor::cat(&outputs, 0)?;
            if let (Some(masks), true) = (masks, layer + 1 < layers && dropout > 0.0) {
                x = (x * self.mask(masks, layer, window.clone())?)?;
            }
        }
        Ok(x)
    }

    /// Logits (n, V) of the last layer's outputs (n, H).
    fn head(&self, outputs: &Tensor) -> Result<Tensor> {
        let [.., weight, bias] = &self.tensors[..] else {
            unreachable!("every network has a head")
        };
        outputs.matmul(&weight.t()?)?.broadcast_add(bias)
    }

    /// The dropout factors of a layer's outputs, (steps · n_rows, H).
    fn mask(&self, masks: Masks, layer: usize, window: std::ops::Range<usize>) -> Result<Tensor> {
        let hidden = self.architecture.hidden;
        let dropout = Dropout::new(masks.seed, layer, self.architecture.dropout);
        let shape = (window.len() * masks.batch.len(), hidden);
        let mut factors = vec![1.0; shape.0 * hidden];
        let mut rows = factors.chunks_exact_mut(hidden);
        for t in window {
            masks
                .batch
                .iter()
                .zip(&mut rows)
                .for_each(|(example, row)| dropout.apply(example.key, t, row));
        }
        Tensor::from_vec(factors, shape, self.tensors[0].device())
    }
}

/// One step of a cell from its input part W_ih x + b_ih and its recurrent part
/// W_hh h + b_hh, both (n_rows, G·H); replaces the state (h, or h and c).
fn step(cell: Cell, input: &Tensor, recurrent: &Tensor, state: &mut [Tensor]) -> Result<()> {
    match cell {
        Cell::Rnn => state[0] = (input + recurrent)?.tanh()?,
        Cell::Gru => {
            let (x, h) = (input.chunk(3, 1)?, recurrent.chunk(3, 1)?);
            let r = sigmoid(&(&x[0] + &h[0])?)?;
            let z = sigmoid(&(&x[1] + &h[1])?)?;
            let n = (&x[2] + (r * &h[2])?)?.tanh()?;
            // h' = (1 - z) n + z h
            state[0] = (&n + (z * (&state[0] - &n)?)?)?;
        }
        Cell::Lstm => {
            let gates = (input + recurrent)?.chunk(4, 1)?;
            let (i, f, o) = (sigmoid(&gates[0])?, sigmoid(&gates[1])?, sigmoid(&gates[3])?);
            state[1] = ((f * &state[1])? + (i * gates[2].tanh()?)?)?;
            state[0] = (o * state[1].tanh()?)?;
        }
    }
    Ok(())
}

/// The given rows of a matrix.
fn pick(matrix: &Tensor, rows: impl Iterator<Item = usize>) -> Result<Tensor> {
    let rows: Vec<u32> = rows.map(|row| row as u32).collect();
    let n = rows.len();
    matrix.index_select(&Tensor::from_vec(rows, n, matrix.device())?, 0)
}
