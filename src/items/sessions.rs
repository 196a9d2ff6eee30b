//! Items of those sessions that are most like the end of a history: V-SKNN.
//!
//! Ludewig and Jannach, "Evaluation of session-based recommendation algorithms" (2018). A neighbour is the more like the history the
//! later the items are that they share; an item counts by that, and by how rare it is.

use super::histories::Event;
use super::training::{END, Training};
use crate::compute::job::Steps;

/// Events of a session: longer histories are cut, so that neighbours are local.
const LENGTH: usize = 50;
/// The last so many events of a history look for neighbours.
const LAST: usize = 20;
/// Neighbours that count; those as near as the last of them count as well.
const NEIGHBOURS: usize = 100;
/// Most sessions of an item that are looked at: of one that more have so many, evenly taken.
const MOST: usize = 2000;

/// The sessions of the training.
#[derive(Debug)]
pub struct Sessions {
    /// Different items, session by session.
    items: Vec<u32>,
    /// Where each session ends in `items`.
    ends: Vec<usize>,
    of_item: Vec<Vec<u32>>,
    rarity: Vec<f64>,
}

impl Sessions {
    /// Of the training.
    pub fn new(training: &Training) -> Self {
        let (mut items, mut ends) = (Vec::new(), Vec::new());
        let mut of_item = vec![Vec::new(); training.n_items()];
        for history in training.items.split(|item| *item == END) {
            for session in history.chunks(LENGTH) {
                let mut different = session.to_vec();
                different.sort_unstable();
                different.dedup();
                for &item in &different {
                    of_item[item as usize].push(ends.len() as u32);
                }
                items.extend(different);
                ends.push(items.len());
            }
        }
        let n_sessions = ends.len() as f64;
        let rarity = of_item
            .iter()
            .map(|of: &Vec<u32>| (n_sessions / of.len().max(1) as f64).ln())
            .collect();
        Self {
            items,
            ends,
            of_item,
            rarity,
        }
    }

    fn items(&self, session: usize) -> &[u32] {
        let begin = if session == 0 { 0 } else { self.ends[session - 1] };
        &self.items[begin..self.ends[session]]
    }

    /// Up to [`MOST`] sessions with an item.
    fn with(&self, item: usize) -> impl Iterator<Item = usize> + '_ {
        let of = &self.of_item[item];
        of.iter()
            .step_by(of.len().div_ceil(MOST).max(1))
            .map(|&session| session as usize)
    }
}

/// Room for the neighbours of one history after the other.
#[derive(Debug)]
pub struct Neighbours {
    /// What is shared, in whole numbers, so that sessions that are equally near are equal.
    shared: Vec<u32>,
    sessions: Vec<usize>,
    scores: Vec<f64>,
    items: Vec<u32>,
}

impl Neighbours {
    /// Room for so many sessions and items.
    pub fn new(sessions: &Sessions) -> Self {
        Self {
            shared: vec![0; sessions.ends.len()],
            sessions: Vec::new(),
            scores: vec![0.0; sessions.of_item.len()],
            items: Vec::new(),
        }
    }

    /// The items of the neighbours of a history, in no order, and the score of each.
    pub fn of(&mut self, all: &Sessions, history: &[Event], steps: &mut Steps) -> (&[u32], &[f64]) {
        for item in self.items.drain(..) {
            self.scores[item as usize] = 0.0;
        }
        let last = &history[history.len().saturating_sub(LAST)..];
        for (event, place) in last.iter().zip(1..) {
            for session in all.with(event.item()) {
                if self.shared[session] == 0 {
                    self.sessions.push(session);
                }
                self.shared[session] += place;
                steps.count(1);
            }
        }
        let least = self.least_that_counts(all);
        self.sessions.sort_unstable();
        for session in self.sessions.drain(..) {
            let likeness = likeness(std::mem::take(&mut self.shared[session]), all.items(session));
            if likeness < least {
                continue;
            }
            for &item in all.items(session) {
                if self.scores[item as usize] == 0.0 {
                    self.items.push(item);
                }
                // An item that all sessions have counts next to nothing, and is here once all the same.
                self.scores[item as usize] += likeness * all.rarity[item as usize].max(1e-12);
                steps.count(1);
            }
        }
        (&self.items, &self.scores)
    }

    fn least_that_counts(&self, all: &Sessions) -> f64 {
        let of = |&session: &usize| likeness(self.shared[session], all.items(session));
        let mut likenesses: Vec<f64> = self.sessions.iter().map(of).collect();
        if likenesses.len() <= NEIGHBOURS {
            return 0.0;
        }
        *likenesses
            .select_nth_unstable_by(NEIGHBOURS - 1, |a, b| b.total_cmp(a))
            .1
    }
}

/// How much a session is like a history with which it shares so much: a cosine, but for the length of the history.
fn likeness(shared: u32, items: &[u32]) -> f64 {
    f64::from(shared) / (items.len() as f64).sqrt()
}
