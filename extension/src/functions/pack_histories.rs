//! `pack_histories(histories, called_as)`: encoded histories as one value, in the order of their rows.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::predict::Histories;
use std::error::Error;

pub struct PackHistories;

impl Scalar for PackHistories {
    const NAME: &'static str = "pack_histories";

    fn signatures() -> Vec<Signature> {
        let history = Type::Struct(vec![("place", Type::Bigint), ("tokens", Type::Blob)]);
        vec![Signature {
            parameters: vec![Type::list(history), Type::Varchar],
            returns: Type::Blob,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &Type::Blob, |row| {
            let packed = pack(input, row).map_err(|error| super::as_called(input, 1, row, error))?;
            Ok(packed.into())
        })
    }
}

/// A history that is NULL has its place and no tokens.
fn pack(input: &Chunk, row: usize) -> Result<Vec<u8>, Failure> {
    let elements = input.column(0).child();
    let (places, tokens) = (elements.field(0), elements.field(1));
    let places = places.values::<i64>();
    let history = |element: usize| {
        let place = usize::try_from(places.or(element, -1)).unwrap_or(usize::MAX);
        (
            place,
            if tokens.is_null(element) {
                &[][..]
            } else {
                tokens.bytes(element)
            },
        )
    };
    let histories: Vec<(usize, &[u8])> = input.column(0).list(row).map(history).collect();
    Histories::pack(&histories)
}
