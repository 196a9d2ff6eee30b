//! Which items follow an item: sequential rules.
//!
//! Of each event of an item, those within the window behind it count, each by one over its distance; a window of 1 is a
//! Markov chain. Kamehkhosh, Jannach and Ludewig, "A comparison of frequent pattern techniques and a deep learning method for
//! session-based recommendation" (2017). The row of an item is made when it is asked for, from where the item occurs, so that no
//! table of pairs is kept.

use super::popularity::Popularity;
use super::training::{END, Training};
use crate::compute::job::Steps;
use std::cmp::Reverse;

/// What an item that follows at once counts: a multiple of 1 to 20, so that weights of equal fractions are equal, and sums do not
/// depend on their order.
pub const UNIT: u64 = 232_792_560;

/// The weights of the items behind one item.
#[derive(Debug)]
pub struct Row {
    weights: Vec<u64>,
    items: Vec<u32>,
    total: u64,
}

impl Row {
    /// An empty one for so many items.
    pub fn new(n_items: usize) -> Self {
        Self {
            weights: vec![0; n_items],
            items: Vec::new(),
            total: 0,
        }
    }

    /// Makes it that of `item`.
    pub fn fill(&mut self, training: &Training, item: usize, window: usize, steps: &mut Steps) {
        self.clear();
        for &place in training.places(item) {
            let behind = training.items[place as usize + 1..].iter().take(window);
            for (&next, distance) in behind.take_while(|next| **next != END).zip(1..) {
                self.add(next, UNIT / distance);
                steps.count(1);
            }
        }
    }

    fn add(&mut self, item: u32, weight: u64) {
        let sum = &mut self.weights[item as usize];
        if *sum == 0 {
            self.items.push(item);
        }
        *sum += weight;
        self.total += weight;
    }

    /// Makes it that of kept `weights`, each of its own item, in units, and `total` with those that were not kept.
    pub fn fill_with(&mut self, weights: impl Iterator<Item = (u32, u64)>, total: u64) {
        self.clear();
        weights.for_each(|(item, weight)| self.add(item, weight));
        self.total = total;
    }

    /// Makes it empty.
    pub fn clear(&mut self) {
        for item in self.items.drain(..) {
            self.weights[item as usize] = 0;
        }
        self.total = 0;
    }

    /// The items that follow, in no order.
    pub fn items(&self) -> &[u32] {
        &self.items
    }

    /// The `top` items with the largest weights among those that are `kept`, the largest first, of equal ones the more popular.
    pub fn strongest(&self, top: usize, popularity: &Popularity, kept: impl Fn(u32) -> bool) -> Vec<u32> {
        let order = |&item: &u32| (Reverse(self.weight(item as usize)), popularity.place(item as usize));
        let mut items: Vec<u32> = self.items.iter().copied().filter(|&item| kept(item)).collect();
        if items.len() > top {
            items.select_nth_unstable_by_key(top, order);
            items.truncate(top);
        }
        items.sort_unstable_by_key(order);
        items
    }

    /// The weight of an item, in units.
    pub fn weight(&self, item: usize) -> u64 {
        self.weights[item]
    }

    /// The sum of the weights, in units.
    pub fn total(&self) -> u64 {
        self.total
    }
}
