//! `evaluate_model(model, dataset, pieces, threads[, called_as])`: the report on a model that
//! `evaluate_piece` has scored, and on the baselines that travel in it.

use super::evaluate_piece::Origin;
use crate::models::Decoded;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::baseline::Baseline;
use footfall::baseline::own_history;
use footfall::compute::parallel;
use footfall::error::Error as Failure;
use footfall::evaluate::{self, Difference, Evaluation, identity};
use footfall::metrics::Bin;
use footfall::sequence::Dataset;
use std::error::Error;

pub struct EvaluateModel;

impl Scalar for EvaluateModel {
    const NAME: &'static str = "evaluate_model";

    fn signatures() -> Vec<Signature> {
        let blobs = Type::list(Type::Blob);
        let parameters = [Type::Blob, Type::Blob, blobs, Type::Bigint, Type::Varchar];
        (4..=parameters.len())
            .map(|n| Signature {
                parameters: parameters[..n].to_vec(),
                returns: returns(),
            })
            .collect()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &returns(), |row| {
            reports(input, row).map_err(|error| super::as_called(input, 4, row, error))
        })
    }
}

/// A list with one entry per predictor.
fn returns() -> Type {
    let action = Type::Struct(vec![
        ("action", Type::Varchar),
        ("precision", Type::Double),
        ("recall", Type::Double),
        ("f1", Type::Double),
        ("auc", Type::Double),
        ("auc_standard_error", Type::Double),
        ("support", Type::Bigint),
    ]);
    let cell = Type::Struct(vec![
        ("actual", Type::Varchar),
        ("predicted", Type::Varchar),
        ("n", Type::Bigint),
    ]);
    let bin = Type::Struct(vec![
        ("action", Type::Varchar),
        ("bin_from", Type::Double),
        ("bin_to", Type::Double),
        ("confidence", Type::Double),
        ("accuracy", Type::Double),
        ("n", Type::Bigint),
    ]);
    Type::list(Type::Struct(vec![
        ("predictor", Type::Varchar),
        ("log_loss", Type::Double),
        ("auc", Type::Double),
        ("accuracy", Type::Double),
        ("top2_accuracy", Type::Double),
        ("balanced_accuracy", Type::Double),
        ("macro_f1", Type::Double),
        ("calibration_error", Type::Double),
        ("difference", Type::Double),
        ("standard_error", Type::Double),
        ("n", Type::Bigint),
        ("mean_user_loss", Type::Double),
        ("as_in_training", Type::Boolean),
        ("actions", Type::list(action)),
        ("confusion", Type::list(cell)),
        ("reliability", Type::list(bin)),
    ]))
}

/// Refuses a dataset whose tokens mean other actions than those of the model.
pub fn check(decoded: &Decoded, dataset: &Dataset) -> Result<(), Failure> {
    let vocabulary = &decoded.model.vocabulary;
    if dataset.vocabulary() == vocabulary {
        return Ok(());
    }
    let received = format!("a set of the actions {}", dataset.vocabulary().listed());
    let allowed = format!("one of the model's actions, {}", vocabulary.listed());
    Err(Failure::argument("dataset", received, allowed))
}

