//! `train_items_piece(job, histories, options, names, called_as)`: a model of items and how good it is, or after about half a second the number
//! of the job to go on with; 0 begins.

use super::evaluate_items_piece::{EVALUATION, Options, settings};
use crate::fields::Fields;
use crate::items::{Work, check_memory, count, names, names_type, piece_signature, piece_type};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::items::{
    Epoch, HISTORY_LIMIT, MAX_DIM, NetworkSettings, Predictor, STEP, Settings, Shape, Trained, memory, network_memory,
    train,
};
use footfall::limits::{MAX_LAYERS, MAX_LIST};
use serde::Deserialize;
use std::error::Error;
use std::ops::RangeInclusive;

pub struct TrainItemsPiece;

/// The options as they are given in SQL: those of an evaluation, the most rules of an item, and those of a network, where there is to be one.
#[derive(Deserialize)]
struct Given {
    top: i64,
    network: Option<OfNetwork>,
    #[serde(flatten)]
    evaluation: Options,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfNetwork {
    dim: i64,
    layers: i64,
    heads: i64,
    max_length: i64,
    epochs: i64,
    patience: i64,
    learning_rate: Option<f64>,
    dropout: Option<f64>,
    seed: i64,
    min_count: i64,
}

struct Read {
    settings: Settings,
    top: usize,
    network: Option<NetworkSettings>,
    memory_limit: String,
    before: Option<i64>,
}

const EXAMPLE: &str = "{k: 10, targets: 'all', exclude_seen: false, window_size: 10, top: 100, threads: 2, \
                       memory_limit: current_setting('memory_limit'), moment: NULL, network: NULL}";

impl Scalar for TrainItemsPiece {
    const NAME: &'static str = "train_items_piece";

    fn signatures() -> Vec<Signature> {
        vec![piece_signature(&[names_type()], TRAINED.struct_type())]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let work = Work {
            example: EXAMPLE,
            settings: read,
            given: |input, row| names(input.column(3), row),
            answer: |histories, read, names| {
                let of_network = read.network.map_or(0, |network| {
                    of_network(histories.n_items, &network, read.settings.threads)
                });
                let needed = memory(histories, &read.settings, read.top).saturating_add(of_network);
                check_memory(needed, &read.memory_limit)?;
                let network = read.network.as_ref();
                let trained = train(histories, &names, read.top, read.before, network, &read.settings)?;
                let Some(trained) = trained else {
                    return Ok(Value::Null);
                };
                let bytes = trained.model.to_bytes()?;
                Ok(TRAINED.value(&(trained, bytes)))
            },
        };
        work.write(input, output, &piece_type(TRAINED.struct_type()))
    }
}

fn read(given: Given) -> Result<Read, Failure> {
    Ok(Read {
        settings: settings(&given.evaluation)?,
        top: count("top", given.top, MAX_LIST)?,
        network: given.network.map(network).transpose()?,
        memory_limit: given.evaluation.memory_limit,
        before: given.evaluation.moment,
    })
}

fn network(given: OfNetwork) -> Result<NetworkSettings, Failure> {
    const MOST: usize = 1_000_000;
    let settings = NetworkSettings {
        dim: count("dim", given.dim, MAX_DIM)?,
        layers: count("layers", given.layers, MAX_LAYERS)?,
        heads: count("heads", given.heads, MAX_DIM)?,
        max_length: count("max_length", given.max_length, HISTORY_LIMIT)?,
        epochs: count("epochs", given.epochs, MOST)?,
        patience: count("patience", given.patience, MOST)?,
        learning_rate: within(
            "learning_rate",
            given.learning_rate,
            f64::MIN_POSITIVE..=1.0,
            "above 0, up to 1",
        )?,
        dropout: within("dropout", given.dropout, 0.0..=0.9, "0 to 0.9")?,
        seed: given.seed as u64,
        min_count: count("min_count", given.min_count, MOST)?,
    };
    if !shape(1, &settings).is_sound() {
        let found = format!("{}, with {} heads", settings.dim, settings.heads);
        return Err(Failure::argument(
            "dim",
            found,
            "16, 32, 48 and so on to 512 for each head",
        ));
    }
    Ok(settings)
}

fn within(
    option: &'static str,
    given: Option<f64>,
    allowed: RangeInclusive<f64>,
    described: &'static str,
) -> Result<f64, Failure> {
    let found = given.map_or("NULL".to_owned(), |number| number.to_string());
    given
        .filter(|number| allowed.contains(number))
        .ok_or_else(|| Failure::argument(option, found, described))
}

fn shape(n_items: usize, settings: &NetworkSettings) -> Shape {
    let &NetworkSettings {
        dim,
        layers,
        heads,
        max_length,
        ..
    } = settings;
    Shape {
        n_items,
        dim,
        layers,
        heads,
        max_length,
    }
}

/// Bytes that a network of these items needs.
fn of_network(n_items: usize, settings: &NetworkSettings, threads: usize) -> usize {
    network_memory(&shape(n_items, settings), STEP + settings.max_length, threads)
}

/// The methods that stand beside a network in each epoch.
const BAR: [Predictor; 4] = [
    Predictor::Mixture,
    Predictor::Popular,
    Predictor::Repeat,
    Predictor::Rules,
];

/// An epoch, and how good those methods are on what chose it.
struct Row {
    number: i64,
    epoch: Epoch,
    bar: [Option<[f64; 2]>; BAR.len()],
}

impl Row {
    fn hit_rate(&self, method: usize) -> Value {
        self.bar[method].map(|[hit_rate, _]| hit_rate).into()
    }

