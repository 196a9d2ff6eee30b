//! `footfall_version()`: the version of the extension.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use std::error::Error;

pub struct FootfallVersion;

impl Scalar for FootfallVersion {
    const NAME: &'static str = "footfall_version";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![],
            returns: Type::Varchar,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write(
            &Type::Varchar,
            &vec![Value::from(env!("CARGO_PKG_VERSION")); input.len()],
        )
    }
}
