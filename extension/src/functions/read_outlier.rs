//! `read_outlier(outliers, place)`: what `outliers_piece` found of the point at a place, from 0.

use crate::fields::Fields;
use crate::scalar::{Scalar, Signature};
use crate::segments::packed::WORD;
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::segment::outliers::{Neighbourhood, read};
use std::error::Error;

pub struct ReadOutlier;

impl Scalar for ReadOutlier {
    const NAME: &'static str = "read_outlier";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob, Type::Bigint],
            returns: OUTLIER.struct_type(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let (found, places) = (input.column(0), input.column(1).values::<i64>());
        output.write_rows(input, &OUTLIER.struct_type(), |row| {
            let record = record(found.bytes(row), places[row])
                .ok_or_else(|| Failure::argument("place", places[row], "that of a point in 'outliers'"))?;
            Ok(read(&record).map_or(Value::Null, |of| OUTLIER.value(&of)))
        })
    }
}

/// What is said of a point.
const OUTLIER: Fields<Neighbourhood> = Fields(&[
    ("distance", || Type::Double, |of| of.distance.into()),
    (
        "feature",
        || Type::Bigint,
        |of| of.stands_out.map(|(coordinate, _)| coordinate as i64 + 1).into(),
    ),
    (
        "share",
        || Type::Double,
        |of| of.stands_out.map(|(_, share)| share).into(),
    ),
    (
        "nearest",
        || Type::list(Type::Double),
        |of| Value::list(of.nearest.iter().copied()),
    ),
]);

/// The numbers of the record at `place`.
fn record(found: &[u8], place: i64) -> Option<Vec<f64>> {
    let (words, _) = found.as_chunks::<WORD>();
    let (&dimensions, words) = words.split_first()?;
    let size = 3 + f64::from_le_bytes(dimensions) as usize;
    let first = usize::try_from(place).ok()?.checked_mul(size)?;
    let record = words.get(first..first.checked_add(size)?)?;
    Some(record.iter().map(|&word| f64::from_le_bytes(word)).collect())
}
