//! Our own kernels on an NVIDIA GPU, through the driver that [`cuda`](crate::compute::cuda) opens.
//!
//! `kernels.cu` is the source of all kernels, `kernels.ptx` what `make ptx` made of it for compute capability 8.0, which
//! the driver compiles for its card when the first engine is made. The equations are those of [`fused`](super::fused).
//! Here a batch is padded to its longest sequence; rows lie time-major.
//!
//! # Launches of a batch
//!
//! For one layer and one window nine: `prepare` (the first layer's table, W_hh transposed), `forward` (one for a layer: the
//! weights of a thread stay in registers while its block walks through time), `head`, `backward`, `weight_gradients` (all
//! products over the rows of a chunk), `reduce` (the chunks in their order), `collect` (in the shapes of the parameters),
//! `norm` and `adam`. Every further layer takes four more, every further window all from `forward` to `reduce`.
//!
//! In training parameters and moments stay on the card between batches ([`Resident`]). A batch goes up in one copy, and
//! its loss, weight and norm come back in one: the only wait.
//!
//! # Checked without a card
//!
//! `tests/emulated` compiles the same source behind a driver of its own.

#![allow(unsafe_code)]

mod pass;
mod workspace;

use super::batch::{AdamStep, Example, LossSum, Reader, Resident, Step, Unfinished, Wanted};
use super::{Architecture, Engine, check};
use crate::compute::cuda::{Context, Kernel, Place};
use crate::error::Error;
use crate::sequence::Tokens;
use pass::{Pass, chunk_of, n_sums, n_tiles, number_of};
use std::ffi::CStr;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use workspace::{Size, Workspace};

const PTX: &str = concat!(include_str!("kernels.ptx"), "\0");
/// The kernels' names for the units of a layer.
const UNITS: [usize; 4] = [32, 64, 96, 128];
/// Most tokens: one takes a byte, and the head holds the scores of all.
const MOST_TOKENS: usize = 256;
/// Rows of a block of the head.
const HEAD_ROWS: usize = 16;
/// Steps of a window, and sequences that run together, where no gradient is asked for.
const WINDOW: usize = 128;
const TOGETHER: usize = 128;

/// The kernels of a cell with so many units.
#[derive(Clone, Copy)]
struct Kernels {
    prepare: Kernel,
    head: Kernel,
    inputs: Kernel,
    input_gradients: Kernel,
    weight_gradients: Kernel,
    reduce: Kernel,
    collect: Kernel,
    norm: Kernel,
    adam: Kernel,
    forward: Kernel,
    backward: Kernel,
}

/// All kernels; the module is loaded by the first who asks.
fn all_kernels(context: &Context) -> Result<Vec<Kernel>, Error> {
    static LOADED: Mutex<Vec<Kernel>> = Mutex::new(Vec::new());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if loaded.is_empty() {
        let general = [
            "prepare",
            "head",
            "inputs",
            "input_gradients",
            "weight_gradients",
            "reduce",
            "collect",
            "norm",
            "adam",
        ];
        let recurrent = ["rnn", "gru", "lstm"].into_iter().flat_map(|cell| {
            let names = move |units: usize| ["forward", "backward"].map(|pass| format!("{pass}_{cell}_{units}"));
            UNITS.into_iter().flat_map(names)
        });
        let names: Vec<String> = general.into_iter().map(str::to_owned).chain(recurrent).collect();
        let ptx = CStr::from_bytes_with_nul(PTX.as_bytes()).map_err(|error| Error::Device(error.to_string()))?;
        *loaded = context.kernels(ptx, &names)?;
    }
    Ok(loaded.clone())
}

