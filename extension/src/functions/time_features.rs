//! `time_features(ts)`: the calendar features of a shop-local timestamp.
//!
//! Runs over every event there is, so it fills the twelve child vectors in
//! place instead of building a value per row.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::{Chunk, Column};
use duckdb::core::StructVector;
use duckdb::ffi::duckdb_string_t;
use footfall::calendar::{self, WEEKDAY_NAMES};
use std::borrow::Cow;
use std::error::Error;

pub struct TimeFeatures;

impl Scalar for TimeFeatures {
    const NAME: &'static str = "time_features";

    fn signatures() -> Vec<Signature> {
        // DATE, TIMESTAMP_S, _MS and _NS arrive through DuckDB's implicit
        // casts. TIMESTAMP WITH TIME ZONE has a signature so that the refusal
        // can say what to do.
        [Type::Timestamp, Type::TimestampTz]
            .map(|parameter| Signature {
                parameters: vec![parameter],
                returns: Type::Struct(FIELDS.to_vec()),
            })
            .into()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let ts = input.column(0);
        if !ts.is_timestamp() {
            return Err(
                "argument 'ts' is a TIMESTAMP WITH TIME ZONE, whose hour depends on the session's time zone; \
                        allowed: TIMESTAMP or DATE in the shop's local time, for example \
                        ts AT TIME ZONE 'Asia/Shanghai'"
                    .into(),
            );
        }
        let mut vector = output.vector.struct_vector();
        let timestamps = finite_where_null(ts);
        fill(&timestamps, &vector);
        for (row, &ts_us) in timestamps.iter().enumerate() {
            if !ts.all_valid() && ts.is_null(row) {
                vector.set_null(row);
                set_fields_null(&vector, 0, row);
            } else if !calendar::is_finite(ts_us) {
                set_infinite(&vector, row, ts_us);
            }
        }
        Ok(())
    }
}

/// The fields in the order of [`fill`]. INTEGER and not a smaller type, because
/// `hour * 3600` should not overflow.
const FIELDS: [(&str, Type); 12] = [
    ("date", Type::Date),
    ("hour", Type::Integer),
    ("weekday", Type::Integer),
    ("weekday_name", Type::Varchar),
    ("day", Type::Integer),
    ("week", Type::Integer),
    ("month", Type::Integer),
    ("is_weekend", Type::Boolean),
    ("hour_sin", Type::Double),
    ("hour_cos", Type::Double),
    ("weekday_sin", Type::Double),
    ("weekday_cos", Type::Double),
];

/// The timestamps, with 1970 for NULL: what stands in a NULL row may never have
/// been written.
fn finite_where_null<'a>(ts: &Column<'a>) -> Cow<'a, [i64]> {
    let values = ts.values::<i64>();
    if ts.all_valid() {
        return values.into();
    }
    let value = |(row, &value)| if ts.is_null(row) { 0 } else { value };
    values.iter().enumerate().map(value).collect()
}

/// Writes the features of every timestamp, those that stand for NULL too:
/// leaving them out would cost a branch per row.
fn fill(timestamps: &[i64], vector: &StructVector) {
    let n = timestamps.len();
    // SAFETY: the types are those DuckDB stores for FIELDS at these positions
    // (DATE and INTEGER as 32 bits, BOOLEAN as a byte, VARCHAR as
    // `duckdb_string_t`, of which `ShortText` is one form).
    let (date, hour, weekday, name, day, week, month, is_weekend) = unsafe {
        (
            field::<i32>(vector, 0, n),
            field::<i32>(vector, 1, n),
            field::<i32>(vector, 2, n),
            field::<ShortText>(vector, 3, n),
            field::<i32>(vector, 4, n),
            field::<i32>(vector, 5, n),
            field::<i32>(vector, 6, n),
            field::<bool>(vector, 7, n),
        )
    };
    // SAFETY: as above, DOUBLE as 64 bits.
    let (hour_sin, hour_cos, weekday_sin, weekday_cos) = unsafe {
        (
            field::<f64>(vector, 8, n),
            field::<f64>(vector, 9, n),
            field::<f64>(vector, 10, n),
            field::<f64>(vector, 11, n),
        )
    };
    for row in 0..n {
        let features = calendar::TimeFeatures::at(timestamps[row]);
        date[row] = features.date;
        hour[row] = features.hour.into();
        weekday[row] = features.weekday.into();
        name[row] = NAMES[usize::from(features.weekday) - 1];
        day[row] = features.day.into();
        week[row] = features.week.into();
        month[row] = features.month.into();
        is_weekend[row] = features.is_weekend();
        (hour_sin[row], hour_cos[row]) = features.hour_on_circle();
        (weekday_sin[row], weekday_cos[row]) = features.weekday_on_circle();
    }
}

/// The values of one field.
///
/// # Safety
/// DuckDB must store the field at `index` as `T`, and no index may be taken
/// twice while a slice lives.
unsafe fn field<'a, T>(vector: &StructVector<'a>, index: usize, n: usize) -> &'a mut [T] {
    // SAFETY: the child has room for every row of the chunk, and the caller
    // vouches for its type.
    unsafe { std::slice::from_raw_parts_mut(vector.child(index, n).as_mut_ptr(), n) }
}

/// DuckDB's own parts of an infinite timestamp are NULL, and its date is
/// infinite.
fn set_infinite(vector: &StructVector, row: usize, ts_us: i64) {
    set_fields_null(vector, 1, row);
    let infinity = if ts_us > 0 { i32::MAX } else { -i32::MAX };
    // SAFETY: the first field is the DATE, and `row` is a row of the chunk.
    unsafe { vector.child(0, row + 1).as_mut_ptr::<i32>().add(row).write(infinity) };
}

fn set_fields_null(vector: &StructVector, from: usize, row: usize) {
    for index in from..FIELDS.len() {
        vector.child(index, row + 1).set_null(row);
    }
}

/// Text of up to 12 bytes as DuckDB stores it: in the slot, padded with zeros
/// (duckdb.h, `duckdb_string_t`).
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct ShortText {
    length: u32,
    text: [u8; 12],
}

const _: () = assert!(size_of::<ShortText>() == size_of::<duckdb_string_t>());

impl ShortText {
    /// Fails to compile for a constant of more than 12 bytes.
    const fn new(text: &str) -> Self {
        let mut slot = Self {
            length: text.len() as u32,
            text: [0; 12],
        };
        let mut at = 0;
        while at < text.len() {
            slot.text[at] = text.as_bytes()[at];
            at += 1;
        }
        slot
    }
}

const NAMES: [ShortText; 7] = {
    let mut names = [ShortText::new(""); 7];
    let mut weekday = 0;
    while weekday < 7 {
        names[weekday] = ShortText::new(WEEKDAY_NAMES[weekday]);
        weekday += 1;
    }
    names
};
