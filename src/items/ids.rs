//! What items are called: whole numbers, or texts.

use std::cmp::Ordering;

/// One name, as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Id<'a> {
    /// A whole number.
    Number(i64),
    /// A text in UTF-8.
    Text(&'a [u8]),
}

/// The names of items, by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Whole numbers.
    Numbers(Vec<i64>),
    /// Texts.
    Texts(Texts),
}

/// Texts one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    ends: Vec<u64>,
    bytes: Vec<u8>,
}

impl Texts {
    /// Of what they are when all are put together, and where each of them ends; nothing where these do not fit, or one is no UTF-8.
    pub fn new(ends: Vec<u64>, bytes: Vec<u8>) -> Option<Self> {
        let text = std::str::from_utf8(&bytes).ok()?;
        let is_whole = ends.last().copied().unwrap_or(0) == bytes.len() as u64;
        let fits = is_whole && ends.is_sorted() && ends.iter().all(|&end| text.is_char_boundary(end as usize));
        fits.then_some(Self { ends, bytes })
    }

    /// Adds one at the end.
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len() as u64);
    }

    /// Where each ends, and all of them together.
    pub fn parts(&self) -> (&[u64], &[u8]) {
        (&self.ends, &self.bytes)
    }

    fn get(&self, place: usize) -> &[u8] {
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[begin as usize..self.ends[place] as usize]
    }

    fn find(&self, text: &[u8]) -> Option<u32> {
        let mut places = 0..self.ends.len();
        while !places.is_empty() {
            let middle = places.start + places.len() / 2;
            match self.get(middle).cmp(text) {
                Ordering::Less => places.start = middle + 1,
                Ordering::Equal => return Some(middle as u32),
                Ordering::Greater => places.end = middle,
            }
        }
        None
    }
}

impl Ids {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.ends.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of an item.
    pub fn get(&self, item: usize) -> Id<'_> {
        match self {
            Self::Numbers(numbers) => Id::Number(numbers[item]),
            Self::Texts(texts) => Id::Text(texts.get(item)),
        }
    }

    /// The item of a name, of ascending ones. A text finds the number that it says, and a number the text that says it.
    pub fn find(&self, id: Id) -> Option<u32> {
        match (self, id) {
            (Self::Numbers(numbers), Id::Number(number)) => {
                numbers.binary_search(&number).ok().map(|place| place as u32)
            }
            (Self::Numbers(_), Id::Text(text)) => {
                let number = std::str::from_utf8(text).ok()?.parse().ok()?;
                self.find(Id::Number(number))
            }
            (Self::Texts(texts), Id::Text(text)) => texts.find(text),
            (Self::Texts(texts), Id::Number(number)) => texts.find(number.to_string().as_bytes()),
        }
    }

    /// Sorts `items` by their names.
    pub fn sort(&self, items: &mut [u32]) {
        match self {
            Self::Numbers(numbers) => items.sort_unstable_by_key(|&item| numbers[item as usize]),
            Self::Texts(texts) => items.sort_unstable_by_key(|&item| texts.get(item as usize)),
        }
    }

    /// The names of some items, in their order.
    pub fn select(&self, items: &[u32]) -> Self {
        match self {
            Self::Numbers(numbers) => Self::Numbers(items.iter().map(|&item| numbers[item as usize]).collect()),
            Self::Texts(texts) => {
                let mut selected = Texts::default();
                for &item in items {
                    selected.bytes.extend_from_slice(texts.get(item as usize));
                    selected.ends.push(selected.bytes.len() as u64);
                }
                Self::Texts(selected)
            }
        }
    }

    /// Whether each is above the one before.
    pub fn are_ascending(&self) -> bool {
        match self {
            Self::Numbers(numbers) => numbers.is_sorted_by(|a, b| a < b),
            Self::Texts(texts) => (1..texts.ends.len()).all(|place| texts.get(place - 1) < texts.get(place)),
        }
    }
}
