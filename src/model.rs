//! A trained network as one value: the bytes of a `.safetensors` file.
//!
//! Tensors: the weights under PyTorch's names, the runs and counts behind the
//! baselines (`baseline.grams` U32: a byte for each of up to four tokens and 1, the
//! last in the lowest; `baseline.counts` U64), and, while training goes on, the state
//! of the optimiser. Everything else is JSON under the one
//! metadata key `footfall`; one key, because the file format keeps its metadata
//! in a hash map whose order is not fixed.
//!
//! Decoding is total: sizes in the header are compared with the tensors that
//! are there before anything is allocated, actions must be in the order of their
//! tokens, and weights of at most 10^15 either way.

use crate::baseline::Counts;
use crate::baseline::own_history::Weights;
use crate::error::Error;
use crate::format::{File, Format};
use crate::limits::{MAX_LAYERS, MAX_WIDTH};
use crate::network::Architecture;
use crate::sequence::{Token, Vocabulary};
use safetensors::tensor::{Dtype, View};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;

/// Version of the metadata and the tensor names. Version 2 added [`Split`].
const FORMAT_VERSION: u32 = 2;
const FORMAT: Format = Format {
    argument: "model",
    key: "footfall",
    version: FORMAT_VERSION,
};
/// Tensors of a training run.
const PROBABILITIES: &str = "validation.probabilities";
const TARGETS: &str = "validation.targets";
const STATE: &str = "validation.state";
const GRADIENT: &str = "unfinished.gradient";
/// The largest weight on either side of zero. Up to it a prediction is made of finite numbers whatever the history:
/// the states of all cells are within ±1, so no sum has more than `MAX_WIDTH` products of two weights, and
/// 16384 × 10³⁰ is a number of 32 bits. Weights of trained networks are below 100.
pub(crate) const LARGEST_WEIGHT: f32 = 1e15;

/// Whether predictions with these weights are finite.
pub(crate) fn are_sound(parameters: &[f32]) -> bool {
    // Of NaN nothing is true.
    parameters.iter().all(|weight| weight.abs() <= LARGEST_WEIGHT)
}

/// A network with everything that is needed to predict and to judge it.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What the parameters are laid out for.
    pub architecture: Architecture,
    /// What a token means.
    pub vocabulary: Vocabulary,
    /// In the order of [`Architecture::slots`].
    pub parameters: Vec<f32>,
    /// Counts over the training targets, for the baselines.
    pub counts: Counts,
    /// Chosen on the training targets, for the baseline `own_history`.
    pub own_history: Weights,
    /// How it came to be.
    pub training: Training,
}

/// How a model came to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Passes over the training targets, counted over continued runs.
    pub epochs: u32,
    /// The settings of the last run that change the result.
    pub settings: serde_json::Value,
    /// Of start weights, order, dropout and split.
    pub seed: u64,
    /// Where it ran.
    pub device: String,
    /// Share of the users held back.
    pub validation: f64,
    /// Targets of one pass.
    pub n_train_targets: u64,
    /// Targets held back.
    pub n_validation_targets: u64,
    /// Log loss of the last epoch, in training mode.
    pub train_loss: Option<f64>,
    /// Log loss on what was held back.
    pub validation_loss: Option<f64>,
    /// Share of the held-back targets that the likeliest action hits.
    pub validation_accuracy: Option<f64>,
    /// Mean over the actions of the area under the ROC curve, one against the rest.
    pub validation_auc: Option<f64>,
    /// How the histories were split; a model of format 1 knows only the share and the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// The latest epochs, 500 at most; models of versions that kept none have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Epoch>,
}

/// The epochs that a model remembers: as many as can be drawn.
const MOST_EPOCHS: usize = 500;

impl Training {
    /// Adds an epoch to the history.
    pub fn remember(&mut self, epoch: Epoch) {
        if self.history.len() >= MOST_EPOCHS {
            self.history.drain(..=self.history.len() - MOST_EPOCHS);
        }
        self.history.push(epoch);
    }
}

