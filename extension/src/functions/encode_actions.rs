//! `encode_actions(vocabulary, actions)`: a history as one byte per action.

use crate::scalar::{Scalar, Signature};
use crate::tokens::Encoder;
use crate::value::{Output, Type};
use crate::vector::Chunk;
use duckdb::core::Inserter;
use footfall::sequence::Vocabulary;
use std::error::Error;

pub struct EncodeActions;

impl Scalar for EncodeActions {
    const NAME: &'static str = "encode_actions";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::list(Type::Varchar), Type::list(Type::Varchar)],
            returns: Type::Blob,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let mut vector = output.vector.flat_vector();
        let (names, histories) = (input.column(0), input.column(1));
        let (name_texts, actions) = (names.child(), histories.child());
        // Equal list entries are equal vocabularies: see the module `vector`.
        let mut current: Option<(std::ops::Range<usize>, Vocabulary)> = None;
        let mut tokens = Vec::new();
        for row in 0..input.len() {
            if input.any_null(row) {
                vector.set_null(row);
                continue;
            }
            let entry = names.list(row);
            if current.as_ref().is_none_or(|(known, _)| *known != entry) {
                current = Some((entry.clone(), super::vocabulary(&name_texts, entry)?));
            }
            let Some((_, vocabulary)) = &current else { continue };
            tokens.clear();
            Encoder::new(vocabulary).encode(&actions, histories.list(row), &mut tokens)?;
            vector.insert(row, tokens.as_slice());
        }
        Ok(())
    }
}
