//! What was counted of items, and what a network has learned of them, as a value that says what to show: own items, rules, popularity and the network,
//! as in [`Mixture`].

use super::cases::{Asked, Own};
use super::counts::Counts;
use super::followers::{Row, UNIT};
use super::histories::{Event, HISTORY_LIMIT};
use super::ids::Ids;
use super::mixture::Mixture;
use super::network::{self, Network};
use super::popularity::{Popularity, of_late};
use super::predictor::Predictor;
use super::ranking::Ranking;
use crate::compute::job::Steps;
use crate::compute::parallel;
use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Work is cut into so many parts.
const N_PARTS: usize = 64;
/// What a dataset has as the place of an item that the model does not know.
const UNKNOWN: u32 = u32::MAX;

/// What it was made of.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Users with an event that was counted.
    pub n_users: usize,
    /// Events that were counted.
    pub n_events: usize,
    /// How far rules look.
    pub window: usize,
    /// Most rules of an item.
    pub top: usize,
    /// Microseconds since 1970 of the moment before which all events were counted, and no others; nothing where there is none.
    pub before: Option<i64>,
    /// The part of the mixture that was best by itself when it was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_by: Option<Predictor>,
}

/// What follows each item: the strongest rules of it, the strongest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Followers {
    /// Where those of each item end.
    pub ends: Vec<u64>,
    /// The items that follow.
    pub next: Vec<u32>,
    /// Sums of one over the distance.
    pub weights: Vec<f32>,
    /// The sum of the weights of all that follow an item, of which the strongest are here.
    pub totals: Vec<f64>,
}

impl Followers {
    /// The rules of an item.
    pub fn of(&self, item: usize) -> impl ExactSizeIterator<Item = (u32, f64)> + '_ {
        let begin = item.checked_sub(1).map_or(0, |before| self.ends[before]) as usize;
        let rules = begin..self.ends[item] as usize;
        let both = self.next[rules.clone()].iter().zip(&self.weights[rules]);
        both.map(|(&next, &weight)| (next, weight.into()))
    }

    fn extend(&mut self, other: Self) {
        let begin = self.next.len() as u64;
        self.ends.extend(other.ends.iter().map(|end| begin + end));
        self.next.extend(other.next);
        self.weights.extend(other.weights);
        self.totals.extend(other.totals);
    }
}

/// Items in the order of their names, and what was counted of each.
#[derive(Debug)]
pub struct ItemModel {
    /// The weights of the parts.
    pub mixture: Mixture,
    /// What it was made of.
    pub about: About,
    /// Ascending.
    pub ids: Ids,
    /// Events of each item.
    pub counts: Vec<u32>,
    /// Those of them that are recent.
    pub n_recent: Vec<u32>,
    /// What follows each item.
    pub followers: Followers,
    /// By all events.
    pub all: Popularity,
    /// By the latest of them; nothing where none is told to be recent.
    pub recent: Option<Popularity>,
    /// What has learned which item comes next.
    pub network: Option<Network>,
}

/// One of the histories that a model was prepared for, and by which weights it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Its events.
    pub history: &'a [Event],
    /// Its number among those.
    pub number: usize,
    /// The weights.
    pub mixture: &'a Mixture,
}

/// Which items may be shown.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// At most so many.
    pub k: usize,
    /// None of the history's own ones.
    pub hides_own: bool,
    /// None of these, which are ascending.
    pub hidden: &'a [u32],
    /// None but these, all different.
    pub among: Option<&'a [u32]>,
}

/// Bytes that a model of so many items and events holds, and its value, at most.
pub fn memory(n_items: usize, n_events: usize, window: usize, top: usize) -> usize {
    let n_rules = n_items.saturating_mul(top).min(n_events.saturating_mul(window));
    n_rules.saturating_mul(3 * 8) + n_items * 160
}

impl ItemModel {
    /// The part that carries it; where nobody has judged it, that with the largest share.
    pub fn carried_by(&self) -> Predictor {
        self.about.carried_by.unwrap_or_else(|| self.mixture.carried_by())
    }

