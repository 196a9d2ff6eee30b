//! `predict_next(model, actions)`: the distribution over a customer's next action.

use crate::models::{self, Decoded};
use crate::scalar::{Scalar, Signature};
use crate::tokens::Encoder;
use crate::value::{Output, Type};
use crate::vector::Chunk;
use duckdb::core::Inserter;
use footfall::metrics::highest;
use std::error::Error;
use std::sync::Arc;

pub struct PredictNext;

impl Scalar for PredictNext {
    const NAME: &'static str = "predict_next";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob, Type::list(Type::Varchar)],
            returns: Type::Struct(vec![
                ("action", Type::Varchar),
                ("probability", Type::Float),
                ("probabilities", Type::map(Type::Varchar, Type::Float)),
            ]),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let predictions = predict(input)?;
        write(&predictions, output)
    }
}

/// A model and the distribution it gave; `None` where an argument is NULL.
type Prediction = Option<(Arc<Decoded>, Vec<f32>)>;

fn predict(input: &Chunk) -> Result<Vec<Prediction>, Box<dyn Error>> {
    let (blobs, histories) = (input.column(0), input.column(1));
    let actions = histories.child();
    let mut predictions: Vec<Prediction> = vec![None; input.len()];
    for (model, rows) in models::of_rows(input, 0)? {
        debug_assert!(rows.iter().all(|&row| !blobs.is_null(row)));
        let mut tokens = Vec::new();
        let mut ends = Vec::with_capacity(rows.len());
        let mut encoder = Encoder::new(&model.model.vocabulary);
        for &row in &rows {
            encoder.encode(&actions, histories.list(row), &mut tokens)?;
            ends.push(tokens.len());
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let sequences: Vec<&[u8]> = starts.zip(&ends).map(|(start, &end)| &tokens[start..end]).collect();
        let probabilities = model.predict(&sequences)?;
        let n_actions = model.model.vocabulary.len();
        for (&row, distribution) in rows.iter().zip(probabilities.chunks_exact(n_actions)) {
            predictions[row] = Some((model.clone(), distribution.to_vec()));
        }
    }
    Ok(predictions)
}

fn write(predictions: &[Prediction], output: Output) -> Result<(), Box<dyn Error>> {
    let rows = predictions.len();
    let mut result = output.vector.struct_vector();
    let mut action = result.child(0, rows);
    let probability = result.child(1, rows);
    let mut map = result.list_vector_child(2);
    let total = predictions
        .iter()
        .flatten()
        .map(|(_, distribution)| distribution.len())
        .sum();
    map.try_set_len(total)?;
    let pairs = map.struct_child(total);
    let (keys, values) = (pairs.child(0, total), pairs.child(1, total));
    let mut element = 0;
    for (row, prediction) in predictions.iter().enumerate() {
        let Some((model, distribution)) = prediction else {
            map.set_entry(row, element, 0);
            map.set_null(row);
            action.set_null(row);
            result.set_null(row);
            continue;
        };
        let names = model.model.vocabulary.actions();
        let best = highest(distribution);
        action.insert(row, names[best].as_str());
        map.set_entry(row, element, distribution.len());
        for (name, &value) in names.iter().zip(distribution) {
            keys.insert(element, name.as_str());
            // SAFETY: both children are FLOAT, as registered; `element` stays
            // below the reserved `total` and `row` below the chunk's rows.
            unsafe { values.as_mut_ptr::<f32>().add(element).write(value) };
            element += 1;
        }
        // SAFETY: as above.
        unsafe { probability.as_mut_ptr::<f32>().add(row).write(distribution[best]) };
    }
    Ok(())
}
