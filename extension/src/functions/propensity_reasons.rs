//! `propensity_reasons(model, rows, most)`: what moves the score of a user at the first cut-off in some records, in words.

use crate::propensity::{Decoded, first_features, model};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::propensity::reasons::reasons;
use std::error::Error;

pub struct PropensityReasons;

impl Scalar for PropensityReasons {
    const NAME: &'static str = "propensity_reasons";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob, Type::Blob, Type::Bigint],
            returns: Type::list(Type::Varchar),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let mut models = Decoded::new();
        output.write_rows(input, &Type::list(Type::Varchar), |row| {
            let (model, n_features) = models.get(input.column(0), row, model)?;
            let most = usize::try_from(input.column(2).values::<i64>()[row]).unwrap_or(0);
            let features = first_features(input.column(1).bytes(row), *n_features)?;
            Ok(features.map_or(Value::Null, |features| Value::list(reasons(model, &features, most))))
        })
    }
}
