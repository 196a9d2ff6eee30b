//! `time_features(ts)`: the calendar features of a shop-local timestamp.
//!
//! Runs over every event there is, so it fills the twelve child vectors in
//! place instead of building a value per row.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::{Chunk, Column, slots};
use duckdb::core::StructVector;
use duckdb::ffi::duckdb_string_t;
use footfall::calendar::{self, TimeFeatures as Calendar, WEEKDAY_NAMES};
use std::borrow::Cow;
use std::error::Error;
use std::mem::MaybeUninit;

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

/// The fields with the type of their slots, and [`fill`], from one table.
macro_rules! fields {
    ($($name:ident: $type:ident as $slot:ty = $value:expr;)+) => {
        const FIELDS: [(&str, Type); [$(stringify!($name)),+].len()] = [$((stringify!($name), Type::$type)),+];

        /// Writes the features of every timestamp, those that stand for NULL too:
        /// leaving them out would cost a branch per row.
        fn fill(timestamps: &[i64], vector: &StructVector) {
            let n = timestamps.len();
            let mut indices = 0..;
            // SAFETY: every field is taken once, with the type that DuckDB stores for the one in FIELDS (DATE and
            // INTEGER as 32 bits, BOOLEAN as a byte, VARCHAR as `duckdb_string_t`, of which `ShortText` is one form).
            $(let $name = unsafe { field::<$slot>(vector, indices.next().unwrap_or_default(), n) };)+
            for row in 0..n {
                let features = Calendar::at(timestamps[row]);
                $($name[row].write(($value)(&features));)+
            }
        }
    };
}

// INTEGER and not a smaller type, because `hour * 3600` should not overflow.
fields! {
    date: Date as i32 = |of: &Calendar| of.date;
    hour: Integer as i32 = |of: &Calendar| i32::from(of.hour);
    weekday: Integer as i32 = |of: &Calendar| i32::from(of.weekday);
    weekday_name: Varchar as ShortText = |of: &Calendar| NAMES[usize::from(of.weekday) - 1];
    day: Integer as i32 = |of: &Calendar| i32::from(of.day);
    week: Integer as i32 = |of: &Calendar| i32::from(of.week);
    month: Integer as i32 = |of: &Calendar| i32::from(of.month);
    is_weekend: Boolean as bool = Calendar::is_weekend;
    hour_sin: Double as f64 = |of: &Calendar| of.hour_on_circle().0;
    hour_cos: Double as f64 = |of: &Calendar| of.hour_on_circle().1;
    weekday_sin: Double as f64 = |of: &Calendar| of.weekday_on_circle().0;
    weekday_cos: Double as f64 = |of: &Calendar| of.weekday_on_circle().1;
}

/// The timestamps, with 1970 for NULL.
fn finite_where_null<'a>(ts: &Column<'a>) -> Cow<'a, [i64]> {
    let values = ts.values::<i64>();
    if ts.all_valid() {
        return values.rows(0..ts.len()).into();
    }
    (0..ts.len()).map(|row| values.or(row, 0)).collect()
}

/// The slots of one field, which nobody has written yet.
///
/// # Safety
/// DuckDB must store the field at `index` as `T`, and no index may be taken
/// twice while a slice lives.
unsafe fn field<'a, T>(vector: &StructVector<'a>, index: usize, n: usize) -> &'a mut [MaybeUninit<T>] {
    // SAFETY: the child has room for every row of the chunk, and the caller
    // vouches for its type.
    unsafe { slots(&mut vector.child(index, n), n) }
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
