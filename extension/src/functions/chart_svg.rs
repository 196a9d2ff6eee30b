//! `chart_svg(chart, width)`: one picture.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::report::{Chart, WIDE, page};
use std::error::Error;

/// The function.
pub struct ChartSvg;

impl Scalar for ChartSvg {
    const NAME: &'static str = "chart_svg";

    fn signatures() -> Vec<Signature> {
        signatures()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &Type::Varchar, |row| {
            let width = width(input, row).unwrap_or(WIDE as i64);
            if !(200..=4000).contains(&width) {
                return Err(Failure::argument("width", width, "200 to 4000 pixels").into());
            }
            let chart = Chart::read("chart", &input.column(0).json(row)?)?;
            Ok(Value::from(page::svg(&chart, width as f64)))
        })
    }
}

/// A chart, and in which width if it is given.
pub fn signatures() -> Vec<Signature> {
    let with = |parameters: &[Type]| Signature {
        parameters: parameters.to_vec(),
        returns: Type::Varchar,
    };
    vec![with(&[Type::Any]), with(&[Type::Any, Type::Bigint])]
}

/// The second argument, where there is one.
pub fn width(input: &Chunk, row: usize) -> Option<i64> {
    (input.width() > 1).then(|| input.column(1).values::<i64>()[row])
}
