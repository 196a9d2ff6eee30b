//! `gamma_gamma(customers [, weights])`: the value of a purchase.

use crate::clv::{VALUES, values, weights};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::value::gamma_gamma::fit;
use std::error::Error;

pub struct GammaGamma;

impl Scalar for GammaGamma {
    const NAME: &'static str = "gamma_gamma";

    fn signatures() -> Vec<Signature> {
        let customer = Type::Struct(vec![("x", Type::Double), ("value", Type::Double)]);
        let of = |more: &[Type]| Signature {
            parameters: [&[Type::list(customer.clone())], more].concat(),
            returns: VALUES.struct_type(),
        };
        vec![of(&[]), of(&[Type::list(Type::Double)])]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &VALUES.struct_type(), |row| {
            let known = values(input.column(0), weights(input, 1), row)?;
            Ok(fit(&known).map_or(Value::Null, |fit| VALUES.value(&fit)))
        })
    }
}
