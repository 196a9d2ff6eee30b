//! All sequences of a training set as one value.
//!
//! The bytes are a `.safetensors` file with the tensors `tokens` (U8, U16 or U32 by
//! the size of the vocabulary, one per action, all sequences one after the other),
//! `lengths` and `n_train` (U32, one per sequence) and the vocabulary: few names in the
//! metadata, all else as tensors. Decoding borrows the tokens; only the offsets and a
//! large vocabulary are built.

use super::token::Tokens;
use super::vocabulary::Vocabulary;
use crate::error::Error;
use crate::format::Format;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use std::collections::HashMap;
use std::hash::Hasher;

const FORMAT: Format = Format {
    argument: "dataset",
    key: "footfall_dataset",
    version: FORMAT_VERSION,
};
/// Version 2 has the vocabulary in tensors; version 1, which any vocabulary that it can hold is written in, has not.
const FORMAT_VERSION: u32 = 2;

/// One user's actions and how many of them belong to training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence<'a> {
    /// Tokens in time order, at least two.
    pub tokens: Tokens<'a>,
    /// Actions before this position train the model; targets from it on are
    /// held back. 0 for a held-back user, the length for a training user,
    /// between them when the split is by time.
    pub n_train: usize,
}

impl Sequence<'_> {
    /// Positions that are predicted: 1, …, length − 1 counted from 0.
    pub fn n_targets(&self) -> usize {
        self.tokens.len() - 1
    }

    /// The targets among the training positions.
    pub fn n_train_targets(&self) -> usize {
        self.n_train.saturating_sub(1)
    }

    /// The first held-back target.
    pub fn first_held_out(&self) -> usize {
        self.n_train.max(1)
    }

    /// Held-back targets.
    pub fn n_held_out_targets(&self) -> usize {
        self.tokens.len() - self.first_held_out().min(self.tokens.len())
    }
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    format_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vocabulary: Option<Vec<String>>,
}

/// Sequences with their vocabulary; the order of the sequences is canonical.
pub struct Dataset<'a> {
    vocabulary: Vocabulary,
    tokens: Tokens<'a>,
    /// Start of each sequence, and the end of the last.
    offsets: Vec<usize>,
    n_train: Vec<u32>,
}

