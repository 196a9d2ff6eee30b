//! `propensity_own(features, called_as)`: names and values of a user's own columns, as text, from a STRUCT or a list.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::propensity::plan::MOST_OWN;
use serde_json::Value as Json;
use std::error::Error;

pub struct PropensityOwn;

impl Scalar for PropensityOwn {
    const NAME: &'static str = "propensity_own";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Any, Type::Varchar],
            returns: returns(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &returns(), |row| {
            let own = input.column(0).json(row).and_then(|json| Ok(own(json)?));
            own.map_err(|error| super::as_called(input, 1, row, error))
        })
    }
}

fn returns() -> Type {
    let texts = || Type::list(Type::Varchar);
    Type::Struct(vec![("names", texts()), ("texts", texts())])
}

fn own(json: Json) -> Result<Value, Failure> {
    let columns: Vec<(String, Json)> = match json {
        Json::Object(fields) => fields.into_iter().collect(),
        Json::Array(values) => {
            let numbered = values.into_iter().enumerate();
            numbered
                .map(|(place, value)| (format!("feature {}", place + 1), value))
                .collect()
        }
        other => return Err(refused(format!("{other}"))),
    };
    if columns.is_empty() || columns.len() > MOST_OWN {
        return Err(refused(format!("good for {} columns", columns.len())));
    }
    let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let texts = values.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
    Ok(Value::Struct(vec![Value::list(names), Value::list(texts)]))
}

fn text(value: Json) -> Result<Option<String>, Failure> {
    match value {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text)),
        Json::Bool(_) | Json::Number(_) => Ok(Some(value.to_string())),
        other => Err(refused(format!("good for the value {other}"))),
    }
}

fn refused(received: String) -> Failure {
    let allowed = format!("numbers and text in 1 to {MOST_OWN} columns, such as {{'age': age, 'country': country}}");
    Failure::argument("features", received, allowed)
}
