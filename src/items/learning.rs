//! How a network learns which item comes next, and by what it is chosen.

use super::cases::{Asked, Case};
use super::counts::Counts;
use super::histories::{Event, Histories};
use super::mixture::Mixture;
use super::model::{ItemModel, Places, Question, Room};
use super::network::{Network, Settings, Trainer};
use super::predictors::AT_ONCE;
use crate::compute::{job, parallel};
use crate::error::Error;
use crate::metrics::Ranked;

/// Work is cut into so many parts.
const N_SHARDS: usize = 16;
/// Of what has no score, so that its logarithm is one.
const LEAST: f64 = 1e-12;
/// What a table has for an item that is none of the network's.
const UNKNOWN: u32 = u32::MAX;

/// How good a network was after one pass over the training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// The mean cross-entropy while it learned, in nats.
    pub train_loss: f64,
    /// On the events that chose: the share of lists with a hit.
    pub hit_rate: f64,
    /// The mean gain on them.
    pub ndcg: f64,
    /// Whether it is the network that was kept.
    pub is_best: bool,
}

/// A network that was chosen.
#[derive(Debug)]
pub struct Learned {
    /// The one of the best epoch.
    pub network: Network,
    /// Its items by their numbers in the histories.
    pub items: Vec<u32>,
    /// Its share, and those of all else beside it.
    pub mixture: Mixture,
    /// Every pass.
    pub epochs: Vec<Epoch>,
}

/// Learns from the events that were counted, and chooses by some cases; `model` is of what was counted, without a network.
///
/// # Errors
/// Nothing to learn from, nothing to choose by, or a learning rate that is too high.
pub fn learn(
    histories: &Histories,
    counts: &Counts,
    (mut model, places): (ItemModel, Places),
    cases: &[Case],
    settings: &Settings,
    (asked, threads): (&Asked, usize),
) -> Result<Learned, Error> {
    let nothing = |what: &str| {
        Err(Error::argument(
            "architecture",
            format!("'sasrec', and {what}"),
            "'none', or more events",
        ))
    };
    if cases.is_empty() {
        return nothing("the end of the training has no item behind another one to choose by");
    }
    let (items, read) = read(counts, settings.min_count);
    if read.is_empty() {
        let of = settings.min_count;
        return nothing(&format!(
            "no user has two items that occur min_count times or more, {of}, to learn from"
        ));
    }
    let in_model: Vec<u32> = items.iter().filter_map(|&item| places.of(item as usize)).collect();
    let measure = |model: &ItemModel, mixtures: &[Mixture]| {
        let of_model = (model, &places);
        measure(histories, of_model, cases, mixtures, asked, threads)
    };
    let mut trainer = Trainer::new(settings, items.len(), read);
    let (mut epochs, mut best): (Vec<Epoch>, Option<(usize, Network)>) = (Vec::new(), None);
    while epochs.len() < settings.epochs && epochs.len() - best.as_ref().map_or(0, |(at, _)| at + 1) < settings.patience
    {
        let train_loss = trainer.epoch(threads);
        model.network = trainer.network(in_model.clone(), model.ids.len());
        if model.network.is_none() || !train_loss.is_finite() {
            let found = format!("{}, with which the loss is no number", settings.learning_rate);
            return Err(Error::argument("learning_rate", found, "a smaller number"));
        }
        let [hit_rate, ndcg, _] = measure(&model, &[Mixture::of_network()])[0];
        let is_best = best.as_ref().is_none_or(|&(at, _)| ndcg > epochs[at].ndcg);
        if is_best {
            best = model.network.take().map(|network| (epochs.len(), network));
        }
        epochs.push(Epoch {
            train_loss,
            hit_rate,
            ndcg,
            is_best: false,
        });
    }
    let Some((at, network)) = best else {
        return nothing("there is no epoch");
    };
    epochs[at].is_best = true;
    model.network = Some(network.clone());
    let measures = |mixtures: &[Mixture]| {
        measure(&model, mixtures)
            .into_iter()
            .map(|[_, ndcg, log]| [ndcg, log])
            .collect()
    };
    let mixture = model.mixture.fit_network(measures);
    Ok(Learned {
        network,
        items,
        mixture,
        epochs,
    })
}

/// The items that occur so often, and the histories of these, as their places among them, that have two or more.
fn read(counts: &Counts, min_count: usize) -> (Vec<u32>, Vec<Vec<u32>>) {
    let training = &counts.training;
    let occurs = |&item: &u32| training.count(item as usize) >= min_count.max(1);
    let items: Vec<u32> = (0..training.n_items() as u32).filter(occurs).collect();
    let mut numbers = vec![UNKNOWN; training.n_items()];
    for (number, &item) in items.iter().enumerate() {
        numbers[item as usize] = number as u32;
    }
    let known = |history: &[u32]| {
        history
            .iter()
            .map(|&item| numbers[item as usize])
            .filter(|&one| one != UNKNOWN)
            .collect()
    };
    let histories = training
        .histories()
        .map(known)
        .filter(|history: &Vec<u32>| history.len() > 1);
    (items, histories.collect())
}

/// Hit rate, gain, and mean logarithm of the score of what came next, of each mixture over some cases.
fn measure(
    histories: &Histories,
    (model, places): (&ItemModel, &Places),
    cases: &[Case],
    mixtures: &[Mixture],
    asked: &Asked,
    threads: usize,
) -> Vec<[f64; 3]> {
    let shards: Vec<&[Case]> = cases.chunks(cases.len().div_ceil(N_SHARDS)).collect();
    let of_shards = parallel::do_all(threads, shards, |shard| {
        let (mut room, mut sums) = (Room::new(model.ids.len()), vec![[0.0; 3]; mixtures.len()]);
        for cases in shard.chunks(AT_ONCE) {
            let read: Vec<(Vec<Event>, Vec<Option<u32>>)> = cases
                .iter()
                .map(|case| places.of_case(model, case.before(histories), &case.targets(histories)))
                .collect();
            let events: Vec<&[Event]> = read.iter().map(|(history, _)| &history[..]).collect();
            model.prepare(&events, &mut room);
            for (number, (history, targets)) in read.iter().enumerate() {
                for (mixture, sums) in mixtures.iter().zip(&mut sums) {
                    let question = Question {
                        history,
                        number,
                        mixture,
                    };
                    let (ranks, scores): (Vec<f64>, Vec<f64>) =
                        model.ranks(&question, targets, asked, &mut room).into_iter().unzip();
                    let [hit, ndcg, _] = Ranked::new(&ranks, asked.k).measures();
                    let logarithms: f64 = scores.iter().map(|score| score.max(LEAST).ln()).sum();
                    let found = [hit, ndcg, logarithms / scores.len() as f64];
                    sums.iter_mut().zip(found).for_each(|(sum, one)| *sum += one);
                }
                job::check();
            }
        }
        sums
    });
    let mut means = vec![[0.0; 3]; mixtures.len()];
    for sums in of_shards {
        for (mean, sum) in means.iter_mut().zip(sums) {
            mean.iter_mut()
                .zip(sum)
                .for_each(|(mean, sum)| *mean += sum / cases.len() as f64);
        }
    }
    means
}
