//! Features, labels and the part of the users they belong to, as bytes.
//!
//! A record is the hash of the user (8 bytes), the place of the cut-off (2), the label (1: 0, 1, or 2 where it is not known), the part
//! (1), and a FLOAT for each feature, all little-endian.

use super::history::Known;
use super::plan::Plan;
use crate::error::Error;
use crate::sequence::held_out;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

const HEAD: usize = 12;
const UNKNOWN: u8 = 2;

/// The part of the users that one belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// Fits the weights.
    Train,
    /// Chooses the penalty.
    Validation,
    /// Is kept for the report.
    Test,
}

impl Part {
    /// The part of the user with this key: the same in every table, as in [`held_out`].
    pub fn of(plan: &Plan, key: &[u8]) -> Self {
        let seed = plan.seed as u64;
        if held_out(key, plan.holdout, seed) {
            Self::Test
        } else if held_out(key, 2.0 * plan.holdout, seed) {
            Self::Validation
        } else {
            Self::Train
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Train, Self::Validation, Self::Test]
            .get(usize::from(byte))
            .copied()
    }
}

/// The bytes of one record for `n_features`.
pub fn record_size(n_features: usize) -> usize {
    HEAD + 4 * n_features
}

/// The records of a user.
pub fn write(plan: &Plan, key: &[u8], known: &[Known]) -> Vec<u8> {
    let mut hasher = SipHasher24::new_with_keys(plan.seed as u64, 1);
    hasher.write(key);
    let hash = hasher.finish().to_le_bytes();
    let part = Part::of(plan, key) as u8;
    let mut bytes = Vec::new();
    for one in known {
        bytes.extend(hash);
        bytes.extend((one.cutoff as u16).to_le_bytes());
        bytes.extend([one.label.map_or(UNKNOWN, u8::from), part]);
        bytes.extend(one.features.iter().flat_map(|value| value.to_le_bytes()));
    }
    bytes
}

/// A record that was read.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    bytes: &'a [u8],
    /// The place of the cut-off.
    pub cutoff: usize,
    /// Whether the target happened, where that is known.
    pub label: Option<bool>,
    /// The part that the user belongs to.
    pub part: Part,
}

impl<'a> Record<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let label = match bytes[10] {
            0 => Some(false),
            1 => Some(true),
            UNKNOWN => None,
            _ => return None,
        };
        Some(Self {
            bytes,
            cutoff: u16::from_le_bytes([bytes[8], bytes[9]]).into(),
            label,
            part: Part::from_byte(bytes[11])?,
        })
    }

    /// The features, of which `is_finite` may be asked.
    pub fn features(&self) -> impl Iterator<Item = f32> + use<'a> {
        let (values, _) = self.bytes[HEAD..].as_chunks::<4>();
        values.iter().map(|&value| f32::from_le_bytes(value))
    }

    /// What puts records into an order of their own: the hash of the user first.
    pub fn order(&self) -> (u64, &'a [u8]) {
        let hash = self.bytes.first_chunk().map_or(0, |hash| u64::from_le_bytes(*hash));
        (hash, &self.bytes[8..])
    }
}

/// The records in some bytes.
///
/// # Errors
/// [`Error::Damaged`] for bytes that are none, such as those of another plan.
pub fn read(bytes: &[u8], n_features: usize) -> Result<impl Iterator<Item = Result<Record<'_>, Error>>, Error> {
    let size = record_size(n_features);
    if !bytes.len().is_multiple_of(size) {
        let reason = format!("{} bytes are not whole records of {n_features} features", bytes.len());
        return Err(Error::damaged("rows", reason));
    }
    let damaged = || Error::damaged("rows", "a label, a part or a number is none");
    Ok(bytes.chunks_exact(size).map(move |bytes| {
        let record = Record::read(bytes).ok_or_else(damaged)?;
        if record.features().all(f32::is_finite) {
            Ok(record)
        } else {
            Err(damaged())
        }
    }))
}
