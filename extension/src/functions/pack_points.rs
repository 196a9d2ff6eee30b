//! `pack_points(points[, called_as[, progress]])`: points as one value, without those that are NULL or hold a NULL; NULL
//! when none is left.

use crate::scalar::{Scalar, Signature};
use crate::segments::packed::pack;
use crate::segments::points::points_type;
use crate::value::{Output, Type};
use crate::vector::Chunk;
use std::error::Error;

pub struct PackPoints;

impl Scalar for PackPoints {
    const NAME: &'static str = "pack_points";

    fn signatures() -> Vec<Signature> {
        let parameters = [points_type(), Type::Varchar, Type::Boolean];
        (1..=parameters.len())
            .map(|n| Signature {
                parameters: parameters[..n].to_vec(),
                returns: Type::Blob,
            })
            .collect()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &Type::Blob, |row| pack(input, row))
    }
}
