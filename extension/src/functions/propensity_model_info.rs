//! `propensity_model_info(model, called_as)`: what the macros need of a model, and its weights.

use crate::fields::Fields;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::propensity::model::PropensityModel;
use std::error::Error;

pub struct PropensityModelInfo;

const INFO: Fields<PropensityModel> = Fields(&[
    ("plan", || Type::Blob, |of| of.plan.to_bytes().into()),
    (
        "target",
        || Type::Varchar,
        |of| of.plan.actions[of.plan.target].clone().into(),
    ),
    (
        "actions",
        || Type::list(Type::Varchar),
        |of| Value::list(of.plan.actions.clone()),
    ),
    ("months", || Type::Bigint, |of| of.plan.horizon.months.into()),
    ("days", || Type::Bigint, |of| of.plan.horizon.days.into()),
    (
        "microseconds",
        || Type::Bigint,
        |of| of.plan.horizon.microseconds.into(),
    ),
    (
        "cutoffs",
        || Type::list(Type::Bigint),
        |of| Value::list(of.plan.cutoffs.clone()),
    ),
    ("learned_until", || Type::Bigint, |of| of.plan.learned_until.into()),
    ("test_cutoff", || Type::Bigint, |of| of.plan.test_cutoff.into()),
    ("known_until", || Type::Bigint, |of| of.plan.known_until.into()),
    ("lookback", || Type::Bigint, |of| of.plan.lookback.into()),
    ("has_items", || Type::Boolean, |of| of.plan.has_items.into()),
    ("has_categories", || Type::Boolean, |of| of.plan.has_categories.into()),
    ("has_amounts", || Type::Boolean, |of| of.plan.has_amounts.into()),
    ("n_own", || Type::Bigint, |of| (of.plan.own.len() as i64).into()),
    ("holdout", || Type::Double, |of| of.plan.holdout.into()),
    ("seed", || Type::Bigint, |of| of.plan.seed.into()),
    ("base_rate", || Type::Double, |of| of.base_rate.into()),
    (
        "features",
        || Type::list(Type::Varchar),
        |of| Value::list(of.plan.features().into_iter().map(|feature| of.plan.name(feature))),
    ),
    (
        "weights",
        || Type::list(Type::Double),
        |of| Value::list(of.regression.weights.clone()),
    ),
    (
        "raw_weights",
        || Type::list(Type::Double),
        |of| Value::list(of.raw_weights().0),
    ),
    ("intercept", || Type::Double, |of| of.regression.intercept.into()),
    ("raw_intercept", || Type::Double, |of| of.raw_weights().1.into()),
]);

impl Scalar for PropensityModelInfo {
    const NAME: &'static str = "propensity_model_info";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob, Type::Varchar],
            returns: INFO.struct_type(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &INFO.struct_type(), |row| {
            let model = PropensityModel::from_bytes(input.column(0).bytes(row));
            let model = model.map_err(|error| super::as_called(input, 1, row, error))?;
            Ok(INFO.value(&model))
        })
    }
}
