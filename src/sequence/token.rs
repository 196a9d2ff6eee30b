//! Places in a vocabulary, stored as narrow as its size allows.
//!
//! A shop has a handful of actions and may have a million items. Lists of tokens take
//! one, two or four bytes each and are borrowed from the bytes that they were read from;
//! whoever computes with a token sees 32 bits.

use safetensors::tensor::Dtype;
use std::cmp::Ordering;
use std::ops::{Bound, RangeBounds};

/// The place of an entry in a vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u32);

impl Token {
    /// The place, as an index.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<u8> for Token {
    #[inline]
    fn from(place: u8) -> Self {
        Self(place.into())
    }
}

/// How many bytes a stored token takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Up to 256 entries.
    U8,
    /// Up to 65,536.
    U16,
    /// More.
    U32,
}

impl Width {
    /// The narrowest for a vocabulary of so many entries.
    #[inline]
    pub fn of(n_entries: usize) -> Self {
        match n_entries {
            0..=0x100 => Self::U8,
            0x101..=0x1_0000 => Self::U16,
            _ => Self::U32,
        }
    }

    /// Bytes of a token.
    #[inline]
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
        }
    }

    /// The type of a tensor of tokens.
    #[inline]
    pub(crate) fn dtype(self) -> Dtype {
        match self {
            Self::U8 => Dtype::U8,
            Self::U16 => Dtype::U16,
            Self::U32 => Dtype::U32,
        }
    }

    /// Appends a token, little-endian; of one that does not fit the lower bytes.
    #[inline]
    pub fn push(self, token: Token, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&token.0.to_le_bytes()[..self.bytes()]);
    }

    /// Appends tokens of any width.
    #[inline]
    pub fn extend(self, tokens: Tokens, bytes: &mut Vec<u8>) {
        if tokens.width() == self {
            bytes.extend_from_slice(tokens.bytes());
        } else {
            tokens.iter().for_each(|token| self.push(token, bytes));
        }
    }
}

