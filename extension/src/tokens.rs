//! Histories of action names to tokens.

use crate::vector::Column;
use footfall::error::Error;
use footfall::sequence::Vocabulary;
use std::ops::Range;

/// Looks names up in a vocabulary.
///
/// Most actions repeat the one before (nine in ten are views), so the last name
/// is compared before the vocabulary is searched. Serves one vector only.
pub struct Encoder<'a> {
    vocabulary: &'a Vocabulary,
    /// [`Column::slot`] of the last name, and its token.
    last: Option<(u128, u8)>,
}

impl<'a> Encoder<'a> {
    pub fn new(vocabulary: &'a Vocabulary) -> Self {
        Self { vocabulary, last: None }
    }

    /// Appends the tokens of the names in `entry`; NULL elements are skipped, as
    /// DuckDB's list aggregates do.
    ///
    /// # Errors
    /// [`Error::UnknownAction`].
    pub fn encode(&mut self, names: &Column, entry: Range<usize>, tokens: &mut Vec<u8>) -> Result<(), Error> {
        for element in entry {
            if names.is_null(element) {
                continue;
            }
            let slot = names.slot(element);
            let token = match self.last {
                Some((last, token)) if last == slot => token,
                _ => self.vocabulary.token(names.bytes(element))?,
            };
            self.last = Some((slot, token));
            tokens.push(token);
        }
        Ok(())
    }
}
