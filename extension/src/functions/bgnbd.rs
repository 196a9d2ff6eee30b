//! `bgnbd(customers [, options [, weights]])`: how often customers buy and when they stop.

use crate::clv::{as_caller, caller, choice, customer_type, customers, purchases_type, purchases_value, weights};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::value::purchases::fit;
use serde_json::Value as Json;
use std::error::Error;

pub struct Bgnbd;

impl Scalar for Bgnbd {
    const NAME: &'static str = "bgnbd";

    fn signatures() -> Vec<Signature> {
        let of = |more: &[Type]| Signature {
            parameters: [&[Type::list(customer_type())], more].concat(),
            returns: purchases_type(),
        };
        vec![of(&[]), of(&[Type::Any]), of(&[Type::Any, Type::list(Type::Double)])]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &purchases_type(), |row| {
            let mut options = match input.width() {
                1 => Json::Object(serde_json::Map::new()),
                _ => input.column(1).json(row)?,
            };
            let caller = caller(&mut options);
            fitted(input, row, options).map_err(|error| as_caller(caller, error))
        })
    }
}

fn fitted(input: &Chunk, row: usize, options: Json) -> Result<Value, Box<dyn Error>> {
    let choice = choice(options)?;
    let customers = customers(input.column(0), weights(input, 2), row)?;
    Ok(fit(&customers, choice).map_or(Value::Null, |fit| purchases_value(&fit)))
}