    /// Of what was counted of items with these names, and the place in it of each item that was counted.
    ///
    /// # Errors
    /// Names of which two are equal.
    pub fn new(
        counts: &Counts,
        mixture: Mixture,
        about: About,
        names: &Ids,
        threads: usize,
    ) -> Result<(Self, Places), Error> {
        let training = &counts.training;
        let mut known: Vec<u32> = (0..training.n_items() as u32)
            .filter(|&item| training.knows(item as usize))
            .collect();
        names.sort(&mut known);
        let ids = names.select(&known);
        if !ids.are_ascending() {
            let allowed = "items that are different texts";
            return Err(Error::argument(
                "items",
                "a list of which two items are the same text",
                allowed,
            ));
        }
        let mut places = Places(vec![UNKNOWN; training.n_items()]);
        for (place, &item) in known.iter().enumerate() {
            places.0[item as usize] = place as u32;
        }
        let n_of: Vec<u32> = known.iter().map(|&item| training.count(item as usize) as u32).collect();
        let n_recent: Vec<u32> = known.iter().map(|&item| training.n_recent[item as usize]).collect();
        let followers = followers(counts, &known, &places, &about, threads);
        let all = Popularity::new(n_of.iter().map(|&n| f64::from(n)).collect());
        let recent = counts
            .recent
            .is_some()
            .then(|| Popularity::new(recent_counts(&n_of, &n_recent)));
        let model = Self {
            mixture,
            about,
            ids,
            counts: n_of,
            n_recent,
            followers,
            all,
            recent,
            network: None,
        };
        Ok((model, places))
    }

    /// Lets the network read some histories, for [`Question`]s by their places among them.
    pub fn prepare(&self, histories: &[&[Event]], room: &mut Room) {
        if let Some(network) = &self.network {
            let places = |events: &&[Event]| events.iter().map(|event| event.item() as u32).collect();
            network.ask(&histories.iter().map(places).collect::<Vec<_>>(), &mut room.network);
        }
    }

    /// The items to show behind a history, the best first, with their scores; behind an empty one what is popular of late. Items of the history that
    /// the model does not know, and up to [`HISTORY_LIMIT`] events of it, have numbers from the model's number of items on: they are the user's own.
    pub fn recommend(&self, history: &[Event], wanted: &Wanted, room: &mut Room) -> Vec<(f64, u32)> {
        self.ask_one(history, room, |answer| answer.first(wanted))
    }

    /// The scores of some items behind a history.
    pub fn scores(&self, history: &[Event], items: &[u32], room: &mut Room) -> Vec<f64> {
        self.ask_one(history, room, |answer| {
            items.iter().map(|&item| answer.score(item)).collect()
        })
    }

    /// Up to `k` other items that follow an item, the strongest first, with their shares of all that follows it.
    pub fn similar(&self, item: u32, k: usize) -> Vec<(f64, u32)> {
        let total = self.followers.totals[item as usize];
        let others = self.followers.of(item as usize).filter(|(next, _)| *next != item);
        others.take(k).map(|(next, weight)| (weight / total, next)).collect()
    }

    /// The ranks of `targets`, infinite where one is neither known nor the user's own, with their scores.
    pub fn ranks(
        &self,
        question: &Question,
        targets: &[Option<u32>],
        asked: &Asked,
        room: &mut Room,
    ) -> Vec<(f64, f64)> {
        self.ask(question, room, |answer| {
            let scores = targets
                .iter()
                .map(|target| target.map_or(0.0, |item| answer.score(item)));
            answer
                .ranks(targets, asked.exclude_seen)
                .into_iter()
                .zip(scores)
                .collect()
        })
    }

    /// The ranks, and the items of the list.
    /// The same, and the items of the list.
    pub fn judge(
        &self,
        question: &Question,
        targets: &[Option<u32>],
        asked: &Asked,
        room: &mut Room,
    ) -> (Vec<f64>, Vec<u32>) {
        let wanted = Wanted {
            k: asked.k,
            hides_own: asked.exclude_seen,
            hidden: &[],
            among: None,
        };
        self.ask(question, room, |answer| {
            let shown = answer.first(&wanted).into_iter().map(|(_, item)| item);
            (answer.ranks(targets, asked.exclude_seen), shown.collect())
        })
    }

    /// Makes a row that of the rules of an item.
    fn fill(&self, row: &mut Row, item: usize) {
        let weight = |weight: f64| (weight * UNIT as f64).round() as u64;
        let rules = self.followers.of(item).map(|(next, of)| (next, weight(of).max(1)));
        row.fill_with(rules, weight(self.followers.totals[item]));
    }

    fn ask_one<T>(&self, history: &[Event], room: &mut Room, told: impl FnOnce(&Answer) -> T) -> T {
        self.prepare(&[history], room);
        let question = Question {
            history,
            number: 0,
            mixture: &self.mixture,
        };
        self.ask(&question, room, told)
    }

