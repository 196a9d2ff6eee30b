//! `train_epoch(state, dataset, threads[, progress[, called_as]])`: trains on to the end of the epoch, or
//! for about a second.
//!
//! DuckDB can be interrupted between two calls and not within one, so a long
//! epoch is spread over several.

use crate::fields::Fields;
use crate::progress::Display;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::sequence::Dataset;
use footfall::train::{EpochReport, Progress, Trainer};
use std::error::Error;
use std::time::{Duration, Instant};

/// How long one call may train before it gives control back to DuckDB.
const SLICE: Duration = Duration::from_secs(1);

pub struct TrainEpoch;

impl Scalar for TrainEpoch {
    const NAME: &'static str = "train_epoch";

    fn signatures() -> Vec<Signature> {
        let parameters = [Type::Blob, Type::Blob, Type::Bigint, Type::Boolean, Type::Varchar];
        (3..=parameters.len())
            .map(|n| Signature {
                parameters: parameters[..n].to_vec(),
                returns: returns(),
            })
            .collect()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &returns(), |row| {
            advance(input, row).map_err(|error| super::as_called(input, 4, row, error))
        })
    }
}

fn advance(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let mut trainer = Trainer::from_bytes(input.column(0).bytes(row))?;
    let threads = super::threads(input.column(2).values::<i64>()[row])?;
    let is_shown = input.width() > 3 && input.column(3).values::<u8>()[row] != 0;
    let report = train(&mut trainer, input.column(1).bytes(row), threads, is_shown)?;
    step(&trainer, report)
}

/// Trains on for no longer than one call may.
///
/// # Errors
/// As [`Trainer::advance`], and those of the dataset.
pub fn train(
    trainer: &mut Trainer,
    dataset: &[u8],
    threads: usize,
    is_shown: bool,
) -> Result<Option<EpochReport>, Failure> {
    let dataset = Dataset::from_bytes(dataset)?;
    let mut display = Display::new("train", is_shown);
    let until = Some(Instant::now() + SLICE);
    trainer.advance(&dataset, threads, until, &mut |progress| show(&mut display, progress))
}

fn show(display: &mut Display, progress: Progress) {
    let n_batches = progress.n_batches as u64;
    let done = u64::from(progress.epoch - 1) * n_batches + progress.batch as u64;
    display.show(done, u64::from(progress.epochs) * n_batches, progress.seconds, || {
        format!(
            "epoch {}/{}, loss {:.4}",
            progress.epoch, progress.epochs, progress.train_loss
        )
    });
}

/// The result of both training functions: the state to go on from, and what came of the call.
pub fn returns() -> Type {
    let state = ("state", Type::Blob);
    Type::Struct(std::iter::once(state).chain(report_fields()).collect())
}

/// What came of a call.
struct Call {
    report: Option<EpochReport>,
    device: String,
}

impl Call {
    fn number(&self, of: fn(&EpochReport) -> Option<f64>) -> Value {
        self.report.as_ref().and_then(of).into()
    }
}

/// Whether an epoch was completed by a call, and if so what came of it. Its model follows.
const REPORT: Fields<Call> = Fields(&[
    ("complete", || Type::Boolean, |call| call.report.is_some().into()),
    (
        "finished",
        || Type::Boolean,
        |call| call.report.as_ref().is_some_and(|report| report.finished).into(),
    ),
    (
        "epoch",
        || Type::Integer,
        |call| call.report.as_ref().map(|report| report.epoch as i32).into(),
    ),
    (
        "train_loss",
        || Type::Double,
        |call| call.number(|report| Some(report.train_loss)),
    ),
    (
        "validation_loss",
        || Type::Double,
        |call| call.number(|report| report.validation_loss),
    ),
    (
        "majority_loss",
        || Type::Double,
        |call| call.number(|report| report.majority_loss),
    ),
    (
        "markov_loss",
        || Type::Double,
        |call| call.number(|report| report.markov_loss),
    ),
    (
        "own_history_loss",
        || Type::Double,
        |call| call.number(|report| report.own_history_loss),
    ),
    (
        "validation_accuracy",
        || Type::Double,
        |call| call.number(|report| report.validation_accuracy),
    ),
    (
        "majority_accuracy",
        || Type::Double,
        |call| call.number(|report| report.majority_accuracy),
    ),
    (
        "validation_auc",
        || Type::Double,
        |call| call.number(|report| report.validation_auc),
    ),
    (
        "seconds",
        || Type::Double,
        |call| call.number(|report| Some(report.seconds)),
    ),
    ("device", || Type::Varchar, |call| call.device.as_str().into()),
]);

fn report_fields() -> impl Iterator<Item = (&'static str, Type)> {
    REPORT.types().into_iter().chain([("model", Type::Blob)])
}

/// The type of [`report`].
pub fn report_type() -> Type {
    Type::Struct(report_fields().collect())
}

/// A value of [`returns`].
pub fn step(trainer: &Trainer, report: Option<EpochReport>) -> Result<Value, Box<dyn Error>> {
    let state = match &report {
        // Nothing goes on from a finished run.
        Some(report) if report.finished => Value::Null,
        _ => trainer.to_bytes()?.into(),
    };
    let values = report_values(trainer, report.as_ref())?;
    Ok(Value::Struct(std::iter::once(state).chain(values).collect()))
}

/// What came of a call.
///
/// # Errors
/// When the model cannot be written.
pub fn report(trainer: &Trainer, report: Option<&EpochReport>) -> Result<Value, Failure> {
    Ok(Value::Struct(report_values(trainer, report)?))
}

/// The values of [`report_fields`].
fn report_values(trainer: &Trainer, report: Option<&EpochReport>) -> Result<Vec<Value>, Failure> {
    let model = report.map(|_| trainer.model().to_bytes(None)).transpose()?;
    let mut values = REPORT.values(&Call {
        report: report.cloned(),
        device: trainer.model().training.device.clone(),
    });
    values.push(model.into());
    Ok(values)
}
