//! Dropout between recurrent layers: masks that need no storage.
//!
//! Whether a unit's output is kept is a pure function of (seed, key of the sequence,
//! layer, position, unit). All engines compute the same masks, for any batch order,
//! window and number of threads, and the backward pass computes them again.
//!
//! One row of units costs one 64-bit [`hash`] and, for each unit, a 32-bit mixing
//! function ("lowbias32", Wellons 2018, <https://github.com/skeeto/hash-prospector>)
//! that the compiler can vectorise.

use crate::random::hash;

/// The masks of one layer for one training step.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    seed: u64,
    layer: u64,
    /// A unit is dropped when its 24 random bits are below this.
    threshold: u32,
    /// What a kept output is multiplied with: 1 / (1 - probability).
    scale: f32,
}

impl Dropout {
    /// Drops outputs of layer `layer` with `probability` in [0, 1).
    pub fn new(seed: u64, layer: usize, probability: f32) -> Self {
        Dropout {
            seed,
            layer: layer as u64,
            threshold: (probability * (1 << 24) as f32) as u32,
            scale: 1.0 / (1.0 - probability),
        }
    }

    /// Multiplies a row of outputs, or of their gradients, with its mask: 0 for a
    /// dropped unit, 1 / (1 - probability) for a kept one.
    ///
    /// `position` counts the tokens before the one that was fed. The function is
    /// inlined so that a caller compiled for a newer processor vectorises it.
    #[inline(always)]
    pub fn apply(&self, key: u64, position: usize, row: &mut [f32]) {
        let bits = hash(self.seed, &[key, self.layer, position as u64]);
        let (low, high) = (bits as u32, (bits >> 32) as u32);
        for (unit, value) in row.iter_mut().enumerate() {
            let mut x = low ^ (unit as u32).wrapping_mul(0x9E37_79B9);
            x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D).wrapping_add(high);
            x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
            x ^= x >> 16;
            let factor = if x >> 8 < self.threshold { 0.0 } else { self.scale };
            *value *= factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(dropout: Dropout, key: u64, position: usize, units: usize) -> Vec<f32> {
        let mut row = vec![1.0; units];
        dropout.apply(key, position, &mut row);
        row
    }

    #[test]
    fn drops_the_asked_share_and_keeps_the_mean() {
        let dropout = Dropout::new(1, 0, 0.25);
        let n = 400 * 128;
        let dropped: usize = (0..400)
            .map(|position| mask(dropout, 9, position, 128).iter().filter(|&&x| x == 0.0).count())
            .sum();
        // Five standard errors of a share of 0.25.
        assert!((dropped as f64 / n as f64 - 0.25).abs() < 5.0 * (0.1875 / n as f64).sqrt());
        assert!(mask(dropout, 9, 0, 128).iter().all(|&x| x == 0.0 || x == 1.0 / 0.75));
    }

    #[test]
    fn units_and_positions_are_independent() {
        // The share of pairs dropped together is the product of the shares.
        let dropout = Dropout::new(3, 1, 0.5);
        let rows: Vec<Vec<f32>> = (0..1000).map(|position| mask(dropout, 4, position, 64)).collect();
        let (mut next_unit, mut next_position) = (0, 0);
        for pair in rows.windows(2) {
            for unit in 0..63 {
                next_unit += usize::from(pair[0][unit] == 0.0 && pair[0][unit + 1] == 0.0);
                next_position += usize::from(pair[0][unit] == 0.0 && pair[1][unit] == 0.0);
            }
        }
        let n = 999.0 * 63.0;
        for together in [next_unit, next_position] {
            assert!((together as f64 / n - 0.25).abs() < 5.0 * (0.1875f64 / n).sqrt());
        }
    }

    #[test]
    fn depends_on_everything_it_is_named_by() {
        let base = mask(Dropout::new(1, 0, 0.5), 2, 3, 64);
        assert_eq!(base, mask(Dropout::new(1, 0, 0.5), 2, 3, 64));
        assert_ne!(base, mask(Dropout::new(2, 0, 0.5), 2, 3, 64));
        assert_ne!(base, mask(Dropout::new(1, 1, 0.5), 2, 3, 64));
        assert_ne!(base, mask(Dropout::new(1, 0, 0.5), 3, 3, 64));
        assert_ne!(base, mask(Dropout::new(1, 0, 0.5), 2, 4, 64));
    }

    #[test]
    fn probability_zero_changes_nothing() {
        assert_eq!(mask(Dropout::new(1, 0, 0.0), 2, 3, 64), vec![1.0; 64]);
    }
}
