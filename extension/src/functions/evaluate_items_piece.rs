//! `evaluate_items_piece(job, histories, options, called_as)`: how good counting is at saying which item comes next, or after
//! about half a second the number of the job to go on with; 0 begins.

use crate::fields::Fields;
use crate::items::{count, piece, piece_signature, piece_type};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::items::{Asked, Evaluation, Measure, Predictor, Settings, Targets, evaluate};
use footfall::limits::{MAX_LIST, MAX_WINDOW};
use serde::Deserialize;
use std::error::Error;

pub struct EvaluateItemsPiece;

/// The options as they are given in SQL.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    k: i64,
    targets: String,
    exclude_seen: bool,
    window_size: i64,
    threads: i64,
    against: Option<String>,
}

impl Scalar for EvaluateItemsPiece {
    const NAME: &'static str = "evaluate_items_piece";

    fn signatures() -> Vec<Signature> {
        vec![piece_signature(Type::list(EVALUATION.struct_type()))]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let returns = piece_type(Type::list(EVALUATION.struct_type()));
        let example = "{k: 10, targets: 'all', exclude_seen: false, window_size: 10, threads: 2, against: 'popular'}";
        piece(input, output, &returns, example, settings, |histories, settings| {
            let evaluations = evaluate(histories, settings);
            Ok(Value::List(
                evaluations.iter().map(|one| EVALUATION.value(one)).collect(),
            ))
        })
    }
}

fn settings(given: Given) -> Result<Settings, Failure> {
    let targets = match given.targets.as_str() {
        "all" => Targets::All,
        "last" => Targets::Last,
        "basket" => Targets::Basket,
        other => {
            return Err(Failure::argument(
                "targets",
                format!("'{other}'"),
                "'all', 'last', 'basket'",
            ));
        }
    };
    let predictor = |name: String| {
        let found = Predictor::ALL.into_iter().find(|one| one.name() == name);
        let names = Predictor::ALL.map(|one| format!("'{}'", one.name())).join(", ");
        found.ok_or_else(|| Failure::argument("against", format!("'{name}'"), names))
    };
    Ok(Settings {
        asked: Asked {
            k: count("k", given.k, MAX_LIST)?,
            exclude_seen: given.exclude_seen,
            window: count("window_size", given.window_size, MAX_WINDOW)?,
        },
        targets,
        threads: super::threads(given.threads)?,
        against: given.against.map(predictor).transpose()?,
    })
}

const MEASURE: Fields<Measure> = Fields(&[
    ("mean", || Type::Double, |of| of.mean.into()),
    ("standard_error", || Type::Double, |of| of.error.into()),
    ("difference", || Type::Double, |of| of.difference.into()),
    (
        "difference_standard_error",
        || Type::Double,
        |of| of.difference_error.into(),
    ),
]);

const EVALUATION: Fields<Evaluation> = Fields(&[
    ("predictor", || Type::Varchar, |of| of.predictor.name().into()),
    ("hit_rate", || MEASURE.struct_type(), |of| MEASURE.value(&of.hit_rate)),
    ("ndcg", || MEASURE.struct_type(), |of| MEASURE.value(&of.ndcg)),
    ("mrr", || MEASURE.struct_type(), |of| MEASURE.value(&of.mrr)),
    ("coverage", || Type::Double, |of| of.coverage.into()),
    ("n", || Type::Bigint, |of| (of.n as i64).into()),
    ("n_users", || Type::Bigint, |of| (of.n_users as i64).into()),
    ("repeat_share", || Type::Double, |of| of.repeat_share.into()),
    ("unseen_share", || Type::Double, |of| of.unseen_share.into()),
    (
        "made_of",
        || Type::Varchar,
        |of| of.mixture.map(|mixture| mixture.to_string()).into(),
    ),
]);
