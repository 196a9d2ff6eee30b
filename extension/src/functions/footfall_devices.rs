//! `footfall_devices()`: where networks can run here.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use std::error::Error;

pub struct FootfallDevices;

impl Scalar for FootfallDevices {
    const NAME: &'static str = "footfall_devices";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![],
            returns: Type::list(Type::Varchar),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let devices = Value::list(footfall::device::available());
        output.write(&Type::list(Type::Varchar), &vec![devices; input.len()])
    }
}
