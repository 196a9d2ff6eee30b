//! `propensity_pack(rows, called_as)`: the records of all users as one value; those that are NULL have none.

use crate::scalar::{Scalar, Signature};
use crate::segments::packed::MOST_BYTES;
use crate::value::{Output, Type};
use crate::vector::{Chunk, Column};
use footfall::error::Error as Failure;
use std::error::Error;

pub struct PropensityPack;

impl Scalar for PropensityPack {
    const NAME: &'static str = "propensity_pack";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::list(Type::Blob), Type::Varchar],
            returns: Type::Blob,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &Type::Blob, |row| {
            let packed = pack(input.column(0), row);
            Ok(packed.map_err(|error| super::as_called(input, 1, row, error))?.into())
        })
    }
}

fn pack(lists: &Column, row: usize) -> Result<Vec<u8>, Failure> {
    let (elements, range) = (lists.child(), lists.list(row));
    let known = || range.clone().filter(|&element| !elements.is_null(element));
    let n_bytes: usize = known().map(|element| elements.bytes(element).len()).sum();
    if n_bytes > MOST_BYTES {
        let allowed = format!("{MOST_BYTES} bytes: fewer cut-offs, or a sample of the users");
        return Err(Failure::argument(
            "cutoffs",
            format!("good for {n_bytes} bytes of features"),
            allowed,
        ));
    }
    let mut bytes = Vec::with_capacity(n_bytes);
    known().for_each(|element| bytes.extend(elements.bytes(element)));
    Ok(bytes)
}
