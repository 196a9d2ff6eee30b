//! `similar_items(model, item, k)`: what follows an item.

use crate::items::{Items, ScoredLists, check_kind, count, decode, scored_type};
use crate::models::{ModelRows, rows_of};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::limits::MAX_LIST;
use std::error::Error;

pub struct SimilarItems;

impl Scalar for SimilarItems {
    const NAME: &'static str = "similar_items";

    fn signatures() -> Vec<Signature> {
        let signature = |item: Type| Signature {
            parameters: vec![Type::Blob, item.clone(), Type::Bigint],
            returns: scored_type(item),
        };
        [Type::Bigint, Type::Varchar].map(signature).into()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let groups = rows_of(input, 0, decode)?;
        let items = input.column(1);
        let mut lists = ScoredLists::new(input.len());
        for ModelRows { decoded, rows } in &groups {
            let model = &*decoded.model;
            check_kind("item", items, model)?;
            for &row in rows {
                let k = count("k", input.column(2).values::<i64>()[row], MAX_LIST)?;
                let item = Items::of(items, row).and_then(|id| model.ids.find(id));
                let followers = item.map(|item| model.similar(item, k)).unwrap_or_default();
                let scored = followers.into_iter();
                lists.set(
                    row,
                    scored.map(|(share, next)| (model.ids.get(next as usize), Some(share))),
                );
            }
        }
        lists.write(output, items.is_text())
    }
}
