//! The methods that are compared, each counted on the training alone.

use super::cases::{Asked, Case, Own};
use super::counts::Counts;
use super::followers::{Row, UNIT};
use super::histories::Histories;
use super::mixture::Mixture;
use super::model::{self, ItemModel, Places};
use super::predictor::Predictor;
use super::ranking::Ranking;
use super::sessions::{Neighbours, Sessions};
use super::training::Part;
use crate::compute::job::Steps;
use std::sync::Arc;

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
    /// Counted on all events that train.
    pub fn new(histories: &Histories, mixture: Mixture, asked: Asked) -> Self {
        let counts = Counts::new(histories, Part::Whole);
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
            Predictor::PopularRecent => self.counts.recent.is_some(),
            _ => true,
        };
        Predictor::ALL.into_iter().filter(is_there).collect()
    }

    /// How many items the model has.
    pub fn n_in_model(&self) -> usize {
        self.given.as_ref().map_or(0, |(model, _)| model.ids.len())
    }

    /// How many items the catalogue of a method has.
    pub fn n_known(&self, predictor: Predictor) -> usize {
        match &self.given {
            Some((model, _)) if predictor == Predictor::Model => model.ids.len(),
            _ => self.counts.popularity.n_known(),
        }
    }

    /// Whether an item on the list of a method is one of its catalogue.
    pub fn knows(&self, predictor: Predictor, item: usize) -> bool {
        match &self.given {
            Some((model, _)) if predictor == Predictor::Model => item < model.ids.len(),
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
                    Predictor::Model => {
                        let Some((model, places)) = &self.given else { continue };
                        let (history, targets) = places.of_case(model, before, &targets);
                        let (ranks, shown) = model.judge(&history, &targets, &self.asked, of_model);
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
