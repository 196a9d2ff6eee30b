//! `evaluate_model(model, dataset, pieces, threads[, called_as])`: the report on a model that
//! `evaluate_piece` has scored, and on the baselines that travel in it.

use super::evaluate_piece::Origin;
use crate::fields::Fields;
use crate::models::Decoded;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::baseline::Baseline;
use footfall::baseline::own_history;
use footfall::compute::parallel;
use footfall::error::Error as Failure;
use footfall::evaluate::{self, Difference, Evaluation, identity};
use footfall::metrics::{ActionReport, Bin, Point};
use footfall::sequence::Dataset;
use std::borrow::Cow;
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
    Type::list(PREDICTOR.struct_type())
}

/// A predictor and how good it was.
struct Scored {
    name: &'static str,
    /// The actions.
    names: Vec<String>,
    evaluation: Evaluation,
    mean_user_loss: f64,
    difference: Difference,
    /// Whether the targets are those that were held back in training, where the model knows.
    as_in_training: Option<bool>,
}

const PREDICTOR: Fields<Scored> = Fields(&[
    ("predictor", || Type::Varchar, |of| of.name.into()),
    ("log_loss", || Type::Double, |of| of.evaluation.report.log_loss.into()),
    ("auc", || Type::Double, |of| of.evaluation.report.auc.into()),
    ("accuracy", || Type::Double, |of| of.evaluation.report.accuracy.into()),
    (
        "top2_accuracy",
        || Type::Double,
        |of| of.evaluation.report.top2_accuracy.into(),
    ),
    (
        "balanced_accuracy",
        || Type::Double,
        |of| of.evaluation.report.balanced_accuracy.into(),
    ),
    ("macro_f1", || Type::Double, |of| of.evaluation.report.macro_f1.into()),
    (
        "calibration_error",
        || Type::Double,
        |of| of.evaluation.report.calibration_error.into(),
    ),
    ("difference", || Type::Double, |of| of.difference.mean.into()),
    (
        "standard_error",
        || Type::Double,
        |of| of.difference.standard_error.into(),
    ),
    ("n", || Type::Bigint, |of| (of.evaluation.report.n as i64).into()),
    ("mean_user_loss", || Type::Double, |of| of.mean_user_loss.into()),
    ("as_in_training", || Type::Boolean, |of| of.as_in_training.into()),
    ("actions", || Type::list(ACTION.struct_type()), actions),
    ("confusion", || Type::list(CELL.struct_type()), confusion),
    ("reliability", || Type::list(BIN.struct_type()), reliability),
    ("roc", || Type::list(POINT.struct_type()), roc),
]);

/// An action by its name.
const ACTION: Fields<(String, ActionReport)> = Fields(&[
    ("action", || Type::Varchar, |(name, _)| name.clone().into()),
    ("precision", || Type::Double, |(_, action)| action.precision.into()),
    ("recall", || Type::Double, |(_, action)| action.recall.into()),
    ("f1", || Type::Double, |(_, action)| action.f1.into()),
    ("auc", || Type::Double, |(_, action)| action.auc.into()),
    (
        "auc_standard_error",
        || Type::Double,
        |(_, action)| action.auc_standard_error.into(),
    ),
    ("support", || Type::Bigint, |(_, action)| (action.support as i64).into()),
]);

/// How often an action was predicted where one happened.
const CELL: Fields<(String, String, u64)> = Fields(&[
    ("actual", || Type::Varchar, |(actual, ..)| actual.clone().into()),
    (
        "predicted",
        || Type::Varchar,
        |(_, predicted, _)| predicted.clone().into(),
    ),
    ("n", || Type::Bigint, |(.., n)| (*n as i64).into()),
]);

/// A bin over the probability of an action, or of the likeliest one, and between which probabilities it lies.
const BIN: Fields<(Option<String>, [f64; 2], Bin)> = Fields(&[
    ("action", || Type::Varchar, |(action, ..)| action.clone().into()),
    ("bin_from", || Type::Double, |(_, ends, _)| ends[0].into()),
    ("bin_to", || Type::Double, |(_, ends, _)| ends[1].into()),
    (
        "confidence",
        || Type::Double,
        |(.., bin)| (bin.n > 0).then_some(bin.confidence).into(),
    ),
    (
        "accuracy",
        || Type::Double,
        |(.., bin)| (bin.n > 0).then_some(bin.accuracy).into(),
    ),
    ("n", || Type::Bigint, |(.., bin)| (bin.n as i64).into()),
]);

/// A point of the ROC curve of an action.
const POINT: Fields<(String, Point)> = Fields(&[
    ("action", || Type::Varchar, |(action, _)| action.clone().into()),
    (
        "threshold",
        || Type::Double,
        |(_, point)| point.threshold.map(f64::from).into(),
    ),
    (
        "false_positive_rate",
        || Type::Double,
        |(_, point)| point.false_positive_rate.into(),
    ),
    (
        "true_positive_rate",
        || Type::Double,
        |(_, point)| point.true_positive_rate.into(),
    ),
]);

fn roc(of: &Scored) -> Value {
    let curves = of.names.iter().zip(&of.evaluation.report.roc);
    let points = curves.flat_map(|(name, points)| points.iter().map(|&point| POINT.value(&(name.clone(), point))));
    Value::List(points.collect())
}

fn actions(of: &Scored) -> Value {
    let actions = of
        .names
        .iter()
        .cloned()
        .zip(of.evaluation.report.actions.iter().copied());
    Value::List(actions.map(|action| ACTION.value(&action)).collect())
}

fn confusion(of: &Scored) -> Value {
    let name = |index: usize| of.names[index].clone();
    let n_actions = of.names.len();
    let cells = of.evaluation.report.confusion.iter().enumerate();
    let value = |(cell, &n): (usize, &u64)| CELL.value(&(name(cell / n_actions), name(cell % n_actions), n));
    Value::List(cells.map(value).collect())
}

/// Of the likeliest action first, then of each.
fn reliability(of: &Scored) -> Value {
    let report = &of.evaluation.report;
    let by_action = of.names.iter().map(Some).zip(&report.action_reliability);
    let all = std::iter::once((None, &report.reliability)).chain(by_action);
    let bins = all.flat_map(|(action, bins)| {
        let n_bins = bins.len() as f64;
        let ends = move |index: usize| [index as f64 / n_bins, (index + 1) as f64 / n_bins];
        let bins = bins.iter().enumerate();
        bins.map(move |(index, bin)| BIN.value(&(action.cloned(), ends(index), *bin)))
    });
    Value::List(bins.collect())
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
    let names: Vec<String> = dataset.vocabulary().names().map(Cow::into_owned).collect();
    let scored = predictors.into_iter().zip(differences);
    let scored = scored.map(|((name, evaluation), difference)| Scored {
        name,
        names: names.clone(),
        mean_user_loss: evaluation.mean_user_loss(dataset),
        evaluation,
        difference,
        as_in_training,
    });
    Ok(Value::List(scored.map(|of| PREDICTOR.value(&of)).collect()))
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
