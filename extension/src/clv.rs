//! Customers, options and models of what customers are worth, on their way in and out.

use crate::fields::Fields;
use crate::segments::packed::WORD;
use crate::value::{Type, Value};
use crate::vector::{Chunk, Column};
use footfall::error::Error as Failure;
use footfall::value::customers::{Customer, Customers};
use footfall::value::fit::{Choice, PurchasesFit};
use footfall::value::gamma_gamma::{GammaGammaFit, Values};
use footfall::value::purchases::Purchases;
use serde::Deserialize;
use serde_json::Value as Json;

/// The statistics of one customer as `bgnbd` takes them.
pub fn customer_type() -> Type {
    let times = [("x", Type::Double), ("t_x", Type::Double), ("age", Type::Double)];
    Type::Struct(times.into())
}

/// The result of `bgnbd`.
pub const PURCHASES: Fields<PurchasesFit> = Fields(&[
    ("family", || Type::Varchar, |fit| fit.purchases.family.name().into()),
    ("r", || Type::Double, |fit| parameter(fit, Purchases::r)),
    ("alpha", || Type::Double, |fit| parameter(fit, Purchases::alpha)),
    ("a", || Type::Double, |fit| parameter(fit, Purchases::a)),
    ("b", || Type::Double, |fit| parameter(fit, Purchases::b)),
    ("r_error", || Type::Double, |fit| known(fit.errors[0])),
    ("alpha_error", || Type::Double, |fit| known(fit.errors[1])),
    ("a_error", || Type::Double, |fit| known(fit.errors[2])),
    ("b_error", || Type::Double, |fit| known(fit.errors[3])),
    ("rate", || Type::Double, |fit| fit.purchases.rate.into()),
    (
        "rate_dispersion",
        || Type::Double,
        |fit| fit.purchases.rate_dispersion.into(),
    ),
    ("dropout", || Type::Double, |fit| fit.purchases.dropout.into()),
    (
        "dropout_dispersion",
        || Type::Double,
        |fit| fit.purchases.dropout_dispersion.into(),
    ),
    ("log_likelihood", || Type::Double, |fit| fit.log_likelihood.into()),
    ("n", || Type::Bigint, |fit| (fit.n as i64).into()),
    ("n_repeat", || Type::Bigint, |fit| (fit.n_repeat as i64).into()),
    ("converged", || Type::Boolean, |fit| fit.converged.into()),
    (
        "at_boundary",
        || Type::Boolean,
        |fit| (!fit.purchases.boundaries().is_empty()).into(),
    ),
    (
        "boundary",
        || Type::Varchar,
        |fit| in_words(&fit.purchases.boundaries()),
    ),
]);

/// A parameter of the published form, which has none where nobody bought again.
fn parameter(fit: &PurchasesFit, of: fn(&Purchases) -> f64) -> Value {
    if fit.purchases.rate == 0.0 {
        return Value::Null;
    }
    known(of(&fit.purchases))
}

/// The result of `gamma_gamma`.
pub const VALUES: Fields<GammaGammaFit> = Fields(&[
    ("p", || Type::Double, |fit| fit.values.p.into()),
    ("q", || Type::Double, |fit| fit.values.q.into()),
    ("v", || Type::Double, |fit| fit.values.v.into()),
    ("p_error", || Type::Double, |fit| known(fit.errors[0])),
    ("q_error", || Type::Double, |fit| known(fit.errors[1])),
    ("v_error", || Type::Double, |fit| known(fit.errors[2])),
    (
        "mean_value",
        || Type::Double,
        |fit| fit.values.expected(0.0).map(|multiple| multiple * fit.values.v).into(),
    ),
    ("log_likelihood", || Type::Double, |fit| fit.log_likelihood.into()),
    ("n", || Type::Bigint, |fit| (fit.n as i64).into()),
    ("converged", || Type::Boolean, |fit| fit.converged.into()),
    (
        "at_boundary",
        || Type::Boolean,
        |fit| (!fit.values.boundaries().is_empty()).into(),
    ),
    ("boundary", || Type::Varchar, |fit| in_words(&fit.values.boundaries())),
]);

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
        let [x, value] = checked(numbers.map(|numbers| numbers[index]))?;
        known.push((x, value, n));
    }
    Ok(Values::new(known))
}

/// The number of purchases and the mean value of a customer.
fn checked([x, value]: [f64; 2]) -> Result<[f64; 2], Failure> {
    Customer::new("customers", x, 0.0, 0.0)?;
    if !value.is_finite() || value.abs() > 1e250 {
        let received = format!("a customer with value {value}");
        return Err(Failure::argument("customers", received, "finite numbers up to 1e250"));
    }
    Ok([x, value])
}

/// The customers of packed points [x, t_x, age, weight].
///
/// # Errors
/// Points of another width, and as [`customers`].
pub fn customers_of(packed: (usize, &[[u8; WORD]])) -> Result<Customers, Failure> {
    let mut total = Total::of("customers");
    let customers = points(packed, "[x, t_x, age, weight]")?.map(|[x, t_x, age, weight]| {
        let customer = Customer::new("customers", x, t_x, age)?;
        total.add(weight).map(|n| (customer, n))
    });
    Ok(Customers::new(customers.collect::<Result<_, Failure>>()?))
}

/// The values of packed points [x, value].
///
/// # Errors
/// Points of another width, and as [`values`].
pub fn values_of(packed: (usize, &[[u8; WORD]])) -> Result<Values, Failure> {
    let known = points(packed, "[x, value]")?.map(|point| checked(point).map(|[x, value]| (x, value, 1)));
    Ok(Values::new(known.collect::<Result<Vec<_>, _>>()?))
}

fn points<'a, const N: usize>(
    (width, words): (usize, &'a [[u8; WORD]]),
    allowed: &str,
) -> Result<impl Iterator<Item = [f64; N]> + 'a, Failure> {
    if width != N {
        return Err(Failure::argument(
            "customers",
            format!("lists of {width} numbers"),
            allowed,
        ));
    }
    Ok(words.as_chunks().0.iter().map(|point| point.map(f64::from_le_bytes)))
}

/// Weights that are added up.
struct Total {
    argument: &'static str,
    sum: f64,
}

impl Total {
    /// Of none, for those in an argument.
    fn of(argument: &'static str) -> Self {
        Self { argument, sum: 0.0 }
    }

    /// One more.
    ///
    /// # Errors
    /// Not a whole number from 0, or more in all than a DOUBLE can tell apart.
    fn add(&mut self, weight: f64) -> Result<u64, Failure> {
        const MOST: f64 = (1u64 << 53) as f64;
        self.sum += weight;
        if weight >= 0.0 && weight.fract() == 0.0 && self.sum <= MOST {
            Ok(weight as u64)
        } else {
            let allowed = "whole numbers from 0 that add up to 2^53 at most";
            Err(Failure::argument(self.argument, weight, allowed))
        }
    }
}

/// The places of a list and how often each counts.
///
/// # Errors
/// Not one weight per element, or weights as [`Total`] refuses them.
fn rows(column: &Column, weights: Option<&Column>, row: usize) -> Result<Vec<(usize, u64)>, Failure> {
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
    let mut total = Total::of("weights");
    let with_weight = range.zip(given).map(|(index, place)| {
        let weight = if weights.is_null(place) { 0.0 } else { counts[place] };
        Ok((index, total.add(weight)?))
    });
    with_weight.collect()
}

/// The weights of a call that has them as argument `index`.
pub fn weights<'a, 'b>(input: &'b Chunk<'a>, index: usize) -> Option<&'b Column<'a>> {
    (input.width() > index).then(|| input.column(index))
}
