//! Histories of action names to tokens.

use crate::vector::{Chunk, Column};
use footfall::error::Error;
use footfall::sequence::{Token, TokenList, Vocabulary};
use std::ops::Range;

/// What becomes of an action that the vocabulary does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It is left out and counted.
    Skip,
    Error,
}

impl Unknown {
    /// What argument `index` asks for, or `default` where the call has none.
    ///
    /// # Errors
    /// [`Error::Argument`].
    pub fn of_row(input: &Chunk, index: usize, row: usize, default: Self) -> Result<Self, Error> {
        if input.width() <= index {
            return Ok(default);
        }
        match input.column(index).bytes(row) {
            b"skip" => Ok(Self::Skip),
            b"error" => Ok(Self::Error),
            other => {
                let received = format!("'{}'", String::from_utf8_lossy(other));
                Err(Error::argument("unknown", received, "'skip', 'error'"))
            }
        }
    }
}

/// Looks names up in a vocabulary.
///
/// Most actions repeat the one before (nine in ten are views), so the last name
/// is compared before the vocabulary is searched. Serves one vector only.
pub struct Encoder<'a> {
    vocabulary: &'a Vocabulary,
    /// [`Column::slot`] of the last name, and its token if it is known.
    last: Option<(u128, Option<Token>)>,
}

impl<'a> Encoder<'a> {
    pub fn new(vocabulary: &'a Vocabulary) -> Self {
        Self { vocabulary, last: None }
    }

    /// Appends the tokens of the names in `entry` and gives the number of names that are unknown; NULL
    /// elements are skipped, as DuckDB's list aggregates do.
    ///
    /// # Errors
    /// [`Error::UnknownAction`] where that is asked for.
    pub fn encode(
        &mut self,
        names: &Column,
        entry: Range<usize>,
        unknown: Unknown,
        tokens: &mut TokenList,
    ) -> Result<usize, Error> {
        let mut n_unknown = 0;
        for element in entry {
            if names.is_null(element) {
                continue;
            }
            let slot = names.slot(element);
            let token = match self.last {
                Some((last, token)) if last == slot => token,
                _ => self.vocabulary.find(names.bytes(element)),
            };
            self.last = Some((slot, token));
            match token {
                Some(token) => tokens.push(token),
                None if unknown == Unknown::Skip => n_unknown += 1,
                None => return Err(self.vocabulary.unknown("actions", names.bytes(element))),
            }
        }
        Ok(n_unknown)
    }
}
