//! `model_info(model[, called_as, argument])`: what a model is and how it came to be.

use crate::fields::Fields;
use crate::models;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::baseline::own_history::Weights;
use footfall::error::Error as Failure;
use footfall::model::{Epoch, Model, Split, SplitBy, Training};
use std::borrow::Cow;
use std::error::Error;

pub struct ModelInfo;

impl Scalar for ModelInfo {
    const NAME: &'static str = "model_info";

    fn signatures() -> Vec<Signature> {
        let parameters = vec![Type::Blob];
        let with_names = [parameters.clone(), vec![Type::Varchar, Type::Varchar]].concat();
        [parameters, with_names]
            .map(|parameters| Signature {
                parameters,
                returns: INFO.struct_type(),
            })
            .into()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let mut rows = vec![Value::Null; input.len()];
        let groups = models::of_rows(input, 0).map_err(|error| as_given(input, error))?;
        for group in groups {
            for row in group.rows {
                rows[row] = INFO.value(&group.decoded.model);
            }
        }
        output.write(&INFO.struct_type(), &rows)
    }
}

/// The error of something that is no model, under the names of the macro and of the argument that it was given to.
fn as_given(input: &Chunk, error: Failure) -> Box<dyn Error> {
    let row = (0..input.len()).find(|&row| !input.any_null(row));
    let (Some(row), true) = (row, input.width() > 2) else {
        return error.into();
    };
    match input.column(2).text(row) {
        Ok(argument) => {
            let named = error.to_string().replacen("'model'", &format!("'{argument}'"), 1);
            super::as_called(input, 1, row, named)
        }
        Err(other) => other,
    }
}

const INFO: Fields<Model> = Fields(&[
    (
        "architecture",
        || Type::Varchar,
        |model| format!("{:?}", model.architecture.cell).to_lowercase().into(),
    ),
    (
        "embedding",
        || Type::Integer,
        |model| (model.architecture.embedding as i32).into(),
    ),
    (
        "hidden",
        || Type::Integer,
        |model| (model.architecture.hidden as i32).into(),
    ),
    (
        "layers",
        || Type::Integer,
        |model| (model.architecture.layers as i32).into(),
    ),
    (
        "dropout",
        || Type::Double,
        |model| f64::from(model.architecture.dropout).into(),
    ),
    (
        "vocabulary",
        || Type::list(Type::Varchar),
        |model| Value::list(model.vocabulary.names().map(Cow::into_owned)),
    ),
    (
        "n_parameters",
        || Type::Bigint,
        |model| (model.n_parameters() as i64).into(),
    ),
    (
        "epochs",
        || Type::Integer,
        |model| (model.training.epochs as i32).into(),
    ),
    ("seed", || Type::Bigint, |model| (model.training.seed as i64).into()),
    (
        "device",
        || Type::Varchar,
        |model| model.training.device.as_str().into(),
    ),
    ("validation", || Type::Double, |model| model.training.validation.into()),
    (
        "n_train_targets",
        || Type::Bigint,
        |model| (model.training.n_train_targets as i64).into(),
    ),
    (
        "n_validation_targets",
        || Type::Bigint,
        |model| (model.training.n_validation_targets as i64).into(),
    ),
    ("train_loss", || Type::Double, |model| model.training.train_loss.into()),
    (
        "validation_loss",
        || Type::Double,
        |model| model.training.validation_loss.into(),
    ),
    (
        "validation_accuracy",
        || Type::Double,
        |model| model.training.validation_accuracy.into(),
    ),
    (
        "validation_auc",
        || Type::Double,
        |model| model.training.validation_auc.into(),
    ),
    (
        "settings",
        || Type::Varchar,
        |model| model.training.settings.to_string().into(),
    ),
    (
        "format_version",
        || Type::Integer,
        |model| (model.format_version() as i32).into(),
    ),
    ("split", || SPLIT.struct_type(), |model| SPLIT.value(&model.training)),
    (
        "own_history",
        || WEIGHTS.struct_type(),
        |model| WEIGHTS.value(&model.own_history),
    ),
    (
        "history",
        || Type::list(EPOCH.struct_type()),
        |model| Value::List(model.training.history.iter().map(|epoch| EPOCH.value(epoch)).collect()),
    ),
]);

const EPOCH: Fields<Epoch> = Fields(&[
    ("epoch", || Type::Integer, |of| (of.epoch as i32).into()),
    ("train_loss", || Type::Double, |of| of.train_loss.into()),
    ("validation_loss", || Type::Double, |of| of.validation_loss.into()),
    ("majority_loss", || Type::Double, |of| of.majority_loss.into()),
    ("markov_loss", || Type::Double, |of| of.markov_loss.into()),
    ("own_history_loss", || Type::Double, |of| of.own_history_loss.into()),
]);

/// How the histories were split.
const SPLIT: Fields<Training> = Fields(&[
    ("by", || Type::Varchar, |training| split_by(training).name().into()),
    ("share", || Type::Double, |training| training.validation.into()),
    ("seed", || Type::Bigint, |training| (training.seed as i64).into()),
    (
        "validation_from",
        || Type::Varchar,
        |training| known(training, |split| split.validation_from.clone()),
    ),
    (
        "n_held_out",
        || Type::Bigint,
        |training| known(training, |split| Some(split.n_held_out as i64)),
    ),
    (
        "fingerprint",
        || Type::Varchar,
        |training| known(training, |split| Some(split.fingerprint.clone())),
    ),
]);

const WEIGHTS: Fields<Weights> = Fields(&[
    ("decay", || Type::Double, |weights| weights.decay.into()),
    ("pseudo_counts", || Type::Double, |weights| weights.pseudo_counts.into()),
]);

/// Of a model of format 1 it is known only that nothing was held back, where that is so.
fn split_by(training: &Training) -> SplitBy {
    let held_out_none = training.validation == 0.0 && training.n_validation_targets == 0;
    match &training.split {
        Some(split) => split.by,
        None if held_out_none => SplitBy::None,
        None => SplitBy::Unknown,
    }
}

fn known<T: Into<Value>>(training: &Training, of: fn(&Split) -> Option<T>) -> Value {
    training.split.as_ref().and_then(of).into()
}