/// What was known after an epoch: mean negative log likelihoods in nats, those of the validation and of the baselines on what was
/// held back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted over continued runs.
    pub epoch: u32,
    /// In training mode.
    pub train_loss: Option<f64>,
    /// Of the network.
    pub validation_loss: Option<f64>,
    /// Always the training frequencies.
    pub majority_loss: Option<f64>,
    /// First-order Markov.
    pub markov_loss: Option<f64>,
    /// The user's own actions so far.
    pub own_history_loss: Option<f64>,
}

/// What was held back from the training, so that a report on the model can find it again.
/// Share and seed are those of the training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// What decided who is held back.
    pub by: SplitBy,
    /// Of a split by time the moment, as the host writes it.
    pub validation_from: Option<String>,
    /// Histories with held-back targets.
    pub n_held_out: u64,
    /// [`Dataset::fingerprint`](crate::sequence::Dataset::fingerprint) of them, in hexadecimal.
    pub fingerprint: String,
}

/// What decided whether a target was held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitBy {
    /// A hash of the user.
    User,
    /// A hash of the history itself and its number among equal ones.
    History,
    /// The time of the target.
    Time,
    /// Nothing: none was held back.
    None,
    /// Whoever packed the sequences.
    #[default]
    Unknown,
}

impl SplitBy {
    /// As the metadata and SQL write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::History => "history",
            Self::Time => "time",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    format_version: u32,
    architecture: Architecture,
    vocabulary: Vec<String>,
    /// Models of before it was a baseline lack it.
    #[serde(default)]
    own_history: Weights,
    training: Training,
    /// Only while training goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<serde_json::Value>,
}

/// What a training run keeps beside the model between two steps.
pub struct RunState<'a> {
    /// Free-form state of the loop.
    pub run: serde_json::Value,
    /// First and second moments of the gradients, as long as the parameters.
    pub first_moments: Cow<'a, [f32]>,
    /// As long.
    pub second_moments: Cow<'a, [f32]>,
    /// Of a validation under way: a row of probabilities per target, and the targets.
    pub probabilities: Cow<'a, [f32]>,
    /// One for each row of probabilities.
    pub targets: Cow<'a, [Token]>,
    /// Within a history the state of the network.
    pub state: Cow<'a, [f32]>,
    /// Of a batch under way: gradients and states.
    pub gradient: Cow<'a, [f32]>,
}

/// Numbers on their way into a file. Of the weights and their like there is one more copy at a time, and only of one tensor.
enum Numbers<'a> {
    /// Of few actions: a byte each.
    Tokens(&'a [Token]),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(&'a [f32]),
}

struct Tensor<'a> {
    shape: Vec<usize>,
    numbers: Numbers<'a>,
}

