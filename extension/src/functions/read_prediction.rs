//! `read_prediction(model, pieces, place, n_unknown)`: the prediction at a place in what all calls of `predict_piece` gave.

use super::distribution;
use crate::models::{self, ModelRows};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::{Chunk, Column};
use footfall::error::Error as Failure;
use std::error::Error;
use std::ops::Range;

pub struct ReadPrediction;

impl Scalar for ReadPrediction {
    const NAME: &'static str = "read_prediction";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob, Type::list(Type::Blob), Type::Bigint, Type::Bigint],
            returns: Type::Struct(distribution::fields()),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let groups = models::of_rows(input, 0)?;
        let (lists, places, n_unknown) = (
            input.column(1),
            input.column(2).values::<i64>(),
            input.column(3).values::<i64>(),
        );
        let blobs = lists.child();
        let mut pieces = Pieces::new(&blobs, 0..0);
        let mut results = Vec::with_capacity(groups.len());
        for ModelRows { decoded, rows } in &groups {
            let n_bytes = decoded.model.vocabulary.len() * size_of::<f32>();
            let mut probabilities = Vec::with_capacity(rows.len() * decoded.model.vocabulary.len());
            for &row in rows {
                // Equal list entries are equal lists: see the module `vector`.
                if pieces.entry != lists.list(row) {
                    pieces = Pieces::new(&blobs, lists.list(row));
                }
                let bytes = pieces.row(places[row], n_bytes);
                let bytes =
                    bytes.ok_or_else(|| Failure::argument("place", places[row], "that of a history in 'pieces'"))?;
                probabilities.extend(bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)));
            }
            results.push(probabilities);
        }
        let n_unknown: Vec<usize> = (0..input.len()).map(|row| n_unknown.or(row, 0) as usize).collect();
        let predictions = distribution::by_row(&groups, &results, &n_unknown);
        distribution::write(&mut output.vector.struct_vector(), 0, &predictions)
    }
}

/// BLOBs that are read as one.
struct Pieces<'a> {
    entry: Range<usize>,
    blobs: Vec<&'a [u8]>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl<'a> Pieces<'a> {
    fn new(column: &Column<'a>, entry: Range<usize>) -> Self {
        let elements = entry.clone().filter(|&element| !column.is_null(element));
        let blobs: Vec<&[u8]> = elements.map(|element| column.bytes(element)).collect();
        let ends = blobs.iter().scan(0, |end, blob| {
            *end += blob.len();
            Some(*end)
        });
        Self {
            entry,
            ends: ends.collect(),
            blobs,
        }
    }

    /// The row at `place` of rows of `n_bytes`.
    fn row(&self, place: i64, n_bytes: usize) -> Option<&'a [u8]> {
        let from = usize::try_from(place).ok()?.checked_mul(n_bytes)?;
        let piece = self.ends.partition_point(|&end| end <= from);
        let blob = self.blobs.get(piece)?;
        let start = from + blob.len() - self.ends[piece];
        blob.get(start..start + n_bytes)
    }
}
