//! `predict_next(model, actions[, unknown])`: the distribution over a customer's next action.

use super::distribution;
use crate::models::{self, ModelRows};
use crate::scalar::{Scalar, Signature};
use crate::tokens::{Encoder, Unknown};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::sequence::{TokenList, Tokens};
use std::error::Error;

pub struct PredictNext;

impl Scalar for PredictNext {
    const NAME: &'static str = "predict_next";

    fn signatures() -> Vec<Signature> {
        let parameters = vec![Type::Blob, Type::list(Type::Varchar)];
        let with_unknown = [parameters.clone(), vec![Type::Varchar]].concat();
        [parameters, with_unknown]
            .map(|parameters| Signature {
                parameters,
                returns: Type::Struct(distribution::fields()),
            })
            .into()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let histories = input.column(1);
        let actions = histories.child();
        let groups = models::of_rows(input, 0)?;
        let mut results = Vec::with_capacity(groups.len());
        let mut n_unknown = vec![0; input.len()];
        for ModelRows { decoded, rows } in &groups {
            let mut tokens = TokenList::new(decoded.model.vocabulary.len());
            let mut ends = Vec::with_capacity(rows.len());
            let mut encoder = Encoder::new(&decoded.model.vocabulary);
            for &row in rows {
                let unknown = Unknown::of_row(input, 2, row, Unknown::Skip)?;
                n_unknown[row] = encoder.encode(&actions, histories.list(row), unknown, &mut tokens)?;
                ends.push(tokens.len());
            }
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let tokens = tokens.tokens();
            let sequences: Vec<Tokens> = starts
                .zip(&ends)
                .map(|(start, &end)| tokens.slice(start..end))
                .collect();
            results.push(decoded.predict(&sequences)?);
        }
        let predictions = distribution::by_row(&groups, &results, &n_unknown);
        distribution::write(&mut output.vector.struct_vector(), 0, &predictions)
    }
}
