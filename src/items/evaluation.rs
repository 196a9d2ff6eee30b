//! How good the methods are on events that none of them has counted.

use super::cases::{Asked, Case, Fading, Own, Targets, cases, fit_cases};
use super::histories::Histories;
use super::ids::Ids;
use super::learning::{self, Epoch, Learned};
use super::mixture::{MOST_CASES, Mixture};
use super::model::{self, About, ItemModel, Places};
use super::network;
use super::predictor::Predictor;
use super::predictors::{Predictors, Room};
use super::training::Part;
use crate::compute::job;
use crate::compute::parallel;
use crate::error::Error;
use crate::metrics::{Ranked, mean_over_users};
use std::sync::Arc;

/// Work is cut into so many parts, whatever the number of threads.
const N_SHARDS: usize = 64;
/// Bytes for each event: the histories, their items and where each occurs, sessions, questions and their measures.
const PER_EVENT: usize = 160;
/// Bytes for each item, and for each item in each thread: counts and orders; rows, scores and what is on a list.
const PER_ITEM: usize = 160;
const PER_ITEM_AND_THREAD: usize = 100;

/// How it is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// What the lists are.
    pub asked: Asked,
    /// What is asked for.
    pub targets: Targets,
    /// Number of threads, which makes no difference to the result.
    pub threads: usize,
    /// The method that the others are compared with.
    pub against: Option<Predictor>,
}

/// A mean over targets and its standard error over users, and the same of its difference to another method.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measure {
    /// The mean.
    pub mean: f64,
    /// Nothing for a single user.
    pub error: Option<f64>,
    /// The mean less that of the other method.
    pub difference: Option<f64>,
    /// Of the difference.
    pub difference_error: Option<f64>,
}

/// How good one method is.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Which.
    pub predictor: Predictor,
    /// Of a mixture its weights.
    pub mixture: Option<Mixture>,
    /// The share of lists with a hit.
    pub hit_rate: Measure,
    /// The mean gain.
    pub ndcg: Measure,
    /// The mean reciprocal rank.
    pub mrr: Measure,
    /// The share of the catalogue that was on any list.
    pub coverage: f64,
    /// Lists: targets, or baskets of them.
    pub n: usize,
    /// Users who have any.
    pub n_users: usize,
    /// The share of targets that the user had before.
    pub repeat_share: f64,
    /// The share of targets that do not occur in the training.
    pub unseen_share: f64,
}

/// A model that is judged beside the methods, and what the items of the histories are called.
#[derive(Clone, Debug)]
pub struct Given {
    /// The model.
    pub model: Arc<ItemModel>,
    /// By the numbers of the items.
    pub names: Ids,
}

/// Judges all methods, and a model where one is given; nothing where there is nothing to judge them by.
pub fn evaluate(histories: &Histories, settings: &Settings, given: Option<Given>) -> Vec<Evaluation> {
    let judge = |histories: &Histories, mut predictors: Predictors, cases| {
        predictors.given = given.map(|Given { model, names }| {
            let places = Places::new(&model, &names);
            (model, places)
        });
        Scored::new(histories, &predictors, cases, settings).evaluations(&predictors, settings)
    };
    with_predictors(histories, settings, judge).unwrap_or_default()
}

/// What training gives.
#[derive(Debug)]
pub struct Trained {
    /// The model.
    pub model: Arc<ItemModel>,
    /// How good it is, and the methods that it must beat.
    pub evaluations: Vec<Evaluation>,
    /// How a network learned.
    pub epochs: Vec<Epoch>,
    /// How good the methods that count are on the events by which its best epoch was chosen.
    pub bar: Vec<Evaluation>,
}

/// Makes a model of items with these names, with up to `top` rules of each, of all events before a moment, and judges it; nothing where there is
/// nothing to count, or to judge it by. With settings for a `network` this learns from those events that fit, and the others that train choose
/// its best epoch and its share of the mixture.
///
/// # Errors
/// Those of the model, or of what does not let a network learn.
pub fn train(
    histories: &Histories,
    names: &Ids,
    top: usize,
    before: Option<i64>,
    network: Option<&network::Settings>,
    settings: &Settings,
) -> Result<Option<Trained>, Error> {
    let judged = with_predictors(histories, settings, |histories, mut predictors, cases| {
        let n_trained = histories.all.iter().map(|history| history.n_train);
        let about = About {
            n_users: n_trained.clone().filter(|&n| n > 0).count(),
            n_events: n_trained.sum(),
            window: settings.asked.window,
            top,
            before,
            carried_by: None,
        };
        if about.n_events == 0 {
            return Ok(None);
        }
        let learned = network.map(|network| learn(histories, names, &predictors, &about, network, settings));
        let (learned, bar) = learned.transpose()?.unzip();
        let (mut model, places) =
            ItemModel::new(&predictors.counts, predictors.mixture, about, names, settings.threads)?;
        let mut epochs = Vec::new();
        if let Some(Learned {
            network,
            items,
            mixture,
            epochs: of_network,
        }) = learned
        {
            let places = items.iter().filter_map(|&item| places.of(item as usize)).collect();
            let [vectors, others] = network.weights();
            model.network = network::Network::new(network.shape(), vectors, others, places, model.ids.len());
            model.mixture = mixture;
            epochs = of_network;
        }
        let bar = bar.unwrap_or_default();
        predictors.given = Some((Arc::new(model), places));
        let evaluations = Scored::new(histories, &predictors, cases, settings).evaluations(&predictors, settings);
        Ok(predictors.given.map(|(mut model, _)| {
            let carried_by = carried_by(&model.mixture, &evaluations);
            if let Some(model) = Arc::get_mut(&mut model) {
                model.about.carried_by = carried_by;
            }
            Trained {
                model,
                evaluations,
                epochs,
                bar,
            }
        }))
    });
    judged.unwrap_or(Ok(None))
}

