//! `kmeans(points, k [, options])`: the model of a clustering.

use crate::scalar::{Scalar, Signature};
use crate::segments::answer::{answer, signatures};
use crate::segments::model::MODEL;
use crate::value::Output;
use crate::vector::Chunk;
use footfall::limits::MAX_CLUSTERS;
use footfall::segment::kmeans::fit;
use std::error::Error;

pub struct Kmeans;

impl Scalar for Kmeans {
    const NAME: &'static str = "kmeans";

    fn signatures() -> Vec<Signature> {
        signatures::<1>(|| MODEL.struct_type())
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        answer(
            input,
            output,
            &MODEL.struct_type(),
            MAX_CLUSTERS,
            |points, [k], options| Ok(MODEL.value(&fit(points, k, options)?)),
        )
    }
}
