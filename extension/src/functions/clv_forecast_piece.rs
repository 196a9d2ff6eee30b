//! `clv_forecast_piece(job, points, model, horizon, coverage, options)`: what customers will bring, for `read_forecast`,
//! or after about half a second the number of the job to go on with; 0 begins. The points are customers,
//! [x, t_x, age, n_known]. Times are in days; of `n_known` purchases the value is known, and a `coverage` of 0 asks for
//! no intervals.

use crate::scalar::{Scalar, Signature};
use crate::segments::packed::WORD;
use crate::segments::piece::{go_on, piece_type, with_options};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::compute::parallel;
use footfall::error::Error as Failure;
use footfall::value::customers::Customer;
use footfall::value::forecast::Outlook;
use footfall::value::model::ClvModel;
use serde::Deserialize;

pub struct ClvForecastPiece;

/// Numbers in the forecast of one customer: the fields of `read_forecast`.
pub const N_FIELDS: usize = 8;

/// Customers between two looks at whether the work is still wanted: milliseconds each at the worst.
const TOGETHER: usize = 64;

impl Scalar for ClvForecastPiece {
    const NAME: &'static str = "clv_forecast_piece";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![
                Type::Bigint,
                Type::Blob,
                Type::Blob,
                Type::Double,
                Type::Double,
                Type::Any,
            ],
            returns: piece_type(Type::Blob),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn std::error::Error>> {
        with_options(input, output, &piece_type(Type::Blob), "clv", |row, display, json| {
            let given: Given = footfall::options::read("options", json, "{threads: 2}")?;
            let threads = super::threads(given.threads)?;
            let [horizon, coverage] = [3, 4].map(|index| input.column(index).values::<f64>()[row]);
            if !(0.0..1.0).contains(&coverage) {
                return Err(Failure::argument("coverage", coverage, "a share from 0 to below 1").into());
            }
            let model = ClvModel::from_bytes(input.column(2).bytes(row))?;
            let message = |_| "looking ahead".into();
            go_on(input, row, display, message, move |numbers, width| {
                let (customers, rest) = numbers.as_chunks();
                if width != 4 || !rest.is_empty() {
                    let received = format!("a list of {width} numbers each");
                    return Err(Failure::argument("points", received, "[x, t_x, age, n_known]"));
                }
                forecasts(&model, customers, horizon, coverage, threads)
            })
        })
    }
}

/// The options as they are given in SQL.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    threads: i64,
}

/// [`N_FIELDS`] little-endian DOUBLEs for each customer, NaN for what is not known.
fn forecasts(
    model: &ClvModel,
    customers: &[[f64; 4]],
    horizon: f64,
    coverage: f64,
    threads: usize,
) -> Result<Value, Failure> {
    let mut bytes = vec![0; customers.len() * N_FIELDS * WORD];
    let slots = bytes.chunks_mut(TOGETHER * N_FIELDS * WORD);
    let mut pieces: Vec<_> = customers
        .chunks(TOGETHER)
        .zip(slots)
        .map(|(customers, slots)| (customers, slots, Ok(())))
        .collect();
    parallel::for_each(threads, &mut pieces, |_, (customers, slots, outcome)| {
        *outcome = fill(model, customers, horizon, coverage, slots);
    });
    pieces.into_iter().try_for_each(|(.., outcome)| outcome)?;
    Ok(bytes.into())
}

fn fill(
    model: &ClvModel,
    customers: &[[f64; 4]],
    horizon: f64,
    coverage: f64,
    slots: &mut [u8],
) -> Result<(), Failure> {
    let (words, _) = slots.as_chunks_mut::<WORD>();
    let (records, _) = words.as_chunks_mut::<N_FIELDS>();
    for (&customer, record) in customers.iter().zip(records) {
        let found = forecast(model, customer, horizon, coverage)?;
        *record = found.map(|number| number.unwrap_or(f64::NAN).to_le_bytes());
    }
    Ok(())
}

fn forecast(
    model: &ClvModel,
    [x, t_x, age, n_known]: [f64; 4],
    horizon: f64,
    coverage: f64,
) -> Result<[Option<f64>; N_FIELDS], Failure> {
    let unit = model.days_per_unit;
    let customer = Customer::new("points", x, t_x / unit, age / unit)?;
    if !(0.0..=x).contains(&n_known) {
        let received = format!("a customer with n_known {n_known}");
        let allowed = "a number from 0 to the repeat purchases";
        return Err(Failure::argument("points", received, allowed));
    }
    let outlook = Outlook::new(&model.purchases, &customer, horizon / unit).map_err(|error| match error {
        // As it was given, in days.
        Failure::Argument { argument, allowed, .. } => Failure::argument(argument, horizon, allowed),
        other => other,
    })?;
    let ends = (coverage > 0.0).then_some([0.5 - 0.5 * coverage, 0.5 + 0.5 * coverage]);
    let [purchases_low, purchases_high] = [0, 1].map(|end| ends.map(|ends| outlook.purchases(ends[end]) as f64));
    let values = model.values.as_ref();
    let [value_low, value_high] = [0, 1].map(|end| Some(outlook.value(values?, n_known, ends?[end])));
    Ok([
        Some(outlook.alive),
        Some(outlook.expected),
        purchases_low,
        purchases_high,
        values.and_then(|values| Some(outlook.expected * values.expected(n_known)?)),
        value_low,
        value_high,
        values.map(|values| values.v),
    ])
}