impl<'a> Dataset<'a> {
    /// Packs sequences into bytes.
    ///
    /// Sequences of fewer than two actions have nothing to predict and are left
    /// out. The rest is sorted by content, so that rows in any order give the
    /// same bytes.
    ///
    /// # Errors
    /// [`Error::Argument`] when a single history is longer than 2³² − 1 actions.
    pub fn pack(vocabulary: &Vocabulary, mut sequences: Vec<Sequence>) -> Result<Vec<u8>, Error> {
        sequences.retain(|sequence| sequence.tokens.len() >= 2);
        sequences.sort_unstable();
        let width = vocabulary.width();
        let n_tokens: usize = sequences.iter().map(|sequence| sequence.tokens.len()).sum();
        let mut tokens = Vec::with_capacity(width.bytes() * n_tokens);
        let mut lengths = Vec::with_capacity(4 * sequences.len());
        let mut n_train = Vec::with_capacity(4 * sequences.len());
        for sequence in &sequences {
            let length = u32::try_from(sequence.tokens.len()).map_err(|_| {
                Error::argument(
                    "actions",
                    format!("a history of {} actions", sequence.tokens.len()),
                    "at most 4294967295",
                )
            })?;
            width.extend(sequence.tokens, &mut tokens);
            lengths.extend_from_slice(&length.to_le_bytes());
            n_train.extend_from_slice(&(sequence.n_train.min(sequence.tokens.len()) as u32).to_le_bytes());
        }
        let n = sequences.len();
        let in_vocabulary = vocabulary.tensors();
        let own = [
            ("lengths", Dtype::U32, n, &lengths[..]),
            ("n_train", Dtype::U32, n, &n_train),
            ("tokens", width.dtype(), n_tokens, &tokens),
        ];
        let tensors = in_vocabulary
            .iter()
            .map(|(name, dtype, size, bytes)| (*name, *dtype, *size, &**bytes))
            .chain(own)
            .map(|(name, dtype, size, bytes)| Ok((name, TensorView::new(dtype, vec![size], bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|error| FORMAT.damaged(error))?;
        let in_json = vocabulary.in_json();
        let metadata = Metadata {
            format_version: if in_json.is_some() { 1 } else { FORMAT_VERSION },
            vocabulary: in_json,
        };
        let metadata = serde_json::to_string(&metadata).map_err(|error| FORMAT.damaged(error))?;
        safetensors::serialize(tensors, Some(HashMap::from([(FORMAT.key.to_owned(), metadata)])))
            .map_err(|error| FORMAT.damaged(error))
    }

    /// Reads what [`Dataset::pack`] wrote.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Newer`]; every length is checked against
    /// the bytes that are there before it is used.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Error> {
        let (metadata, file): (Metadata, _) = FORMAT.open(bytes)?;
        let tensor = |name: &str, dtype| FORMAT.tensor(&file, name, dtype).map(|view| view.data());
        let vocabulary = Vocabulary::read(&FORMAT, &file, metadata.vocabulary)?;
        let width = vocabulary.width();
        let tokens = Tokens::from_bytes(width, tensor("tokens", width.dtype())?)
            .ok_or_else(|| FORMAT.damaged("tokens that are not whole"))?;
        let lengths = integers(tensor("lengths", Dtype::U32)?);
        let n_train: Vec<u32> = integers(tensor("n_train", Dtype::U32)?).collect();
        let mut offsets = Vec::with_capacity(n_train.len() + 1);
        offsets.push(0usize);
        for (index, length) in lengths.enumerate() {
            let end = offsets[index] + length as usize;
            if length < 2 || end > tokens.len() || n_train.get(index).is_none_or(|&n| n > length) {
                return Err(FORMAT.damaged("lengths that do not fit the tokens"));
            }
            offsets.push(end);
        }
        if offsets.last() != Some(&tokens.len()) || offsets.len() != n_train.len() + 1 {
            return Err(FORMAT.damaged("lengths that do not fit the tokens"));
        }
        if tokens.highest().is_some_and(|token| token.index() >= vocabulary.len()) {
            return Err(FORMAT.damaged("a token outside the vocabulary"));
        }
        Ok(Self {
            vocabulary,
            tokens,
            offsets,
            n_train,
        })
    }

    /// The actions behind the tokens.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.n_train.len()
    }

    /// Whether no sequence had two actions.
    pub fn is_empty(&self) -> bool {
        self.n_train.is_empty()
    }

    /// The sequence at `index`.
    ///
    /// # Panics
    /// When there are not that many.
    pub fn sequence(&self, index: usize) -> Sequence<'a> {
        Sequence {
            tokens: self.tokens.slice(self.offsets[index]..self.offsets[index + 1]),
            n_train: self.n_train[index] as usize,
        }
    }

    /// All sequences, in canonical order.
    pub fn sequences(&self) -> impl ExactSizeIterator<Item = Sequence<'a>> + '_ {
        (0..self.len()).map(|index| self.sequence(index))
    }

    /// How many sequences have held-back targets, and a hash of these sequences and of where their
    /// targets begin.
    pub fn fingerprint(&self) -> (u64, u64) {
        let mut hasher = SipHasher24::new();
        let mut n = 0;
        for sequence in self.sequences().filter(|sequence| sequence.n_held_out_targets() > 0) {
            n += 1;
            hasher.write(&(sequence.tokens.len() as u64).to_le_bytes());
            hasher.write(&(sequence.first_held_out() as u64).to_le_bytes());
            hasher.write(sequence.tokens.bytes());
        }
        (n, hasher.finish())
    }

    /// The held-back targets of all sequences.
    pub fn n_held_out_targets(&self) -> usize {
        self.sequences().map(|sequence| sequence.n_held_out_targets()).sum()
    }
}

