//! What tells datasets apart.

use super::sample::held_out;
use crate::sequence::{Dataset, Tokens};

/// Words that are mixed side by side, because each step waits for the one before.
const LANES: usize = 4;
/// The golden ratio, as 64 bits behind the point.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of the histories with held-back targets, their numbers, and where the targets begin. Unlike
/// [`Dataset::fingerprint`], which is kept in models, it takes a hundredth of a second for a hundred million actions.
pub fn identity(dataset: &Dataset) -> u64 {
    held_out(dataset).fold(0, |hash, (index, sequence)| {
        let numbers = [index, sequence.tokens.len(), sequence.first_held_out()];
        let hash = numbers.iter().fold(hash, |hash, &number| mixed(hash, number as u64));
        mixed(hash, of_tokens(sequence.tokens))
    })
}

/// A hash of one history.
pub fn of_tokens(tokens: Tokens) -> u64 {
    let (words, rest) = tokens.bytes().as_chunks();
    let (rows, few) = words.as_chunks::<LANES>();
    let mut lanes = [tokens.len() as u64; LANES];
    for row in rows {
        for (lane, word) in lanes.iter_mut().zip(row) {
            *lane = mixed(*lane, u64::from_le_bytes(*word));
        }
    }
    let few = few.iter().map(|word| u64::from_le_bytes(*word));
    let rest = rest.iter().copied().map(u64::from);
    lanes.into_iter().chain(few).chain(rest).fold(0, mixed)
}

fn mixed(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(FACTOR);
    product.rotate_left(29) ^ product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::{Sequence, Vocabulary};
    use std::collections::HashSet;

    #[test]
    fn every_change_of_one_action_of_a_history_gives_another_hash() {
        for length in [2, 8, 31, 32, 33, 100] {
            let mut hashes = HashSet::from([of_tokens(Tokens::U8(&vec![0; length]))]);
            for position in 0..length {
                for token in 1..=255 {
                    let mut tokens = vec![0; length];
                    tokens[position] = token;
                    assert!(
                        hashes.insert(of_tokens(Tokens::U8(&tokens))),
                        "{token} at {position} of {length}"
                    );
                }
            }
        }
        assert_ne!(of_tokens(Tokens::U8(&[0; 40])), of_tokens(Tokens::U8(&[0; 41])));
    }

    #[test]
    fn a_dataset_is_its_held_back_histories() {
        let vocabulary = Vocabulary::new(["a".to_owned(), "b".to_owned()]).unwrap();
        let of = |histories: &[(&[u8], usize)]| {
            let sequences = histories.iter().map(|&(tokens, n_train)| Sequence {
                tokens: Tokens::U8(tokens),
                n_train,
            });
            let bytes = Dataset::pack(&vocabulary, sequences.collect()).unwrap();
            identity(&Dataset::from_bytes(&bytes).unwrap())
        };
        let one = of(&[(&[0, 1, 0], 0), (&[1, 1], 0)]);
        assert_eq!(one, of(&[(&[1, 1], 0), (&[0, 1, 0], 0)]));
        for other in [
            of(&[(&[0, 1, 0], 2), (&[1, 1], 0)]),
            of(&[(&[0, 1, 1], 0), (&[1, 1], 0)]),
            of(&[(&[0, 1, 0, 1], 0), (&[1, 1], 0)]),
            of(&[(&[0, 1, 0], 0)]),
        ] {
            assert_ne!(one, other);
        }
    }
}
