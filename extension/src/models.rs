//! Decoded models, kept while a query runs over the same one.
//!
//! A model joined to a million rows arrives in every chunk as the same bytes.
//! The last few decoded models are kept together with their bytes and found by
//! comparing these, so the cache can never give another result than decoding
//! again would.

use crate::vector::Chunk;
use footfall::baseline::{Baseline, Predictor};
use footfall::error::Error;
use footfall::model::Model;
use footfall::network::{Fused, Prepared};
use once_cell::sync::Lazy;
use std::sync::{Arc, Mutex, PoisonError};

/// Models that are kept decoded.
const KEPT: usize = 4;

/// A model ready to predict.
pub struct Decoded {
    pub model: Model,
    prepared: Prepared,
    /// The answer to an empty history: the training frequencies.
    frequencies: Vec<f32>,
}

impl Decoded {
    fn new(bytes: &[u8]) -> Result<Self, Error> {
        let model = Model::from_bytes(bytes)?;
        let prepared = Fused::new(model.architecture)?.prepare(&model.parameters)?;
        let frequencies = Predictor::new(Baseline::Majority, &model.counts)
            .probabilities(&[])
            .to_vec();
        Ok(Self {
            model,
            prepared,
            frequencies,
        })
    }

    /// The distribution after each history, one row of the vocabulary's length
    /// each; after an empty one the training frequencies.
    ///
    /// # Errors
    /// When the device fails.
    pub fn predict(&self, histories: &[&[u8]]) -> Result<Vec<f32>, Error> {
        // DuckDB runs chunks on all its threads already.
        let mut probabilities = self.prepared.predict(histories, 1)?;
        for (row, history) in probabilities.chunks_exact_mut(self.frequencies.len()).zip(histories) {
            if history.is_empty() {
                row.copy_from_slice(&self.frequencies);
            }
        }
        Ok(probabilities)
    }
}

type Kept = Vec<(Vec<u8>, Arc<Decoded>)>;
static CACHE: Lazy<Mutex<Kept>> = Lazy::new(Mutex::default);

/// The decoded model behind the bytes.
///
/// # Errors
/// As [`Model::from_bytes`].
pub fn decode(bytes: &[u8]) -> Result<Arc<Decoded>, Error> {
    // A panic elsewhere cannot leave the list half changed.
    let lock = || CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, decoded)) = lock().iter().find(|(kept, _)| kept == bytes) {
        return Ok(decoded.clone());
    }
    let decoded = Arc::new(Decoded::new(bytes)?);
    let mut kept = lock();
    kept.insert(0, (bytes.to_vec(), decoded.clone()));
    kept.truncate(KEPT);
    Ok(decoded)
}

/// The rows of each model in the argument at `index`, rows with a NULL argument
/// left out. Rows whose BLOB is the same piece of memory share a model without
/// a look at their bytes.
///
/// # Errors
/// As [`decode`].
pub fn of_rows(input: &Chunk, index: usize) -> Result<Vec<(Arc<Decoded>, Vec<usize>)>, Error> {
    let column = input.column(index);
    let mut groups: Vec<(&[u8], Arc<Decoded>, Vec<usize>)> = Vec::new();
    for row in (0..input.len()).filter(|&row| !input.any_null(row)) {
        let bytes = column.bytes(row);
        match groups.iter_mut().rev().find(|(known, ..)| std::ptr::eq(*known, bytes)) {
            Some((.., rows)) => rows.push(row),
            None => groups.push((bytes, decode(bytes)?, vec![row])),
        }
    }
    Ok(groups.into_iter().map(|(_, decoded, rows)| (decoded, rows)).collect())
}