fn kernels(context: &Context, padded: &Architecture) -> Result<Kernels, Error> {
    let all = all_kernels(context)?;
    let size = UNITS
        .iter()
        .position(|&units| units == padded.hidden)
        .unwrap_or_default();
    let recurrent = 9 + 2 * (number_of(padded.cell) as usize * UNITS.len() + size);
    Ok(Kernels {
        prepare: all[0],
        head: all[1],
        inputs: all[2],
        input_gradients: all[3],
        weight_gradients: all[4],
        reduce: all[5],
        collect: all[6],
        norm: all[7],
        adam: all[8],
        forward: all[recurrent],
        backward: all[recurrent + 1],
    })
}

/// A run of numbers that lie together in both orders.
struct Run {
    from: usize,
    to: usize,
    len: usize,
}

/// Where the parameters of an architecture lie among those of the padded one.
fn runs(architecture: &Architecture, padded: &Architecture) -> Vec<Run> {
    let (units, gates) = (architecture.hidden, architecture.cell.gates());
    let (own, theirs) = (architecture.ranges(), padded.ranges());
    let mut runs = Vec::new();
    let mut rows = |own: &Range<usize>, theirs: &Range<usize>, place: [usize; 2], widths: [usize; 2], n_rows: usize| {
        runs.extend((0..n_rows).map(|row| Run {
            from: own.start + (place[0] + row) * widths[0],
            to: theirs.start + (place[1] + row) * widths[1],
            len: widths[0],
        }));
    };
    rows(&own.embedding, &theirs.embedding, [0, 0], [own.embedding.len(); 2], 1);
    for (layer, (own, theirs)) in own.layers.iter().zip(&theirs.layers).enumerate() {
        for gate in 0..gates {
            let place = [gate * units, gate * padded.hidden];
            let inputs = [architecture.inputs(layer), padded.inputs(layer)];
            rows(&own.weight_ih, &theirs.weight_ih, place, inputs, units);
            rows(&own.weight_hh, &theirs.weight_hh, place, [units, padded.hidden], units);
            rows(&own.bias_ih, &theirs.bias_ih, place, [1, 1], units);
            rows(&own.bias_hh, &theirs.bias_hh, place, [1, 1], units);
        }
    }
    let vocabulary = architecture.vocabulary;
    rows(
        &own.head_weight,
        &theirs.head_weight,
        [0, 0],
        [units, padded.hidden],
        vocabulary,
    );
    rows(&own.head_bias, &theirs.head_bias, [0, 0], [vocabulary; 2], 1);
    runs
}

/// The engine of this module.
pub struct Gpu {
    architecture: Architecture,
    /// With as many units as a kernel has.
    padded: Architecture,
    runs: Vec<Run>,
    kernels: Kernels,
    workspace: Mutex<Workspace>,
}

impl Gpu {
    /// An engine for networks of this architecture on the first card.
    ///
    /// # Errors
    /// No card, or sizes that the kernels are not made for.
    pub fn new(architecture: Architecture) -> Result<Self, Error> {
        check::architecture(&architecture)?;
        let refused = |name, value: usize, most: usize| {
            Err(Error::argument(
                name,
                value,
                format!("1 to {most} with device 'cuda', or device 'cpu'"),
            ))
        };
        let Some(&units) = UNITS.iter().find(|&&units| units >= architecture.hidden) else {
            return refused("hidden", architecture.hidden, UNITS[UNITS.len() - 1]);
        };
        if architecture.vocabulary > MOST_TOKENS {
            return refused("vocabulary", architecture.vocabulary, MOST_TOKENS);
        }
        let padded = Architecture {
            hidden: units,
            ..architecture
        };
        let context = Context::shared()?;
        Ok(Gpu {
            architecture,
            padded,
            runs: runs(&architecture, &padded),
            kernels: kernels(context, &padded)?,
            workspace: Mutex::new(Workspace::new(context, &padded)?),
        })
    }

    fn workspace(&self) -> MutexGuard<'_, Workspace> {
        // A panic elsewhere leaves memory whose contents every call writes anew.
        self.workspace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn to_padded(&self, parameters: &[f32]) -> Vec<f32> {
        let mut padded = vec![0.0; self.padded.n_parameters()];
        for run in &self.runs {
            padded[run.to..][..run.len].copy_from_slice(&parameters[run.from..][..run.len]);
        }
        padded
    }

