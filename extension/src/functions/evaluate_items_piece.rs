//! `evaluate_items_piece(job, histories, options, names, model, called_as)`: how good counting is at saying which item comes next, or after
//! about half a second the number of the job to go on with; 0 begins.

use crate::fields::Fields;
use crate::items::{Work, check_memory, count, decode, names, names_type, piece_signature, piece_type};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::items::{Asked, Evaluation, Given, Measure, Predictor, Settings, Targets, evaluate, memory};
use footfall::limits::{MAX_LIST, MAX_WINDOW};
use serde::Deserialize;
use std::error::Error;

pub struct EvaluateItemsPiece;

/// The options as they are given in SQL.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    k: i64,
    targets: String,
    exclude_seen: bool,
    window_size: i64,
    threads: i64,
    against: Option<String>,
    pub memory_limit: String,
    /// Microseconds since 1970 of the moment from which on items are asked for.
    pub moment: Option<i64>,
}

/// What they say.
struct Read {
    settings: Settings,
    memory_limit: String,
    moment: Option<i64>,
}

const EXAMPLE: &str = "{k: 10, targets: 'all', exclude_seen: false, window_size: 10, threads: 2, against: 'popular', \
                       memory_limit: current_setting('memory_limit'), moment: NULL}";

impl Scalar for EvaluateItemsPiece {
    const NAME: &'static str = "evaluate_items_piece";

    fn signatures() -> Vec<Signature> {
        vec![piece_signature(
            &[names_type(), Type::Blob],
            Type::list(EVALUATION.struct_type()),
        )]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let work = Work {
            example: EXAMPLE,
            settings: |options: Options| {
                Ok(Read {
                    settings: settings(&options)?,
                    memory_limit: options.memory_limit,
                    moment: options.moment,
                })
            },
            given,
            answer: |histories, read, given| {
                if let Some(given) = &given {
                    check_before(given, read.moment)?;
                }
                check_memory(memory(histories, &read.settings, 0), &read.memory_limit)?;
                let evaluations = evaluate(histories, &read.settings, given);
                Ok(Value::List(
                    evaluations.iter().map(|one| EVALUATION.value(one)).collect(),
                ))
            },
        };
        work.write(input, output, &piece_type(Type::list(EVALUATION.struct_type())))
    }
}

/// The model, where the bytes are not empty.
fn given(input: &Chunk, row: usize) -> Result<Option<Given>, Failure> {
    let bytes = input.column(4).bytes(row);
    if bytes.is_empty() {
        return Ok(None);
    }
    let model = decode(bytes)?.model.clone();
    let names = names(input.column(3), row)?;
    Ok(Some(Given { model, names }))
}

/// Refuses a model that has counted what it will be asked for.
fn check_before(given: &Given, moment: Option<i64>) -> Result<(), Failure> {
    let before = given.model.about.before;
    if moment.is_none_or(|moment| before.is_some_and(|before| before <= moment)) {
        return Ok(());
    }
    let found = "one that has counted events from validation_from on";
    let allowed =
        "a model of train_items with the same validation_from or an earlier one, or a later validation_from here";
    Err(Failure::argument("model", found, allowed))
}

/// What the options say of how methods are judged.
///
/// # Errors
/// One that is not allowed.
pub fn settings(given: &Options) -> Result<Settings, Failure> {
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
    let predictor = |name: &String| {
        let found = Predictor::ALL.into_iter().find(|one| one.name() == name.as_str());
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
        against: given.against.as_ref().map(predictor).transpose()?,
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

/// How good one method is.
pub const EVALUATION: Fields<Evaluation> = Fields(&[
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
