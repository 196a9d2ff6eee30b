//! `clv_forecast(model, x, t_x, age, n_known, horizon, coverage)`: what customers of the same history will bring. Times
//! are in days; of `n_known` purchases the value is known, and a `coverage` of 0 asks for no intervals. The fields from
//! `expected_value` on are multiples of `prior_value` and the sum of the known values.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::value::customers::Customer;
use footfall::value::forecast::Outlook;
use footfall::value::model::ClvModel;
use std::error::Error;

pub struct ClvForecast;

const FIELDS: [&str; 8] = [
    "probability_alive",
    "expected_purchases",
    "purchases_low",
    "purchases_high",
    "expected_value",
    "value_low",
    "value_high",
    "prior_value",
];

impl Scalar for ClvForecast {
    const NAME: &'static str = "clv_forecast";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: [vec![Type::Blob], vec![Type::Double; 6]].concat(),
            returns: Type::Struct(FIELDS.map(|name| (name, Type::Double)).into()),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let rows = input.len();
        let numbers: [_; 6] = std::array::from_fn(|index| input.column(index + 1).values::<f64>());
        let mut result = output.vector.struct_vector();
        let mut fields: Vec<_> = (0..FIELDS.len()).map(|index| result.child(index, rows)).collect();
        let mut decoded: Option<(u128, ClvModel)> = None;
        let mut nulls = Vec::new();
        for row in 0..rows {
            if input.any_null(row) {
                nulls.push(row);
                fields.iter_mut().for_each(|field| field.set_null(row));
                continue;
            }
            let slot = input.column(0).slot(row);
            let model = match decoded.take().filter(|(known, _)| *known == slot) {
                Some((_, model)) => model,
                None => ClvModel::from_bytes(input.column(0).bytes(row))?,
            };
            let forecast = forecast(&model, numbers.each_ref().map(|column| column[row]))?;
            for (field, value) in fields.iter_mut().zip(forecast) {
                match value {
                    // SAFETY: the fields are DOUBLE, as registered, and have a slot for every row of the chunk.
                    Some(value) => unsafe { field.as_mut_ptr::<f64>().add(row).write(value) },
                    None => field.set_null(row),
                }
            }
            decoded = Some((slot, model));
        }
        drop(fields);
        nulls.into_iter().for_each(|row| result.set_null(row));
        Ok(())
    }
}

fn forecast(
    model: &ClvModel,
    [x, t_x, age, n_known, horizon, coverage]: [f64; 6],
) -> Result<[Option<f64>; 8], Box<dyn Error>> {
    let unit = model.days_per_unit;
    let customer = Customer::new("x", x, t_x / unit, age / unit)?;
    if !(0.0..=x).contains(&n_known) {
        return Err(Failure::argument("n_known", n_known, "a number from 0 to the repeat purchases").into());
    }
    if !(0.0..1.0).contains(&coverage) {
        return Err(Failure::argument("coverage", coverage, "a share from 0 to below 1").into());
    }
    let outlook = Outlook::new(&model.purchases, &customer, horizon / unit)?;
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
