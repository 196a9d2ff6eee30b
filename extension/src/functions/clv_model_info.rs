//! `clv_model_info(model, called_as)`: what the macros need of a model.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::value::model::ClvModel;
use std::error::Error;

pub struct ClvModelInfo;

impl Scalar for ClvModelInfo {
    const NAME: &'static str = "clv_model_info";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob, Type::Varchar],
            returns: returns(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &returns(), |row| {
            let model = ClvModel::from_bytes(input.column(0).bytes(row));
            let model = model.map_err(|error| super::as_called(input, 1, row, error))?;
            Ok(Value::Struct(vec![
                model.as_of_day.into(),
                model.days_per_unit.into(),
                model.values.is_some().into(),
            ]))
        })
    }
}

fn returns() -> Type {
    Type::Struct(vec![
        ("as_of_day", Type::Bigint),
        ("days_per_unit", Type::Double),
        ("has_values", Type::Boolean),
    ])
}
