//! `kmeans_distance(model, point)`: the scaled distance of a point from the centroid of its cluster.

use crate::scalar::{Scalar, Signature};
use crate::segments::model::{MODEL, assign};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use std::error::Error;

pub struct KmeansDistance;

impl Scalar for KmeansDistance {
    const NAME: &'static str = "kmeans_distance";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![MODEL.struct_type(), Type::list(Type::Double)],
            returns: Type::Double,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let mut results: Vec<Option<f64>> = vec![None; input.len()];
        assign(input, |row, _, square| results[row] = Some(square.sqrt()))?;
        let mut vector = output.vector.flat_vector();
        for (row, result) in results.into_iter().enumerate() {
            match result {
                // SAFETY: the result is DOUBLE, as registered, and has a slot
                // for every row of the chunk.
                Some(value) => unsafe { vector.as_mut_ptr::<f64>().add(row).write(value) },
                None => vector.set_null(row),
            }
        }
        Ok(())
    }
}
