//! `gmm(points, k [, options])`: a mixture of Gaussians.

use crate::scalar::{Scalar, Signature};
use crate::segments::{answer, mixture_type, mixture_value, signatures};
use crate::value::Output;
use crate::vector::Chunk;
use footfall::limits::MAX_COMPONENTS;
use footfall::segment::mixture::fit;
use std::error::Error;

pub struct Gmm;

impl Scalar for Gmm {
    const NAME: &'static str = "gmm";

    fn signatures() -> Vec<Signature> {
        signatures::<1>(mixture_type)
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        answer(
            input,
            output,
            &mixture_type(),
            MAX_COMPONENTS,
            |points, [k], options| Ok(mixture_value(&fit(points, k, options)?)),
        )
    }
}
