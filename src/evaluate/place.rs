//! How far the scoring of a network has come, and what it takes next.

use crate::error::Error;
use crate::network::{Architecture, Engine, Example, Prepared};
use crate::sequence::{Dataset, Tokens};
use serde::{Deserialize, Serialize};

/// Sequences that go through a network at once: enough to fill it, few enough
/// to keep the memory flat.
pub(super) const BLOCK: usize = 1024;

/// A block ends at the sequence that brings it to this many steps, so that the
/// time between two blocks stays short when histories are long.
pub(super) const BLOCK_STEPS: usize = 1 << 17;

/// Steps times parameters after which a block or a [`Piece`](super::Piece) ends: about a third of a second of two processors.
pub(crate) const WORK: usize = 1 << 34;

/// A step of a sequence alone counts as so many: the weights are read for one row, and by one processor.
pub(crate) const ALONE: usize = 4;

/// The work of one score of one action, which is the same for every network.
pub(super) const SCORE_WORK: usize = 1 << 10;

/// A network with its weights.
pub trait Network: Sync {
    /// Its sizes.
    fn architecture(&self) -> &Architecture;

    /// [`Engine::probabilities`], without the prediction after the whole sequence.
    ///
    /// # Errors
    /// When the device fails.
    fn probabilities(&self, batch: &[Example], threads: usize) -> Result<Vec<f32>, Error>;

    /// [`Engine::feed`].
    ///
    /// # Errors
    /// When the device fails.
    fn feed(&self, state: &mut [f32], tokens: Tokens, n_read: usize) -> Result<Vec<f32>, Error>;
}

impl Network for Prepared {
    fn architecture(&self) -> &Architecture {
        self.architecture()
    }

    fn probabilities(&self, batch: &[Example], threads: usize) -> Result<Vec<f32>, Error> {
        self.probabilities(batch, false, threads)
    }

    fn feed(&self, state: &mut [f32], tokens: Tokens, n_read: usize) -> Result<Vec<f32>, Error> {
        self.feed(state, tokens, n_read)
    }
}

/// Weights that change, which an engine packs for every block.
pub struct Unprepared<'a> {
    /// What computes.
    pub engine: &'a dyn Engine,
    /// The weights, in the order of the architecture.
    pub parameters: &'a [f32],
}

impl Network for Unprepared<'_> {
    fn architecture(&self) -> &Architecture {
        self.engine.architecture()
    }

    fn probabilities(&self, batch: &[Example], threads: usize) -> Result<Vec<f32>, Error> {
        self.engine.probabilities(self.parameters, batch, false, threads)
    }

    fn feed(&self, state: &mut [f32], tokens: Tokens, n_read: usize) -> Result<Vec<f32>, Error> {
        self.engine.feed(self.parameters, state, tokens, n_read)
    }
}

/// How far the scoring of a network on a dataset has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The first sequence that is still to be scored,
    pub next: usize,
    /// and how many of its tokens were fed, when it is a long one;
    pub n_fed: usize,
    /// then the state after them, and what [`Piece`](super::Piece) keeps of them for the baseline. A long list is no matter for JSON.
    #[serde(skip)]
    pub state: Vec<f32>,
    #[serde(skip)]
    pub(super) seen: Vec<f64>,
}

/// Histories, or a part of a long one, with the distributions before their targets.
pub(super) struct Block<'a> {
    /// Their targets begin where they are to be scored, and a part ends with its last target.
    pub examples: Vec<Example<'a>>,
    /// A row for each target.
    pub probabilities: Vec<f32>,
    /// Those of a part count as [`ALONE`].
    pub n_steps: usize,
}

impl Place {
    /// Before sequence `next`.
    pub fn before(next: usize) -> Self {
        Self {
            next,
            ..Self::default()
        }
    }

