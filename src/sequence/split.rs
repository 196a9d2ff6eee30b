//! Which users are held back for validation.

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

#[cfg(test)]
mod tests {
    use super::held_out;

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
        assert!(small
            .iter()
            .zip(&large)
            .all(|(&in_small, &in_large)| !in_small || in_large));
        assert!(side(0.0).iter().all(|&held| !held));
        assert!(side(1.0).iter().all(|&held| held));
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