/// The part with a share that is best by itself. Shares do not tell: popularity spreads its own over all items, of which few come next.
fn carried_by(mixture: &Mixture, evaluations: &[Evaluation]) -> Option<Predictor> {
    let parts = evaluations.iter().filter(|one| mixture.share(one.predictor) > 0.0);
    let best = parts.reduce(|best, one| if one.ndcg.mean > best.ndcg.mean { one } else { best });
    best.map(|best| best.predictor)
}

/// A network that has learned from the events that fit, and how good counting is on the others that train.
fn learn(
    histories: &Histories,
    names: &Ids,
    predictors: &Predictors,
    about: &About,
    network: &network::Settings,
    settings: &Settings,
) -> Result<(Learned, Vec<Evaluation>), Error> {
    let cases = fit_cases(histories, settings.targets, MOST_CASES);
    let fitted = Predictors::new(histories, Part::Fit, predictors.mixture, settings.asked);
    let bar = match cases.is_empty() {
        true => Vec::new(),
        false => Scored::new(histories, &fitted, cases.clone(), settings).evaluations(&fitted, settings),
    };
    let (model, places) = ItemModel::new(&fitted.counts, fitted.mixture, about.clone(), names, settings.threads)?;
    let asked = (&settings.asked, settings.threads);
    let learned = learning::learn(histories, &fitted.counts, (model, places), &cases, network, asked)?;
    Ok((learned, bar))
}

/// Bytes that judging holds at its peak, the histories and a model counted, with so many rules of an item, none for a model that exists.
pub fn memory(histories: &Histories, settings: &Settings, top: usize) -> usize {
    let n_events: usize = histories.all.iter().map(|history| history.events.len()).sum();
    let of_model = model::memory(histories.n_items, n_events, settings.asked.window, top);
    PER_EVENT * n_events + (PER_ITEM + settings.threads * PER_ITEM_AND_THREAD) * histories.n_items + of_model
}

/// Counts for the methods, fits the mixture, and tells what is asked; nothing where that is nothing.
fn with_predictors<T>(
    histories: &Histories,
    settings: &Settings,
    told: impl FnOnce(&Histories, Predictors, Vec<Case>) -> T,
) -> Option<T> {
    let at_moments = (settings.targets == Targets::Basket).then(|| histories.fitted_to_moments());
    let histories = at_moments.as_ref().unwrap_or(histories);
    let cases = cases(histories, settings.targets);
    if cases.is_empty() {
        return None;
    }
    let mixture = Mixture::fit(histories, &settings.asked, settings.targets, settings.threads);
    let predictors = Predictors::new(histories, Part::Whole, mixture, settings.asked);
    Some(told(histories, predictors, cases))
}

/// Hit, gain and reciprocal rank, summed.
type Sums = [f64; 3];

struct Scored {
    /// Of each history with cases its number of these, and the sums of each predictor.
    users: Vec<(usize, Vec<Sums>)>,
    /// Of each predictor the items that were on a list.
    shown: Vec<Bits>,
    n_repeats: usize,
    n_unseen: usize,
    n_targets: usize,
}

/// What one part of the work gives.
struct Shard {
    measures: Vec<[f32; 2]>,
    shown: Vec<Bits>,
}

