//! `gmm(points, k [, options])`: a mixture of Gaussians.

use crate::scalar::{Scalar, Signature};
use crate::segments::answer::{answer, signatures};
use crate::segments::mixture::MIXTURE;
use crate::value::Output;
use crate::vector::Chunk;
use footfall::limits::MAX_COMPONENTS;
use footfall::segment::mixture::fit;
use std::error::Error;

pub struct Gmm;

impl Scalar for Gmm {
    const NAME: &'static str = "gmm";

    fn signatures() -> Vec<Signature> {
        signatures::<1>(|| MIXTURE.struct_type())
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        answer(
            input,
            output,
            &MIXTURE.struct_type(),
            MAX_COMPONENTS,
            |points, [k], options| Ok(MIXTURE.value(&fit(points, k, options)?)),
        )
    }
}
