//! `propensity_read(plan, rows)`: records as a list of what they hold.

use crate::propensity::{Decoded, plan};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::propensity::rows::{Part, Record, read};
use std::error::Error;

pub struct PropensityRead;

impl Scalar for PropensityRead {
    const NAME: &'static str = "propensity_read";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob, Type::Blob],
            returns: returns(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let mut plans = Decoded::new();
        output.write_rows(input, &returns(), |row| {
            let (_, features) = plans.get(input.column(0), row, plan)?;
            let records = read(input.column(1).bytes(row), features.len())?;
            let values = records.map(|record| Ok(value(&record?)));
            Ok(Value::List(values.collect::<Result<_, Failure>>()?))
        })
    }
}

fn returns() -> Type {
    Type::list(Type::Struct(vec![
        ("cutoff", Type::Bigint),
        ("label", Type::Boolean),
        ("part", Type::Varchar),
        ("features", Type::list(Type::Float)),
    ]))
}

fn value(record: &Record) -> Value {
    let part = match record.part {
        Part::Train => "train",
        Part::Validation => "validation",
        Part::Test => "test",
    };
    Value::Struct(vec![
        (record.cutoff as i64).into(),
        record.label.into(),
        part.into(),
        Value::list(record.features()),
    ])
}
