//! `propensity_score(model, rows, called_as)`: the probabilities of a user at the first cut-off in some records; NULL without one.

use crate::propensity::{Decoded, model};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::propensity::model::PropensityModel;
use footfall::propensity::rows;
use std::error::Error;

pub struct PropensityScore;

const NUMBERS: [&str; 5] = ["model", "count", "recency", "own_history", "base_rate"];

impl Scalar for PropensityScore {
    const NAME: &'static str = "propensity_score";

    fn signatures() -> Vec<Signature> {
        let numbers = NUMBERS.map(|name| (name, Type::Double));
        let fields = numbers.into_iter().chain([("label", Type::Boolean)]);
        vec![Signature {
            parameters: vec![Type::Blob, Type::Blob, Type::Varchar],
            returns: Type::Struct(fields.collect()),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let n_rows = input.len();
        let mut result = output.vector.struct_vector();
        let mut numbers: Vec<_> = (0..NUMBERS.len()).map(|index| result.child(index, n_rows)).collect();
        let mut labels = result.child(NUMBERS.len(), n_rows);
        let mut models = Decoded::new();
        let mut features = Vec::new();
        let mut nulls = Vec::new();
        for row in 0..n_rows {
            let scored = match input.any_null(row) {
                true => None,
                false => {
                    let called = |error: Failure| super::as_called(input, 2, row, error);
                    let (model, n_features) = models.get(input.column(0), row, model).map_err(called)?;
                    score(model, *n_features, input.column(1).bytes(row), &mut features).map_err(called)?
                }
            };
            let Some((found, label)) = scored else {
                nulls.push(row);
                numbers.iter_mut().for_each(|field| field.set_null(row));
                labels.set_null(row);
                continue;
            };
            for (field, value) in numbers.iter_mut().zip(found) {
                // SAFETY: the fields are DOUBLE, as registered, and have a slot for every row of the chunk.
                unsafe { field.as_mut_ptr::<f64>().add(row).write(value) };
            }
            match label {
                // SAFETY: the field is BOOLEAN, as registered, and has a slot for every row of the chunk.
                Some(label) => unsafe { labels.as_mut_ptr::<bool>().add(row).write(label) },
                None => labels.set_null(row),
            }
        }
        drop((numbers, labels));
        nulls.into_iter().for_each(|row| result.set_null(row));
        Ok(())
    }
}

/// The probabilities of a record in the order of [`NUMBERS`], and its label.
type Scored = ([f64; NUMBERS.len()], Option<bool>);

/// What the first record is.
fn score(
    model: &PropensityModel,
    n_features: usize,
    bytes: &[u8],
    features: &mut Vec<f32>,
) -> Result<Option<Scored>, Failure> {
    let Some(record) = rows::read(bytes, n_features)?.next().transpose()? else {
        return Ok(None);
    };
    features.clear();
    features.extend(record.features());
    let found = model.probabilities(features);
    let numbers = [
        found.model,
        found.count,
        found.recency,
        found.own_history,
        found.base_rate,
    ];
    Ok(Some((numbers, record.label)))
}
