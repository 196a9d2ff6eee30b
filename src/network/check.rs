//! Requests are checked here once, so that the engines need not doubt a length or a
//! token again.

use super::batch::{Example, Step};
use super::{Architecture, Cell};
use crate::error::Error;
use crate::limits::{MAX_LAYERS, MAX_OUTPUTS, MAX_WIDTH};
use crate::sequence::{Token, Tokens};

fn setting<T: ToString>(holds: bool, name: &'static str, value: T, allowed: impl Into<String>) -> Result<(), Error> {
    if holds {
        return Ok(());
    }
    Err(Error::argument(name, value, allowed))
}

fn length(name: &'static str, len: usize, expected: usize) -> Result<(), Error> {
    if len == expected {
        return Ok(());
    }
    Err(Error::Length { name, len, expected })
}

fn token(architecture: &Architecture, token: Token) -> Result<(), Error> {
    let vocabulary = architecture.vocabulary;
    if token.index() < vocabulary {
        return Ok(());
    }
    Err(Error::Token {
        token: token.0,
        vocabulary,
    })
}

fn tokens(architecture: &Architecture, tokens: Tokens) -> Result<(), Error> {
    tokens.highest().map_or(Ok(()), |highest| token(architecture, highest))
}

pub(super) fn architecture(architecture: &Architecture) -> Result<(), Error> {
    let Architecture {
        cell: Cell::Rnn | Cell::Gru | Cell::Lstm,
        vocabulary,
        embedding,
        hidden,
        layers,
        dropout,
    } = *architecture;
    let within = |name, value, most| setting((1..=most).contains(&value), name, value, format!("1 to {most}"));
    within("vocabulary", vocabulary, MAX_OUTPUTS)?;
    within("embedding", embedding, MAX_WIDTH)?;
    within("hidden", hidden, MAX_WIDTH)?;
    within("layers", layers, MAX_LAYERS)?;
    setting((0.0..1.0).contains(&dropout), "dropout", dropout, "0 <= dropout < 1")
}

pub(super) fn parameters(architecture: &Architecture, parameters: &[f32]) -> Result<(), Error> {
    length("parameters", parameters.len(), architecture.n_parameters())
}

/// The request of [`Engine::gradient_until`](super::Engine::gradient_until).
pub(super) fn training(
    architecture: &Architecture,
    parameters: &[f32],
    batch: &[Example],
    step: &Step,
    gradient: &[f32],
) -> Result<(), Error> {
    self::parameters(architecture, parameters)?;
    self::batch(architecture, batch)?;
    self::step(architecture, step)?;
    self::gradient(architecture, gradient)
}

pub(super) fn batch(architecture: &Architecture, batch: &[Example]) -> Result<(), Error> {
    batch
        .iter()
        .try_for_each(|example| self::example(architecture, example))
}

pub(super) fn example(architecture: &Architecture, example: &Example) -> Result<(), Error> {
    setting(
        example.first_target >= 1,
        "first_target",
        example.first_target,
        "1 or more",
    )?;
    tokens(architecture, example.tokens)
}

pub(super) fn step(architecture: &Architecture, step: &Step) -> Result<(), Error> {
    setting(step.window >= 1, "window", step.window, "1 or more")?;
    threads(step.threads)?;
    step.class_weights.map_or(Ok(()), |weights| {
        length("class_weights", weights.len(), architecture.vocabulary)
    })
}

pub(super) fn gradient(architecture: &Architecture, gradient: &[f32]) -> Result<(), Error> {
    length("gradient", gradient.len(), architecture.n_parameters())
}

pub(super) fn threads(threads: usize) -> Result<(), Error> {
    setting(threads >= 1, "threads", threads, "1 or more")
}

pub(super) fn sequences(architecture: &Architecture, sequences: &[Tokens]) -> Result<(), Error> {
    sequences
        .iter()
        .try_for_each(|&sequence| tokens(architecture, sequence))
}

pub(super) fn state(architecture: &Architecture, state: &[f32]) -> Result<(), Error> {
    length("state", state.len(), architecture.n_state())
}

pub(super) fn advance(
    architecture: &Architecture,
    state: &[f32],
    token: Token,
    probabilities: &[f32],
) -> Result<(), Error> {
    self::state(architecture, state)?;
    length("probabilities", probabilities.len(), architecture.vocabulary)?;
    self::token(architecture, token)
}
