//! `gmm_assign(mixture, point)`: the component of a point and how sure that is.

use crate::fields::Fields;
use crate::scalar::{Scalar, Signature};
use crate::segments::mixture::{MIXTURE, memberships};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use std::error::Error;

pub struct GmmAssign;

impl Scalar for GmmAssign {
    const NAME: &'static str = "gmm_assign";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![MIXTURE.struct_type(), Type::list(Type::Double)],
            returns: MEMBERSHIP.struct_type(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let rows = memberships(input)?.into_iter();
        let rows: Vec<Value> = rows
            .map(|probabilities| probabilities.map_or(Value::Null, |of| MEMBERSHIP.value(&of)))
            .collect();
        output.write(&MEMBERSHIP.struct_type(), &rows)
    }
}

/// What is said of a point, from the probabilities of the components.
const MEMBERSHIP: Fields<Vec<f64>> = Fields(&[
    ("segment", || Type::Integer, |of| (likeliest(of) as i32 + 1).into()),
    ("probability", || Type::Double, |of| of[likeliest(of)].into()),
    (
        "probabilities",
        || Type::list(Type::Double),
        |of| Value::list(of.iter().copied()),
    ),
]);

/// The first of the largest.
fn likeliest(probabilities: &[f64]) -> usize {
    let mut best = 0;
    for (j, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = j;
        }
    }
    best
}
