//! `read_forecast(forecasts, place)`: what `clv_forecast_piece` found of the customer at a place, from 0. The fields from
//! `expected_value` on are multiples of `prior_value` and the sum of the known values.

use super::clv_forecast_piece::N_FIELDS;
use crate::fields::Fields;
use crate::scalar::{Scalar, Signature};
use crate::segments::packed::WORD;
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use std::error::Error;

pub struct ReadForecast;

type Record = [[u8; WORD]; N_FIELDS];

/// The numbers of a record, of which NaN stands for NULL.
const FORECAST: Fields<Record> = Fields(&[
    ("probability_alive", || Type::Double, |record| number(record, 0)),
    ("expected_purchases", || Type::Double, |record| number(record, 1)),
    ("purchases_low", || Type::Double, |record| number(record, 2)),
    ("purchases_high", || Type::Double, |record| number(record, 3)),
    ("expected_value", || Type::Double, |record| number(record, 4)),
    ("value_low", || Type::Double, |record| number(record, 5)),
    ("value_high", || Type::Double, |record| number(record, 6)),
    ("prior_value", || Type::Double, |record| number(record, 7)),
]);

fn number(record: &Record, index: usize) -> Value {
    let number = f64::from_le_bytes(record[index]);
    (!number.is_nan()).then_some(number).into()
}

impl Scalar for ReadForecast {
    const NAME: &'static str = "read_forecast";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob, Type::Bigint],
            returns: FORECAST.struct_type(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let (forecasts, places) = (input.column(0), input.column(1).values::<i64>());
        output.write_rows(input, &FORECAST.struct_type(), |row| {
            let (words, _) = forecasts.bytes(row).as_chunks::<WORD>();
            let (records, _) = words.as_chunks::<N_FIELDS>();
            let record = usize::try_from(places[row]).ok().and_then(|place| records.get(place));
            let record =
                record.ok_or_else(|| Failure::argument("place", places[row], "that of a customer in 'forecasts'"))?;
            Ok(FORECAST.value(record))
        })
    }
}
