//! What an engine holds on the card: one piece of memory, cut up for the largest batch so far.

use super::pass::{chunk_of, kept_of, n_sums};
use super::{Architecture, WINDOW};
use crate::compute::cuda::{Context, Memory, Place, Stream};
use crate::error::Error;

/// The largest numbers of each kind that a pass may have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Size {
    pub sequences: usize,
    /// Steps times sequences of a window.
    pub rows: usize,
    /// Bytes of a batch: tokens and what is said of each sequence.
    pub batch: usize,
}

impl Size {
    /// For so many sequences of so many tokens, in windows of so many steps.
    pub fn of(vocabulary: usize, sequences: usize, tokens: usize, window: usize) -> Self {
        Size {
            sequences,
            rows: sequences * tokens.min(window),
            batch: 16 * (sequences + 1) + 4 * vocabulary + sequences * tokens,
        }
    }

    fn or(self, other: Self) -> Self {
        Size {
            sequences: self.sequences.max(other.sequences),
            rows: self.rows.max(other.rows),
            batch: self.batch.max(other.batch),
        }
    }

    fn holds(self, other: Self) -> bool {
        self.or(other) == self
    }
}

/// Places, counted from the beginning of the memory.
#[derive(Clone, Copy, Default)]
pub(super) struct Layout {
    pub parameters: Place,
    pub first_moments: Place,
    pub second_moments: Place,
    pub gradient: Place,
    pub sums: Place,
    pub parts: Place,
    pub table: Place,
    pub transposed: Place,
    pub gates: Place,
    pub cells: Place,
    pub hidden: Place,
    pub dropped: Place,
    pub d_hidden: Place,
    pub scores: Place,
    pub states: [Place; 2],
    pub losses: Place,
    pub totals: Place,
    pub batch: Place,
    /// All of it.
    pub bytes: usize,
}

impl Layout {
    pub fn new(padded: &Architecture, size: Size) -> Self {
        let mut bytes = 0;
        let mut take = |n: usize, width: usize| {
            let place = bytes as Place;
            bytes += (n * width).next_multiple_of(256);
            place
        };
        let Architecture {
            cell, layers, hidden, ..
        } = *padded;
        let n_parameters = padded.n_parameters();
        let per_layer = layers * size.rows * hidden;
        let n_dropped = if padded.dropout > 0.0 { per_layer } else { 0 };
        let n_cells = if cell.states() > 1 { per_layer } else { 0 };
        let n_states = padded.n_state() * size.sequences;
        let n_parts = size.rows.div_ceil(chunk_of(size.rows));
        let mut layout = Layout {
            parameters: take(n_parameters, 4),
            first_moments: take(n_parameters, 4),
            second_moments: take(n_parameters, 4),
            gradient: take(n_parameters, 4),
            sums: take(n_sums(padded), 4),
            parts: take(n_parts * n_sums(padded), 4),
            table: take(padded.vocabulary * cell.gates() * hidden, 4),
            transposed: take(layers * cell.gates() * hidden * hidden, 4),
            gates: take(kept_of(cell) * per_layer, 4),
            cells: take(n_cells, 4),
            hidden: take(per_layer, 4),
            dropped: take(n_dropped, 4),
            d_hidden: take(size.rows * hidden, 4),
            scores: take(size.rows * padded.vocabulary, 4),
            states: [take(n_states, 4), take(n_states, 4)],
            losses: take(2 * size.rows.div_ceil(super::HEAD_ROWS), 8),
            totals: take(3, 8),
            batch: take(size.batch, 1),
            bytes: 0,
        };
        layout.bytes = bytes;
        layout
    }
}

/// Memory and the stream that works on it.
pub(super) struct Workspace {
    context: &'static Context,
    pub stream: Stream,
    pub memory: Memory,
    pub layout: Layout,
    size: Size,
}

impl Workspace {
    pub fn new(context: &'static Context, padded: &Architecture) -> Result<Self, Error> {
        let size = Size::of(padded.vocabulary, 1, 1, WINDOW);
        let layout = Layout::new(padded, size);
        check(context, layout.bytes, 0)?;
        Ok(Workspace {
            context,
            stream: context.stream()?,
            memory: context.allocate(layout.bytes)?,
            layout,
            size,
        })
    }

    /// Makes room; what the memory held is lost where it had less.
    pub fn reserve(&mut self, padded: &Architecture, size: Size) -> Result<(), Error> {
        if self.has_room(size) {
            return Ok(());
        }
        let size = self.size.or(size);
        let layout = Layout::new(padded, size);
        check(self.context, layout.bytes, self.layout.bytes)?;
        // Both do not fit at once, perhaps.
        let smallest = Layout::new(padded, Size::default());
        self.memory = self.context.allocate(1)?;
        (self.layout, self.size) = (smallest, Size::default());
        self.memory = self.context.allocate(layout.bytes)?;
        (self.layout, self.size) = (layout, size);
        Ok(())
    }

    /// Whether a batch of this size needs no more.
    pub fn has_room(&self, size: Size) -> bool {
        self.size.holds(size)
    }

    /// An address on the card.
    pub fn at(&self, place: Place) -> Place {
        self.memory.place() + place
    }
}

/// Refuses what the card has no room for, before anything is taken.
fn check(context: &Context, needed: usize, given_back: usize) -> Result<(), Error> {
    let free = context.free_bytes()? + given_back;
    if needed <= free {
        return Ok(());
    }
    let shown = |bytes: usize| format!("{} MiB", bytes.div_ceil(1 << 20));
    Err(Error::Memory(format!(
        "device 'cuda' needs {} of memory for this; allowed: {}, which {} has free (smaller 'hidden', 'layers', 'batch_size' \
         or 'max_length' need less)",
        shown(needed),
        shown(free),
        context.card().name
    )))
}
