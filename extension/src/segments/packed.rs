//! Points as one value, which the calls of a job are given again and again.

use super::options::as_caller;
use super::points::Rows;
use crate::progress;
use crate::value::Value;
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use std::error::Error;

/// Most bytes of a BLOB.
pub const MOST_BYTES: usize = u32::MAX as usize;
/// Bytes of a number.
pub const WORD: usize = size_of::<f64>();

/// Points in the first argument as one value: their number of coordinates, then these row by row, all
/// little-endian. NULL when there are none.
///
/// # Errors
/// Points of unequal lengths, or more than one value can hold.
pub fn pack(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let caller = (input.width() > 1).then(|| input.column(1).text(row)).transpose()?;
    let is_shown = input.width() > 2 && input.column(2).values::<u8>()[row] != 0;
    let argument = if caller.is_some() { "features" } else { "points" };
    let packed = || -> Result<Value, Box<dyn Error>> {
        let lists = input.column(0);
        let rows = Rows::read(&lists.child(), lists.list(row))?;
        let (n_values, most) = (rows.values.len(), MOST_BYTES / WORD - 1);
        if n_values == 0 {
            return Ok(Value::Null);
        }
        if n_values > most {
            let found = format!("{n_values} numbers in all");
            return Err(Failure::argument(argument, found, format!("{most} at most")).into());
        }
        let mut packed = Vec::with_capacity((1 + n_values) * WORD);
        packed.extend((rows.dimensions as u64).to_le_bytes());
        for value in rows.values.iter() {
            packed.extend(value.to_le_bytes());
        }
        Ok(packed.into())
    };
    progress::during(caller.unwrap_or("pack_points"), is_shown, "packing", packed)
        .map_err(|error| as_caller(caller, error))
}

/// The number of coordinates of the packed points in an argument, and their values as bytes.
///
/// # Errors
/// Other bytes than those of [`pack`].
pub fn unpack<'a>(argument: &'static str, packed: &'a [u8]) -> Result<(usize, &'a [[u8; WORD]]), Failure> {
    let (words, rest) = packed.as_chunks();
    match words.split_first() {
        Some((&first, values)) if rest.is_empty() && !values.is_empty() => {
            let dimensions = u64::from_le_bytes(first);
            if dimensions > 0 && (values.len() as u64).is_multiple_of(dimensions) {
                return Ok((dimensions as usize, values));
            }
        }
        _ => {}
    }
    let found = format!("a BLOB of {} bytes", packed.len());
    Err(Failure::argument(argument, found, "a value made by pack_points"))
}
