//! `chart_text(chart, width)`: one chart as text for a terminal.

use super::chart_svg::{self, width};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::report::{Chart, plain};
use std::error::Error;

/// The longest bar that the boxes of the shell of DuckDB 1.4 do not cut.
const LETTERS: i64 = 26;

/// The function.
pub struct ChartText;

impl Scalar for ChartText {
    const NAME: &'static str = "chart_text";

    fn signatures() -> Vec<Signature> {
        chart_svg::signatures()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &Type::Varchar, |row| {
            let width = width(input, row).unwrap_or(LETTERS);
            if !(1..=200).contains(&width) {
                return Err(Failure::argument("width", width, "1 to 200 letters").into());
            }
            let chart = Chart::read("chart", &input.column(0).json(row)?)?;
            Ok(Value::from(plain::text(&chart, width as usize)))
        })
    }
}