fn reports(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let decoded = crate::models::decode(input.column(0).bytes(row))?;
    let dataset = &Dataset::from_bytes(input.column(1).bytes(row))?;
    check(&decoded, dataset)?;
    let threads = super::threads(input.column(3).values::<i64>()[row])?;
    let (model, pieces) = (&decoded.model, input.column(2));
    let blobs = pieces.child();
    let known = pieces.list(row).filter(|&piece| !blobs.is_null(piece));
    let origin = Origin::new(&decoded, identity(dataset));
    let known: Result<Vec<&[u8]>, Failure> = known
        .map(|piece| {
            let bytes = blobs.bytes(piece);
            origin.check(bytes).ok_or_else(|| {
                let received = format!("a BLOB of {} bytes that is not of this dataset and model", bytes.len());
                Failure::argument("pieces", received, "those of evaluate_piece for this dataset")
            })
        })
        .collect();
    let scored = evaluate::scored(dataset, known?.into_iter(), threads)?;
    let Some([network, own_history]) = scored else {
        return Ok(Value::List(Vec::new()));
    };
    let counted = parallel::map(threads, Baseline::ALL.len(), |index| {
        let baseline = Baseline::ALL[index];
        Some((baseline.name(), evaluate::baseline(dataset, &model.counts, baseline)?))
    });
    let mut predictors = vec![("model", network)];
    predictors.extend(counted.into_iter().flatten());
    predictors.push((own_history::NAME, own_history));
    let (n_held_out, fingerprint) = dataset.fingerprint();
    let as_in_training = model
        .training
        .split
        .as_ref()
        .map(|split| split.n_held_out == n_held_out && split.fingerprint == format!("{fingerprint:016x}"));
    let differences = differences(dataset, &predictors);
    let report = |((name, evaluation), difference): (&(&str, Evaluation), &Difference)| {
        value(name, dataset, evaluation, difference, as_in_training)
    };
    Ok(Value::List(predictors.iter().zip(&differences).map(report).collect()))
}

/// From the best of the baselines, which are all but the first; its own has no error, since it is none by definition.
fn differences(dataset: &Dataset, predictors: &[(&str, Evaluation)]) -> Vec<Difference> {
    let log_loss = |index: &usize| predictors[*index].1.report.log_loss;
    let best = (1..predictors.len()).min_by(|a, b| log_loss(a).total_cmp(&log_loss(b)));
    let best = best.expect("there are baselines");
    let of = |index: usize| match index == best {
        true => Difference {
            mean: 0.0,
            standard_error: None,
        },
        false => Difference::new(dataset, &predictors[index].1, &predictors[best].1),
    };
    (0..predictors.len()).map(of).collect()
}

/// `as_in_training`: whether the targets are those that were held back then, where the model knows.
fn value(
    predictor: &str,
    dataset: &Dataset,
    evaluation: &Evaluation,
    difference: &Difference,
    as_in_training: Option<bool>,
) -> Value {
    let report = &evaluation.report;
    let names: Vec<_> = dataset.vocabulary().names().collect();
    let actions = names.iter().zip(&report.actions).map(|(name, action)| {
        Value::Struct(vec![
            name.to_string().into(),
            action.precision.into(),
            action.recall.into(),
            action.f1.into(),
            action.auc.into(),
            action.auc_standard_error.into(),
            (action.support as i64).into(),
        ])
    });
    let confusion = report.confusion.iter().enumerate().map(|(cell, &n)| {
        Value::Struct(vec![
            names[cell / names.len()].to_string().into(),
            names[cell % names.len()].to_string().into(),
            (n as i64).into(),
        ])
    });
    let by_action = names
        .iter()
        .map(|name| &**name)
        .map(Some)
        .zip(&report.action_reliability);
    let reliability = std::iter::once((None, &report.reliability))
        .chain(by_action)
        .flat_map(|(action, bins)| bins_of(action, bins));
    Value::Struct(vec![
        predictor.into(),
        report.log_loss.into(),
        report.auc.into(),
        report.accuracy.into(),
        report.top2_accuracy.into(),
        report.balanced_accuracy.into(),
        report.macro_f1.into(),
        report.calibration_error.into(),
        difference.mean.into(),
        difference.standard_error.into(),
        (report.n as i64).into(),
        evaluation.mean_user_loss(dataset).into(),
        as_in_training.into(),
        Value::List(actions.collect()),
        Value::List(confusion.collect()),
        Value::List(reliability.collect()),
    ])
}

/// The bins over the probability of an action, or of the likeliest one.
fn bins_of<'a>(action: Option<&'a str>, bins: &'a [Bin]) -> impl Iterator<Item = Value> + 'a {
    let n_bins = bins.len() as f64;
    bins.iter().enumerate().map(move |(index, bin)| {
        let known = |value: f64| Value::from((bin.n > 0).then_some(value));
        Value::Struct(vec![
            action.into(),
            (index as f64 / n_bins).into(),
            ((index + 1) as f64 / n_bins).into(),
            known(bin.confidence),
            known(bin.accuracy),
            (bin.n as i64).into(),
        ])
    })
}
