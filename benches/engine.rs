//! The engines at the work that `engine.py` hands out on standard input, one line each:
//!
//! ```text
//! train  <engine> <cell> <embedding> <hidden> <layers> <dropout> <threads> <file>
//! predict <engine> <cell> <embedding> <hidden> <layers> <dropout> <threads> <file>
//! one    <engine> <cell> <embedding> <hidden> <layers> <dropout> <threads> <file>
//! ```
//!
//! The file holds a sequence a line, one digit a token, with an empty line behind each
//! batch. The answer is one line: the seconds of one pass over the file. To train is loss
//! and gradient of every batch, with `plain`, `fused` or `cuda`; `resident` takes whole steps
//! on a card, with the optimiser's, and parameters that stay there.

use std::io::BufRead;
use std::time::Instant;

use candle_core::Device;
use footfall::network::{AdamStep, Architecture, Cell, Engine, Example, Fused, Gpu, Plain, Step};
use footfall::sequence::Tokens;

const VOCABULARY: usize = 5;

type Batches = Vec<Vec<Vec<u8>>>;

fn read(file: &str) -> Batches {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let batches = text
        .split("\n\n")
        .map(|batch| batch.lines().map(|line| line.bytes().map(|b| b - b'0').collect()));
    batches
        .map(Iterator::collect)
        .filter(|batch: &Vec<_>| !batch.is_empty())
        .collect()
}

/// Steps of a window; no sequence is longer.
const WINDOW: usize = 256;

fn examples(batch: &[Vec<u8>]) -> Vec<Example<'_>> {
    let numbered = batch.iter().zip(0..);
    numbered
        .map(|(tokens, key)| Example {
            tokens: Tokens::U8(tokens),
            first_target: 1,
            key,
        })
        .collect()
}

/// Seconds of one pass over the batches, each with its step.
fn pass(
    architecture: &Architecture,
    batches: &Batches,
    threads: usize,
    mut each: impl FnMut(&[Example], &Step),
) -> f64 {
    let started = Instant::now();
    for (number, batch) in batches.iter().enumerate() {
        let step = Step {
            class_weights: None,
            dropout_seed: (architecture.dropout > 0.0).then_some(number as u64),
            window: WINDOW,
            threads,
        };
        each(&examples(batch), &step);
    }
    started.elapsed().as_secs_f64()
}

/// Takes what the batches need on a card, as a training does before its first.
fn reserve(engine: &dyn Engine, batches: &Batches) {
    let n_sequences = batches.iter().map(Vec::len).max().unwrap_or_default();
    let n_tokens = batches.iter().flatten().map(Vec::len).max().unwrap_or_default();
    engine.reserve(n_sequences, n_tokens, WINDOW).expect("memory");
}

/// Seconds of one pass of losses and gradients over the batches.
fn train(engine: &dyn Engine, batches: &Batches, threads: usize) -> f64 {
    let parameters = engine.architecture().initial_parameters(1);
    let mut gradient = vec![0.0; parameters.len()];
    reserve(engine, batches);
    pass(engine.architecture(), batches, threads, |batch, step| {
        gradient.fill(0.0);
        let sum = engine
            .gradient_until(None, &parameters, batch, step, &mut None, &mut gradient)
            .expect("a valid batch")
            .expect("no time to stop at");
        assert!(sum.loss.is_finite());
    })
}

/// Seconds of one pass of whole steps on a card.
fn train_resident(engine: &dyn Engine, batches: &Batches, threads: usize) -> f64 {
    let parameters = engine.architecture().initial_parameters(1);
    let moments = vec![0.0; parameters.len()];
    reserve(engine, batches);
    let mut resident = engine
        .resident(&parameters, [&moments, &moments])
        .expect("the right lengths")
        .expect("an engine that keeps them");
    let adam = AdamStep {
        rate: 1e-3,
        epsilon: 1e-8,
        clip: 5.0,
    };
    pass(engine.architecture(), batches, threads, |batch, step| {
        let (sum, norm) = resident.step(batch, step, &adam).expect("a valid batch");
        assert!(sum.loss.is_finite() && norm.is_finite());
    })
}

/// Seconds of predicting the token after each sequence, a batch at a time.
fn predict(architecture: Architecture, batches: &Batches, threads: usize) -> f64 {
    let engine = Fused::new(architecture).expect("a valid architecture");
    let prepared = engine
        .prepare(&architecture.initial_parameters(1))
        .expect("the right length");
    let started = Instant::now();
    for batch in batches {
        let sequences: Vec<Tokens> = batch.iter().map(|tokens| Tokens::U8(tokens)).collect();
        let rows = prepared.predict(&sequences, threads).expect("a valid batch");
        assert_eq!(rows.len(), sequences.len() * VOCABULARY);
    }
    started.elapsed().as_secs_f64()
}

/// Median seconds of one prediction, over every sequence of the file alone.
fn predict_one(architecture: Architecture, batches: &Batches) -> f64 {
    let engine = Fused::new(architecture).expect("a valid architecture");
    let prepared = engine
        .prepare(&architecture.initial_parameters(1))
        .expect("the right length");
    let mut seconds: Vec<f64> = batches
        .iter()
        .flatten()
        .map(|sequence| {
            let started = Instant::now();
            let row = prepared.predict(&[Tokens::U8(sequence)], 1).expect("a valid sequence");
            assert_eq!(row.len(), VOCABULARY);
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn main() {
    // `cargo test` runs benches too, with this argument: there is nothing to test.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input");
        let words: Vec<&str> = line.split_whitespace().collect();
        let [task, engine, cell, embedding, hidden, layers, dropout, threads, file] = words[..] else {
            panic!("not a task: {line}");
        };
        let number = |word: &str| word.parse::<usize>().expect("a whole number");
        let architecture = Architecture {
            cell: match cell {
                "rnn" => Cell::Rnn,
                "gru" => Cell::Gru,
                _ => Cell::Lstm,
            },
            vocabulary: VOCABULARY,
            embedding: number(embedding),
            hidden: number(hidden),
            layers: number(layers),
            dropout: dropout.parse().expect("a probability"),
        };
        let (batches, threads) = (read(file), number(threads));
        let seconds = match (task, engine) {
            ("train", "plain") => train(
                &Plain::new(architecture, Device::Cpu).expect("valid"),
                &batches,
                threads,
            ),
            ("train", "cuda") => train(&Gpu::new(architecture).expect("a card"), &batches, threads),
            ("train", "resident") => train_resident(&Gpu::new(architecture).expect("a card"), &batches, threads),
            ("train", _) => train(&Fused::new(architecture).expect("valid"), &batches, threads),
            ("predict", _) => predict(architecture, &batches, threads),
            _ => predict_one(architecture, &batches),
        };
        println!("{seconds}");
    }
}
