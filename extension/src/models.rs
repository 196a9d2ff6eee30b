//! Decoded models, kept while a query runs over the same one.
//!
//! A model joined to a million rows arrives in every chunk as the same bytes.
//! The last few decoded models are kept together with their bytes and found by
//! comparing these, so the cache can never give another result than decoding
//! again would.

use crate::vector::Chunk;
use footfall::baseline::own_history;
use footfall::baseline::{Baseline, Predictor};
use footfall::error::Error;
use footfall::evaluate::Place;
use footfall::model::Model;
use footfall::network::{Example, Fused, Prepared};
use footfall::predict::{self, Histories};
use footfall::sequence::{Token, Tokens};
use siphasher::sip::SipHasher24;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Models that are kept decoded.
const KEPT: usize = 4;
/// No cell grows by more than 1 an action, and with weights as large as a model may have nothing overflows.
const LARGEST_STATE: f32 = 1e15;

/// A model ready to predict.
pub struct Decoded {
    pub model: Model,
    prepared: Prepared,
    own_history: OnceLock<own_history::Predictor>,
    /// The answer to an empty history: the training frequencies.
    frequencies: Vec<f32>,
    /// Tells the states and pieces of one model from those of another.
    pub fingerprint: u64,
}

impl Decoded {
    fn new(bytes: &[u8]) -> Result<Self, Error> {
        let model = Model::from_bytes(bytes)?;
        let prepared = Fused::new(model.architecture)?.prepare(&model.parameters)?;
        let frequencies = Predictor::new(Baseline::Majority, &model.counts)
            .probabilities(Tokens::U8(&[]))
            .to_vec();
        let fingerprint = SipHasher24::new().hash(bytes);
        Ok(Self {
            model,
            prepared,
            own_history: OnceLock::new(),
            frequencies,
            fingerprint,
        })
    }

    /// The baseline of this name.
    pub fn own_history(&self) -> &own_history::Predictor {
        let model = &self.model;
        self.own_history
            .get_or_init(|| own_history::Predictor::new(model.own_history, &model.counts))
    }

    /// The network with its weights.
    pub fn network(&self) -> &Prepared {
        &self.prepared
    }

    /// The distribution after each history, one row of the vocabulary's length
    /// each; after an empty one the training frequencies.
    ///
    /// # Errors
    /// When the device fails.
    pub fn predict(&self, histories: &[Tokens]) -> Result<Vec<f32>, Error> {
        // DuckDB runs chunks on all its threads already.
        let mut probabilities = self.prepared.predict(histories, 1)?;
        self.answer_empty(&mut probabilities, histories.iter().copied());
        Ok(probabilities)
    }

    /// [`Decoded::predict`] for the next of packed histories, as [`predict::piece`] takes them.
    ///
    /// # Errors
    /// As [`predict::piece`].
    pub fn predict_piece(&self, histories: &Histories, place: &mut Place, threads: usize) -> Result<Vec<f32>, Error> {
        let first = place.next;
        let mut probabilities = predict::piece(histories, &self.prepared, place, threads)?;
        self.answer_empty(
            &mut probabilities,
            (first..place.next).map(|index| histories.tokens(index)),
        );
        Ok(probabilities)
    }

    /// Gives the rows of empty histories the training frequencies.
    fn answer_empty<'a>(&self, probabilities: &mut [f32], histories: impl Iterator<Item = Tokens<'a>>) {
        for (row, history) in probabilities.chunks_exact_mut(self.frequencies.len()).zip(histories) {
            if history.is_empty() {
                row.copy_from_slice(&self.frequencies);
            }
        }
    }

    /// The state after one more action, and the distribution over the next
    /// written to `probabilities`. A state is the model's fingerprint (8 bytes)
    /// and its floats, all little-endian; before the first action it is empty.
    ///
    /// # Errors
    /// [`Error::Argument`] when the state is not one of this model.
    pub fn advance(&self, state: &[u8], token: Token, probabilities: &mut [f32]) -> Result<Vec<u8>, Error> {
        let mut floats = self.read_state(state)?;
        self.prepared.advance(&mut floats, token, probabilities)?;
        let mut state = Vec::with_capacity(8 + 4 * floats.len());
        state.extend_from_slice(&self.fingerprint.to_le_bytes());
        state.extend(floats.iter().flat_map(|float| float.to_le_bytes()));
        Ok(state)
    }

    /// The distribution after a state, as [`Decoded::advance`] wrote it with that state.
    ///
    /// # Errors
    /// As [`Decoded::advance`].
    pub fn read_out(&self, state: &[u8], probabilities: &mut [f32]) -> Result<(), Error> {
        if state.is_empty() {
            probabilities.copy_from_slice(&self.frequencies);
            return Ok(());
        }
        self.prepared.read_out(&self.read_state(state)?, probabilities)
    }

    fn read_state(&self, state: &[u8]) -> Result<Vec<f32>, Error> {
        let n_state = self.model.architecture.n_state();
        let mut floats = vec![0.0; n_state];
        if !state.is_empty() {
            let (fingerprint, words) = state.split_at(state.len().min(8));
            if fingerprint != self.fingerprint.to_le_bytes() || words.len() != 4 * n_state {
                return Err(foreign_state(format!("a BLOB of {} bytes", state.len())));
            }
            for (float, word) in floats.iter_mut().zip(words.chunks_exact(4)) {
                *float = f32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            }
            if floats.iter().any(|float| float.is_nan() || float.abs() > LARGEST_STATE) {
                return Err(foreign_state("a BLOB with numbers that no model gives".into()));
            }
        }
        Ok(floats)
    }

    /// The sum over the targets of a history of -ln p, and their number. The first `n_train` actions are
    /// none, nor is the first of all.
    ///
    /// # Errors
    /// When the device fails.
    pub fn loss(&self, history: Tokens, n_train: usize) -> Result<(f64, usize), Error> {
        let first_target = n_train.max(1);
        if history.len() <= first_target {
            return Ok((0.0, 0));
        }
        let example = Example {
            tokens: history,
            first_target,
            key: 0,
        };
        let probabilities = self.prepared.probabilities(&[example], false, 1)?;
        let targets = history.slice(first_target..);
        let rows = probabilities.chunks_exact(self.frequencies.len()).zip(targets);
        let loss = rows.map(|(row, target)| -footfall::metrics::log_probability(row[target.index()]));
        Ok((loss.sum(), targets.len()))
    }
}

