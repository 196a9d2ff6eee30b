//! `event_line(line)`: a line of an event file, taken apart as a whole.
//!
//! The line is text in which every character stands for one byte (Latin-1), so that no byte of a
//! file can stop DuckDB's reader. Volatile: DuckDB must not run it once in a filter and again in
//! a projection.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use duckdb::core::Inserter;
use footfall::event_line::{Event, Line, parse};
use std::borrow::Cow;
use std::error::Error;

pub struct EventLine;

impl Scalar for EventLine {
    const NAME: &'static str = "event_line";
    const VOLATILE: bool = true;

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Varchar],
            returns: Type::Struct(vec![
                ("user_id", Type::Bigint),
                ("item_id", Type::Bigint),
                ("category_id", Type::Bigint),
                ("action", Type::Varchar),
                ("unix_seconds", Type::Bigint),
                ("problem", Type::Varchar),
                ("text", Type::Varchar),
            ]),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let lines = input.column(0);
        let n_rows = input.len();
        let mut result = output.vector.struct_vector();
        let mut numbers = [0, 1, 2, 4].map(|field| result.child(field, n_rows));
        let [mut actions, mut problems, mut texts] = [3, 5, 6].map(|field| result.child(field, n_rows));
        for row in 0..n_rows {
            let bytes = if lines.is_null(row) {
                Cow::Borrowed(&[][..])
            } else {
                bytes(lines.bytes(row))
            };
            let (event, problem) = match parse(&bytes) {
                Line::Event(event) => (Some(event), None),
                Line::Header => (None, Some(Cow::Borrowed("header"))),
                Line::Malformed(reason) => (None, Some(reason.into())),
                Line::Blank => {
                    result.set_null(row);
                    (None, None)
                }
            };
            let Event {
                user_id,
                item_id,
                category_id,
                action,
                unix_seconds,
            } = event.unwrap_or_default();
            for (vector, value) in numbers.iter_mut().zip([user_id, item_id, category_id, unix_seconds]) {
                match value {
                    // SAFETY: the child holds BIGINTs and has room for `n_rows`.
                    Some(value) => unsafe { vector.as_mut_ptr::<i64>().add(row).write(value) },
                    None => vector.set_null(row),
                }
            }
            let text = problem.is_some().then(|| String::from_utf8_lossy(&bytes));
            for (vector, value) in [(&mut actions, action), (&mut problems, problem), (&mut texts, text)] {
                match value {
                    Some(value) => vector.insert(row, &*value),
                    None => vector.set_null(row),
                }
            }
        }
        Ok(())
    }
}

/// The bytes that the characters of `text` stand for.
fn bytes(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return text.into();
    }
    String::from_utf8_lossy(text)
        .chars()
        .map(|character| u8::try_from(character).unwrap_or(b'?'))
        .collect()
}
