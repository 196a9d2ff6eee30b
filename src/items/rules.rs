//! Which items follow which, as a table.

use super::followers::{Row, UNIT};
use super::histories::Histories;
use super::popularity::Popularity;
use super::training::{END, Part, Training};
use crate::compute::job::{self, Steps};
use crate::compute::parallel;

/// Bytes of a rule.
pub const RULE_BYTES: usize = 28;
/// Work is cut into so many parts.
const N_PARTS: usize = 64;

/// Which rules are wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RuleSettings {
    /// How many events behind an item are looked at.
    pub window: usize,
    /// Most rules of an item.
    pub top: usize,
    /// Fewest users of a rule.
    pub min_support: usize,
    /// Number of threads, which makes no difference to the result.
    pub threads: usize,
}

/// One item and another that follows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The number of the item.
    pub item: u32,
    /// The number of the other.
    pub next: u32,
    /// Sum over its occurrences of one over the distance.
    pub weight: f64,
    /// Users with any.
    pub support: u32,
    /// Its share of what follows the item over its share of what follows any.
    pub lift: f64,
}

impl Rule {
    fn to_bytes(self) -> [u8; RULE_BYTES] {
        let mut bytes = [0; RULE_BYTES];
        bytes[..4].copy_from_slice(&self.item.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.next.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.support.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.weight.to_le_bytes());
        bytes[20..].copy_from_slice(&self.lift.to_le_bytes());
        bytes
    }

    /// Reads one of [`item_rules`].
    pub fn from_bytes(bytes: &[u8; RULE_BYTES]) -> Self {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let real = |at: usize| f64::from_bits(u64::from(word(at)) | u64::from(word(at + 4)) << 32);
        Self {
            item: word(0),
            next: word(4),
            support: word(8),
            weight: real(12),
            lift: real(20),
        }
    }
}

/// The strongest rules of each item, [`RULE_BYTES`] each, the strongest of an item first.
pub fn item_rules(histories: &Histories, settings: &RuleSettings) -> Vec<u8> {
    let training = Training::new(histories, Part::Whole);
    let counts = (0..training.n_items()).map(|item| training.count(item) as f64);
    let popularity = Popularity::new(counts.collect());
    let received = received(&training, settings.window);
    let all_received = received.iter().sum::<u64>() as f64;
    let expected = |item: u32| received[item as usize] as f64 / all_received;
    let of_parts = parallel::map(settings.threads, N_PARTS, |part| {
        let (mut support, mut steps, mut bytes) = (Support::new(training.n_items()), Steps::default(), Vec::new());
        let mut row = Row::new(training.n_items());
        // The popular ones, which are the work, are shared out.
        for &item in popularity.order().iter().skip(part).step_by(N_PARTS) {
            row.fill(&training, item as usize, settings.window, &mut steps);
            support.fill(&training, item as usize, settings.window, &mut steps);
            let has_support = |next: u32| support.of(next) as usize >= settings.min_support;
            for next in row.strongest(settings.top, &popularity, has_support) {
                let weight = row.weight(next as usize) as f64;
                let lift = weight / row.total() as f64 / expected(next);
                let (weight, support) = (weight / UNIT as f64, support.of(next));
                bytes.extend(
                    Rule {
                        item,
                        next,
                        weight,
                        support,
                        lift,
                    }
                    .to_bytes(),
                );
            }
        }
        bytes
    });
    job::check();
    of_parts.concat()
}

/// What each item has as one that follows, in units.
fn received(training: &Training, window: usize) -> Vec<u64> {
    let mut received = vec![0; training.n_items()];
    let mut steps = Steps::default();
    for history in training.items.split(|item| *item == END) {
        let mut sum = 0;
        for (place, &item) in history.iter().enumerate() {
            received[item as usize] += sum;
            if place < window {
                sum += UNIT / (place as u64 + 1);
            }
        }
        steps.count(history.len());
    }
    received
}

/// How many users have an item behind another.
struct Support {
    users: Vec<u32>,
    /// Per item one more than the place of the last user who was counted.
    last: Vec<u32>,
    items: Vec<u32>,
}

impl Support {
    fn new(n_items: usize) -> Self {
        Self {
            users: vec![0; n_items],
            last: vec![0; n_items],
            items: Vec::new(),
        }
    }

    fn fill(&mut self, training: &Training, item: usize, window: usize, steps: &mut Steps) {
        for item in self.items.drain(..) {
            (self.users[item as usize], self.last[item as usize]) = (0, 0);
        }
        for &place in training.places(item) {
            let user = training.begins.partition_point(|&begin| begin <= place as usize) as u32;
            let behind = training.items[place as usize + 1..].iter().take(window);
            for &next in behind.take_while(|next| **next != END) {
                let last = &mut self.last[next as usize];
                if *last == 0 {
                    self.items.push(next);
                }
                if *last != user {
                    *last = user;
                    self.users[next as usize] += 1;
                }
                steps.count(1);
            }
        }
    }

    fn of(&self, item: u32) -> u32 {
        self.users[item as usize]
    }
}