/// Borrowed tokens. Lists of different widths are equal when they hold the same tokens.
#[derive(Clone, Copy, Debug)]
pub enum Tokens<'a> {
    /// A byte each.
    U8(&'a [u8]),
    /// Little-endian, as all that follows.
    /// Two, little-endian.
    U16(&'a [[u8; 2]]),
    /// Four, little-endian.
    U32(&'a [[u8; 4]]),
}

/// A token as it is stored.
pub(crate) trait Stored: Copy {
    fn token(self) -> Token;
}

impl Stored for u8 {
    #[inline]
    fn token(self) -> Token {
        Token(self.into())
    }
}

impl Stored for [u8; 2] {
    #[inline]
    fn token(self) -> Token {
        Token(u16::from_le_bytes(self).into())
    }
}

impl Stored for [u8; 4] {
    #[inline]
    fn token(self) -> Token {
        Token(u32::from_le_bytes(self))
    }
}

/// A loop over tokens by their place, compiled for each width.
macro_rules! of_stored {
    ($tokens:expr, $list:ident => $result:expr) => {
        match $tokens {
            $crate::sequence::Tokens::U8($list) => $result,
            $crate::sequence::Tokens::U16($list) => $result,
            $crate::sequence::Tokens::U32($list) => $result,
        }
    };
}
pub(crate) use of_stored;

/// The same expression for the list of each width.
macro_rules! for_each_width {
    ($tokens:expr, $list:ident => $result:expr) => {
        match $tokens {
            Tokens::U8($list) => Tokens::U8($result),
            Tokens::U16($list) => Tokens::U16($result),
            Tokens::U32($list) => Tokens::U32($result),
        }
    };
}

impl<'a> Tokens<'a> {
    /// The tokens in some bytes; `None` when the last of them is not whole.
    #[inline]
    pub fn from_bytes(width: Width, bytes: &'a [u8]) -> Option<Self> {
        let (tokens, rest) = match width {
            Width::U8 => (Self::U8(bytes), &[][..]),
            Width::U16 => {
                let (tokens, rest) = bytes.as_chunks();
                (Self::U16(tokens), rest)
            }
            Width::U32 => {
                let (tokens, rest) = bytes.as_chunks();
                (Self::U32(tokens), rest)
            }
        };
        rest.is_empty().then_some(tokens)
    }

    /// The bytes that they were read from.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::U8(list) => list,
            Self::U16(list) => list.as_flattened(),
            Self::U32(list) => list.as_flattened(),
        }
    }

    /// Bytes of a token.
    #[inline]
    pub fn width(self) -> Width {
        match self {
            Self::U8(_) => Width::U8,
            Self::U16(_) => Width::U16,
            Self::U32(_) => Width::U32,
        }
    }

    /// Number of tokens.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::U8(list) => list.len(),
            Self::U16(list) => list.len(),
            Self::U32(list) => list.len(),
        }
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The token at a position.
    ///
    /// # Panics
    /// When there are not that many, as [`Tokens::slice`] does.
    #[inline]
    pub fn at(self, position: usize) -> Token {
        match self {
            Self::U8(list) => list[position].token(),
            Self::U16(list) => list[position].token(),
            Self::U32(list) => list[position].token(),
        }
    }

    /// Some of them.
    #[inline]
    pub fn slice(self, range: impl RangeBounds<usize>) -> Self {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last + 1,
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.len(),
        };
        for_each_width!(self, list => &list[start..end])
    }

    /// All of them in order. `for_each`, `fold` and what is made of them looks at the width once.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        match self {
            Self::U8(list) => Iter::U8(list.iter()),
            Self::U16(list) => Iter::U16(list.iter()),
            Self::U32(list) => Iter::U32(list.iter()),
        }
    }

    /// The highest; many times as fast as a search that could end early.
    #[inline]
    pub fn highest(self) -> Option<Token> {
        match self {
            Self::U8(list) => list.iter().copied().max().map(Token::from),
            Self::U16(list) => list
                .iter()
                .map(|&token| u16::from_le_bytes(token))
                .max()
                .map(|token| Token(token.into())),
            Self::U32(list) => list.iter().map(|&token| u32::from_le_bytes(token)).max().map(Token),
        }
    }

    /// How many tokens two lists share from the first on.
    #[inline]
    pub fn n_shared(self, other: Self) -> usize {
        fn shared<T: PartialEq>(a: &[T], b: &[T]) -> usize {
            a.iter().zip(b).take_while(|(a, b)| a == b).count()
        }
        match (self, other) {
            (Self::U8(a), Self::U8(b)) => shared(a, b),
            (Self::U16(a), Self::U16(b)) => shared(a, b),
            (Self::U32(a), Self::U32(b)) => shared(a, b),
            _ => self.iter().zip(other).take_while(|(a, b)| a == b).count(),
        }
    }
}

impl PartialEq for Tokens<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            _ if self.width() == other.width() => self.bytes() == other.bytes(),
            _ => self.iter().eq(other.iter()),
        }
    }
}

impl Eq for Tokens<'_> {}

impl PartialOrd for Tokens<'_> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Tokens<'_> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::U8(a), Self::U8(b)) => a.cmp(b),
            _ => self.iter().cmp(other.iter()),
        }
    }
}

impl<'a> IntoIterator for Tokens<'a> {
    type Item = Token;
    type IntoIter = Iter<'a>;

