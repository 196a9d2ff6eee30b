//! Requests are checked here once, so that the engines need not doubt a length or a
//! token again.

use super::{Architecture, Cell, Example, NetworkError, Step};

/// Tokens are bytes.
const LARGEST_VOCABULARY: usize = 256;

fn setting<T: ToString>(holds: bool, name: &'static str, value: T, allowed: &'static str) -> Result<(), NetworkError> {
    if holds {
        return Ok(());
    }
    Err(NetworkError::Setting {
        name,
        value: value.to_string(),
        allowed,
    })
}

fn length(name: &'static str, len: usize, expected: usize) -> Result<(), NetworkError> {
    if len == expected {
        return Ok(());
    }
    Err(NetworkError::Length { name, len, expected })
}

fn tokens(architecture: &Architecture, tokens: &[u8]) -> Result<(), NetworkError> {
    let vocabulary = architecture.vocabulary;
    match tokens.iter().find(|&&token| usize::from(token) >= vocabulary) {
        Some(&token) => Err(NetworkError::Token { token, vocabulary }),
        None => Ok(()),
    }
}

pub(super) fn architecture(architecture: &Architecture) -> Result<(), NetworkError> {
    let Architecture {
        cell: Cell::Rnn | Cell::Gru | Cell::Lstm,
        vocabulary,
        embedding,
        hidden,
        layers,
        dropout,
    } = *architecture;
    setting(
        (1..=LARGEST_VOCABULARY).contains(&vocabulary),
        "vocabulary",
        vocabulary,
        "1 to 256",
    )?;
    setting((1..=65_536).contains(&embedding), "embedding", embedding, "1 to 65536")?;
    setting((1..=65_536).contains(&hidden), "hidden", hidden, "1 to 65536")?;
    setting((1..=1_024).contains(&layers), "layers", layers, "1 to 1024")?;
    setting((0.0..1.0).contains(&dropout), "dropout", dropout, "0 <= dropout < 1")
}

pub(super) fn parameters(architecture: &Architecture, parameters: &[f32]) -> Result<(), NetworkError> {
    length("parameters", parameters.len(), architecture.n_parameters())
}

pub(super) fn batch(architecture: &Architecture, batch: &[Example]) -> Result<(), NetworkError> {
    for example in batch {
        setting(
            example.first_target >= 1,
            "first_target",
            example.first_target,
            "1 or more",
        )?;
        tokens(architecture, example.tokens)?;
    }
    Ok(())
}

pub(super) fn step(architecture: &Architecture, step: &Step) -> Result<(), NetworkError> {
    setting(step.window >= 1, "window", step.window, "1 or more")?;
    threads(step.threads)?;
    step.class_weights.map_or(Ok(()), |weights| {
        length("class_weights", weights.len(), architecture.vocabulary)
    })
}

pub(super) fn gradient(architecture: &Architecture, gradient: &[f32]) -> Result<(), NetworkError> {
    length("gradient", gradient.len(), architecture.n_parameters())
}

pub(super) fn threads(threads: usize) -> Result<(), NetworkError> {
    setting(threads >= 1, "threads", threads, "1 or more")
}

pub(super) fn sequences(architecture: &Architecture, sequences: &[&[u8]]) -> Result<(), NetworkError> {
    sequences.iter().try_for_each(|sequence| tokens(architecture, sequence))
}

pub(super) fn state(architecture: &Architecture, state: &[f32]) -> Result<(), NetworkError> {
    length("state", state.len(), architecture.n_state())
}

pub(super) fn advance(
    architecture: &Architecture,
    state: &[f32],
    token: u8,
    probabilities: &[f32],
) -> Result<(), NetworkError> {
    self::state(architecture, state)?;
    length("probabilities", probabilities.len(), architecture.vocabulary)?;
    tokens(architecture, &[token])
}