    /// Calls `put` with every number and the padded one that stands for it.
    fn put_back(&self, padded: &[f32], parameters: &mut [f32], put: fn(&mut f32, f32)) {
        for run in &self.runs {
            let pairs = parameters[run.from..][..run.len].iter_mut().zip(&padded[run.to..]);
            pairs.for_each(|(own, &theirs)| put(own, theirs));
        }
    }
}

/// A sequence as the kernels see it.
struct Fed<'a> {
    tokens: Tokens<'a>,
    n_steps: usize,
    first_target: usize,
    key: u64,
}

/// The sequences of a batch that have targets.
fn fed<'a>(batch: &[Example<'a>]) -> Vec<Fed<'a>> {
    let counted = batch.iter().filter(|example| example.n_targets() > 0);
    counted
        .map(|example| Fed {
            tokens: example.tokens,
            n_steps: example.tokens.len() - 1,
            first_target: example.first_target,
            key: example.key,
        })
        .collect()
}

fn most_tokens(batch: &[Fed]) -> usize {
    batch.iter().map(|fed| fed.tokens.len()).max().unwrap_or_default()
}

/// What a batch is computed with beside the parameters.
#[derive(Clone, Copy, Default)]
struct How<'a> {
    class_weights: Option<&'a [f32]>,
    dropout_seed: Option<u64>,
    is_scoring: bool,
}

impl<'a> From<&Step<'a>> for How<'a> {
    fn from(step: &Step<'a>) -> Self {
        How {
            class_weights: step.class_weights,
            dropout_seed: step.dropout_seed,
            is_scoring: false,
        }
    }
}

/// Passes over a batch that is on the card.
struct Passes<'a> {
    engine: &'a Gpu,
    workspace: &'a Workspace,
    pass: Pass,
    n_steps: usize,
}