impl<'a> Tensor<'a> {
    fn row(numbers: Numbers<'a>) -> Self {
        let mut tensor = Self {
            shape: Vec::new(),
            numbers,
        };
        tensor
            .shape
            .push(tensor.data_len() / tensor.dtype().bitsize().div_ceil(8));
        tensor
    }
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        match self.numbers {
            Numbers::Tokens(_) => Dtype::U8,
            Numbers::U32(_) => Dtype::U32,
            Numbers::U64(_) => Dtype::U64,
            Numbers::F32(_) => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.numbers {
            Numbers::Tokens(tokens) => tokens.iter().map(|token| token.0 as u8).collect(),
            Numbers::U32(numbers) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Numbers::U64(numbers) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Numbers::F32(numbers) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        match &self.numbers {
            Numbers::Tokens(tokens) => tokens.len(),
            Numbers::U32(numbers) => size_of_val(&numbers[..]),
            Numbers::U64(numbers) => size_of_val(&numbers[..]),
            Numbers::F32(numbers) => size_of_val(*numbers),
        }
    }
}

impl Model {
    /// The bytes of the `.safetensors` file.
    ///
    /// # Errors
    /// When the parts do not fit each other.
    pub fn to_bytes(&self, state: Option<&RunState>) -> Result<Vec<u8>, Error> {
        let invalid = |error: &dyn std::fmt::Display| FORMAT.damaged(error);
        let metadata = Metadata {
            format_version: self.format_version(),
            architecture: self.architecture,
            vocabulary: self
                .vocabulary
                .in_json()
                .ok_or_else(|| invalid(&"its actions are no few names"))?,
            own_history: self.own_history,
            training: self.training.clone(),
            run: state.map(|state| state.run.clone()),
        };
        let metadata = serde_json::to_string(&metadata).map_err(|error| invalid(&error))?;
        let (grams, counts) = self.counts.packed().unzip();
        let mut tensors = vec![
            ("baseline.grams".to_owned(), Tensor::row(Numbers::U32(grams))),
            ("baseline.counts".to_owned(), Tensor::row(Numbers::U64(counts))),
        ];
        self.add("", &self.parameters, &mut tensors);
        if let Some(state) = state {
            self.add("optimizer.exp_avg.", &state.first_moments, &mut tensors);
            self.add("optimizer.exp_avg_sq.", &state.second_moments, &mut tensors);
            for (name, numbers) in [
                (PROBABILITIES, Numbers::F32(&state.probabilities)),
                (STATE, Numbers::F32(&state.state)),
                (GRADIENT, Numbers::F32(&state.gradient)),
                (TARGETS, Numbers::Tokens(&state.targets)),
            ] {
                tensors.push((name.to_owned(), Tensor::row(numbers)));
            }
        }
        safetensors::serialize(tensors, Some(HashMap::from([(FORMAT.key.to_owned(), metadata)])))
            .map_err(|error| invalid(&error))
    }

    /// Adds numbers in the order of the parameters.
    fn add<'a>(&self, prefix: &str, numbers: &'a [f32], tensors: &mut Vec<(String, Tensor<'a>)>) {
        tensors.extend(self.architecture.slots().into_iter().map(|slot| {
            let numbers = Numbers::F32(&numbers[slot.range]);
            let shape = slot.shape;
            (format!("{prefix}{}", slot.name), Tensor { shape, numbers })
        }));
    }

    /// Reads a finished model; one that still carries the state of a training
    /// run is read without it.
    ///
    /// # Errors
    /// [`Error::Damaged`] for anything that is not a complete model,
    /// [`Error::Newer`] for a later format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (mut metadata, file): (Metadata, _) = FORMAT.open(bytes)?;
        let vocabulary = Vocabulary::from_json(std::mem::take(&mut metadata.vocabulary));
        let vocabulary = vocabulary.map_err(|reason| FORMAT.damaged(reason))?;
        check_sizes(&metadata.architecture, &vocabulary)?;
        let parameters = read_parameters(&file, &metadata.architecture, "")?;
        if !are_sound(&parameters) {
            return Err(FORMAT.damaged(format!(
                "it has weights beyond ±{LARGEST_WEIGHT:e}, with which no prediction is a number"
            )));
        }
        let words = |name, dtype| FORMAT.tensor(&file, name, dtype).map(|view| view.data());
        let grams = words("baseline.grams", Dtype::U32)?.as_chunks().0.iter();
        let counts = words("baseline.counts", Dtype::U64)?.as_chunks().0.iter();
        let grams = grams.map(|&gram| u32::from_le_bytes(gram));
        let counts = Counts::from_packed(vocabulary.len(), grams, counts.map(|&count| u64::from_le_bytes(count)))?;
        Ok(Self {
            architecture: metadata.architecture,
            vocabulary,
            parameters,
            counts,
            own_history: metadata.own_history.check()?,
            training: metadata.training,
        })
    }

