//! `clv_model(purchases, values, days_per_unit, as_of_day)`: what `bgnbd` and `gamma_gamma` gave as one value; `values`
//! may be NULL.

use crate::clv::{PURCHASES, VALUES};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::{Chunk, Column};
use footfall::value::gamma_gamma::GammaGamma;
use footfall::value::model::ClvModel as Model;
use footfall::value::purchases::Purchases;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use std::error::Error;

pub struct ClvModel;

impl Scalar for ClvModel {
    const NAME: &'static str = "clv_model";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![
                PURCHASES.struct_type(),
                VALUES.struct_type(),
                Type::Double,
                Type::Bigint,
            ],
            returns: Type::Blob,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let rows = (0..input.len()).map(|row| match input.column(0).is_null(row) {
            true => Ok(Value::Null),
            false => packed(input, row),
        });
        output.write(&Type::Blob, &rows.collect::<Result<Vec<_>, _>>()?)
    }
}

fn packed(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let names = ["family", "rate", "rate_dispersion", "dropout", "dropout_dispersion"];
    let purchases: Purchases = fields(input.column(0), row, &names)?;
    let values: Option<GammaGamma> = match input.column(1).is_null(row) {
        true => None,
        false => Some(fields(input.column(1), row, &["p", "q", "v"])?),
    };
    let [unit, day] = [2, 3].map(|index| input.column(index));
    let model = Model::new(purchases, values, unit.values::<f64>()[row], day.values::<i64>()[row]);
    Ok(model.to_bytes().into())
}

/// Some fields of a STRUCT.
///
/// # Errors
/// One of them is NULL.
fn fields<T: DeserializeOwned>(column: &Column, row: usize, names: &[&str]) -> Result<T, Box<dyn Error>> {
    let mut object: Map<String, Json> = match column.json(row)? {
        Json::Object(object) => object,
        other => return Err(format!("{other} is no STRUCT").into()),
    };
    object.retain(|name, _| names.contains(&name.as_str()));
    Ok(serde_json::from_value(Json::Object(object))?)
}
