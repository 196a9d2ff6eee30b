//! `next_state(model, state, action[, unknown])`: one more event in constant time.

use super::distribution::{self, Prediction};
use crate::models::{self, ModelRows};
use crate::scalar::{Scalar, Signature};
use crate::tokens::Unknown;
use crate::value::{Output, Type};
use crate::vector::Chunk;
use duckdb::core::Inserter;
use std::error::Error;

pub struct NextState;

impl Scalar for NextState {
    const NAME: &'static str = "next_state";

    fn signatures() -> Vec<Signature> {
        let mut fields = vec![("state", Type::Blob)];
        fields.extend(distribution::fields());
        let parameters = vec![Type::Blob, Type::Blob, Type::Varchar];
        let with_unknown = [parameters.clone(), vec![Type::Varchar]].concat();
        [parameters, with_unknown]
            .map(|parameters| Signature {
                parameters,
                returns: Type::Struct(fields.clone()),
            })
            .into()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let (states, actions) = (input.column(1), input.column(2));
        let mut distributions: Vec<Vec<f32>> = vec![Vec::new(); input.len()];
        let mut n_unknown = vec![0; input.len()];
        let mut result = output.vector.struct_vector();
        let mut next_states = result.child(0, input.len());
        let groups = models::of_rows(input, 0)?;
        for ModelRows { decoded, rows } in &groups {
            for &row in rows {
                let (vocabulary, action, state) = (&decoded.model.vocabulary, actions.bytes(row), states.bytes(row));
                let unknown = Unknown::of_row(input, 3, row, Unknown::Skip)?;
                distributions[row] = vec![0.0; vocabulary.len()];
                match vocabulary.find(action) {
                    Some(token) => {
                        let state = decoded.advance(state, token, &mut distributions[row])?;
                        next_states.insert(row, state.as_slice());
                    }
                    None if unknown == Unknown::Skip => {
                        decoded.read_out(state, &mut distributions[row])?;
                        next_states.insert(row, state);
                        n_unknown[row] = 1;
                    }
                    None => return Err(vocabulary.unknown("action", action).into()),
                }
            }
        }
        let mut predictions = vec![None; input.len()];
        for ModelRows { decoded, rows } in &groups {
            for &row in rows {
                let probabilities = &distributions[row];
                predictions[row] = Some(Prediction {
                    vocabulary: &decoded.model.vocabulary,
                    probabilities,
                    n_unknown: n_unknown[row],
                });
            }
        }
        for row in (0..input.len()).filter(|&row| predictions[row].is_none()) {
            next_states.set_null(row);
        }
        distribution::write(&mut result, 1, &predictions)
    }
}