    /// Begins with sequence `next`, or goes on in its middle as [`Place::to_bytes`] says.
    ///
    /// # Errors
    /// [`Error::Argument`] when the bytes are no such place.
    pub fn from_bytes(next: usize, bytes: &[u8]) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Ok(Self::before(next));
        }
        let (sizes, rest) = bytes.split_at_checked(16).ok_or_else(foreign_state)?;
        let size = |bytes: &[u8; 8]| usize::try_from(u64::from_le_bytes(*bytes)).map_err(|_| foreign_state());
        let [n_fed, n_seen] = [size(&sizes.as_chunks().0[0])?, size(&sizes.as_chunks().0[1])?];
        let n_bytes = n_seen.saturating_mul(size_of::<f64>());
        let (seen, state) = rest.split_at_checked(n_bytes).ok_or_else(foreign_state)?;
        let (seen, state) = (seen.as_chunks().0.iter(), state.as_chunks().0.iter());
        let place = Self {
            next,
            n_fed,
            seen: seen.map(|&number| f64::from_le_bytes(number)).collect(),
            state: state.map(|&number| f32::from_le_bytes(number)).collect(),
        };
        let is_finite = place.state.iter().all(|number| number.is_finite());
        if is_finite { Ok(place) } else { Err(foreign_state()) }
    }

    /// Where it stands within a sequence, little-endian; nothing at the beginning of one.
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.n_fed == 0 {
            return Vec::new();
        }
        let sizes = [self.n_fed as u64, self.seen.len() as u64];
        let mut bytes: Vec<u8> = sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
        bytes.extend(self.seen.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(self.state.iter().flat_map(|number| number.to_le_bytes()));
        bytes
    }

    /// Takes the next sequences that have held-back targets, or the next part of a long one; none at the end. What is
    /// taken together depends on the dataset and the network alone.
    pub(super) fn advance<'a>(
        &mut self,
        dataset: &'a Dataset<'a>,
        network: &dyn Network,
        threads: usize,
    ) -> Result<Block<'a>, Error> {
        let n_steps = (WORK / network.architecture().n_parameters()).clamp(1, BLOCK_STEPS);
        let longest = n_steps.div_ceil(ALONE);
        let mut block = Block {
            examples: Vec::new(),
            probabilities: Vec::new(),
            n_steps: 0,
        };
        while self.next < dataset.len() && block.examples.len() < BLOCK && block.n_steps < n_steps {
            let sequence = dataset.sequence(self.next);
            let example = Example {
                tokens: sequence.tokens,
                first_target: sequence.first_held_out(),
                key: self.next as u64,
            };
            if example.n_targets() > 0 && sequence.n_targets() > longest {
                if block.examples.is_empty() {
                    self.feed(network, (example, longest), &mut block)?;
                    return Ok(block);
                }
                break;
            }
            if self.n_fed > 0 {
                return Err(foreign_state());
            }
            if example.n_targets() > 0 {
                block.n_steps += sequence.n_targets();
                block.examples.push(example);
            }
            self.next += 1;
        }
        block.probabilities = network.probabilities(&block.examples, threads)?;
        Ok(block)
    }

    /// Takes the next part of a long sequence, at most `longest` steps.
    fn feed<'a>(
        &mut self,
        network: &dyn Network,
        (example, longest): (Example<'a>, usize),
        block: &mut Block<'a>,
    ) -> Result<(), Error> {
        let n_state = network.architecture().n_state();
        if self.n_fed == 0 {
            self.state = vec![0.0; n_state];
        }
        let n_steps = example.tokens.len() - 1;
        if self.state.len() != n_state || self.n_fed >= n_steps {
            return Err(foreign_state());
        }
        let (from, to) = (self.n_fed, n_steps.min(self.n_fed + longest));
        // After step t the target is at t + 1.
        let first_target = example.first_target.clamp(from + 1, to + 1);
        let n_read = first_target - 1 - from;
        block.probabilities = network.feed(&mut self.state, example.tokens.slice(from..to), n_read)?;
        block.examples.push(Example {
            tokens: example.tokens.slice(..=to),
            first_target,
            ..example
        });
        block.n_steps = ALONE * (to - from);
        self.n_fed = to;
        if to == n_steps {
            *self = Self::before(self.next + 1);
        }
        Ok(())
    }
}

/// The error of a state that is not of this dataset and model.
pub fn foreign_state() -> Error {
    Error::argument(
        "state",
        "not one of this dataset and model",
        "empty, or the 'state' of the piece before",
    )
}