    fn ndcg(&self, method: usize) -> Value {
        self.bar[method].map(|[_, ndcg]| ndcg).into()
    }
}

const EPOCH: Fields<Row> = Fields(&[
    ("epoch", || Type::Bigint, |row| row.number.into()),
    ("train_loss", || Type::Double, |row| row.epoch.train_loss.into()),
    ("hit_rate", || Type::Double, |row| row.epoch.hit_rate.into()),
    ("ndcg", || Type::Double, |row| row.epoch.ndcg.into()),
    ("is_best", || Type::Boolean, |row| row.epoch.is_best.into()),
    ("mixture_hit_rate", || Type::Double, |row| row.hit_rate(0)),
    ("mixture_ndcg", || Type::Double, |row| row.ndcg(0)),
    ("popular_hit_rate", || Type::Double, |row| row.hit_rate(1)),
    ("popular_ndcg", || Type::Double, |row| row.ndcg(1)),
    ("repeat_hit_rate", || Type::Double, |row| row.hit_rate(2)),
    ("repeat_ndcg", || Type::Double, |row| row.ndcg(2)),
    ("rules_hit_rate", || Type::Double, |row| row.hit_rate(3)),
    ("rules_ndcg", || Type::Double, |row| row.ndcg(3)),
]);

/// NULL where there was nothing to learn.
fn epochs(trained: &Trained) -> Value {
    let bar = BAR.map(|predictor| {
        let of = trained.bar.iter().find(|one| one.predictor == predictor);
        of.map(|one| [one.hit_rate.mean, one.ndcg.mean])
    });
    let row = |(&epoch, number)| EPOCH.value(&Row { number, epoch, bar });
    let rows: Vec<Value> = trained.epochs.iter().zip(1..).map(row).collect();
    if rows.is_empty() {
        Value::Null
    } else {
        Value::List(rows)
    }
}

const TRAINED: Fields<(Trained, Vec<u8>)> = Fields(&[
    ("model", || Type::Blob, |(_, bytes)| bytes.clone().into()),
    (
        "reports",
        || Type::list(EVALUATION.struct_type()),
        |(trained, _)| Value::List(trained.evaluations.iter().map(|one| EVALUATION.value(one)).collect()),
    ),
    (
        "carried_by",
        || Type::Varchar,
        |(trained, _)| trained.model.carried_by().name().into(),
    ),
    (
        "made_of",
        || Type::Varchar,
        |(trained, _)| trained.model.mixture.to_string().into(),
    ),
    (
        "epochs",
        || Type::list(EPOCH.struct_type()),
        |(trained, _)| epochs(trained),
    ),
    (
        "n_items",
        || Type::Bigint,
        |(trained, _)| (trained.model.ids.len() as i64).into(),
    ),
]);
