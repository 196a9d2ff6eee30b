//! Histories, rows and models of propensity on their way in and out.

use crate::value::Type;
use crate::vector::Column;
use footfall::error::Error as Failure;
use footfall::propensity::history::{Event, OwnValues};
use footfall::propensity::model::PropensityModel;
use footfall::propensity::plan::{Feature, Plan};
use footfall::propensity::rows;
use std::error::Error;

/// The events of one user.
pub fn history_type() -> Type {
    Type::list(Type::Struct(vec![
        ("at", Type::Bigint),
        ("action", Type::Bigint),
        ("item", Type::Ubigint),
        ("category", Type::Ubigint),
        ("amount", Type::Double),
    ]))
}

/// The user's own columns at the moments of some events.
pub fn own_type() -> Type {
    Type::list(Type::Struct(vec![
        ("at", Type::Bigint),
        ("own", Type::list(Type::Varchar)),
    ]))
}

/// A row of a column of [`history_type`]; elements without a time are left out.
pub fn events(column: &Column, row: usize, n_actions: usize) -> Vec<Event> {
    let structs = column.child();
    let [at, action, item, category, amount] = [0, 1, 2, 3, 4].map(|index| structs.field(index));
    let (times, actions) = (at.values::<i64>(), action.values::<i64>());
    let (items, categories) = (item.values::<u64>(), category.values::<u64>());
    let amounts = amount.values::<f64>();
    let known = column.list(row).filter(|&element| !at.is_null(element));
    known
        .map(|element| Event {
            at: times[element],
            action: usize::try_from(actions.or(element, -1)).ok().filter(|&place| place < n_actions),
            item: (!item.is_null(element)).then(|| items[element]),
            category: (!category.is_null(element)).then(|| categories[element]),
            amount: (!amount.is_null(element)).then(|| amounts[element]),
        })
        .collect()
}

/// A row of a column of [`own_type`].
///
/// # Errors
/// Text that is none.
pub fn own_values<'a>(column: &Column<'a>, row: usize) -> Result<Vec<OwnValues<'a>>, Box<dyn Error>> {
    let structs = column.child();
    let (at, lists) = (structs.field(0), structs.field(1));
    let (times, texts) = (at.values::<i64>(), lists.child());
    let known = column.list(row).filter(|&element| !at.is_null(element));
    known
        .map(|element| {
            let text = |place| {
                if texts.is_null(place) { Ok(None) } else { texts.text(place).map(Some) }
            };
            let values = lists.list(element).map(text).collect::<Result<_, _>>()?;
            Ok(OwnValues { at: times[element], values })
        })
        .collect()
}

/// The moments in a row of a list of BIGINT.
pub fn moments(column: &Column, row: usize) -> Vec<i64> {
    let (elements, range) = (column.child(), column.list(row));
    let values = elements.values::<i64>();
    range.filter(|&element| !elements.is_null(element)).map(|element| values[element]).collect()
}

/// What is decoded once for all rows of a chunk that have the same bytes.
pub struct Decoded<T> {
    last: Option<(u128, T)>,
}

impl<T> Decoded<T> {
    pub fn new() -> Self {
        Self { last: None }
    }

    /// What the bytes of a row are.
    ///
    /// # Errors
    /// Those of `decode`.
    pub fn get(
        &mut self,
        column: &Column,
        row: usize,
        decode: impl FnOnce(&[u8]) -> Result<T, Failure>,
    ) -> Result<&T, Failure> {
        let slot = column.slot(row);
        let known = self.last.take().filter(|(known, _)| *known == slot);
        let value = match known {
            Some((_, value)) => value,
            None => decode(column.bytes(row))?,
        };
        Ok(&self.last.insert((slot, value)).1)
    }
}

/// A plan and its features.
pub fn plan(bytes: &[u8]) -> Result<(Plan, Vec<Feature>), Failure> {
    let plan = Plan::from_bytes(bytes)?;
    let features = plan.features();
    Ok((plan, features))
}

/// A model and the number of its features.
pub fn model(bytes: &[u8]) -> Result<(PropensityModel, usize), Failure> {
    let model = PropensityModel::from_bytes(bytes)?;
    let n_features = model.plan.features().len();
    Ok((model, n_features))
}

/// The features of the first record in some bytes; nothing where there is none.
///
/// # Errors
/// Bytes that are no records.
pub fn first_features(bytes: &[u8], n_features: usize) -> Result<Option<Vec<f32>>, Failure> {
    let first = rows::read(bytes, n_features)?.next().transpose()?;
    Ok(first.map(|record| record.features().collect()))
}
