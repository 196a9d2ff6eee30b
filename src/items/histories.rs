//! What each user did with which item, as one value.

use crate::error::Error;

/// Most events of a user that count as their history: what is asked of one is asked before every event, and nobody's
/// thousandth last item says what comes next.
pub const HISTORY_LIMIT: usize = 1000;

/// Most items: the number of one shares a word with two flags.
pub const MAX_ITEMS: u32 = 1 << 30;
const IS_RECENT: u32 = 1 << 31;
const BEGINS_MOMENT: u32 = 1 << 30;
const MAGIC: &[u8; 8] = b"ffitems1";

/// An event: the number of its item, and whether it is among the latest of the training and later than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event(u32);

impl Event {
    /// Of a word whose highest bit says that it is recent, the next one that it begins a moment, the rest the item.
    pub fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// The number of the item.
    pub fn item(self) -> usize {
        (self.0 & (MAX_ITEMS - 1)) as usize
    }

    /// Whether it is among the latest of the training.
    pub fn is_recent(self) -> bool {
        self.0 & IS_RECENT != 0
    }

    /// Whether the event before it, if there is one, was earlier.
    pub fn begins_moment(self) -> bool {
        self.0 & BEGINS_MOMENT != 0
    }
}

/// What one user did, in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct History {
    /// All events.
    pub events: Vec<Event>,
    /// So many of them train, from the first.
    pub n_train: usize,
    /// So many train where the rest of these says which settings are best.
    pub n_fit: usize,
}

/// The histories of all users, in an order that depends on nothing but what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histories {
    /// Items have numbers below this.
    pub n_items: usize,
    /// One for each user.
    pub all: Vec<History>,
}

impl Histories {
    /// Those of some users, in any order.
    ///
    /// # Errors
    /// More items than can be numbered, or an event of another item.
    pub fn new(n_items: usize, mut all: Vec<History>) -> Result<Self, Error> {
        if n_items > MAX_ITEMS as usize {
            return Err(Error::argument(
                "n_items",
                n_items,
                format!("{MAX_ITEMS} different ones at most"),
            ));
        }
        let mut events = all.iter().flat_map(|history| &history.events);
        if let Some(event) = events.find(|event| event.item() >= n_items) {
            let allowed = format!("items below {n_items}");
            return Err(Error::argument(
                "histories",
                format!("an event of item {}", event.item()),
                allowed,
            ));
        }
        all.retain(|history| !history.events.is_empty());
        all.sort_unstable();
        Ok(Self { n_items, all })
    }

    /// The same, but what fits ends where a moment does.
    pub fn fitted_to_moments(&self) -> Self {
        let fitted = |history: &History| {
            let begins = |place: &usize| history.events.get(*place).is_none_or(|event| event.begins_moment());
            let n_fit = (0..=history.n_fit).rev().find(begins).unwrap_or(0);
            History {
                n_fit,
                ..history.clone()
            }
        };
        Self {
            n_items: self.n_items,
            all: self.all.iter().map(fitted).collect(),
        }
    }

    /// The bytes that [`Histories::from_bytes`] reads, all numbers little-endian.
    ///
    /// # Errors
    /// More than a BLOB can hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let n_words = 2 + self.all.iter().map(|history| 3 + history.events.len()).sum::<usize>();
        if n_words > u32::MAX as usize / 4 - 2 {
            return Err(Error::argument(
                "histories",
                format!("{n_words} words"),
                "2^30 events at most",
            ));
        }
        let mut bytes = Vec::with_capacity(8 + 4 * n_words);
        bytes.extend_from_slice(MAGIC);
        let mut write = |word: usize| bytes.extend_from_slice(&(word as u32).to_le_bytes());
        write(self.n_items);
        write(self.all.len());
        for history in &self.all {
            write(history.events.len());
            write(history.n_train);
            write(history.n_fit);
        }
        for event in self.all.iter().flat_map(|history| &history.events) {
            write(event.0 as usize);
        }
        Ok(bytes)
    }

    /// Reads what [`Histories::to_bytes`] wrote.
    ///
    /// # Errors
    /// Other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(bytes).ok_or_else(|| {
            let found = format!("a BLOB of {} bytes", bytes.len());
            Error::argument("histories", found, "a value made by pack_items")
        })
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.strip_prefix(MAGIC)?.as_chunks() else {
            return None;
        };
        let word = |place: usize| words.get(place).map(|&word| u32::from_le_bytes(word) as usize);
        let (n_items, n_histories) = (word(0)?, word(1)?);
        let mut rest = words.get(2 + n_histories.checked_mul(3)?..)?;
        let mut all = Vec::with_capacity(n_histories);
        for place in (2..).step_by(3).take(n_histories) {
            let (events, others) = rest.split_at_checked(word(place)?)?;
            rest = others;
            let events: Vec<Event> = events.iter().map(|&word| Event(u32::from_le_bytes(word))).collect();
            let (n_train, n_fit) = (word(place + 1)?, word(place + 2)?);
            let is_whole = n_fit <= n_train && n_train <= events.len();
            if !is_whole || n_items > MAX_ITEMS as usize || events.iter().any(|event| event.item() >= n_items) {
                return None;
            }
            all.push(History { events, n_train, n_fit });
        }
        rest.is_empty().then_some(Self { n_items, all })
    }
}
