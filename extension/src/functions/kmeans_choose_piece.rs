//! `kmeans_choose_piece(job, points, k_from, k_to, options)`: one clustering of packed points per k and how good
//! each is, without the models, or after about half a second the number of the job to go on with; 0 begins.

use crate::fields::Fields;
use crate::scalar::{Scalar, Signature};
use crate::segments::choice::{JUDGED, Judged};
use crate::segments::piece::{piece, piece_signature, piece_type};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::limits::MAX_CLUSTERS;
use footfall::segment::kmeans::choose::{Choice, choose_keeping};
use footfall::segment::kmeans::model::Model;
use std::error::Error;

pub struct KmeansChoosePiece;

impl Scalar for KmeansChoosePiece {
    const NAME: &'static str = "kmeans_choose_piece";

    fn signatures() -> Vec<Signature> {
        vec![piece_signature::<2>(choices_type())]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let returns = piece_type(choices_type());
        piece(
            input,
            output,
            &returns,
            "choose_k",
            MAX_CLUSTERS,
            |points, [k_from, k_to], options| {
                let choices = choose_keeping(points, k_from..=k_to, options, Sizes::of)?;
                Ok(Value::List(choices.iter().map(value).collect()))
            },
            |progress, [k_from, _]| match progress.parts {
                (_, 0) => "reading the points".into(),
                (done, all) => format!("k {} of {k_from} to {}", k_from + done, k_from + all - 1),
            },
        )
    }
}

/// What `choose_k` says of a model.
struct Sizes {
    k: usize,
    smallest: u64,
    total: u64,
    log: bool,
}

impl Sizes {
    fn of(model: Model) -> Self {
        Self {
            k: model.k(),
            smallest: model.sizes.iter().copied().min().unwrap_or(0),
            total: model.sizes.iter().sum(),
            log: model.log,
        }
    }
}

const SIZES: Fields<Sizes> = Fields(&[
    ("n_smallest", || Type::Bigint, |sizes| (sizes.smallest as i64).into()),
    ("n_points", || Type::Bigint, |sizes| (sizes.total as i64).into()),
    ("log", || Type::Boolean, |sizes| sizes.log.into()),
]);

fn choices_type() -> Type {
    Type::list(Type::Struct([JUDGED.types(), SIZES.types()].concat()))
}

fn value(choice: &Choice<Sizes>) -> Value {
    let judged = Judged::new(choice.model.k, choice);
    Value::Struct([JUDGED.values(&judged), SIZES.values(&choice.model)].concat())
}
