//! `kmeans_assign(model, point)`: the cluster of a point, 1 to k.

use crate::scalar::{Scalar, Signature};
use crate::segments::model::{MODEL, assign};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use std::error::Error;

pub struct KmeansAssign;

impl Scalar for KmeansAssign {
    const NAME: &'static str = "kmeans_assign";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![MODEL.struct_type(), Type::list(Type::Double)],
            returns: Type::Integer,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let mut results: Vec<Option<i32>> = vec![None; input.len()];
        assign(input, |row, cluster, _| results[row] = Some((cluster + 1) as i32))?;
        let mut vector = output.vector.flat_vector();
        for (row, result) in results.into_iter().enumerate() {
            match result {
                // SAFETY: the result is INTEGER, as registered, and has a slot
                // for every row of the chunk.
                Some(value) => unsafe { vector.as_mut_ptr::<i32>().add(row).write(value) },
                None => vector.set_null(row),
            }
        }
        Ok(())
    }
}
