//! The methods that are compared, each counted on the training alone.

use super::cases::{Asked, Case, Own};
use super::counts::Counts;
use super::followers::{Row, UNIT};
use super::histories::Histories;
use super::mixture::Mixture;
use super::model::{self, ItemModel, Places, Question};
use super::network::Network;
use super::predictor::Predictor;
use super::ranking::Ranking;
use super::sessions::{Neighbours, Sessions};
use super::training::Part;
use crate::compute::job::Steps;
use std::sync::Arc;

/// Histories that a network reads together: what is read of the catalogue is read once for all.
pub const AT_ONCE: usize = 16;

/// Everything that answers.
#[derive(Debug)]
pub struct Predictors {
    /// What they counted.
    pub counts: Counts,
    /// The weights of the mixture.
    pub mixture: Mixture,
    /// A model that is judged beside them, and the place in it of each item.
    pub given: Option<(Arc<ItemModel>, Places)>,
    sessions: Sessions,
    /// Of no listed item.
    nothing: Vec<f64>,
    asked: Asked,
}

impl Predictors {
    /// Counted on a part of the events.
    pub fn new(histories: &Histories, part: Part, mixture: Mixture, asked: Asked) -> Self {
        let counts = Counts::new(histories, part);
        let sessions = Sessions::new(&counts.training);
        let nothing = vec![0.0; histories.n_items];
        Self {
            counts,
            mixture,
            given: None,
            sessions,
            nothing,
            asked,
        }
    }

    /// Those that can answer.
    pub fn all(&self) -> Vec<Predictor> {
        let is_there = |one: &Predictor| match one {
            Predictor::Model => self.given.is_some(),
            Predictor::Network => self.network().is_some(),
            Predictor::PopularRecent => self.counts.recent.is_some(),
            _ => true,
        };
        Predictor::ALL.into_iter().filter(is_there).collect()
    }

    fn network(&self) -> Option<&Network> {
        self.given.as_ref().and_then(|(model, _)| model.network.as_ref())
    }

    /// Of so many cases how many are best asked after [`Predictors::prepare`] together.
    pub fn n_at_once(&self, n_cases: usize) -> usize {
        self.network().map_or(n_cases, |_| AT_ONCE)
    }

    /// Lets a network read the histories of some cases, which are then scored in this order.
    pub fn prepare(&self, histories: &Histories, cases: impl Iterator<Item = Case>, room: &mut Room) {
        room.number = 0;
        if let Some((model, places)) = self.given.as_ref().filter(|(model, _)| model.network.is_some()) {
            let events = cases.map(|case| places.of_case(model, case.before(histories), &[]).0);
            let events: Vec<_> = events.collect();
            let events: Vec<&[_]> = events.iter().map(|events| &events[..]).collect();
            model.prepare(&events, &mut room.of_model);
        }
    }

    /// How many items the model has.
    pub fn n_in_model(&self) -> usize {
        self.given.as_ref().map_or(0, |(model, _)| model.ids.len())
    }

    /// The model, where it is behind a method.
    fn model_of(&self, predictor: Predictor) -> Option<&ItemModel> {
        let given = self.given.as_ref();
        let given = given.filter(|_| matches!(predictor, Predictor::Model | Predictor::Network));
        given.map(|(model, _)| &**model)
    }

    /// The weights that a method has.
    pub fn mixture_of(&self, predictor: Predictor) -> Option<Mixture> {
        match predictor {
            Predictor::Mixture => Some(self.mixture),
            // The weights of a model that counts are those that it says itself.
            Predictor::Model => self.network().and(self.model_of(predictor)).map(|model| model.mixture),
            _ => None,
        }
    }

    /// How many items the catalogue of a method has.
    pub fn n_known(&self, predictor: Predictor) -> usize {
        match self.model_of(predictor) {
            Some(model) => model.ids.len(),
            _ => self.counts.popularity.n_known(),
        }
    }

    /// Whether an item on the list of a method is one of its catalogue.
    pub fn knows(&self, predictor: Predictor, item: usize) -> bool {
        match self.model_of(predictor) {
            Some(model) => item < model.ids.len(),
            _ => self.counts.training.knows(item),
        }
    }

