//! Customers, options and models of what customers are worth, on their way in and out.

use crate::gate::CalledAs;
use crate::value::{Type, Value};
use crate::vector::{Chunk, Column};
use footfall::error::Error as Failure;
use footfall::value::customers::{Customer, Customers};
use footfall::value::gamma_gamma::{GammaGammaFit, Values};
use footfall::value::purchases::{Choice, PurchasesFit};
use serde::Deserialize;
use serde_json::Value as Json;
use std::error::Error;

/// The statistics of one customer as `bgnbd` takes them.
pub fn customer_type() -> Type {
    let times = [("x", Type::Double), ("t_x", Type::Double), ("age", Type::Double)];
    Type::Struct(times.into())
}

/// The result of `bgnbd`.
pub fn purchases_type() -> Type {
    Type::Struct(vec![
        ("family", Type::Varchar),
        ("r", Type::Double),
        ("alpha", Type::Double),
        ("a", Type::Double),
        ("b", Type::Double),
        ("r_error", Type::Double),
        ("alpha_error", Type::Double),
        ("a_error", Type::Double),
        ("b_error", Type::Double),
        ("rate", Type::Double),
        ("rate_dispersion", Type::Double),
        ("dropout", Type::Double),
        ("dropout_dispersion", Type::Double),
        ("log_likelihood", Type::Double),
        ("n", Type::Bigint),
        ("n_repeat", Type::Bigint),
        ("converged", Type::Boolean),
        ("at_boundary", Type::Boolean),
        ("boundary", Type::Varchar),
    ])
}

/// A fit as a value of [`purchases_type`].
pub fn purchases_value(fit: &PurchasesFit) -> Value {
    let found = &fit.purchases;
    let parameters = if found.rate == 0.0 {
        [f64::NAN; 4]
    } else {
        [found.r(), found.alpha(), found.a(), found.b()]
    };
    let boundaries = found.boundaries();
    let mut fields = vec![found.family.name().into()];
    fields.extend(parameters.map(known));
    fields.extend(fit.errors.map(known));
    fields.extend(
        [
            found.rate,
            found.rate_dispersion,
            found.dropout,
            found.dropout_dispersion,
        ]
        .map(Value::from),
    );
    fields.extend([
        fit.log_likelihood.into(),
        (fit.n as i64).into(),
        (fit.n_repeat as i64).into(),
        fit.converged.into(),
        (!boundaries.is_empty()).into(),
        in_words(&boundaries),
    ]);
    Value::Struct(fields)
}

/// The result of `gamma_gamma`.
pub fn values_type() -> Type {
    Type::Struct(vec![
        ("p", Type::Double),
        ("q", Type::Double),
        ("v", Type::Double),
        ("p_error", Type::Double),
        ("q_error", Type::Double),
        ("v_error", Type::Double),
        ("mean_value", Type::Double),
        ("log_likelihood", Type::Double),
        ("n", Type::Bigint),
        ("converged", Type::Boolean),
        ("at_boundary", Type::Boolean),
        ("boundary", Type::Varchar),
    ])
}

/// A fit as a value of [`values_type`].
pub fn values_value(fit: &GammaGammaFit) -> Value {
    let found = &fit.values;
    let boundaries = found.boundaries();
    let mut fields: Vec<Value> = [found.p, found.q, found.v].map(Value::from).into();
    fields.extend(fit.errors.map(known));
    fields.extend([
        found.expected(0.0).map(|multiple| multiple * found.v).into(),
        fit.log_likelihood.into(),
        (fit.n as i64).into(),
        fit.converged.into(),
        (!boundaries.is_empty()).into(),
        in_words(&boundaries),
    ]);
    Value::Struct(fields)
}

/// A number, or NULL for one that is infinite or not known.
fn known(value: f64) -> Value {
    value.is_finite().then_some(value).into()
}

fn in_words(boundaries: &[&str]) -> Value {
    (!boundaries.is_empty()).then(|| boundaries.join("; ")).into()
}

/// The options of `bgnbd` as they are given in SQL.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Given {
    family: String,
}

impl Default for Given {
    fn default() -> Self {
        Self { family: "auto".into() }
    }
}

