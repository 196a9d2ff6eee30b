//! `gmm_assign(mixture, point)`: the component of a point and how sure that is.

use crate::scalar::{Scalar, Signature};
use crate::segments::{memberships, mixture_type};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use std::error::Error;

pub struct GmmAssign;

impl Scalar for GmmAssign {
    const NAME: &'static str = "gmm_assign";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![mixture_type(), Type::list(Type::Double)],
            returns: returns(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let rows: Vec<Value> = memberships(input)?.into_iter().map(value).collect();
        output.write(&returns(), &rows)
    }
}

fn returns() -> Type {
    Type::Struct(vec![
        ("segment", Type::Integer),
        ("probability", Type::Double),
        ("probabilities", Type::list(Type::Double)),
    ])
}

fn value(probabilities: Option<Vec<f64>>) -> Value {
    let Some(probabilities) = probabilities else {
        return Value::Null;
    };
    let mut best = 0;
    for (j, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = j;
        }
    }
    Value::Struct(vec![
        (best as i32 + 1).into(),
        probabilities[best].into(),
        Value::list(probabilities),
    ])
}
