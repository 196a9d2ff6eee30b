//! Histories, rows and models of propensity on their way in and out.

use crate::value::Type;
use crate::vector::{Column, Native, Values};
use footfall::error::Error as Failure;
use footfall::propensity::history::{Event, OwnValues};
use footfall::propensity::model::PropensityModel;
use footfall::propensity::plan::{Feature, Plan};
use footfall::propensity::rows;
use std::error::Error;
use std::ops::Range;

/// The events of one user: lists of which those that tell nothing are empty.
pub fn history_type() -> Type {
    Type::Struct(vec![
        ("at", Type::list(Type::Bigint)),
        ("action", Type::list(Type::Utinyint)),
        ("item", Type::list(Type::Ubigint)),
        ("category", Type::list(Type::Ubigint)),
        ("amount", Type::list(Type::Double)),
    ])
}

/// The user's own columns at the moments of some events.
pub fn own_type() -> Type {
    Type::list(Type::Struct(vec![
        ("at", Type::Bigint),
        ("own", Type::list(Type::Varchar)),
    ]))
}

/// A list column and its elements.
struct Lists<'a, T> {
    lists: Column<'a>,
    elements: Column<'a>,
    values: Values<'a, T>,
}

impl<'a, T: Native> Lists<'a, T> {
    fn new(lists: Column<'a>) -> Self {
        let elements = lists.child();
        let values = elements.values();
        Self {
            lists,
            elements,
            values,
        }
    }

    /// Element `place` of a row; nothing where it is NULL or the list ends before it.
    fn get(&self, range: &Range<usize>, place: usize) -> Option<T> {
        let element = range.start + place;
        (element < range.end && !self.elements.is_null(element)).then(|| self.values[element])
    }
}

/// A column of [`history_type`].
pub struct Histories<'a> {
    at: Lists<'a, i64>,
    action: Lists<'a, u8>,
    item: Lists<'a, u64>,
    category: Lists<'a, u64>,
    amount: Lists<'a, f64>,
}

impl<'a> Histories<'a> {
    pub fn new(column: &Column<'a>) -> Self {
        Self {
            at: Lists::new(column.field(0)),
            action: Lists::new(column.field(1)),
            item: Lists::new(column.field(2)),
            category: Lists::new(column.field(3)),
            amount: Lists::new(column.field(4)),
        }
    }

    /// The events in a row; those without a time are left out.
    pub fn events(&self, row: usize, n_actions: usize) -> Vec<Event> {
        let Self {
            at,
            action,
            item,
            category,
            amount,
        } = self;
        let times = at.lists.list(row);
        let (actions, amounts) = (action.lists.list(row), amount.lists.list(row));
        let (items, categories) = (item.lists.list(row), category.lists.list(row));
        let event = |place| {
            Some(Event {
                at: at.get(&times, place)?,
                action: action
                    .get(&actions, place)
                    .map(usize::from)
                    .filter(|&place| place < n_actions),
                item: item.get(&items, place),
                category: category.get(&categories, place),
                amount: amount.get(&amounts, place),
            })
        };
        (0..times.len()).filter_map(event).collect()
    }
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
                if texts.is_null(place) {
                    Ok(None)
                } else {
                    texts.text(place).map(Some)
                }
            };
            let values = lists.list(element).map(text).collect::<Result<_, _>>()?;
            Ok(OwnValues {
                at: times[element],
                values,
            })
        })
        .collect()
}

/// The moments in a row of a list of BIGINT.
pub fn moments(column: &Column, row: usize) -> Vec<i64> {
    let (elements, range) = (column.child(), column.list(row));
    let values = elements.values::<i64>();
    range
        .filter(|&element| !elements.is_null(element))
        .map(|element| values[element])
        .collect()
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
