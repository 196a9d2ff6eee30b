//! Which sequences are learned from together.

use crate::random::Random;
use crate::sequence::Dataset;

/// Batches within a pool are sorted by length.
const POOL: usize = 32;

/// The batches of one epoch, as positions in the dataset.
///
/// The training sequences are shuffled, cut into pools of 32 batches, sorted by
/// length within a pool, and the batches are shuffled again: sequences of a
/// batch have nearly the same length, so that little work is lost on the shorter
/// ones, and yet each epoch mixes them anew. A pure function of data, seed and
/// epoch.
pub fn batches(dataset: &Dataset, batch_size: usize, seed: u64, epoch: u32) -> Vec<Vec<u32>> {
    let mut random = Random::for_purpose(seed ^ u64::from(epoch).rotate_left(32), "batches");
    let trains = |&index: &u32| dataset.sequence(index as usize).n_train_targets() > 0;
    let mut order: Vec<u32> = (0..dataset.len() as u32).filter(trains).collect();
    random.shuffle(&mut order);
    let mut batches: Vec<Vec<u32>> = Vec::with_capacity(order.len().div_ceil(batch_size));
    for pool in order.chunks_mut(POOL.saturating_mul(batch_size)) {
        // Looking the lengths up in every comparison would take most of the time.
        pool.sort_by_cached_key(|&index| dataset.sequence(index as usize).n_train);
        batches.extend(pool.chunks(batch_size).map(<[u32]>::to_vec));
    }
    random.shuffle(&mut batches);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::{Sequence, Tokens, Vocabulary};

    #[test]
    fn each_epoch_covers_every_training_sequence_once_in_another_order() {
        let vocabulary = Vocabulary::new(["a".to_owned()]).unwrap();
        let tokens = [0u8; 300];
        let sequences = (2..=300).map(|length| Sequence {
            tokens: Tokens::U8(&tokens[..length]),
            n_train: if length % 10 == 0 { 0 } else { length },
        });
        let bytes = Dataset::pack(&vocabulary, sequences.collect()).unwrap();
        let dataset = Dataset::from_bytes(&bytes).unwrap();
        let epoch = |number| batches(&dataset, 16, 1, number);
        let mut seen: Vec<u32> = epoch(1).concat();
        seen.sort_unstable();
        let expected: Vec<u32> = (0..dataset.len() as u32)
            .filter(|&index| dataset.sequence(index as usize).n_train > 0)
            .collect();
        assert_eq!(seen, expected);
        assert_eq!(epoch(1), epoch(1));
        assert_ne!(epoch(1), epoch(2));
        assert!(epoch(1).iter().all(|batch| batch.len() <= 16));
    }
}
