//! The training loop: batch, gradient, clip, step, and a report after each epoch.
//!
//! The loop can stop after any window of steps and go on from bytes, so that a host
//! that can only be interrupted between calls (a recursive query) gets control back
//! often. Where it stops leaves no trace in the result.

use super::Settings;
use super::batches::batches;
use super::optimizer::{Adam, clip};
use crate::baseline::own_history;
use crate::baseline::{Baseline, Counts};
use crate::error::Error;
use crate::evaluate::{Place, Tally, Unprepared, Validation, tally};
use crate::model::{Epoch, Model, RunState, Split, SplitBy, Training, are_sound};
use crate::network::{Engine, Example, LossSum, Step, Unfinished};
use crate::random;
use crate::sequence::Dataset;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::time::Instant;

/// What one epoch achieved. Losses are mean negative log likelihoods in nats;
/// those of the validation targets are `None` when nothing is held back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// Counted from 1 in each run.
    pub epoch: u32,
    /// In training mode (dropout on, parameters changing), with class weights.
    pub train_loss: f64,
    /// Log loss on what is held back; nothing where that is nothing.
    pub validation_loss: Option<f64>,
    /// Share of the held-back targets that the likeliest action hits.
    pub validation_accuracy: Option<f64>,
    /// Mean over the actions of the area under the ROC curve, one against the rest.
    pub validation_auc: Option<f64>,
    /// Always the training frequencies.
    pub majority_loss: Option<f64>,
    /// Always the most frequent action.
    pub majority_accuracy: Option<f64>,
    /// First-order Markov.
    pub markov_loss: Option<f64>,
    /// The user's own actions so far.
    pub own_history_loss: Option<f64>,
    /// Wall time of training and validation.
    pub seconds: f64,
    /// No epoch follows: the last was reached, or patience ran out.
    pub finished: bool,
}

/// Where a run stands, for whoever shows it.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The epoch under way, counted from 1, and how many there are at most.
    pub epoch: u32,
    /// Of them at most.
    pub epochs: u32,
    /// Batches done in it, and how many it has.
    pub batch: usize,
    /// Batches of it.
    pub n_batches: usize,
    /// Mean training loss of the epoch so far.
    pub train_loss: f64,
    /// Wall time of the run so far.
    pub seconds: f64,
}

/// Progress within a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Run {
    settings: Settings,
    /// Epochs before this run, so that a continued model sees new batches.
    epochs_before: u32,
    /// Epochs completed in this run.
    epochs_done: u32,
    /// Batches completed in the current epoch, their loss and weight.
    batch: usize,
    loss: f64,
    weight: f64,
    /// The batch after them, when it has begun.
    unfinished: Option<Unfinished>,
    seconds: f64,
    /// Wall time of the epochs before.
    seconds_before: f64,
    steps: u64,
    best_validation_loss: Option<f64>,
    epochs_since_best: u32,
    /// The baselines on the held-back targets.
    majority: Tally,
    markov: Tally,
    own_history_loss: Option<f64>,
    /// The validation under way, at its start during the batches.
    validation: Validation,
}

impl Run {
    /// Counts a batch that was learned from, with its sums and the norm of its gradient.
    ///
    /// # Errors
    /// The loss is not finite, or the first gradient of a run that goes on from a model.
    fn count(&mut self, sum: LossSum, norm: f64, steps: u64) -> Result<(), Error> {
        if !sum.loss.is_finite() {
            return Err(diverged(&self.settings, "the loss is no longer finite"));
        }
        if !norm.is_finite() && self.steps == 0 && self.epochs_before > 0 {
            // No rate has been used yet, so this says something of the model to go on from.
            let allowed = "a model whose training did not diverge";
            return Err(Error::argument("init", "a model whose gradient is not finite", allowed));
        }
        self.steps = steps;
        self.loss += sum.loss;
        self.weight += sum.weight;
        self.batch += 1;
        Ok(())
    }
}

/// A training run between two steps of work.
pub struct Trainer {
    model: Model,
    adam: Adam,
    run: Run,
    /// Made anew for each epoch, and when the run was read from bytes.
    engine: Option<Box<dyn Engine>>,
    batches: Option<Cut>,
}

/// The batches of an epoch.
struct Cut {
    /// Of so many sequences.
    n_sequences: usize,
    batches: Vec<Vec<u32>>,
    /// Tokens of the longest sequence.
    n_tokens: usize,
}

/// By how much rounding may bring a moment beyond the longest gradient.
const ROUNDING: f64 = 1.001;