fn integers(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::{Token, TokenList};

    fn vocabulary() -> Vocabulary {
        Vocabulary::new(["buy".to_owned(), "pv".to_owned()]).unwrap()
    }

    fn packed() -> Vec<u8> {
        let sequences = vec![
            Sequence {
                tokens: Tokens::U8(&[1, 1, 0]),
                n_train: 3,
            },
            Sequence {
                tokens: Tokens::U8(&[1]),
                n_train: 1,
            },
            Sequence {
                tokens: Tokens::U8(&[0, 1]),
                n_train: 0,
            },
        ];
        Dataset::pack(&vocabulary(), sequences).unwrap()
    }

    #[test]
    fn sequences_come_back_sorted_and_short_ones_are_left_out() {
        let bytes = packed();
        let dataset = Dataset::from_bytes(&bytes).unwrap();
        let sequences: Vec<_> = dataset.sequences().collect();
        assert_eq!(
            sequences[0],
            Sequence {
                tokens: Tokens::U8(&[0, 1]),
                n_train: 0
            }
        );
        assert_eq!(
            sequences[1],
            Sequence {
                tokens: Tokens::U8(&[1, 1, 0]),
                n_train: 3
            }
        );
        assert_eq!(sequences.len(), 2);
        assert_eq!(dataset.vocabulary(), &vocabulary());
    }

    #[test]
    fn the_order_of_the_rows_leaves_no_trace() {
        let rows = |order: [usize; 3]| {
            let rows: [(&[u8], usize); 3] = [(&[1, 0], 2), (&[0, 0, 1], 0), (&[1, 0], 0)];
            let sequences = order.map(|row| Sequence {
                tokens: Tokens::U8(rows[row].0),
                n_train: rows[row].1,
            });
            Dataset::pack(&vocabulary(), sequences.to_vec()).unwrap()
        };
        assert_eq!(rows([0, 1, 2]), rows([2, 1, 0]));
        assert_eq!(rows([0, 1, 2]), rows([1, 0, 2]));
    }

    #[test]
    fn the_fingerprint_is_that_of_the_held_back_targets() {
        let of = |n_train: [usize; 2]| {
            let tokens: [&[u8]; 2] = [&[1, 1, 0], &[0, 1]];
            let sequences = tokens.iter().zip(n_train).map(|(tokens, n_train)| Sequence {
                tokens: Tokens::U8(tokens),
                n_train,
            });
            let bytes = Dataset::pack(&vocabulary(), sequences.collect()).unwrap();
            Dataset::from_bytes(&bytes).unwrap().fingerprint()
        };
        assert_eq!((of([3, 2]).0, of([0, 2]).0, of([0, 0]).0), (0, 1, 2));
        assert_eq!(of([0, 2]), of([1, 2]));
        assert_ne!(of([0, 2]), of([2, 2]));
        assert_ne!(of([0, 2]).1, of([3, 0]).1);
    }

    #[test]
    fn targets_of_a_split_by_time_are_counted_once() {
        let sequence = Sequence {
            tokens: Tokens::U8(&[0, 1, 0, 1, 1]),
            n_train: 3,
        };
        assert_eq!(
            (
                sequence.n_targets(),
                sequence.n_train_targets(),
                sequence.n_held_out_targets()
            ),
            (4, 2, 2)
        );
        let held_back = Sequence { n_train: 0, ..sequence };
        assert_eq!((held_back.n_train_targets(), held_back.n_held_out_targets()), (0, 4));
    }

    /// The width of a token, and the version of the format, by the number of entries.
    #[test]
    fn a_large_vocabulary_widens_the_tokens() {
        for (n, width, version) in [(254, 1, 1), (256, 1, 2), (257, 2, 2), (70_000, 4, 2)] {
            let vocabulary = Vocabulary::new((0..n).map(|number| format!("{number:06}"))).unwrap();
            let mut long = TokenList::new(n);
            [9, n - 1, 0]
                .into_iter()
                .for_each(|token| long.push(Token(token as u32)));
            let rows = [(long.tokens(), 2), (Tokens::U8(&[7, 7]), 0)];
            let sequences = rows.map(|(tokens, n_train)| Sequence { tokens, n_train });
            let bytes = Dataset::pack(&vocabulary, sequences.to_vec()).unwrap();
            assert!(String::from_utf8_lossy(&bytes).contains(&format!("\\\"format_version\\\":{version}")));
            let dataset = Dataset::from_bytes(&bytes).unwrap();
            assert_eq!(dataset.vocabulary(), &vocabulary);
            assert_eq!(dataset.sequences().collect::<Vec<_>>(), [sequences[1], sequences[0]]);
            assert_eq!(dataset.sequence(1).tokens.width().bytes(), width);
        }
    }

    #[test]
    fn numbers_stand_in_a_tensor() {
        let vocabulary = Vocabulary::of_ids([i64::MAX, -1, i64::MIN]).unwrap();
        let sequences = vec![Sequence {
            tokens: Tokens::U8(&[2, 0]),
            n_train: 2,
        }];
        let bytes = Dataset::pack(&vocabulary, sequences).unwrap();
        let dataset = Dataset::from_bytes(&bytes).unwrap();
        assert_eq!(dataset.vocabulary().find_id(i64::MAX), Some(Token(2)));
        assert_eq!(dataset.vocabulary(), &vocabulary);
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_is_an_error_or_a_dataset() {
        let bytes = packed();
        for end in 0..bytes.len() {
            assert!(Dataset::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
        }
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[position] ^= 1 << bit;
                if let Ok(dataset) = Dataset::from_bytes(&changed) {
                    assert!(dataset.sequences().all(|sequence| sequence.tokens.len() >= 2));
                }
            }
        }
    }
}