    /// Reads a model together with the state of its training run.
    ///
    /// # Errors
    /// As [`Model::from_bytes`], and when there is no such state.
    pub fn with_run_state(bytes: &[u8]) -> Result<(Self, RunState<'static>), Error> {
        let model = Self::from_bytes(bytes)?;
        let (metadata, file): (Metadata, _) = FORMAT.open(bytes)?;
        let run = metadata.run.ok_or_else(|| {
            Error::argument(
                "state",
                "a finished model",
                "the value of train_start or the state of train_epoch",
            )
        })?;
        let first_moments = read_parameters(&file, &metadata.architecture, "optimizer.exp_avg.")?;
        let second_moments = read_parameters(&file, &metadata.architecture, "optimizer.exp_avg_sq.")?;
        let probabilities = numbers(&file, PROBABILITIES, Dtype::F32, f32::from_le_bytes)?;
        let targets = FORMAT.tensor(&file, TARGETS, Dtype::U8)?.data();
        let targets: Vec<Token> = targets.iter().copied().map(Token::from).collect();
        let state = numbers(&file, STATE, Dtype::F32, f32::from_le_bytes)?;
        let gradient = numbers(&file, GRADIENT, Dtype::F32, f32::from_le_bytes)?;
        let n_actions = model.vocabulary.len();
        let moments = first_moments.iter().chain(&second_moments);
        if !moments.copied().all(f32::is_finite) || second_moments.iter().any(|&moment| moment < 0.0) {
            return Err(FORMAT.damaged("the moments of its weights are no such numbers"));
        }
        if !state.iter().chain(&gradient).all(|number| number.is_finite()) {
            return Err(FORMAT.damaged("the batch or the validation under way holds what is no number"));
        }
        if !probabilities.iter().all(|p| (0.0..=1.0).contains(p)) {
            return Err(FORMAT.damaged("the validation under way holds what is no probability"));
        }
        let whole_rows = probabilities.len() == targets.len() * n_actions;
        if !whole_rows || targets.iter().any(|target| target.index() >= n_actions) {
            return Err(FORMAT.damaged("the validation under way is inconsistent"));
        }
        Ok((
            model,
            RunState {
                run,
                first_moments: first_moments.into(),
                second_moments: second_moments.into(),
                probabilities: probabilities.into(),
                targets: targets.into(),
                state: state.into(),
                gradient: gradient.into(),
            },
        ))
    }

    /// The version of the format that the model was written in.
    pub fn format_version(&self) -> u32 {
        match self.training.split {
            None => 1,
            Some(_) => FORMAT_VERSION,
        }
    }

    /// Number of trained parameters.
    pub fn n_parameters(&self) -> usize {
        self.parameters.len()
    }
}

fn check_sizes(architecture: &Architecture, actions: &Vocabulary) -> Result<(), Error> {
    let Architecture {
        vocabulary,
        embedding,
        hidden,
        layers,
        dropout,
        ..
    } = *architecture;
    let width_ok = |width: usize| (1..=MAX_WIDTH).contains(&width);
    if width_ok(embedding)
        && width_ok(hidden)
        && (1..=MAX_LAYERS).contains(&layers)
        && (0.0..1.0).contains(&dropout)
        && vocabulary == actions.len()
    {
        Ok(())
    } else {
        Err(FORMAT.damaged("sizes in its metadata that no footfall model has"))
    }
}

fn read_parameters(file: &File, architecture: &Architecture, prefix: &str) -> Result<Vec<f32>, Error> {
    let slots = architecture.slots();
    let views = slots
        .iter()
        .map(|slot| {
            let name = format!("{prefix}{}", slot.name);
            let view = FORMAT.tensor(file, &name, Dtype::F32)?;
            if view.shape() == slot.shape {
                Ok(view)
            } else {
                let reason = format!(
                    "tensor '{name}' has shape {:?} instead of {:?}",
                    view.shape(),
                    slot.shape
                );
                Err(FORMAT.damaged(reason))
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    // Every tensor is there with its shape, so this allocates no more than the BLOB holds.
    let mut parameters = Vec::with_capacity(architecture.n_parameters());
    for view in views {
        let words = view.data().chunks_exact(4);
        parameters.extend(words.map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]])));
    }
    Ok(parameters)
}