impl<'a> Passes<'a> {
    /// Uploads a batch, for which there is room.
    fn new(engine: &'a Gpu, workspace: &'a Workspace, batch: &[Fed], how: How) -> Result<Self, Error> {
        let padded = &engine.padded;
        let (n, stride) = (batch.len(), most_tokens(batch));
        let mut bytes = Vec::new();
        let layout = &workspace.layout;
        let mut put = |part: &mut dyn Iterator<Item = u8>| {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            let place = workspace.at(layout.batch) + bytes.len() as Place;
            bytes.extend(part);
            place
        };
        let number = |n: usize| (n.min(i32::MAX as usize) as i32).to_le_bytes();
        let keys = put(&mut batch.iter().flat_map(|fed| fed.key.to_le_bytes()));
        let lengths = put(&mut batch.iter().flat_map(|fed| number(fed.n_steps)));
        let first_targets = put(&mut batch.iter().flat_map(|fed| number(fed.first_target)));
        let weight = |token: usize| how.class_weights.map_or(1.0, |weights| weights[token]);
        let weights = put(&mut (0..padded.vocabulary).flat_map(|token| weight(token).to_le_bytes()));
        let row = |fed: &Fed<'_>| {
            let tokens: Vec<u8> = fed.tokens.iter().map(|token| token.0 as u8).collect();
            tokens.into_iter().chain(std::iter::repeat(0)).take(stride)
        };
        let tokens = put(&mut batch.iter().flat_map(row));
        workspace
            .stream
            .upload(&workspace.memory, workspace.at(layout.batch), &bytes)?;
        let masks = how.dropout_seed.filter(|_| padded.dropout > 0.0 && padded.layers > 1);
        let size =
            |n: usize| i32::try_from(n).map_err(|_| Error::Memory(format!("{n} numbers are too many for a GPU")));
        let pass = Pass {
            seed: masks.unwrap_or_default(),
            clip: 0.0,
            losses: workspace.at(layout.losses),
            totals: workspace.at(layout.totals),
            parameters: workspace.at(layout.parameters),
            first_moments: workspace.at(layout.first_moments),
            second_moments: workspace.at(layout.second_moments),
            gradient: workspace.at(layout.gradient),
            sums: workspace.at(layout.sums),
            parts: workspace.at(layout.parts),
            table: workspace.at(layout.table),
            transposed: workspace.at(layout.transposed),
            gates: workspace.at(layout.gates),
            cells: workspace.at(layout.cells),
            hidden: workspace.at(layout.hidden),
            dropped: workspace.at(layout.dropped),
            d_hidden: workspace.at(layout.d_hidden),
            scores: workspace.at(layout.scores),
            state_before: workspace.at(layout.states[0]),
            state_after: workspace.at(layout.states[1]),
            keys,
            lengths,
            first_targets,
            weights,
            tokens,
            cell: number_of(padded.cell),
            vocabulary: size(padded.vocabulary)?,
            embedding: size(padded.embedding)?,
            units: size(padded.hidden)?,
            layers: size(padded.layers)?,
            sequences: size(n)?,
            steps: 0,
            first_step: 0,
            stride: size(stride)?,
            chunk: 0,
            chunks: 0,
            n_parameters: size(padded.n_parameters())?,
            n_sums: size(n_sums(padded))?,
            n_losses: 0,
            layer: 0,
            is_scoring: how.is_scoring.into(),
            is_first: 1,
            threshold: (padded.dropout * (1 << 24) as f32) as u32,
            scale: masks.map_or(0.0, |_| 1.0 / (1.0 - padded.dropout)),
            rate: 0.0,
            epsilon: 0.0,
        };
        let n_steps = batch.iter().map(|fed| fed.n_steps).max().unwrap_or_default();
        Ok(Passes {
            engine,
            workspace,
            pass,
            n_steps,
        })
    }

    fn launch(&self, kernel: Kernel, grid: [usize; 2], threads: usize) -> Result<(), Error> {
        // SAFETY: the places are those of a layout with room for this batch, which the workspace holds.
        unsafe { self.workspace.stream.launch(kernel, grid, threads, &self.pass) }
    }

    fn launch_for_each(&self, kernel: Kernel, n: usize) -> Result<(), Error> {
        self.launch(kernel, [n.div_ceil(256), 1], 256)
    }

    fn rows(&self) -> usize {
        self.pass.steps as usize * self.pass.sequences as usize
    }

    fn clear_states(&self) -> Result<(), Error> {
        let bytes = 4 * self.engine.padded.n_state() * self.pass.sequences as usize;
        self.workspace
            .stream
            .clear(&self.workspace.memory, self.pass.state_before, bytes)
    }

    /// Runs the layers and the head over windows of so many steps, from the states before the first, and calls `each`
    /// behind every window.
    fn run(
        &mut self,
        window: usize,
        mut each: impl FnMut(&mut Self, Range<usize>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        const TILE: usize = 64;
        let (padded, kernels) = (self.engine.padded, self.engine.kernels);
        let wide = padded.cell.gates() * padded.hidden;
        let n = self.pass.sequences as usize;
        self.launch_for_each(
            kernels.prepare,
            padded.vocabulary * wide + padded.layers * wide * padded.hidden,
        )?;
        for from in (0..self.n_steps).step_by(window) {
            let to = self.n_steps.min(from + window);
            (self.pass.first_step, self.pass.steps) = (from as i32, (to - from) as i32);
            for layer in 0..padded.layers {
                self.pass.layer = layer as i32;
                if layer > 0 {
                    self.launch(kernels.inputs, [self.rows().div_ceil(TILE), wide.div_ceil(TILE)], 256)?;
                }
                self.launch(kernels.forward, [n.div_ceil(2), 1], wide)?;
            }
            self.launch(kernels.head, [self.rows().div_ceil(HEAD_ROWS), 1], HEAD_ROWS * 8)?;
            each(self, from..to)?;
            std::mem::swap(&mut self.pass.state_before, &mut self.pass.state_after);
            self.pass.is_first = 0;
        }
        Ok(())
    }

    /// Back through a window, and its sums.
    fn back(&mut self) -> Result<(), Error> {
        const TILE: usize = 64;
        let (padded, kernels) = (self.engine.padded, self.engine.kernels);
        let (rows, n) = (self.rows(), self.pass.sequences as usize);
        let wide = padded.cell.gates() * padded.hidden;
        let chunk = chunk_of(rows);
        self.pass.chunk = chunk as i32;
        self.pass.chunks = rows.div_ceil(chunk) as i32;
        self.pass.n_losses = rows.div_ceil(HEAD_ROWS) as i32;
        for layer in (0..padded.layers).rev() {
            self.pass.layer = layer as i32;
            self.launch(kernels.backward, [n.div_ceil(2), 1], wide)?;
            if layer > 0 {
                self.launch(
                    kernels.input_gradients,
                    [rows.div_ceil(TILE), padded.hidden.div_ceil(TILE)],
                    256,
                )?;
            }
        }
        self.launch(kernels.weight_gradients, [rows.div_ceil(chunk), n_tiles(&padded)], 256)?;
        self.launch(kernels.reduce, [n_sums(&padded).div_ceil(256) + 1, 1], 256)
    }

    /// The gradient of the batch, on the card.
    fn gradient(&mut self, window: usize) -> Result<(), Error> {
        self.clear_states()?;
        self.run(window, |passes, _| passes.back())?;
        self.launch_for_each(self.engine.kernels.collect, self.pass.n_parameters as usize)
    }

    /// Loss, weight, and the norm where there is one; waits for them.
    fn totals(&self) -> Result<[f64; 3], Error> {
        let mut totals = [0.0; 3];
        let workspace = self.workspace;
        workspace
            .stream
            .download(&workspace.memory, self.pass.totals, &mut totals)?;
        Ok(totals)
    }

    /// The scores of the window, (rows, V).
    fn scores(&self) -> Result<Vec<f32>, Error> {
        let mut scores = vec![0.0; self.rows() * self.engine.padded.vocabulary];
        let workspace = self.workspace;
        workspace
            .stream
            .download(&workspace.memory, self.pass.scores, &mut scores)?;
        Ok(scores)
    }
}

