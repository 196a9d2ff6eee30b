//! `kmeans_piece(job, points, k, options)`: the model of a clustering of packed points, or after about half a
//! second the number of the job to go on with; 0 begins.

use crate::scalar::{Scalar, Signature};
use crate::segments::model::MODEL;
use crate::segments::piece::{piece, piece_signature, piece_type};
use crate::value::Output;
use crate::vector::Chunk;
use footfall::limits::MAX_CLUSTERS;
use footfall::segment::kmeans::fit;
use std::error::Error;

pub struct KmeansPiece;

impl Scalar for KmeansPiece {
    const NAME: &'static str = "kmeans_piece";

    fn signatures() -> Vec<Signature> {
        vec![piece_signature::<1>(MODEL.struct_type())]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let returns = piece_type(MODEL.struct_type());
        piece(
            input,
            output,
            &returns,
            "segment",
            MAX_CLUSTERS,
            |points, [k], options| Ok(MODEL.value(&fit(points, k, options)?)),
            |progress, _| match progress.steps {
                (_, 0) => "reading the points".into(),
                (done, all) => format!("start {}/{all}", all.min(done + 1)),
            },
        )
    }
}
