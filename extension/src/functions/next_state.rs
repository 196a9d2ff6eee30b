//! `next_state(model, state, action)`: one more event in constant time.

use super::distribution::{self, Prediction};
use crate::models::{self, ModelRows};
use crate::scalar::{Scalar, Signature};
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
        vec![Signature {
            parameters: vec![Type::Blob, Type::Blob, Type::Varchar],
            returns: Type::Struct(fields),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let (states, actions) = (input.column(1), input.column(2));
        let mut distributions: Vec<Vec<f32>> = vec![Vec::new(); input.len()];
        let mut result = output.vector.struct_vector();
        let mut next_states = result.child(0, input.len());
        let groups = models::of_rows(input, 0)?;
        for ModelRows { decoded, rows } in &groups {
            for &row in rows {
                let token = decoded.model.vocabulary.token(actions.bytes(row))?;
                distributions[row] = vec![0.0; decoded.model.vocabulary.len()];
                let state = decoded.advance(states.bytes(row), token, &mut distributions[row])?;
                next_states.insert(row, state.as_slice());
            }
        }
        let mut predictions = vec![None; input.len()];
        for ModelRows { decoded, rows } in &groups {
            let names = decoded.model.vocabulary.actions();
            for &row in rows {
                let probabilities = &distributions[row];
                predictions[row] = Some(Prediction { names, probabilities });
            }
        }
        for row in (0..input.len()).filter(|&row| predictions[row].is_none()) {
            next_states.set_null(row);
        }
        distribution::write(&mut result, 1, &predictions)
    }
}
