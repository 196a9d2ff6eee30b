//! The part of the histories that is counted.

use super::histories::{Event, Histories, History};

/// Stands behind each history, where there is no item.
pub const END: u32 = u32::MAX;

/// Which events train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All that train.
    Whole,
    /// Those that train where settings are chosen by the rest.
    Fit,
}

impl Part {
    /// How many events of a history train.
    pub fn of(self, history: &History) -> usize {
        match self {
            Self::Whole => history.n_train,
            Self::Fit => history.n_fit,
        }
    }
}

/// The items of the training one after the other, and where each occurs.
#[derive(Debug)]
pub struct Training {
    /// [`END`] behind each history.
    pub items: Vec<u32>,
    /// Where each history begins in `items`.
    pub begins: Vec<usize>,
    /// Of each item the end of its places; they begin where those of the item before end.
    ends: Vec<usize>,
    places: Vec<u32>,
    /// Events of each item that are recent.
    pub n_recent: Vec<u32>,
}

impl Training {
    /// Of the histories, so far as they train.
    pub fn new(histories: &Histories, part: Part) -> Self {
        let mut items = Vec::new();
        let mut begins = Vec::with_capacity(histories.all.len());
        let mut counts = vec![0; histories.n_items];
        let mut n_recent = vec![0; histories.n_items];
        for history in &histories.all {
            begins.push(items.len());
            for event in &history.events[..part.of(history)] {
                items.push(event.item() as u32);
                counts[event.item()] += 1;
                n_recent[event.item()] += u32::from(event.is_recent());
            }
            items.push(END);
        }
        let mut ends = counts;
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        let mut places = vec![0; sum];
        for (place, &item) in items.iter().enumerate().filter(|(_, item)| **item != END) {
            let next = &mut ends[item as usize];
            places[*next] = place as u32;
            *next += 1;
        }
        Self {
            items,
            begins,
            ends,
            places,
            n_recent,
        }
    }

    /// The items of each history.
    pub fn histories(&self) -> impl Iterator<Item = &[u32]> {
        self.items.split(|item| *item == END)
    }

    /// How many items there are, those without an event included.
    pub fn n_items(&self) -> usize {
        self.ends.len()
    }

    /// Where in `items` an item is, in ascending order.
    pub fn places(&self, item: usize) -> &[u32] {
        let begin = if item == 0 { 0 } else { self.ends[item - 1] };
        &self.places[begin..self.ends[item]]
    }

    /// How often an item occurs.
    pub fn count(&self, item: usize) -> usize {
        self.places(item).len()
    }

    /// Whether an item occurs.
    pub fn knows(&self, item: usize) -> bool {
        self.count(item) > 0
    }

    /// The last item of some events that occurs.
    pub fn last_known(&self, events: &[Event]) -> Option<usize> {
        events
            .iter()
            .rev()
            .map(|event| event.item())
            .find(|&item| self.knows(item))
    }
}
