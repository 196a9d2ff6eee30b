//! `model_info(model[, called_as, argument])`: what a model is and how it came to be.

use crate::models;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::model::{Model, SplitBy, Training};
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
                returns: returns(),
            })
            .into()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let mut rows = vec![Value::Null; input.len()];
        let groups = models::of_rows(input, 0).map_err(|error| as_given(input, error))?;
        for group in groups {
            for row in group.rows {
                rows[row] = info(&group.decoded.model);
            }
        }
        output.write(&returns(), &rows)
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

fn returns() -> Type {
    Type::Struct(vec![
        ("architecture", Type::Varchar),
        ("embedding", Type::Integer),
        ("hidden", Type::Integer),
        ("layers", Type::Integer),
        ("dropout", Type::Double),
        ("vocabulary", Type::list(Type::Varchar)),
        ("n_parameters", Type::Bigint),
        ("epochs", Type::Integer),
        ("seed", Type::Bigint),
        ("device", Type::Varchar),
        ("validation", Type::Double),
        ("n_train_targets", Type::Bigint),
        ("n_validation_targets", Type::Bigint),
        ("train_loss", Type::Double),
        ("validation_loss", Type::Double),
        ("validation_accuracy", Type::Double),
        ("validation_auc", Type::Double),
        ("settings", Type::Varchar),
        ("format_version", Type::Integer),
        (
            "split",
            Type::Struct(vec![
                ("by", Type::Varchar),
                ("share", Type::Double),
                ("seed", Type::Bigint),
                ("validation_from", Type::Varchar),
                ("n_held_out", Type::Bigint),
                ("fingerprint", Type::Varchar),
            ]),
        ),
        (
            "own_history",
            Type::Struct(vec![("decay", Type::Double), ("pseudo_counts", Type::Double)]),
        ),
    ])
}

fn info(model: &Model) -> Value {
    let architecture = &model.architecture;
    let training = &model.training;
    Value::Struct(vec![
        format!("{:?}", architecture.cell).to_lowercase().into(),
        (architecture.embedding as i32).into(),
        (architecture.hidden as i32).into(),
        (architecture.layers as i32).into(),
        f64::from(architecture.dropout).into(),
        Value::list(model.vocabulary.actions().iter().map(String::as_str)),
        (model.n_parameters() as i64).into(),
        (training.epochs as i32).into(),
        (training.seed as i64).into(),
        training.device.as_str().into(),
        training.validation.into(),
        (training.n_train_targets as i64).into(),
        (training.n_validation_targets as i64).into(),
        training.train_loss.into(),
        training.validation_loss.into(),
        training.validation_accuracy.into(),
        training.validation_auc.into(),
        training.settings.to_string().into(),
        (model.format_version() as i32).into(),
        split(training),
        Value::Struct(vec![
            model.own_history.decay.into(),
            model.own_history.pseudo_counts.into(),
        ]),
    ])
}

/// How the histories were split. Of a model of format 1 it is known only that nothing was held back, where
/// that is so.
fn split(training: &Training) -> Value {
    let split = training.split.as_ref();
    let held_out_none = training.validation == 0.0 && training.n_validation_targets == 0;
    let by = match split {
        Some(split) => split.by,
        None if held_out_none => SplitBy::None,
        None => SplitBy::Unknown,
    };
    Value::Struct(vec![
        by.name().into(),
        training.validation.into(),
        (training.seed as i64).into(),
        split.and_then(|split| split.validation_from.clone()).into(),
        split.map(|split| split.n_held_out as i64).into(),
        split.map(|split| split.fingerprint.clone()).into(),
    ])
}
