//! `to_onnx(model)`: a network of the next action, a model of propensity or a clustering as an ONNX file.

use crate::propensity::Decoded;
use crate::scalar::{Scalar, Signature};
use crate::segments::model::{MODEL, Models};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::exchange::onnx;
use footfall::model::Model;
use footfall::propensity::model::PropensityModel;
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
        if input.column(0).n_fields() > 0 {
            return output.write(&Type::Blob, &clusterings(input)?);
        }
        let mut files = Decoded::new();
        output.write_rows(input, &Type::Blob, |row| {
            Ok(files.get(input.column(0), row, file)?.clone().into())
        })
    }
}

fn file(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    if PropensityModel::begins(bytes) {
        Ok(onnx::propensity(&PropensityModel::from_bytes(bytes)?))
    } else {
        onnx::network(&Model::from_bytes(bytes)?)
    }
}

fn clusterings(input: &Chunk) -> Result<Vec<Value>, Box<dyn Error>> {
    let mut models = Models::new(input.column(0), input.len());
    let mut row = |row| match input.any_null(row) {
        true => Ok(Value::Null),
        false => Ok(onnx::clustering(models.decode(row)?).into()),
    };
    (0..input.len()).map(&mut row).collect()
}