    fn ask<T>(&self, question: &Question, room: &mut Room, told: impl FnOnce(&Answer) -> T) -> T {
        let &Question {
            history,
            number,
            mixture,
        } = question;
        let Room {
            row,
            own,
            scores,
            network,
            all,
        } = room;
        own.fill(history, mixture.fading);
        if history.is_empty() {
            row.clear();
            let popularity = self.recent.as_ref().unwrap_or(&self.all);
            return told(&Answer {
                ranking: Ranking::new(popularity, 1.0, (&[], scores), 0, 1),
                own,
                own_scores: Vec::new(),
                listed: &[],
                all: None,
            });
        }
        let known = |item: &usize| *item < self.ids.len();
        match history.iter().rev().map(|event| event.item()).find(known) {
            Some(last) => self.fill(row, last),
            None => row.clear(),
        }
        let popularity = mixture.chosen(&self.all, self.recent.as_ref());
        mixture.write(popularity, row, scores);
        let ranking = Ranking::new(popularity, mixture.scale(row), (row.items(), scores), 0, 1);
        let own_scores = mixture.own(own, &ranking);
        let learned = self.network.as_ref().filter(|_| mixture.network > 0.0);
        let learned = learned.and_then(|one| one.answer(number, network));
        let is_learned = learned.is_some();
        if let Some(learned) = learned {
            all.clear();
            all.extend((0..self.ids.len()).map(|item| ranking.score(item)));
            all.resize(self.ids.len() + HISTORY_LIMIT, 0.0);
            own_scores.iter().for_each(|&(item, score)| all[item as usize] = score);
            learned.for_each(|(item, share)| all[item as usize] += mixture.network * share);
        }
        let told = told(&Answer {
            ranking,
            own,
            own_scores,
            listed: row.items(),
            all: is_learned.then_some(&**all),
        });
        row.items().iter().for_each(|&item| scores[item as usize] = 0.0);
        told
    }
}

/// What a model says of a history.
struct Answer<'a> {
    ranking: Ranking<'a>,
    own: &'a Own,
    own_scores: Vec<(u32, f64)>,
    listed: &'a [u32],
    /// The score of every item where a network has one for each; then these are all that counts.
    all: Option<&'a [f64]>,
}

impl Answer<'_> {
    fn score(&self, item: u32) -> f64 {
        if let Some(all) = self.all {
            return all[item as usize];
        }
        let own = self.own.has(item as usize);
        let own = own
            .then(|| self.own_scores.iter().find(|(one, _)| *one == item))
            .flatten();
        own.map_or_else(|| self.ranking.score(item as usize), |(_, score)| *score)
    }

    fn first(&self, wanted: &Wanted) -> Vec<(f64, u32)> {
        let is_own = |item: u32| self.own.has(item as usize);
        let is_shown = |item: u32| !(wanted.hides_own && is_own(item)) && wanted.hidden.binary_search(&item).is_err();
        let mut first = match (wanted.among, self.all) {
            (Some(items), _) => {
                let shown = items.iter().filter(|&&item| is_shown(item));
                let scored = shown.map(|&item| (self.score(item), item));
                scored.filter(|(score, _)| *score > 0.0).collect()
            }
            (None, Some(all)) => self.best_of(all, wanted.k, is_shown),
            (None, None) => {
                let others = |item| !is_own(item) && is_shown(item);
                let mut all = self.ranking.find_best(self.listed, wanted.k, others);
                let own = self.own_scores.iter().filter(|(item, _)| is_shown(*item));
                all.extend(own.map(|&(item, score)| (score, item)));
                all
            }
        };
        self.ranking.keep_first(&mut first, wanted.k);
        first
    }

    /// The first `k` items that are shown, and some others.
    fn best_of(&self, all: &[f64], k: usize, is_shown: impl Fn(u32) -> bool) -> Vec<(f64, u32)> {
        let (mut best, mut least) = (Vec::new(), 0.0);
        for (item, &score) in (0..).zip(all) {
            if score > 0.0 && score >= least && is_shown(item) {
                best.push((score, item));
                if best.len() >= 2 * k + 64 {
                    self.ranking.keep_first(&mut best, k);
                    least = best.last().map_or(0.0, |(score, _)| *score);
                }
            }
        }
        best
    }

    fn ranks(&self, targets: &[Option<u32>], hides_own: bool) -> Vec<f64> {
        let changed = match self.all {
            Some(_) => Vec::new(),
            None if hides_own => self.own.hidden(),
            None => self.own_scores.clone(),
        };
        let rank = |target: u32| match self.all {
            Some(all) => self.rank_of(all, target, hides_own),
            None => self.ranking.rank(&changed, |item| self.own.has(item), target as usize),
        };
        targets
            .iter()
            .map(|target| target.and_then(rank).unwrap_or(f64::INFINITY))
            .collect()
    }

    /// As [`Ranking::rank`], among the scores of all items.
    fn rank_of(&self, all: &[f64], target: u32, hides_own: bool) -> Option<f64> {
        let score = all[target as usize];
        if score <= 0.0 || hides_own && self.own.has(target as usize) {
            return None;
        }
        let count = |is: fn(f64, f64) -> bool| {
            let hidden = self
                .own
                .items()
                .iter()
                .filter(|&&item| hides_own && is(all[item as usize], score))
                .count();
            all.iter().filter(|&&other| is(other, score)).count() - hidden
        };
        Some(count(|a, b| a > b) as f64 + (count(|a, b| a == b) - 1) as f64 / 2.0)
    }
}