impl Gpu {
    fn size(&self, batch: &[Fed], window: usize) -> Size {
        Size::of(self.padded.vocabulary, batch.len(), most_tokens(batch), window)
    }

    fn upload_parameters(&self, workspace: &Workspace, parameters: &[f32]) -> Result<(), Error> {
        let place = workspace.at(workspace.layout.parameters);
        workspace
            .stream
            .upload(&workspace.memory, place, &self.to_padded(parameters))
    }

    /// Shows the readers their distributions, for some sequences at a time.
    fn show(&self, workspace: &mut Workspace, parameters: &[f32], part: &mut [Wanted]) -> Result<(), Error> {
        let batch: Vec<Fed> = part
            .iter()
            .map(|wanted| Fed {
                tokens: wanted.example.tokens,
                n_steps: (wanted.example.tokens.len() + usize::from(wanted.include_last)).saturating_sub(1),
                first_target: wanted.example.first_target,
                key: 0,
            })
            .collect();
        if batch.iter().all(|fed| fed.n_steps == 0) {
            return Ok(());
        }
        workspace.reserve(&self.padded, self.size(&batch, WINDOW))?;
        self.upload_parameters(workspace, parameters)?;
        let how = How {
            is_scoring: true,
            ..How::default()
        };
        let mut passes = Passes::new(self, workspace, &batch, how)?;
        passes.clear_states()?;
        passes.run(WINDOW, |passes, window| {
            let scores = passes.scores()?;
            let rows = scores.chunks_exact(self.padded.vocabulary);
            let places = window.flat_map(|t| (0..batch.len()).map(move |row| (t, row)));
            for ((t, row), distribution) in places.zip(rows) {
                if t + 1 >= batch[row].first_target && t < batch[row].n_steps {
                    part[row].reader.read(t + 1, distribution);
                }
            }
            Ok(())
        })
    }
}