    /// Rankings behind a last item, of which the best are wanted, for so many cases.
    fn by_last_item<'a>(&'a self, room: &'a Tables, n_best: usize, n_cases: usize) -> [Ranking<'a>; 3] {
        let popularity = &self.counts.popularity;
        let ranking = |popularity, scale, row: &Row, scores| {
            Ranking::new(popularity, scale, (row.items(), scores), n_best, n_cases)
        };
        [
            ranking(
                self.mixture.popularity(&self.counts),
                self.mixture.scale(&room.rules),
                &room.rules,
                &room.of_mixture,
            ),
            ranking(popularity, 1.0, &room.markov, &room.of_markov),
            ranking(popularity, 1.0, &room.rules, &room.of_rules),
        ]
    }

    /// Scores the cases of one last item: `told(case, predictor, ranks, shown)`, with a rank for each different item that is
    /// asked for, and the items on the list, by their numbers in the model where it is asked.
    pub fn score(
        &self,
        histories: &Histories,
        cases: &[Case],
        last: Option<usize>,
        room: &mut Room,
        mut told: impl FnMut(usize, usize, &[f64], &[u32]),
    ) {
        let Room {
            tables,
            own,
            neighbours,
            of_model,
            number: of_room,
            steps,
        } = room;
        tables.fill(self, last, steps);
        // A history puts items up or hides them, and only what it hides lets others into the list.
        let n_own = cases.iter().map(|case| case.before(histories).len()).max();
        let n_best = self.asked.k + n_own.filter(|_| self.asked.exclude_seen).unwrap_or(0);
        let by_last = self.by_last_item(tables, n_best, cases.len());
        let of = |popularity| Ranking::new(popularity, 1.0, (&[], &self.nothing), n_best, 1);
        let (popular, recent) = (of(&self.counts.popularity), self.counts.recent.as_ref().map(of));
        for (number, case) in cases.iter().enumerate() {
            let (before, targets) = (case.before(histories), case.targets(histories));
            own.fill(before, self.mixture.fading);
            for (order, predictor) in self.all().into_iter().enumerate() {
                let mut answer = |ranking: &Ranking| {
                    let changed = self.changed(predictor, ranking, own);
                    let is_changed = |item: usize| own.has(item);
                    let rank = |&target: &usize| ranking.rank(&changed, is_changed, target).unwrap_or(f64::INFINITY);
                    let ranks: Vec<f64> = targets.iter().map(rank).collect();
                    told(number, order, &ranks, &ranking.best(&changed, is_changed, self.asked.k));
                };
                match predictor {
                    Predictor::Model | Predictor::Network => {
                        let Some((model, places)) = &self.given else { continue };
                        let (history, targets) = places.of_case(model, before, &targets);
                        let alone = Mixture::of_network();
                        let question = Question {
                            history: &history,
                            number: *of_room,
                            mixture: if predictor == Predictor::Model {
                                &model.mixture
                            } else {
                                &alone
                            },
                        };
                        let (ranks, shown) = model.judge(&question, &targets, &self.asked, of_model);
                        told(number, order, &ranks, &shown);
                    }
                    Predictor::Mixture => answer(&by_last[0]),
                    Predictor::Markov1 => answer(&by_last[1]),
                    Predictor::Rules => answer(&by_last[2]),
                    Predictor::Popular | Predictor::Repeat => answer(&popular),
                    Predictor::PopularRecent => answer(recent.as_ref().unwrap_or(&popular)),
                    Predictor::Knn => {
                        let listed = neighbours.of(&self.sessions, before, steps);
                        // What no neighbour has stands behind, by its popularity.
                        answer(&Ranking::new(
                            &self.counts.popularity,
                            1e-6,
                            listed,
                            n_best,
                            targets.len(),
                        ));
                    }
                }
                steps.count(before.len() * targets.len());
            }
            *of_room += 1;
        }
    }

    /// The items of which a method says another thing to this user.
    fn changed(&self, predictor: Predictor, ranking: &Ranking, own: &Own) -> Vec<(u32, f64)> {
        match predictor {
            _ if self.asked.exclude_seen => own.hidden(),
            Predictor::Mixture => self.mixture.own(own, ranking),
            // Above all others, and the latest first.
            Predictor::Repeat => own
                .items()
                .iter()
                .rev()
                .zip(2..)
                .map(|(&item, place)| (item, f64::from(place)))
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// What a thread needs to score.
#[derive(Debug)]
pub struct Room {
    tables: Tables,
    own: Own,
    neighbours: Neighbours,
    of_model: model::Room,
    /// Of the next case among those that were prepared.
    number: usize,
    steps: Steps,
}

impl Room {
    /// For some predictors.
    pub fn new(predictors: &Predictors) -> Self {
        let n_items = predictors.nothing.len();
        Self {
            tables: Tables::new(n_items),
            own: Own::new(n_items),
            neighbours: Neighbours::new(&predictors.sessions),
            of_model: model::Room::new(predictors.n_in_model()),
            number: 0,
            steps: Steps::default(),
        }
    }
}

/// What follows a last item, and the scores for it.
#[derive(Debug)]
struct Tables {
    markov: Row,
    rules: Row,
    of_markov: Vec<f64>,
    of_rules: Vec<f64>,
    of_mixture: Vec<f64>,
}

impl Tables {
    fn new(n_items: usize) -> Self {
        let table = || vec![0.0; n_items];
        Self {
            markov: Row::new(n_items),
            rules: Row::new(n_items),
            of_markov: table(),
            of_rules: table(),
            of_mixture: table(),
        }
    }

    fn fill(&mut self, predictors: &Predictors, last: Option<usize>, steps: &mut Steps) {
        for (row, scores) in [(&self.markov, &mut self.of_markov), (&self.rules, &mut self.of_rules)] {
            row.items().iter().for_each(|&item| scores[item as usize] = 0.0);
        }
        self.rules
            .items()
            .iter()
            .for_each(|&item| self.of_mixture[item as usize] = 0.0);
        let counts = &predictors.counts;
        for (row, scores, window) in [
            (&mut self.markov, &mut self.of_markov, 1),
            (&mut self.rules, &mut self.of_rules, predictors.asked.window),
        ] {
            match last {
                Some(last) => row.fill(&counts.training, last, window, steps),
                None => row.clear(),
            }
            for &item in row.items() {
                let follows = row.weight(item as usize) as f64 / UNIT as f64;
                scores[item as usize] = follows + counts.popularity.share(item as usize);
            }
        }
        let popularity = predictors.mixture.popularity(counts);
        predictors.mixture.write(popularity, &self.rules, &mut self.of_mixture);
    }
}