impl Scored {
    fn new(histories: &Histories, predictors: &Predictors, cases: Vec<Case>, settings: &Settings) -> Self {
        let training = &predictors.counts.training;
        let mut sorted: Vec<(u32, Case)> = cases
            .into_iter()
            .map(|case| {
                (
                    training
                        .last_known(case.before(histories))
                        .map_or(u32::MAX, |item| item as u32),
                    case,
                )
            })
            .collect();
        sorted.sort_by_key(|(last, _)| *last);
        let n_predictors = predictors.all().len();
        let shards: Vec<&[(u32, Case)]> = sorted.chunks(sorted.len().div_ceil(N_SHARDS)).collect();
        let scored = parallel::do_all(settings.threads, shards, |shard| {
            score(histories, predictors, shard, settings.asked.k)
        });
        let mut of_history: Vec<(usize, Vec<Sums>)> = vec![(0, Vec::new()); histories.all.len()];
        let mut shown = vec![Bits::new(histories.n_items.max(predictors.n_in_model())); n_predictors];
        let mut cases = sorted.iter();
        for shard in scored {
            shown.iter_mut().zip(&shard.shown).for_each(|(all, one)| all.add(one));
            for (measures, (_, case)) in shard.measures.chunks_exact(n_predictors).zip(&mut cases) {
                let (n, sums) = &mut of_history[case.history as usize];
                *n += 1;
                sums.resize(n_predictors, [0.0; 3]);
                for (sums, &[ndcg, reciprocal]) in sums.iter_mut().zip(measures) {
                    let ranked = Ranked {
                        ndcg: ndcg.into(),
                        reciprocal: reciprocal.into(),
                    };
                    sums.iter_mut()
                        .zip(ranked.measures())
                        .for_each(|(sum, one)| *sum += one);
                }
            }
        }
        let mut all = Self {
            users: of_history.into_iter().filter(|(n, _)| *n > 0).collect(),
            shown,
            n_repeats: 0,
            n_unseen: 0,
            n_targets: 0,
        };
        all.count_targets(histories, predictors, &sorted);
        all
    }

    fn count_targets(&mut self, histories: &Histories, predictors: &Predictors, cases: &[(u32, Case)]) {
        let (mut own, mut steps) = (Own::new(histories.n_items), job::Steps::default());
        for (_, case) in cases {
            let before = case.before(histories);
            own.fill(before, Fading::Linear);
            for target in case.targets(histories) {
                self.n_targets += 1;
                self.n_repeats += usize::from(own.has(target));
                self.n_unseen += usize::from(!predictors.counts.training.knows(target));
            }
            steps.count(before.len());
        }
    }

    fn evaluations(&self, predictors: &Predictors, settings: &Settings) -> Vec<Evaluation> {
        let all = predictors.all();
        let against = settings
            .against
            .and_then(|other| all.iter().position(|one| *one == other));
        let of = |(place, &predictor): (usize, &Predictor)| Evaluation {
            predictor,
            mixture: predictors.mixture_of(predictor),
            hit_rate: self.measure(place, 0, against),
            ndcg: self.measure(place, 1, against),
            mrr: self.measure(place, 2, against),
            coverage: self.shown[place].count() as f64 / predictors.n_known(predictor).max(1) as f64,
            n: self.users.iter().map(|(n, _)| n).sum(),
            n_users: self.users.len(),
            repeat_share: self.n_repeats as f64 / self.n_targets as f64,
            unseen_share: self.n_unseen as f64 / self.n_targets as f64,
        };
        all.iter().enumerate().map(of).collect()
    }

    fn measure(&self, place: usize, measure: usize, against: Option<usize>) -> Measure {
        let counts = self.users.iter().map(|(n, _)| *n as f64);
        let sums = |place: usize| self.users.iter().map(move |(_, sums)| sums[place][measure]);
        let (mean, error) = mean_over_users(sums(place), counts.clone());
        let difference = against.map(|other| mean_over_users(sums(place).zip(sums(other)).map(|(a, b)| a - b), counts));
        Measure {
            mean,
            error,
            difference: difference.map(|(mean, _)| mean),
            difference_error: difference.and_then(|(_, error)| error),
        }
    }
}

/// Scores some cases that are sorted by their last item.
fn score(histories: &Histories, predictors: &Predictors, shard: &[(u32, Case)], k: usize) -> Shard {
    let n_predictors = predictors.all().len();
    let mut room = Room::new(predictors);
    let all = predictors.all();
    let mut shown = vec![Bits::new(histories.n_items.max(predictors.n_in_model())); n_predictors];
    let mut measures = Vec::with_capacity(shard.len() * n_predictors);
    for cases in shard.chunks(predictors.n_at_once(shard.len())) {
        predictors.prepare(histories, cases.iter().map(|(_, case)| *case), &mut room);
        for group in cases.chunk_by(|a, b| a.0 == b.0) {
            let cases: Vec<Case> = group.iter().map(|(_, case)| *case).collect();
            let last = Some(group[0].0 as usize).filter(|&item| item < histories.n_items);
            predictors.score(histories, &cases, last, &mut room, |_, place, ranks, list| {
                let ranked = Ranked::new(ranks, k);
                measures.push([ranked.ndcg as f32, ranked.reciprocal as f32]);
                let known = list.iter().filter(|&&item| predictors.knows(all[place], item as usize));
                known.for_each(|&item| shown[place].set(item as usize));
            });
            job::check();
        }
    }
    Shard { measures, shown }
}

/// A set of items.
#[derive(Clone, Debug)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(n: usize) -> Self {
        Self(vec![0; n.div_ceil(64)])
    }

    fn set(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(all, one)| *all |= one);
    }

    fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}
