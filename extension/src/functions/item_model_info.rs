//! `item_model_info(model)`: what a model of items is made of.

use crate::fields::Fields;
use crate::items::decode;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::items::{Ids, ItemModel, Shape};
use std::error::Error;

pub struct ItemModelInfo;

impl Scalar for ItemModelInfo {
    const NAME: &'static str = "item_model_info";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob],
            returns: INFO.struct_type(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &INFO.struct_type(), |row| {
            Ok(INFO.value(&decode(input.column(0).bytes(row))?.model))
        })
    }
}

/// A size of the network; NULL where there is none.
fn size(model: &ItemModel, of: fn(Shape) -> usize) -> Value {
    model.network.as_ref().map(|network| of(network.shape()) as i64).into()
}

const INFO: Fields<ItemModel> = Fields(&[
    (
        "architecture",
        || Type::Varchar,
        |model| model.network.as_ref().map_or("none", |_| "sasrec").into(),
    ),
    ("n_items", || Type::Bigint, |model| (model.ids.len() as i64).into()),
    (
        "item_type",
        || Type::Varchar,
        |model| match model.ids {
            Ids::Numbers(_) => "BIGINT".into(),
            Ids::Texts(_) => "VARCHAR".into(),
        },
    ),
    (
        "n_rules",
        || Type::Bigint,
        |model| (model.followers.next.len() as i64).into(),
    ),
    ("n_users", || Type::Bigint, |model| (model.about.n_users as i64).into()),
    (
        "n_events",
        || Type::Bigint,
        |model| (model.about.n_events as i64).into(),
    ),
    (
        "window_size",
        || Type::Bigint,
        |model| (model.about.window as i64).into(),
    ),
    ("top", || Type::Bigint, |model| (model.about.top as i64).into()),
    ("repeat", || Type::Double, |model| model.mixture.repeat.into()),
    ("rules", || Type::Double, |model| model.mixture.rules.into()),
    ("popular", || Type::Double, |model| model.mixture.popular.into()),
    ("is_recent", || Type::Boolean, |model| model.mixture.is_recent.into()),
    ("carried_by", || Type::Varchar, |model| model.carried_by().name().into()),
    ("made_of", || Type::Varchar, |model| model.mixture.to_string().into()),
    ("validation_from", || Type::Timestamp, |model| model.about.before.into()),
    ("network", || Type::Double, |model| model.mixture.network.into()),
    (
        "n_network_items",
        || Type::Bigint,
        |model| size(model, |shape| shape.n_items),
    ),
    ("dim", || Type::Bigint, |model| size(model, |shape| shape.dim)),
    ("layers", || Type::Bigint, |model| size(model, |shape| shape.layers)),
    ("heads", || Type::Bigint, |model| size(model, |shape| shape.heads)),
    (
        "max_length",
        || Type::Bigint,
        |model| size(model, |shape| shape.max_length),
    ),
]);