impl Trainer {
    /// Begins a run, from new weights or from those of `init`.
    ///
    /// # Errors
    /// When there is nothing to train on, a setting contradicts `init`, or the
    /// actions differ from those of `init`.
    pub fn start(dataset: &Dataset, settings: Settings, init: Option<Model>) -> Result<Self, Error> {
        let counts = Counts::of_training(dataset);
        if counts.n_targets() == 0 {
            let known = match &init {
                None => String::new(),
                Some(init) => format!(", of the actions that 'init' knows: {}", init.vocabulary.listed()),
            };
            return Err(Error::NoData(format!(
                "argument 'actions' holds no training sequence of two or more actions; at least one is needed{known}"
            )));
        }
        let vocabulary = dataset.vocabulary().clone();
        settings.weights(&vocabulary, &counts.targets_by_action())?;
        let (architecture, parameters, epochs_before, history) = match init {
            None => {
                let architecture = settings.new_architecture(&vocabulary)?;
                (
                    architecture,
                    architecture.initial_parameters(settings.seed),
                    0,
                    Vec::new(),
                )
            }
            Some(init) if init.vocabulary != vocabulary => {
                return Err(Error::argument(
                    "init",
                    format!("a model of the actions {}", init.vocabulary.listed()),
                    format!("one of the actions of the dataset, {}", vocabulary.listed()),
                ));
            }
            Some(init) => {
                check_split(&settings, &init.training)?;
                (
                    settings.continued_architecture(init.architecture)?,
                    init.parameters,
                    init.training.epochs,
                    init.training.history,
                )
            }
        };
        // Refuse a missing or small device now, not after the data went by.
        let engine = crate::device::engine(&settings.device, architecture)?;
        engine.reserve(
            settings.batch_size.min(dataset.len()),
            longest(dataset),
            settings.max_length,
        )?;
        let (n_held_out, fingerprint) = dataset.fingerprint();
        let split = Split {
            by: settings.split,
            validation_from: settings.validation_from.clone(),
            n_held_out,
            fingerprint: format!("{fingerprint:016x}"),
        };
        let training = Training {
            epochs: epochs_before,
            settings: serde_json::to_value(&settings).map_err(|error| Error::NoData(error.to_string()))?,
            seed: settings.seed,
            device: settings.device.clone(),
            validation: settings.validation,
            n_train_targets: counts.n_targets(),
            n_validation_targets: dataset.n_held_out_targets() as u64,
            train_loss: None,
            validation_loss: None,
            validation_accuracy: None,
            validation_auc: None,
            split: Some(split),
            history,
        };
        let adam = Adam::new(parameters.len());
        let weights = own_history::Weights::choose(dataset);
        let run = Run {
            settings,
            epochs_before,
            majority: tally(dataset, &counts, Baseline::Majority),
            markov: tally(dataset, &counts, Baseline::Markov1),
            own_history_loss: own_history::Predictor::new(weights, &counts).log_loss(dataset),
            ..Run::default()
        };
        Ok(Self {
            model: Model {
                architecture,
                vocabulary,
                parameters,
                counts,
                own_history: weights,
                training,
            },
            adam,
            run,
            engine: None,
            batches: None,
        })
    }

