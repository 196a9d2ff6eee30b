//! The fields that every prediction has: `action`, `probability`, `probabilities`, `n_unknown`.

use crate::models::ModelRows;
use crate::value::Type;
use duckdb::core::{Inserter, StructVector};
use footfall::metrics::highest;
use footfall::sequence::Vocabulary;
use std::error::Error;

/// A distribution over the actions of a model.
#[derive(Clone, Copy)]
pub struct Prediction<'a> {
    pub vocabulary: &'a Vocabulary,
    pub probabilities: &'a [f32],
    /// Actions before it that the model does not know.
    pub n_unknown: usize,
}

/// The fields, to be put into the STRUCT of a result.
pub fn fields() -> Vec<(&'static str, Type)> {
    vec![
        ("action", Type::Varchar),
        ("probability", Type::Float),
        ("probabilities", Type::map(Type::Varchar, Type::Float)),
        ("n_unknown", Type::Bigint),
    ]
}

/// One prediction per row of a chunk from the probabilities of the rows of each model, one after the other; the other
/// rows have none.
pub fn by_row<'a>(
    groups: &'a [ModelRows],
    probabilities: &'a [Vec<f32>],
    n_unknown: &[usize],
) -> Vec<Option<Prediction<'a>>> {
    let mut predictions = vec![None; n_unknown.len()];
    for (ModelRows { decoded, rows }, probabilities) in groups.iter().zip(probabilities) {
        let vocabulary = &decoded.model.vocabulary;
        for (&row, probabilities) in rows.iter().zip(probabilities.chunks_exact(vocabulary.len())) {
            predictions[row] = Some(Prediction {
                vocabulary,
                probabilities,
                n_unknown: n_unknown[row],
            });
        }
    }
    predictions
}

/// Writes one prediction per row into the fields of `result` that begin at
/// `first`; a row without one becomes NULL.
///
/// # Errors
/// When DuckDB cannot reserve the space.
pub fn write(
    result: &mut StructVector,
    first: usize,
    predictions: &[Option<Prediction>],
) -> Result<(), Box<dyn Error>> {
    let rows = predictions.len();
    let mut action = result.child(first, rows);
    let mut probability = result.child(first + 1, rows);
    let mut unknown = result.child(first + 3, rows);
    let mut map = result.list_vector_child(first + 2);
    let total = predictions
        .iter()
        .flatten()
        .map(|prediction| prediction.probabilities.len())
        .sum();
    map.try_set_len(total)?;
    let pairs = map.struct_child(total);
    let (keys, values) = (pairs.child(0, total), pairs.child(1, total));
    let mut element = 0;
    for (row, prediction) in predictions.iter().enumerate() {
        let &Some(Prediction {
            vocabulary,
            probabilities,
            n_unknown,
        }) = prediction
        else {
            map.set_entry(row, element, 0);
            map.set_null(row);
            action.set_null(row);
            probability.set_null(row);
            unknown.set_null(row);
            result.set_null(row);
            continue;
        };
        let best = highest(probabilities);
        action.insert(row, &*vocabulary.name(best));
        map.set_entry(row, element, probabilities.len());
        for (name, &value) in vocabulary.names().zip(probabilities) {
            keys.insert(element, &*name);
            // SAFETY: the child is FLOAT, as `fields` registers it, and
            // `element` stays below the reserved `total`.
            unsafe { values.as_mut_ptr::<f32>().add(element).write(value) };
            element += 1;
        }
        // SAFETY: the children are FLOAT and BIGINT, and `row` is a row of the chunk.
        unsafe {
            probability.as_mut_ptr::<f32>().add(row).write(probabilities[best]);
            unknown.as_mut_ptr::<i64>().add(row).write(n_unknown as i64);
        }
    }
    Ok(())
}