/// The place in a model of each item of a dataset.
#[derive(Clone, Debug)]
pub struct Places(Vec<u32>);

impl Places {
    /// Of items with some names.
    pub fn new(model: &ItemModel, names: &Ids) -> Self {
        let place = |item| model.ids.find(names.get(item)).unwrap_or(UNKNOWN);
        Self((0..names.len()).map(place).collect())
    }

    /// The places of the events of a history and of what is asked for behind it; of an item that the model does not know, the next place
    /// behind its items where the history has it, and else nothing.
    pub fn of_case(&self, model: &ItemModel, history: &[Event], targets: &[usize]) -> (Vec<Event>, Vec<Option<u32>>) {
        let mut unknown: HashMap<usize, u32> = HashMap::new();
        let n_items = model.ids.len() as u32;
        let mut place = |event: &Event| {
            let next = n_items + unknown.len() as u32;
            let place = self.of(event.item());
            Event::from_word(place.unwrap_or_else(|| *unknown.entry(event.item()).or_insert(next)))
        };
        let events = history.iter().map(&mut place).collect();
        let of_target = |&target: &usize| self.of(target).or_else(|| unknown.get(&target).copied());
        (events, targets.iter().map(of_target).collect())
    }

    /// That of an item; nothing where the model does not know it.
    pub fn of(&self, item: usize) -> Option<u32> {
        self.0.get(item).copied().filter(|&place| place != UNKNOWN)
    }
}

/// What a thread needs to ask a model.
#[derive(Debug)]
pub struct Room {
    row: Row,
    own: Own,
    scores: Vec<f64>,
    network: network::Room,
    all: Vec<f64>,
}

impl Room {
    /// For a model of so many items.
    pub fn new(n_items: usize) -> Self {
        Self {
            row: Row::new(n_items),
            own: Own::new(n_items + HISTORY_LIMIT),
            scores: vec![0.0; n_items + HISTORY_LIMIT],
            network: network::Room::default(),
            all: Vec::new(),
        }
    }
}

/// What each item counts as for what is popular of late.
pub fn recent_counts(counts: &[u32], n_recent: &[u32]) -> Vec<f64> {
    let both = n_recent.iter().zip(counts);
    both.map(|(&recent, &all)| of_late(recent, all.into())).collect()
}

fn followers(counts: &Counts, known: &[u32], places: &Places, about: &About, threads: usize) -> Followers {
    let parts: Vec<&[u32]> = known.chunks(known.len().div_ceil(N_PARTS).max(1)).collect();
    let of_parts = parallel::do_all(threads, parts, |items| {
        let (mut row, mut steps) = (Row::new(counts.training.n_items()), Steps::default());
        let mut of_part = Followers::default();
        for &item in items {
            row.fill(&counts.training, item as usize, about.window, &mut steps);
            for next in row.strongest(about.top, &counts.popularity, |_| true) {
                of_part.next.push(places.0[next as usize]);
                of_part
                    .weights
                    .push((row.weight(next as usize) as f64 / UNIT as f64) as f32);
            }
            of_part.ends.push(of_part.next.len() as u64);
            of_part.totals.push(row.total() as f64 / UNIT as f64);
        }
        of_part
    });
    let mut all = Followers::default();
    of_parts.into_iter().for_each(|part| all.extend(part));
    all
}
