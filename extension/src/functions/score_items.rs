//! `score_items(model, items, candidates)`: how much a model has for each of some items, behind a history.

use super::recommend::History;
use crate::items::{Items, ScoredLists, check_kind, decode, scored_type};
use crate::models::{ModelRows, rows_of};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::items::Id;
use std::error::Error;

pub struct ScoreItems;

impl Scalar for ScoreItems {
    const NAME: &'static str = "score_items";

    fn signatures() -> Vec<Signature> {
        let signature = |item: Type| Signature {
            parameters: vec![Type::Blob, Type::list(item.clone()), Type::list(item.clone())],
            returns: scored_type(item),
        };
        [Type::Bigint, Type::Varchar].map(signature).into()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let groups = rows_of(input, 0, decode)?;
        let (history, candidates) = (Items(input.column(1).child()), Items(input.column(2).child()));
        let as_texts = history.0.is_text();
        let mut lists = ScoredLists::new(input.len());
        let mut known = History::default();
        for ModelRows { decoded, rows } in &groups {
            let model = &*decoded.model;
            check_kind("items", &history.0, model)?;
            for &row in rows {
                known.fill(&history, input.column(1).list(row), model);
                let asked = input.column(2).list(row).filter_map(|element| candidates.get(element));
                let asked: Vec<(Id, Option<u32>)> = asked.map(|id| (id, known.find(id, model))).collect();
                let items: Vec<u32> = asked.iter().filter_map(|(_, item)| *item).collect();
                let mut scores = decoded
                    .with_room(|room| model.scores(&known.events, &items, room))
                    .into_iter();
                let scored = asked.iter().map(|&(id, item)| (id, item.and_then(|_| scores.next())));
                lists.set(row, scored);
            }
        }
        lists.write(output, as_texts)
    }
}