    /// Trains and validates on until the epoch is complete, or `until` has passed
    /// (after at least one window of steps of a batch, on a GPU one batch, or one
    /// block of validation); `None` says that the epoch goes on. `observe` is called
    /// after every batch.
    ///
    /// # Errors
    /// When the device fails, or the loss is no longer finite.
    pub fn advance(
        &mut self,
        dataset: &Dataset,
        threads: usize,
        until: Option<Instant>,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<Option<EpochReport>, Error> {
        let started = Instant::now();
        let settings = &self.run.settings.clone();
        if dataset.vocabulary() != &self.model.vocabulary {
            return Err(Error::argument(
                "dataset",
                "another than the run was started with",
                "the same dataset",
            ));
        }
        let engine = match self.engine.take() {
            Some(engine) => engine,
            None => crate::device::engine(&settings.device, self.model.architecture)?,
        };
        let is_learned = self.learn(engine.as_ref(), dataset, threads, until, observe, started)?;
        let is_complete = is_learned && self.validate(engine.as_ref(), dataset, threads, until)?;
        Ok(match is_complete {
            true => Some(self.finish_epoch(started)),
            false => {
                self.engine = Some(engine);
                self.run.seconds += started.elapsed().as_secs_f64();
                None
            }
        })
    }

    /// Learns from the batches that are left, or until `until`; says whether none is left.
    fn learn(
        &mut self,
        engine: &dyn Engine,
        dataset: &Dataset,
        threads: usize,
        until: Option<Instant>,
        observe: &mut dyn FnMut(Progress),
        started: Instant,
    ) -> Result<bool, Error> {
        let settings = &self.run.settings.clone();
        let weights = settings.weights(&self.model.vocabulary, &self.model.counts.targets_by_action())?;
        let epoch = self.run.epochs_before.saturating_add(self.run.epochs_done + 1);
        // Cutting them takes a while for a million sequences.
        let known = self.batches.take().filter(|cut| cut.n_sequences == dataset.len());
        let cut = self.batches.insert(known.unwrap_or_else(|| Cut {
            n_sequences: dataset.len(),
            batches: match self.run.validation.place == Place::default() {
                true => batches(dataset, settings.batch_size, settings.seed, epoch),
                false => Vec::new(),
            },
            n_tokens: longest(dataset),
        }));
        if self.run.batch >= cut.batches.len() {
            return Ok(true);
        }
        let (parameters, adam) = (&mut self.model.parameters, &mut self.adam);
        engine.reserve(
            settings.batch_size.min(cut.n_sequences),
            cut.n_tokens,
            settings.max_length,
        )?;
        let mut on_device = engine.resident(parameters, [&adam.first_moments, &adam.second_moments])?;
        let mut gradient = vec![0.0; if on_device.is_some() { 0 } else { parameters.len() }];
        while self.run.batch < cut.batches.len() {
            let examples = examples(dataset, &cut.batches[self.run.batch]);
            let dropout_seed = (self.model.architecture.dropout > 0.0)
                .then(|| random::hash(settings.seed, &[u64::from(epoch), self.run.batch as u64]));
            let step = Step {
                class_weights: weights.as_deref(),
                dropout_seed,
                window: settings.max_length,
                threads,
            };
            let (sum, norm) = match &mut on_device {
                Some(device) => {
                    let step_of_adam = adam.count(settings.learning_rate, settings.gradient_clip);
                    device.step(&examples, &step, &step_of_adam)?
                }
                None => {
                    gradient.fill(0.0);
                    let unfinished = &mut self.run.unfinished;
                    let sum = engine.gradient_until(until, parameters, &examples, &step, unfinished, &mut gradient)?;
                    let Some(sum) = sum else {
                        return Ok(false);
                    };
                    let scale = (1.0 / sum.weight) as f32;
                    gradient.iter_mut().for_each(|g| *g *= scale);
                    let norm = clip(&mut gradient, settings.gradient_clip);
                    adam.step(parameters, &gradient, settings.learning_rate);
                    (sum, norm)
                }
            };
            self.run.count(sum, norm, adam.steps)?;
            observe(Progress {
                epoch: self.run.epochs_done + 1,
                epochs: settings.epochs,
                batch: self.run.batch,
                n_batches: cut.batches.len(),
                train_loss: self.run.loss / self.run.weight,
                seconds: self.run.seconds_before + self.run.seconds + started.elapsed().as_secs_f64(),
            });
            if until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
        }
        if let Some(device) = on_device {
            device.finish(parameters, [&mut adam.first_moments, &mut adam.second_moments])?;
        }
        Ok(self.run.batch >= cut.batches.len())
    }

    /// Validates on; says whether nothing is left.
    fn validate(
        &mut self,
        engine: &dyn Engine,
        dataset: &Dataset,
        threads: usize,
        until: Option<Instant>,
    ) -> Result<bool, Error> {
        let (parameters, seed) = (&self.model.parameters, self.run.settings.seed);
        if !are_sound(parameters) {
            let what = "the weights are no longer numbers to predict with";
            return Err(diverged(&self.run.settings, what));
        }
        let network = Unprepared { engine, parameters };
        self.run.validation.advance(dataset, &network, seed, threads, until)
    }

    fn finish_epoch(&mut self, started: Instant) -> EpochReport {
        self.batches = None;
        let run = &mut self.run;
        let validation = std::mem::take(&mut run.validation);
        run.epochs_done += 1;
        let train_loss = run.loss / run.weight;
        let validation_loss = validation.tally.log_loss();
        if let Some(loss) = validation_loss {
            if run.best_validation_loss.is_none_or(|best| loss < best) {
                run.best_validation_loss = Some(loss);
                run.epochs_since_best = 0;
            } else {
                run.epochs_since_best += 1;
            }
        }
        let out_of_patience = run
            .settings
            .patience
            .is_some_and(|patience| run.epochs_since_best >= patience);
        let report = EpochReport {
            epoch: run.epochs_done,
            train_loss,
            validation_loss,
            validation_accuracy: validation.tally.accuracy(),
            validation_auc: validation.auc(self.model.vocabulary.len()),
            majority_loss: run.majority.log_loss(),
            majority_accuracy: run.majority.accuracy(),
            markov_loss: run.markov.log_loss(),
            own_history_loss: run.own_history_loss,
            seconds: run.seconds + started.elapsed().as_secs_f64(),
            finished: out_of_patience || run.epochs_done >= run.settings.epochs,
        };
        run.seconds_before += report.seconds;
        (run.batch, run.loss, run.weight, run.seconds) = (0, 0.0, 0.0, 0.0);
        let training = &mut self.model.training;
        training.epochs = run.epochs_before.saturating_add(run.epochs_done);
        training.train_loss = Some(train_loss);
        training.validation_loss = report.validation_loss;
        training.validation_accuracy = report.validation_accuracy;
        training.validation_auc = report.validation_auc;
        training.remember(Epoch {
            epoch: training.epochs,
            train_loss: Some(train_loss),
            validation_loss,
            majority_loss: report.majority_loss,
            markov_loss: report.markov_loss,
            own_history_loss: report.own_history_loss,
        });
        report
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The whole run as bytes.
    ///
    /// # Errors
    /// When the state cannot be written as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        self.model.to_bytes(Some(&RunState {
            run: serde_json::to_value(&self.run).map_err(|error| Error::NoData(error.to_string()))?,
            first_moments: (&self.adam.first_moments[..]).into(),
            second_moments: (&self.adam.second_moments[..]).into(),
            probabilities: (&self.run.validation.probabilities[..]).into(),
            targets: (&self.run.validation.targets[..]).into(),
            state: (&self.run.validation.place.state[..]).into(),
            gradient: self
                .run
                .unfinished
                .as_ref()
                .map_or(&[][..], |unfinished| &unfinished.floats)
                .into(),
        }))
    }

    /// Reads what [`Trainer::to_bytes`] wrote.
    ///
    /// # Errors
    /// As [`Model::with_run_state`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (model, state) = Model::with_run_state(bytes).map_err(|error| error.of_argument("state"))?;
        let damaged = |error: &dyn Display| {
            Error::argument("state", format!("unreadable: {error}"), "the state of a training run")
        };
        let mut run: Run = serde_json::from_value(state.run).map_err(|error| damaged(&error))?;
        run.settings = run.settings.check().map_err(|error| damaged(&error))?;
        if run.epochs_done >= run.settings.epochs {
            return Err(damaged(&"the run is finished"));
        }
        let adam = Adam {
            first_moments: state.first_moments.into_owned(),
            second_moments: state.second_moments.into_owned(),
            steps: run.steps,
        };
        // Moments are means of gradients and their squares, none of which is longer than this.
        let longest = run.settings.gradient_clip * ROUNDING;
        let is_within = |moments: &[f32], limit: f64| moments.iter().all(|&moment| f64::from(moment).abs() <= limit);
        if !is_within(&adam.first_moments, longest) || !is_within(&adam.second_moments, longest * longest) {
            let clip = run.settings.gradient_clip;
            let reason =
                format!("the moments of its weights are beyond those of any training with gradient_clip {clip}");
            return Err(Error::damaged("state", reason));
        }
        run.validation.probabilities = state.probabilities.into_owned();
        run.validation.targets = state.targets.into_owned();
        run.validation.place.state = state.state.into_owned();
        if let Some(unfinished) = &mut run.unfinished {
            unfinished.floats = state.gradient.into_owned();
        }
        Ok(Self {
            model,
            adam,
            run,
            engine: None,
            batches: None,
        })
    }
}