/// The macro that a call works for, which it names among the options.
pub fn caller(json: &mut Json) -> Option<String> {
    let name = json.as_object_mut()?.remove("called_as")?;
    name.as_str().map(str::to_owned)
}

/// The error as the user of the macro reads it, if the call works for one.
pub fn as_caller(caller: Option<String>, error: Box<dyn Error>) -> Box<dyn Error> {
    match caller {
        Some(caller) => CalledAs::new(&caller, error).into(),
        None => error,
    }
}

/// The family in the options.
///
/// # Errors
/// Unknown option, wrong type, another name.
pub fn choice(options: Json) -> Result<Choice, Failure> {
    let given: Given = footfall::options::read("options", options, "{family: 'auto'}")?;
    Choice::parse(&given.family)
}

/// The customers in a row of a list of [`customer_type`], and how often each counts in the same row of a DOUBLE[]
/// column, where an empty list stands for once each. Customers that are NULL or hold a NULL are left out.
///
/// # Errors
/// Statistics that no customer can have, and weights as [`weights`] refuses them.
pub fn customers(column: &Column, weights: Option<&Column>, row: usize) -> Result<Customers, Failure> {
    let structs = column.child();
    let fields = [0, 1, 2].map(|index| structs.field(index));
    let values = fields.each_ref().map(Column::values::<f64>);
    let mut customers = Vec::new();
    for (index, n) in rows(column, weights, row)? {
        if structs.is_null(index) || fields.iter().any(|field| field.is_null(index)) {
            continue;
        }
        let [x, t_x, age] = values.map(|values| values[index]);
        customers.push((Customer::new("customers", x, t_x, age)?, n));
    }
    Ok(Customers::new(customers))
}

/// The numbers of purchases and mean values in a row of a list of STRUCT(x, value), as [`customers`].
///
/// # Errors
/// A number of purchases below 0 or with a fraction, a value that is not finite, and wrong weights.
pub fn values(column: &Column, weights: Option<&Column>, row: usize) -> Result<Values, Failure> {
    let structs = column.child();
    let fields = [0, 1].map(|index| structs.field(index));
    let numbers = fields.each_ref().map(Column::values::<f64>);
    let mut known = Vec::new();
    for (index, n) in rows(column, weights, row)? {
        if structs.is_null(index) || fields.iter().any(|field| field.is_null(index)) {
            continue;
        }
        let [x, value] = numbers.map(|numbers| numbers[index]);
        Customer::new("customers", x, 0.0, 0.0)?;
        if !value.is_finite() || value.abs() > 1e250 {
            let received = format!("a customer with value {value}");
            return Err(Failure::argument("customers", received, "finite numbers up to 1e250"));
        }
        known.push((x, value, n));
    }
    Ok(Values::new(known))
}

/// The places of a list and how often each counts.
///
/// # Errors
/// Not one weight per element, or weights that are not whole numbers from 0 or add up to more than a DOUBLE can
/// tell apart.
fn rows(column: &Column, weights: Option<&Column>, row: usize) -> Result<Vec<(usize, u64)>, Failure> {
    const MOST: f64 = (1u64 << 53) as f64;
    let range = column.list(row);
    let given = weights.map_or(0..0, |weights| weights.list(row));
    if given.is_empty() {
        return Ok(range.map(|index| (index, 1)).collect());
    }
    if given.len() != range.len() {
        return Err(Failure::argument(
            "weights",
            format!("a list of {}", given.len()),
            format!("one weight for each of the {} customers", range.len()),
        ));
    }
    let weights = weights.expect("a list of weights has elements").child();
    let counts = weights.values::<f64>();
    let mut total = 0.0;
    let with_weight = range.zip(given).map(|(index, place)| {
        let weight = if weights.is_null(place) { 0.0 } else { counts[place] };
        total += weight;
        if weight >= 0.0 && weight.fract() == 0.0 && total <= MOST {
            Ok((index, weight as u64))
        } else {
            let allowed = "whole numbers from 0 that add up to 2^53 at most";
            Err(Failure::argument("weights", weight, allowed))
        }
    });
    with_weight.collect()
}

/// The weights of a call that has them as argument `index`.
pub fn weights<'a, 'b>(input: &'b Chunk<'a>, index: usize) -> Option<&'b Column<'a>> {
    (input.width() > index).then(|| input.column(index))
}
