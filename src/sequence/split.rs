//! Which users or histories are held back for validation.

use super::{Sequence, Vocabulary};
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// Whether the user with this key belongs to the held-back share.
///
/// SipHash-2-4 of the key's bytes, keyed with the seed, read as a fraction of
/// 2⁶⁴ and compared with `share`: the same user is on the same side in every
/// query, on every machine and with every DuckDB (whose own `hash` changes
/// between versions), and a larger share contains the smaller one.
pub fn held_out(key: &[u8], share: f64, seed: u64) -> bool {
    let mut hasher = SipHasher24::new_with_keys(seed, 0);
    hasher.write(key);
    // 2⁶⁴ as a double; the quotient is in [0, 1].
    (hasher.finish() as f64) / 18_446_744_073_709_551_616.0 < share
}

/// Splits sequences by what they hold: sets `n_train` of each.
///
/// Equal sequences are numbered, and each is held back or not on its own: most sessions of a shop are two
/// views, and if all of them fell on one side, neither side would be like the whole. The key that is
/// [`held_out`] is the actions with 0x1F between them, and for all but the first of equal sequences 0x1E and
/// the number behind them.
pub fn split_by_history(vocabulary: &Vocabulary, sequences: &mut [Sequence], share: f64, seed: u64) {
    sequences.sort_unstable();
    for equal in sequences.chunk_by_mut(|a, b| a.tokens == b.tokens) {
        let tokens = equal[0].tokens;
        let names: Vec<_> = tokens.iter().map(|token| vocabulary.name(token.index())).collect();
        let mut key = names.join("\u{1f}").into_bytes();
        let length = key.len();
        for (number, sequence) in (1..).zip(equal) {
            key.truncate(length);
            if number > 1 {
                key.extend(format!("\u{1e}{number}").bytes());
            }
            sequence.n_train = if held_out(&key, share, seed) { 0 } else { tokens.len() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::Tokens;

    #[test]
    fn the_share_is_met_and_shares_are_nested() {
        let keys: Vec<String> = (0..100_000).map(|user| user.to_string()).collect();
        let side = |share| {
            keys.iter()
                .map(|key| held_out(key.as_bytes(), share, 42))
                .collect::<Vec<_>>()
        };
        let (small, large) = (side(0.1), side(0.2));
        let n_small = small.iter().filter(|&&held| held).count();
        // Binomial: 10,000 ± 95 (one standard deviation).
        assert!((9_500..10_500).contains(&n_small), "{n_small}");
        assert!(
            small
                .iter()
                .zip(&large)
                .all(|(&in_small, &in_large)| !in_small || in_large)
        );
        assert!(side(0.0).iter().all(|&held| !held));
        assert!(side(1.0).iter().all(|&held| held));
    }

    #[test]
    fn equal_sequences_are_held_back_one_by_one() {
        let vocabulary = &Vocabulary::new(["buy", "pv"].map(str::to_owned)).unwrap();
        let mut sequences = vec![
            Sequence {
                tokens: Tokens::U8(&[1, 1]),
                n_train: 0
            };
            10_000
        ];
        split_by_history(vocabulary, &mut sequences, 0.2, 7);
        let n_held_out = sequences.iter().filter(|sequence| sequence.n_train == 0).count();
        // Binomial: 2,000 ± 40 (one standard deviation).
        assert!((1_850..2_150).contains(&n_held_out), "{n_held_out}");
        assert_eq!(sequences[0].n_train == 0, held_out(b"pv\x1fpv", 0.2, 7));
        assert_eq!(sequences[1].n_train == 0, held_out(b"pv\x1fpv\x1e2", 0.2, 7));
        let mut few = sequences[..3].to_vec();
        split_by_history(vocabulary, &mut few, 1.0, 7);
        assert!(few.iter().all(|sequence| sequence.n_train == 0));
        split_by_history(vocabulary, &mut few, 0.0, 7);
        assert!(few.iter().all(|sequence| sequence.n_train == 2));
    }

    /// The reference vector of the SipHash paper (Aumasson and Bernstein,
    /// 2012, appendix A) has another key; with key 0, 0 the empty message
    /// hashes to 1e924b9d737700d7 (siphash24 of the reference C code).
    #[test]
    fn the_hash_is_siphash_2_4() {
        let fraction = 0x1e92_4b9d_7377_00d7_u64 as f64 / 2f64.powi(64);
        assert!(held_out(b"", fraction + 1e-12, 0));
        assert!(!held_out(b"", fraction - 1e-12, 0));
    }
}
