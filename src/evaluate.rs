//! Predictions of a network or a baseline for every target of a dataset, scored.

use crate::baseline::{Baseline, Counts, Predictor};
use crate::error::Error;
use crate::metrics::{score, Report};
use crate::network::{Engine, Example};
use crate::sequence::Dataset;

/// Sequences that go through a network at once: enough to fill it, few enough
/// to keep the memory flat.
const BLOCK: usize = 1024;

/// Which targets count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those held back from training.
    HeldOut,
    /// All of them.
    All,
}

/// The first counted target of every sequence that has one, and its tokens.
fn counted<'a>(dataset: &'a Dataset<'a>, part: Part) -> impl Iterator<Item = (usize, Example<'a>)> + 'a {
    dataset.sequences().enumerate().filter_map(move |(index, sequence)| {
        let first_target = match part {
            Part::HeldOut => sequence.first_held_out(),
            Part::All => 1,
        };
        let example = Example {
            tokens: sequence.tokens,
            first_target,
            key: index as u64,
        };
        (first_target < sequence.tokens.len()).then_some((index, example))
    })
}

fn targets(dataset: &Dataset, part: Part) -> Vec<u8> {
    counted(dataset, part)
        .flat_map(|(_, example)| example.tokens[example.first_target..].iter().copied())
        .collect()
}

/// Scores a network; `None` when no target counts.
///
/// # Errors
/// When the device fails.
pub fn network(
    dataset: &Dataset,
    engine: &dyn Engine,
    parameters: &[f32],
    part: Part,
    threads: usize,
) -> Result<Option<Report>, Error> {
    let examples: Vec<Example> = counted(dataset, part).map(|(_, example)| example).collect();
    let mut probabilities = Vec::new();
    for block in examples.chunks(BLOCK) {
        probabilities.extend(engine.probabilities(parameters, block, false, threads)?);
    }
    Ok(score(
        &probabilities,
        &targets(dataset, part),
        dataset.vocabulary().len(),
    ))
}

/// Scores a baseline; `None` when no target counts.
pub fn baseline(dataset: &Dataset, counts: &Counts, baseline: Baseline, part: Part) -> Option<Report> {
    let predictor = Predictor::new(baseline, counts);
    let mut probabilities = Vec::new();
    for (_, example) in counted(dataset, part) {
        for position in example.first_target..example.tokens.len() {
            probabilities.extend_from_slice(predictor.probabilities(&example.tokens[..position]));
        }
    }
    score(&probabilities, &targets(dataset, part), predictor.n_actions())
}
