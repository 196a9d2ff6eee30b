//! `draw_page(charts, title)`: a page of charts as the bytes of an HTML file.

use crate::gate::CalledAs;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::{Chunk, Column};
use footfall::error::Error as Failure;
use footfall::report::{Chart, page};
use std::error::Error;

/// The function.
pub struct DrawPage;

impl Scalar for DrawPage {
    const NAME: &'static str = "draw_page";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Any, Type::Varchar],
            returns: Type::Blob,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let (charts, titles) = (input.column(0), input.column(1));
        output.write_rows(input, &Type::Blob, |row| {
            let page = listed(charts, row).and_then(|charts| Ok(page::page(charts, titles.text(row)?)?));
            let page = page.map_err(|error| CalledAs::new("page", error))?;
            Ok(Value::from(page.into_bytes()))
        })
    }
}

/// The charts of a list.
fn listed(charts: &Column, row: usize) -> Result<Vec<Chart>, Box<dyn Error>> {
    if !charts.is_list() {
        return Err(Failure::argument("charts", charts.json(row)?, "a list of charts").into());
    }
    let elements = charts.child();
    let present = charts.list(row).filter(|&element| !elements.is_null(element));
    present
        .map(|element| Ok(Chart::read("charts", &elements.json(element)?)?))
        .collect()
}
