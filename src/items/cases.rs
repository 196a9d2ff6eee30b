//! What is asked: what comes next, behind which part of whose history.

use super::histories::{Event, HISTORY_LIMIT, Histories, History};
use super::ranking::HIDDEN;
use crate::random::hash;
use serde::{Deserialize, Serialize};

/// Which of the events that do not train are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Each, behind all before it.
    All,
    /// The last one of each history, behind all before it.
    Last,
    /// All of one moment together, behind all before the moment.
    Basket,
}

/// What a list has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Asked {
    /// Its length.
    pub k: usize,
    /// Whether what the user has had is never shown.
    pub exclude_seen: bool,
    /// How far rules look.
    pub window: usize,
}

/// Asks for the events `begin..end` of a history, behind those before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The place of the history.
    pub history: u32,
    /// Where the targets begin; never at the first event, behind nothing.
    pub begin: u32,
    /// Where they end.
    pub end: u32,
}

impl Case {
    /// What is known, its last [`HISTORY_LIMIT`] events.
    pub fn before(self, histories: &Histories) -> &[Event] {
        let before = &histories.all[self.history as usize].events[..self.begin as usize];
        &before[before.len().saturating_sub(HISTORY_LIMIT)..]
    }

    /// The different items that are asked for.
    pub fn targets(self, histories: &Histories) -> Vec<usize> {
        let events = &histories.all[self.history as usize].events[self.begin as usize..self.end as usize];
        let mut items: Vec<usize> = events.iter().map(|event| event.item()).collect();
        items.sort_unstable();
        items.dedup();
        items
    }
}

/// All that is asked of the events that do not train, history by history.
pub fn cases(histories: &Histories, targets: Targets) -> Vec<Case> {
    let of =
        |(place, history): (usize, &History)| between(place, history, history.n_train, history.events.len(), targets);
    histories.all.iter().enumerate().flat_map(of).collect()
}

/// Up to `most` of what would be asked of the events that train but do not fit, the same ones whenever these are the same.
pub fn fit_cases(histories: &Histories, targets: Targets, most: usize) -> Vec<Case> {
    // One for each user would be few.
    let targets = if targets == Targets::Last {
        Targets::All
    } else {
        targets
    };
    let of = |(place, history): (usize, &History)| between(place, history, history.n_fit, history.n_train, targets);
    let mut all: Vec<Case> = histories.all.iter().enumerate().flat_map(of).collect();
    let key = |case: &Case| {
        (
            hash(0, &[case.history.into(), case.begin.into()]),
            case.history,
            case.begin,
        )
    };
    if all.len() > most {
        all.select_nth_unstable_by_key(most, key);
        all.truncate(most);
    }
    all.sort_unstable_by_key(|case| (case.history, case.begin));
    all
}

/// What is asked of the events `first..end` of a history.
fn between(place: usize, history: &History, first: usize, end: usize, targets: Targets) -> Vec<Case> {
    let first = first.max(1);
    let case = |begin: usize, end: usize| Case {
        history: place as u32,
        begin: begin as u32,
        end: end as u32,
    };
    match targets {
        _ if first >= end => Vec::new(),
        Targets::All => (first..end).map(|begin| case(begin, begin + 1)).collect(),
        Targets::Last => vec![case(end - 1, end)],
        Targets::Basket => {
            let begins_moment = |place: &usize| history.events[*place].begins_moment();
            let mut begins: Vec<usize> = (first..end).filter(begins_moment).collect();
            begins.push(end);
            begins.windows(2).map(|pair| case(pair[0], pair[1])).collect()
        }
    }
}

/// How fast what a user did loses its weight with the events behind it: as a power, since it is never quite forgotten.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fading {
    /// By the root of its age.
    Root,
    /// By its age.
    Linear,
    /// By the square of its age.
    Square,
    /// By the cube of its age, which nearly puts the latest first.
    Cube,
}

impl Fading {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Linear, Self::Square, Self::Cube, Self::Root];

    /// The power of the age.
    pub fn power(self) -> f64 {
        match self {
            Self::Root => 0.5,
            Self::Linear => 1.0,
            Self::Square => 2.0,
            Self::Cube => 3.0,
        }
    }

    /// What an event counts; the last one has the age 1.
    fn weight(self, age: u32) -> f64 {
        let age = f64::from(age);
        match self {
            Self::Root => 1.0 / age.sqrt(),
            Self::Linear => 1.0 / age,
            Self::Square => 1.0 / (age * age),
            Self::Cube => 1.0 / (age * age * age),
        }
    }
}

/// The different items of a history, the latest first, and how much each counts.
#[derive(Debug)]
pub struct Own {
    places: Vec<u32>,
    items: Vec<u32>,
    sums: Vec<f64>,
}

const NOWHERE: u32 = u32::MAX;

impl Own {
    /// Room for those of one history after the other.
    pub fn new(n_items: usize) -> Self {
        Self {
            places: vec![NOWHERE; n_items],
            items: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// Makes it that of `events`; the last one counts one, and the n-th from the end n to the power of `-fading`.
    pub fn fill(&mut self, events: &[Event], fading: Fading) {
        for item in self.items.drain(..) {
            self.places[item as usize] = NOWHERE;
        }
        self.sums.clear();
        for (event, age) in events.iter().rev().zip(1..) {
            let place = &mut self.places[event.item()];
            if *place == NOWHERE {
                *place = self.items.len() as u32;
                self.items.push(event.item() as u32);
                self.sums.push(0.0);
            }
            self.sums[*place as usize] += fading.weight(age);
        }
    }

    /// The items, the latest first.
    pub fn items(&self) -> &[u32] {
        &self.items
    }

    /// Whether an item is among them.
    pub fn has(&self, item: usize) -> bool {
        self.places[item] != NOWHERE
    }

    /// The items with a score that hides them.
    pub fn hidden(&self) -> Vec<(u32, f64)> {
        self.items.iter().map(|&item| (item, HIDDEN)).collect()
    }

    /// Each item and its share of all that counts.
    pub fn shares(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        let sum: f64 = self.sums.iter().sum();
        self.items
            .iter()
            .zip(&self.sums)
            .map(move |(&item, one)| (item, one / sum))
    }
}