    #[inline]
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The tokens of a list, one after the other.
#[derive(Clone, Debug)]
pub enum Iter<'a> {
    /// A byte each.
    U8(std::slice::Iter<'a, u8>),
    /// Two.
    U16(std::slice::Iter<'a, [u8; 2]>),
    /// Four.
    U32(std::slice::Iter<'a, [u8; 4]>),
}

impl Iterator for Iter<'_> {
    type Item = Token;

    #[inline]
    fn next(&mut self) -> Option<Token> {
        match self {
            Self::U8(list) => list.next().copied().map(Stored::token),
            Self::U16(list) => list.next().copied().map(Stored::token),
            Self::U32(list) => list.next().copied().map(Stored::token),
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::U8(list) => list.size_hint(),
            Self::U16(list) => list.size_hint(),
            Self::U32(list) => list.size_hint(),
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, Token) -> B>(self, init: B, f: F) -> B {
        match self {
            Self::U8(list) => list.copied().map(Stored::token).fold(init, f),
            Self::U16(list) => list.copied().map(Stored::token).fold(init, f),
            Self::U32(list) => list.copied().map(Stored::token).fold(init, f),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// Tokens that are being collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenList {
    width: Width,
    bytes: Vec<u8>,
}

impl TokenList {
    /// None yet, for a vocabulary of so many entries.
    #[inline]
    pub fn new(n_entries: usize) -> Self {
        Self {
            width: Width::of(n_entries),
            bytes: Vec::new(),
        }
    }

    /// Adds one at the end.
    #[inline]
    pub fn push(&mut self, token: Token) {
        self.width.push(token, &mut self.bytes);
    }

    /// Takes all away.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Number of tokens.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.width.bytes()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All of them.
    #[inline]
    pub fn tokens(&self) -> Tokens<'_> {
        match self.width {
            Width::U8 => Tokens::U8(&self.bytes),
            Width::U16 => Tokens::U16(self.bytes.as_chunks().0),
            Width::U32 => Tokens::U32(self.bytes.as_chunks().0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that differ in every byte of each width, stored for a vocabulary of so many entries.
    fn list(n_entries: usize, numbers: &[u32]) -> TokenList {
        let mut list = TokenList::new(n_entries);
        numbers.iter().for_each(|&number| list.push(Token(number)));
        list
    }

    #[test]
    fn a_token_takes_as_many_bytes_as_the_vocabulary_needs() {
        for (n_entries, width) in [(1, 1), (256, 1), (257, 2), (65_536, 2), (65_537, 4), (usize::MAX, 4)] {
            assert_eq!(Width::of(n_entries).bytes(), width, "{n_entries}");
            let last = u32::try_from(n_entries - 1).unwrap_or(u32::MAX);
            let list = list(n_entries, &[last, 0]);
            assert_eq!(list.tokens().bytes().len(), 2 * width);
            assert_eq!(list.tokens().iter().collect::<Vec<_>>(), [Token(last), Token(0)]);
        }
    }

    #[test]
    fn every_width_gives_the_same_answers() {
        let numbers = [3u32, 0, 200, 200, 7];
        for n_entries in [256, 300, 100_000] {
            let list = list(n_entries, &numbers);
            let tokens = list.tokens();
            assert_eq!((tokens.len(), list.len(), tokens.is_empty()), (5, 5, false));
            assert_eq!(tokens.at(2), Token(200));
            assert_eq!(tokens.highest(), Some(Token(200)));
            assert_eq!(tokens.iter().fold(0, |sum, token| sum + token.index()), 410);
            assert_eq!(tokens.slice(1..3), Tokens::U8(&[0, 200]));
            of_stored!(tokens, list => assert_eq!(list[2].token(), Token(200)));
            assert_eq!(tokens.slice(..=1), Tokens::U8(&[3, 0]));
            assert_eq!(tokens.n_shared(Tokens::U8(&[3, 0, 7])), 2);
            assert_eq!(tokens.n_shared(tokens.slice(..4)), 4);
            assert_eq!(Tokens::from_bytes(tokens.width(), tokens.bytes()), Some(tokens));
            assert!(tokens > Tokens::U8(&[3, 0, 199, 201]) && tokens < Tokens::U8(&[4]));
            let mut narrow = Vec::new();
            Width::U8.extend(tokens, &mut narrow);
            assert_eq!(narrow, [3, 0, 200, 200, 7]);
        }
    }

    /// Of little-endian bytes the last counts most: 256 is above 255.
    #[test]
    fn wide_lists_are_ordered_by_their_tokens() {
        for n_entries in [300, 100_000] {
            let (low, high) = (list(n_entries, &[255]), list(n_entries, &[256]));
            assert!(low.tokens() < high.tokens());
            assert_eq!(low.tokens(), Tokens::U8(&[255]));
        }
    }

    #[test]
    fn bytes_that_are_not_whole_tokens_are_none() {
        assert_eq!(Tokens::from_bytes(Width::U16, &[1]), None);
        assert_eq!(Tokens::from_bytes(Width::U32, &[1, 2, 3, 4, 5]), None);
        assert_eq!(Tokens::from_bytes(Width::U32, &[]).map(Tokens::len), Some(0));
    }
}
