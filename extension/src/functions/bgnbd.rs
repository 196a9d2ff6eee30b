//! `bgnbd(customers [, options [, weights]])`: how often customers buy and when they stop.

use crate::clv::{PURCHASES, choice, customer_type, customers, weights};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::value::fit::fit;
use serde_json::Value as Json;
use std::error::Error;

pub struct Bgnbd;

impl Scalar for Bgnbd {
    const NAME: &'static str = "bgnbd";

    fn signatures() -> Vec<Signature> {
        let of = |more: &[Type]| Signature {
            parameters: [&[Type::list(customer_type())], more].concat(),
            returns: PURCHASES.struct_type(),
        };
        vec![of(&[]), of(&[Type::Any]), of(&[Type::Any, Type::list(Type::Double)])]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &PURCHASES.struct_type(), |row| {
            let options = match input.width() {
                1 => Json::Object(serde_json::Map::new()),
                _ => input.column(1).json(row)?,
            };
            let choice = choice(options)?;
            let customers = customers(input.column(0), weights(input, 2), row)?;
            Ok(fit(&customers, choice).map_or(Value::Null, |fit| PURCHASES.value(&fit)))
        })
    }
}