impl Engine for Gpu {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn reserve(&self, n_sequences: usize, n_tokens: usize, window: usize) -> Result<(), Error> {
        let size = Size::of(self.padded.vocabulary, n_sequences, n_tokens, window);
        self.workspace().reserve(&self.padded, size)
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
        let batch = fed(batch);
        if batch.is_empty() {
            return Ok(Some(LossSum::default()));
        }
        let mut workspace = self.workspace();
        workspace.reserve(&self.padded, self.size(&batch, step.window))?;
        self.upload_parameters(&workspace, parameters)?;
        let mut passes = Passes::new(self, &workspace, &batch, step.into())?;
        passes.gradient(step.window)?;
        let [loss, weight, _] = passes.totals()?;
        let mut padded = vec![0.0; self.padded.n_parameters()];
        workspace
            .stream
            .download(&workspace.memory, passes.pass.gradient, &mut padded)?;
        self.put_back(&padded, gradient, |own, theirs| *own += theirs);
        Ok(Some(LossSum { loss, weight }))
    }

    fn resident(&self, parameters: &[f32], moments: [&[f32]; 2]) -> Result<Option<Box<dyn Resident + '_>>, Error> {
        check::parameters(&self.architecture, parameters)?;
        moments
            .iter()
            .try_for_each(|moments| check::gradient(&self.architecture, moments))?;
        let workspace = self.workspace();
        let layout = workspace.layout;
        let places = [layout.parameters, layout.first_moments, layout.second_moments];
        for (place, numbers) in places.into_iter().zip([parameters, moments[0], moments[1]]) {
            let padded = self.to_padded(numbers);
            workspace
                .stream
                .upload(&workspace.memory, workspace.at(place), &padded)?;
        }
        Ok(Some(Box::new(OnCard {
            engine: self,
            workspace,
        })))
    }

    fn score(&self, parameters: &[f32], mut wanted: Vec<Wanted>, threads: usize) -> Result<(), Error> {
        check::parameters(&self.architecture, parameters)?;
        wanted
            .iter()
            .try_for_each(|wanted| check::example(&self.architecture, &wanted.example))?;
        check::threads(threads)?;
        let mut workspace = self.workspace();
        let mut parts = wanted.chunks_mut(TOGETHER);
        parts.try_for_each(|part| self.show(&mut workspace, parameters, part))
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
        if tokens.is_empty() {
            return Ok(());
        }
        let batch = [Fed {
            tokens,
            n_steps: tokens.len(),
            first_target: 1,
            key: 0,
        }];
        let mut workspace = self.workspace();
        workspace.reserve(&self.padded, self.size(&batch, WINDOW))?;
        self.upload_parameters(&workspace, parameters)?;
        let how = How {
            is_scoring: true,
            ..How::default()
        };
        let mut passes = Passes::new(self, &workspace, &batch, how)?;
        let (own, units) = (self.architecture.hidden, self.padded.hidden);
        let mut padded = vec![0.0; self.padded.n_state()];
        for (padded, own) in padded.chunks_exact_mut(units).zip(state.chunks_exact(own)) {
            padded[..own.len()].copy_from_slice(own);
        }
        let (stream, memory) = (&workspace.stream, &workspace.memory);
        stream.upload(memory, passes.pass.state_before, &padded)?;
        passes.run(WINDOW, |passes, window| {
            let scores = passes.scores()?;
            for (step, distribution) in window.zip(scores.chunks_exact(self.padded.vocabulary)) {
                if step >= n_read {
                    reader.read(step + 1, distribution);
                }
            }
            Ok(())
        })?;
        // What was the state after the last window is the one before the next.
        stream.download(memory, passes.pass.state_before, &mut padded)?;
        for (padded, own) in padded.chunks_exact(units).zip(state.chunks_exact_mut(own)) {
            own.copy_from_slice(&padded[..own.len()]);
        }
        Ok(())
    }
}