fn numbers<const N: usize, T>(
    file: &File,
    name: &str,
    dtype: Dtype,
    decode: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, Error> {
    let view = FORMAT.tensor(file, name, dtype)?;
    Ok(view
        .data()
        .chunks_exact(N)
        .map(|word| decode(std::array::from_fn(|byte| word[byte])))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Cell;
    use crate::sequence::{Dataset, Sequence, Tokens};

    fn model() -> Model {
        let vocabulary = Vocabulary::new(["buy".to_owned(), "pv".to_owned()]).unwrap();
        let sequences = vec![Sequence {
            tokens: Tokens::U8(&[1, 1, 0]),
            n_train: 3,
        }];
        let bytes = Dataset::pack(&vocabulary, sequences).unwrap();
        let counts = Counts::of_training(&Dataset::from_bytes(&bytes).unwrap());
        let architecture = Architecture {
            cell: Cell::Gru,
            vocabulary: 2,
            embedding: 2,
            hidden: 3,
            layers: 2,
            dropout: 0.5,
        };
        let training = Training {
            epochs: 2,
            settings: serde_json::json!({"learning_rate": 0.1}),
            seed: 7,
            device: "cpu".into(),
            validation: 0.1,
            n_train_targets: 2,
            n_validation_targets: 0,
            train_loss: Some(0.1 + 0.2),
            validation_loss: None,
            validation_accuracy: None,
            validation_auc: None,
            split: Some(Split {
                by: SplitBy::User,
                validation_from: None,
                n_held_out: 0,
                fingerprint: "0".into(),
            }),
            history: vec![Epoch {
                epoch: 2,
                train_loss: Some(0.1 + 0.2),
                validation_loss: None,
                majority_loss: None,
                markov_loss: None,
                own_history_loss: Some(0.7),
            }],
        };
        Model {
            architecture,
            vocabulary,
            parameters: architecture.initial_parameters(7),
            counts,
            own_history: Weights {
                decay: 0.95,
                pseudo_counts: 5.0,
            },
            training,
        }
    }

    fn state() -> RunState<'static> {
        let n = model().parameters.len();
        RunState {
            run: serde_json::json!({"batch": 3}),
            first_moments: vec![0.5; n].into(),
            second_moments: vec![0.25; n].into(),
            probabilities: vec![0.75, 0.25].into(),
            targets: vec![Token(1)].into(),
            state: vec![0.125].into(),
            gradient: vec![0.5, -2.0, 0.0].into(),
        }
    }

    /// The bytes with another header text of any length.
    fn with_header(bytes: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let mut header = change(std::str::from_utf8(&bytes[8..8 + length]).unwrap());
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        [
            &(header.len() as u64).to_le_bytes(),
            header.as_bytes(),
            &bytes[8 + length..],
        ]
        .concat()
    }

    #[test]
    fn a_model_comes_back_bit_by_bit() {
        let bytes = model().to_bytes(None).unwrap();
        assert_eq!(Model::from_bytes(&bytes).unwrap(), model());
        assert_eq!(bytes, model().to_bytes(None).unwrap());
    }

    #[test]
    fn a_model_of_format_1_has_no_split_and_stays_one() {
        let mut old = model();
        old.training.split = None;
        let bytes = old.to_bytes(None).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("\\\"format_version\\\":1"));
        assert_eq!(Model::from_bytes(&bytes).unwrap(), old);
        assert_eq!((old.format_version(), model().format_version()), (1, 2));
    }

    #[test]
    fn a_model_of_other_than_few_names_is_not_written() {
        let numbers = Vocabulary::of_ids([i64::MAX, i64::MIN]).unwrap();
        let many = Vocabulary::new((0..255).map(|number| number.to_string())).unwrap();
        for vocabulary in [numbers, many] {
            let other = Model { vocabulary, ..model() };
            assert!(other.to_bytes(None).is_err());
        }
    }

    #[test]
    fn a_model_without_weights_of_the_own_history_gets_the_usual_ones() {
        let mut bytes = model().to_bytes(None).unwrap();
        bytes = with_header(&bytes, |header| {
            header.replace("\\\"own_history\\\"", "\\\"something\\\"")
        });
        assert_eq!(Model::from_bytes(&bytes).unwrap().own_history, Weights::default());
    }

    #[test]
    fn weights_of_the_own_history_that_no_training_chooses_are_refused() {
        for (decay, pseudo_counts) in [(0.0, 5.0), (1.5, 5.0), (0.95, 0.0), (0.95, -1.0), (0.95, 1e300)] {
            let mut edited = model();
            edited.own_history = Weights { decay, pseudo_counts };
            let error = Model::from_bytes(&edited.to_bytes(None).unwrap())
                .unwrap_err()
                .to_string();
            assert!(error.contains("own_history"), "{error}");
        }
    }

    #[test]
    fn the_state_of_a_run_travels_and_a_finished_model_is_smaller() {
        let (finished, running) = (
            model().to_bytes(None).unwrap(),
            model().to_bytes(Some(&state())).unwrap(),
        );
        assert!(finished.len() < running.len());
        let (read, run) = Model::with_run_state(&running).unwrap();
        assert_eq!(
            (read, run.first_moments, run.second_moments),
            (model(), state().first_moments, state().second_moments)
        );
        assert_eq!(
            (run.run, run.probabilities, run.targets, run.state, run.gradient),
            (
                state().run,
                state().probabilities,
                state().targets,
                state().state,
                state().gradient
            )
        );
        assert_eq!(Model::from_bytes(&running).unwrap(), model());
        assert!(
            Model::with_run_state(&finished)
                .err()
                .unwrap()
                .to_string()
                .contains("train_start")
        );
    }

    #[test]
    fn what_is_no_model_says_so() {
        let reason = |bytes: &[u8]| Model::from_bytes(bytes).unwrap_err().to_string();
        let bytes = model().to_bytes(None).unwrap();
        assert!(reason(b"").contains("not a complete .safetensors file"));
        assert!(reason(b"hello, world").contains("not a complete .safetensors file"));
        let foreign = with_header(&bytes, |header| header.replace("\"footfall\":", "\"other\":"));
        assert!(reason(&foreign).contains("footfall did not write"));
        let newer = with_header(&bytes, |header| {
            header.replace("\\\"format_version\\\":2", "\\\"format_version\\\":9")
        });
        assert!(reason(&newer).contains("format version 9"), "{}", reason(&newer));
        let huge = with_header(&bytes, |header| {
            header.replace("\\\"hidden\\\":3", "\\\"hidden\\\":4000000000")
        });
        assert!(reason(&huge).contains("sizes"), "{}", reason(&huge));
        let other = with_header(&bytes, |header| header.replace("\\\"hidden\\\":3", "\\\"hidden\\\":5"));
        assert!(reason(&other).contains("shape"), "{}", reason(&other));
        let words = with_header(&bytes, |header| {
            header.replace("[\\\"buy\\\",\\\"pv\\\"]", "[\\\"buy\\\"]")
        });
        assert!(reason(&words).contains("sizes"), "{}", reason(&words));
        let swapped = with_header(&bytes, |header| {
            header.replace("[\\\"buy\\\",\\\"pv\\\"]", "[\\\"pv\\\",\\\"buy\\\"]")
        });
        assert!(
            reason(&swapped).ends_with("each of them once: 'pv' stands before 'buy'"),
            "{}",
            reason(&swapped)
        );
        let long = with_header(&bytes, |header| header.to_owned() + &" ".repeat(32 << 20));
        assert!(
            reason(&long).contains("header has more than 33554432 bytes"),
            "{}",
            reason(&long)
        );
        for weight in [f32::NAN, f32::INFINITY, -1.1e15, 1e38] {
            let mut broken = model();
            broken.parameters[4] = weight;
            assert!(reason(&broken.to_bytes(None).unwrap()).contains("weights beyond ±1e15"));
        }
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_an_error_or_a_model() {
        let bytes = model().to_bytes(Some(&state())).unwrap();
        for end in 0..bytes.len() {
            assert!(Model::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
        }
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[position] ^= 1 << bit;
                if let Ok(model) = Model::from_bytes(&changed) {
                    assert_eq!(model.parameters.len(), model.architecture.n_parameters());
                }
                let _ = crate::train::Trainer::from_bytes(&changed);
            }
        }
    }
}
