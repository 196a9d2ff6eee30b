//! What is counted of the training once, for all methods.

use super::histories::Histories;
use super::popularity::{Popularity, of_late};
use super::training::{Part, Training};

/// What all methods but the neighbours count.
#[derive(Debug)]
pub struct Counts {
    /// The events.
    pub training: Training,
    /// By all of them.
    pub popularity: Popularity,
    /// By the latest of them, behind these by all; nothing where none is told to be recent.
    pub recent: Option<Popularity>,
}

impl Counts {
    /// Of a part of the histories.
    pub fn new(histories: &Histories, part: Part) -> Self {
        let training = Training::new(histories, part);
        let counts: Vec<f64> = (0..training.n_items())
            .map(|item| training.count(item) as f64)
            .collect();
        let recent = training.n_recent.iter().any(|&n| n > 0).then(|| {
            let both = training.n_recent.iter().zip(&counts);
            Popularity::new(both.map(|(&recent, &all)| of_late(recent, all)).collect())
        });
        Self {
            training,
            popularity: Popularity::new(counts),
            recent,
        }
    }
}
