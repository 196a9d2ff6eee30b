//! `to_onnx(model)`: a network of the next action or a clustering as an ONNX file.

use crate::models;
use crate::scalar::{Scalar, Signature};
use crate::segments::model::{MODEL, Models};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::exchange::onnx;
use std::error::Error;

pub struct ToOnnx;

impl Scalar for ToOnnx {
    const NAME: &'static str = "to_onnx";

    fn signatures() -> Vec<Signature> {
        [Type::Blob, MODEL.struct_type()]
            .map(|model| Signature {
                parameters: vec![model],
                returns: Type::Blob,
            })
            .into()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let is_clustering = input.column(0).n_fields() > 0;
        let rows = if is_clustering {
            clusterings(input)
        } else {
            networks(input)
        };
        output.write(&Type::Blob, &rows?)
    }
}

fn networks(input: &Chunk) -> Result<Vec<Value>, Box<dyn Error>> {
    let mut rows = vec![Value::Null; input.len()];
    for group in models::of_rows(input, 0)? {
        let file = onnx::network(&group.decoded.model)?;
        for row in group.rows {
            rows[row] = file.clone().into();
        }
    }
    Ok(rows)
}

fn clusterings(input: &Chunk) -> Result<Vec<Value>, Box<dyn Error>> {
    let mut models = Models::new(input.column(0), input.len());
    let mut row = |row| match input.any_null(row) {
        true => Ok(Value::Null),
        false => Ok(onnx::clustering(models.decode(row)?).into()),
    };
    (0..input.len()).map(&mut row).collect()
}
