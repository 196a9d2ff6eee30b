//! What is said of every k that is tried.

use crate::fields::Fields;
use crate::value::Type;
use footfall::segment::kmeans::choose::Choice;
use footfall::segment::kmeans::quality::Quality;

/// How good a clustering is, and whether it is the one to take.
pub struct Judged {
    k: usize,
    quality: Quality,
    chosen: bool,
}

impl Judged {
    pub fn new<M>(k: usize, choice: &Choice<M>) -> Self {
        Self {
            k,
            quality: choice.quality,
            chosen: choice.chosen,
        }
    }
}

/// The first fields of a choice.
pub const JUDGED: Fields<Judged> = Fields(&[
    ("k", || Type::Bigint, |judged| (judged.k as i64).into()),
    ("inertia", || Type::Double, |judged| judged.quality.inertia.into()),
    ("silhouette", || Type::Double, |judged| judged.quality.silhouette.into()),
    (
        "davies_bouldin",
        || Type::Double,
        |judged| judged.quality.davies_bouldin.into(),
    ),
    ("chosen", || Type::Boolean, |judged| judged.chosen.into()),
]);
