//! `encode_actions(vocabulary, actions[, unknown[, called_as]])`: a history as tokens, one byte per action.

use crate::scalar::{Scalar, Signature};
use crate::tokens::{Encoder, Unknown};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use duckdb::core::Inserter;
use footfall::sequence::{TokenList, Vocabulary};
use std::error::Error;
use std::ops::Range;

pub struct EncodeActions;

impl Scalar for EncodeActions {
    const NAME: &'static str = "encode_actions";

    fn signatures() -> Vec<Signature> {
        let names = Type::list(Type::Varchar);
        let parameters = [names.clone(), names, Type::Varchar, Type::Varchar];
        (2..=parameters.len())
            .map(|n| Signature {
                parameters: parameters[..n].to_vec(),
                returns: Type::Blob,
            })
            .collect()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let mut vector = output.vector.flat_vector();
        let (names, histories) = (input.column(0), input.column(1));
        let (name_texts, actions) = (names.child(), histories.child());
        // Equal list entries are equal vocabularies: see the module `vector`.
        let mut current: Option<(Range<usize>, Vocabulary, TokenList)> = None;
        for row in 0..input.len() {
            if input.any_null(row) {
                vector.set_null(row);
                continue;
            }
            let entry = names.list(row);
            if current.as_ref().is_none_or(|(known, ..)| *known != entry) {
                let vocabulary = super::vocabulary(&name_texts, entry.clone());
                let vocabulary = vocabulary.map_err(|error| super::as_called(input, 3, row, error))?;
                let tokens = TokenList::new(vocabulary.len());
                current = Some((entry, vocabulary, tokens));
            }
            let Some((_, vocabulary, tokens)) = &mut current else {
                continue;
            };
            tokens.clear();
            Unknown::of_row(input, 2, row, Unknown::Error)
                .and_then(|unknown| Encoder::new(vocabulary).encode(&actions, histories.list(row), unknown, tokens))
                .map_err(|error| super::as_called(input, 3, row, error))?;
            vector.insert(row, tokens.tokens().bytes());
        }
        Ok(())
    }
}
