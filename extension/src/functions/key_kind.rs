//! `key_kind(key)`: whether a value can say who a row belongs to.
//!
//! 1 is a key; 0 is none: an empty text, NaN, or a STRUCT of which a field is none; 2 is a
//! floating-point number that cannot be told from its neighbours or has a fraction.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::{Chunk, Column, slots};
use std::error::Error;

pub struct KeyKind;

const NONE: i32 = 0;
const KEY: i32 = 1;
const FRACTION: i32 = 2;

impl Scalar for KeyKind {
    const NAME: &'static str = "key_kind";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Any],
            returns: Type::Integer,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let keys = input.column(0);
        let mut vector = output.vector.flat_vector();
        // SAFETY: an INTEGER vector stores 32-bit numbers and has a slot for every row.
        let kinds_of_rows = unsafe { slots::<i32>(&mut vector, input.len()) };
        for (slot, kind) in kinds_of_rows.iter_mut().zip(kinds(keys)) {
            slot.write(kind);
        }
        if !keys.all_valid() {
            for row in (0..input.len()).filter(|&row| keys.is_null(row)) {
                vector.set_null(row);
            }
        }
        Ok(())
    }
}

/// Whether a text holds nothing but white space, the no-break space of spreadsheets included.
fn is_blank(text: &[u8]) -> bool {
    // Most texts begin with a letter or digit, and that is enough to know.
    text.first()
        .is_none_or(|&byte| byte.is_ascii_whitespace() || !byte.is_ascii())
        && std::str::from_utf8(text).is_ok_and(|text| text.trim().is_empty())
}

/// The kind of every row; a NULL is no key.
fn kinds(column: &Column) -> Vec<i32> {
    let rows = 0..column.len();
    let mut kinds: Vec<i32> = if let Some(limit) = column.exact_limit() {
        rows.map(|row| float(column.real(row), limit)).collect()
    } else if column.is_text() {
        rows.map(|row| {
            if !column.is_null(row) && is_blank(column.bytes(row)) {
                NONE
            } else {
                KEY
            }
        })
        .collect()
    } else {
        let mut kinds = vec![KEY; column.len()];
        // Of several fields the worst decides: none before a fraction before a key.
        for field in (0..column.n_fields()).map(|index| column.field(index)) {
            for (kind, of_field) in kinds.iter_mut().zip(self::kinds(&field)) {
                *kind = match (*kind, of_field) {
                    (NONE, _) | (_, NONE) => NONE,
                    (FRACTION, _) | (_, FRACTION) => FRACTION,
                    _ => KEY,
                };
            }
        }
        kinds
    };
    if !column.all_valid() {
        for row in (0..column.len()).filter(|&row| column.is_null(row)) {
            kinds[row] = NONE;
        }
    }
    kinds
}

/// `limit` is the first number from which whole numbers are missing.
fn float(value: f64, limit: f64) -> i32 {
    if value.is_nan() {
        NONE
    } else if value.fract() != 0.0 || value.abs() >= limit {
        FRACTION
    } else {
        KEY
    }
}
