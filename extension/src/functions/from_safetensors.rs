//! `from_safetensors(weights, vocabulary)`: a network that was trained elsewhere, as a model.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::exchange::weights;
use std::error::Error;

pub struct FromSafetensors;

impl Scalar for FromSafetensors {
    const NAME: &'static str = "from_safetensors";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob, Type::list(Type::Varchar)],
            returns: Type::Blob,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let rows = (0..input.len()).map(|row| match input.any_null(row) {
            true => Ok(Value::Null),
            false => model(input, row),
        });
        output.write(&Type::Blob, &rows.collect::<Result<Vec<_>, _>>()?)
    }
}

fn model(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let names = input.column(1).child();
    let actions = input.column(1).list(row).map(|index| match names.is_null(index) {
        true => Err(Failure::argument("vocabulary", "a list with a NULL", "the names of the actions").into()),
        false => names.text(index).map(str::to_owned),
    });
    let actions: Vec<String> = actions.collect::<Result<_, Box<dyn Error>>>()?;
    let model = weights::from_safetensors(input.column(0).bytes(row), &actions)?;
    Ok(model.to_bytes(None)?.into())
}