/// A training whose parameters and moments are on the card. The workspace is its own as long as it lives.
struct OnCard<'a> {
    engine: &'a Gpu,
    workspace: MutexGuard<'a, Workspace>,
}

impl Resident for OnCard<'_> {
    fn step(&mut self, batch: &[Example], step: &Step, adam: &AdamStep) -> Result<(LossSum, f64), Error> {
        check::batch(&self.engine.architecture, batch)?;
        check::step(&self.engine.architecture, step)?;
        let batch = fed(batch);
        if batch.is_empty() {
            return Ok((LossSum::default(), 0.0));
        }
        if !self.workspace.has_room(self.engine.size(&batch, step.window)) {
            return Err(Error::Memory(
                "a batch is larger than was said when memory was taken for it".into(),
            ));
        }
        let mut passes = Passes::new(self.engine, &self.workspace, &batch, step.into())?;
        passes.gradient(step.window)?;
        (passes.pass.rate, passes.pass.epsilon, passes.pass.clip) = (adam.rate, adam.epsilon, adam.clip);
        passes.launch(self.engine.kernels.norm, [1, 1], 1024)?;
        passes.launch_for_each(self.engine.kernels.adam, passes.pass.n_parameters as usize)?;
        let [loss, weight, norm] = passes.totals()?;
        Ok((LossSum { loss, weight }, norm))
    }

    fn finish(&self, parameters: &mut [f32], moments: [&mut [f32]; 2]) -> Result<(), Error> {
        let layout = self.workspace.layout;
        let places = [layout.parameters, layout.first_moments, layout.second_moments];
        let [first, second] = moments;
        let mut padded = vec![0.0; self.engine.padded.n_parameters()];
        for (place, numbers) in places.into_iter().zip([parameters, first, second]) {
            let place = self.workspace.at(place);
            self.workspace
                .stream
                .download(&self.workspace.memory, place, &mut padded)?;
            self.engine.put_back(&padded, numbers, |own, theirs| *own = theirs);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_ptx_is_of_this_source() {
        let hash: String = Sha256::digest(include_bytes!("kernels.cu"))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let first = PTX.lines().next().unwrap();
        assert!(
            first.ends_with(&hash),
            "kernels.cu has another text than kernels.ptx was made of: make ptx"
        );
    }

    /// Every number has one place among the padded ones, and comes back from it.
    #[test]
    fn parameters_come_back_from_the_padded_order() {
        for cell in [
            super::super::Cell::Rnn,
            super::super::Cell::Gru,
            super::super::Cell::Lstm,
        ] {
            let architecture = Architecture {
                cell,
                vocabulary: 5,
                embedding: 3,
                hidden: 7,
                layers: 3,
                dropout: 0.0,
            };
            let padded = Architecture {
                hidden: 32,
                ..architecture
            };
            let runs = runs(&architecture, &padded);
            let mut seen = vec![0; architecture.n_parameters()];
            let mut taken = vec![0; padded.n_parameters()];
            for run in &runs {
                (0..run.len).for_each(|k| seen[run.from + k] += 1);
                (0..run.len).for_each(|k| taken[run.to + k] += 1);
            }
            assert!(seen.iter().all(|&n| n == 1), "{cell:?}");
            assert_eq!(taken.iter().sum::<i32>() as usize, seen.len());
            assert!(taken.iter().all(|&n| n <= 1), "{cell:?}");
        }
    }
}