fn foreign_state(found: String) -> Error {
    let allowed = "an empty BLOB at the start, then the state that next_state gave with the same model";
    Error::argument("state", found, allowed)
}

type Kept<T> = Vec<(Arc<[u8]>, Arc<T>)>;

/// The last few decoded values of one kind.
pub struct Cache<T> {
    kept: Mutex<Kept<T>>,
    /// Held while a value is decoded, so that the threads of a query do not all decode the same one.
    decoding: Mutex<()>,
}

impl<T> Cache<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Self {
            kept: Mutex::new(Vec::new()),
            decoding: Mutex::new(()),
        }
    }

    /// What the bytes are.
    ///
    /// # Errors
    /// Those of `new`.
    pub fn decode(&self, bytes: &[u8], new: impl FnOnce(&[u8]) -> Result<T, Error>) -> Result<Arc<T>, Error> {
        if let Some(decoded) = self.find(bytes) {
            return Ok(decoded);
        }
        let _alone = self.decoding.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decoded) = self.find(bytes) {
            return Ok(decoded);
        }
        let decoded = Arc::new(new(bytes)?);
        let mut kept = self.kept();
        kept.insert(0, (bytes.into(), decoded.clone()));
        kept.truncate(KEPT);
        Ok(decoded)
    }

    /// The kept value of these bytes. They are compared to the end, because nothing less is proof: the memory of an argument may
    /// hold another model in the next call. That reads a hundred megabytes in some hundredths of a second, which is little beside
    /// what a network of that size computes for a chunk; other threads do not wait for it.
    fn find(&self, bytes: &[u8]) -> Option<Arc<T>> {
        let candidates: Kept<T> = self
            .kept()
            .iter()
            .filter(|(kept, _)| kept.len() == bytes.len())
            .cloned()
            .collect();
        let (_, decoded) = candidates.into_iter().find(|(kept, _)| **kept == *bytes)?;
        Some(decoded)
    }

    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        // A panic elsewhere cannot leave the list half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static CACHE: Cache<Decoded> = Cache::new();

/// The decoded model behind the bytes.
///
/// # Errors
/// As [`Model::from_bytes`].
pub fn decode(bytes: &[u8]) -> Result<Arc<Decoded>, Error> {
    CACHE.decode(bytes, Decoded::new)
}

/// The rows of a chunk that share a model.
pub struct ModelRows<T = Decoded> {
    pub decoded: Arc<T>,
    pub rows: Vec<usize>,
}

/// The rows of each model in the argument at `index`, rows with a NULL argument
/// left out.
///
/// # Errors
/// As [`decode`].
pub fn of_rows(input: &Chunk, index: usize) -> Result<Vec<ModelRows>, Error> {
    rows_of(input, index, decode)
}

/// The same of models that `decode` reads. Rows whose BLOB is the same piece of memory share a model without
/// a look at their bytes.
///
/// # Errors
/// Those of `decode`.
pub fn rows_of<T>(
    input: &Chunk,
    index: usize,
    decode: impl Fn(&[u8]) -> Result<Arc<T>, Error>,
) -> Result<Vec<ModelRows<T>>, Error> {
    let column = input.column(index);
    let mut groups: Vec<(&[u8], ModelRows<T>)> = Vec::new();
    for row in (0..input.len()).filter(|&row| !input.any_null(row)) {
        let bytes = column.bytes(row);
        match groups.iter_mut().rev().find(|(known, _)| std::ptr::eq(*known, bytes)) {
            Some((_, group)) => group.rows.push(row),
            None => {
                let group = ModelRows {
                    decoded: decode(bytes)?,
                    rows: vec![row],
                };
                groups.push((bytes, group));
            }
        }
    }
    Ok(groups.into_iter().map(|(_, group)| group).collect())
}
