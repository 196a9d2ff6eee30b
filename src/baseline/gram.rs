//! Up to four tokens in a row as one number.

use crate::sequence::Token;
use std::hash::{Hash, Hasher};

/// The highest Markov order.
pub(super) const MAX_ORDER: usize = 3;

/// Tokens of the longest run: the context and its successor.
const MAX_GRAM: usize = MAX_ORDER + 1;

const SLOT_BITS: u32 = 32;

/// A run of up to four tokens: each of them and 1 in a slot of 32 bits, the last one in the lowest; a slot with 0 says
/// that the sequence began behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gram(u128);

/// Half of the bits and the rest laid over them, where the tokens of few actions leave room.
impl Hash for Gram {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0 as u64 ^ ((self.0 >> 64) as u64) << 16);
    }
}

impl Gram {
    /// The run of these tokens, of more the last four.
    pub fn of(tokens: impl Iterator<Item = Token>) -> Self {
        tokens.fold(Self::default(), Self::push)
    }

    /// The run of one token.
    pub(super) fn of_one(token: usize) -> Self {
        Self(token as u128 + 1)
    }

    /// Of slots as [`Gram`] says, the first token first.
    pub(super) fn from_slots(slots: [u32; MAX_GRAM]) -> Self {
        Self(
            slots
                .into_iter()
                .fold(0, |gram, slot| gram << SLOT_BITS | u128::from(slot)),
        )
    }

    /// The slots, the first token first.
    pub(super) fn slots(self) -> [u32; MAX_GRAM] {
        std::array::from_fn(|slot| (self.0 >> (SLOT_BITS * (MAX_ORDER - slot) as u32)) as u32)
    }

    /// The run with one more token, without the oldest of four.
    fn push(self, token: Token) -> Self {
        Self(self.0 << SLOT_BITS | (u128::from(token.0) + 1))
    }

    /// The last token; `None` of an empty run.
    pub(super) fn target(self) -> Option<Token> {
        (self.0 as u32).checked_sub(1).map(Token)
    }

    /// The tokens before the last.
    pub(super) fn context(self) -> Self {
        Self(self.0 >> SLOT_BITS)
    }

    /// The last `n`, at most three.
    pub(super) fn last(self, n: usize) -> Self {
        Self(self.0 & ((1 << (SLOT_BITS * n as u32)) - 1))
    }

    /// Whether there are `n` tokens or more, up to 4.
    #[inline]
    pub(super) fn holds(self, n: usize) -> bool {
        n == 0 || self.0 >> (SLOT_BITS * (n as u32 - 1)) != 0
    }

    /// Whether no slot is empty behind one with a token.
    pub(super) fn is_whole(self) -> bool {
        self.slots().is_sorted_by_key(|slot| *slot > 0)
    }
}

/// A [`Gram`] while it is counted, in as few bits as the vocabulary needs.
pub(super) trait Narrow: Copy + Eq + Hash + Default {
    /// The most tokens that fit beside "none".
    const MOST_TOKENS: usize;

    fn push(self, token: Token) -> Self;

    /// A place among 2¹², for which runs are spread by the upper bits of a product (Knuth, The Art of Computer
    /// Programming, volume 3, section 6.4).
    fn spread(self) -> usize;

    fn gram(self) -> Gram;
}

/// Four slots of a byte.
impl Narrow for u32 {
    const MOST_TOKENS: usize = 0xff;

    #[inline]
    fn push(self, token: Token) -> Self {
        self << 8 | (token.0 + 1)
    }

    #[inline]
    fn spread(self) -> usize {
        self.wrapping_mul(0x9E37_79B1) as usize >> 20
    }

    fn gram(self) -> Gram {
        Gram::from_slots(self.to_be_bytes().map(u32::from))
    }
}

impl Narrow for u128 {
    const MOST_TOKENS: usize = u32::MAX as usize;

    fn push(self, token: Token) -> Self {
        Gram(self).push(token).0
    }

    fn spread(self) -> usize {
        let folded = (self as u64 ^ (self >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (folded >> 52) as usize
    }

    fn gram(self) -> Gram {
        Gram(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_holds_the_last_four_tokens() {
        let gram = Gram::of([9, 0, 255, 3, 7].map(Token).into_iter());
        assert_eq!(gram.slots(), [1, 256, 4, 8]);
        assert_eq!(Gram::from_slots(gram.slots()), gram);
        assert_eq!(
            (gram.target(), gram.context().target()),
            (Some(Token(7)), Some(Token(3)))
        );
        assert_eq!(gram.last(2), Gram::of([3, 7].map(Token).into_iter()));
        assert_eq!((gram.last(3).holds(3), gram.last(3).holds(4)), (true, false));
        assert_eq!(Gram::default().target(), None);
    }

    #[test]
    fn a_narrow_run_is_the_same_run() {
        fn run<G: Narrow>(tokens: &[u32]) -> Gram {
            tokens
                .iter()
                .fold(G::default(), |gram, &token| gram.push(Token(token)))
                .gram()
        }
        for tokens in [&[0, 254][..], &[254, 254, 254, 254], &[1, 2, 3, 4, 5, 6]] {
            assert_eq!(run::<u32>(tokens), run::<u128>(tokens));
        }
        let widest = u32::MAX - 1;
        assert_eq!(run::<u128>(&[widest; 9]).slots(), [u32::MAX; 4]);
        assert!([0, 1, u128::MAX].iter().all(|gram| gram.spread() < 1 << 12));
    }
}