/// Refuses a split that would hold back users of whom the model to go on from has learned: its loss on them
/// would say nothing. A smaller share of the same hash is part of the larger one.
fn check_split(settings: &Settings, init: &Training) -> Result<(), Error> {
    let hashed = |by| matches!(by, SplitBy::User | SplitBy::History);
    let Some(before) = &init.split else { return Ok(()) };
    let is_within = settings.split == before.by && settings.seed == init.seed && settings.validation <= init.validation;
    if !hashed(before.by) || !hashed(settings.split) || is_within {
        return Ok(());
    }
    Err(Error::argument(
        "init",
        format!(
            "a model that was split by {} with validation := {} and seed := {}, and has learned from some that a split \
             by {} with validation := {} and seed := {} holds back",
            before.by.name(),
            init.validation,
            init.seed,
            settings.split.name(),
            settings.validation,
            settings.seed,
        ),
        "the split of the model, a smaller share of it, or validation := 0",
    ))
}

/// Tokens of the longest sequence that is trained on.
fn longest(dataset: &Dataset) -> usize {
    dataset.sequences().map(|sequence| sequence.n_train).max().unwrap_or(0)
}

/// The sequences of a batch, as far as they are for training.
fn examples<'a>(dataset: &Dataset<'a>, batch: &[u32]) -> Vec<Example<'a>> {
    let example = |&index: &u32| {
        let sequence = dataset.sequence(index as usize);
        Example {
            tokens: sequence.tokens.slice(..sequence.n_train),
            first_target: 1,
            key: u64::from(index),
        }
    };
    batch.iter().map(example).collect()
}

fn diverged(settings: &Settings, what: &str) -> Error {
    let received = format!("{} ({what})", settings.learning_rate);
    Error::argument("learning_rate", received, "a smaller number")
}
