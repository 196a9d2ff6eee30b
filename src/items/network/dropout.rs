//! Numbers that are left out at random while a network learns.

use crate::random::{Random, hash};

/// Which numbers of a step are left out: a share of them, by a hash of what they are.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// The share.
    pub rate: f64,
    /// Of the step.
    pub seed: u64,
    /// The place in the step of the first row.
    pub first_row: usize,
}

impl Dropout {
    /// Writes what the numbers of rows of `width` are multiplied by at one place of the network: 0, or what keeps the mean.
    pub fn fill(&self, place: usize, factors: &mut [f32], width: usize) {
        let most = (self.rate * 65536.0) as u64;
        let kept = (1.0 / (1.0 - self.rate)) as f32;
        for (row, factors) in factors.chunks_exact_mut(width).enumerate() {
            let row = self.first_row + row;
            let mut random = Random::new(hash(self.seed, &[place as u64, row as u64]));
            for four in factors.chunks_mut(4) {
                let bits = random.next_u64();
                for (nth, factor) in four.iter_mut().enumerate() {
                    let is_left_out = (bits >> (16 * nth)) & 0xFFFF < most;
                    *factor = if is_left_out { 0.0 } else { kept };
                }
            }
        }
    }
}
