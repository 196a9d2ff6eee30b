//! `item_rules_piece(job, histories, options, called_as)`: which items follow which, for `read_item_rules`, or after about half a
//! second the number of the job to go on with; 0 begins.

use crate::items::{Work, count, piece_signature, piece_type};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::items::{RULE_BYTES, RuleSettings, item_rules};
use footfall::limits::{MAX_LIST, MAX_WINDOW};
use serde::Deserialize;
use std::error::Error;

/// So many rules are read in one call.
const RULES_OF_PART: usize = 4096;

pub struct ItemRulesPiece;

/// The options as they are given in SQL.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    window_size: i64,
    top: i64,
    min_support: i64,
    threads: i64,
}

impl Scalar for ItemRulesPiece {
    const NAME: &'static str = "item_rules_piece";

    fn signatures() -> Vec<Signature> {
        vec![piece_signature(&[], Type::list(Type::Blob))]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let work = Work {
            example: "{window_size: 10, top: 100, min_support: 1, threads: 2}",
            settings,
            given: |_, _| Ok(()),
            answer: |histories, settings, ()| {
                let rules = item_rules(histories, settings);
                let parts = rules.chunks(RULES_OF_PART * RULE_BYTES).map(<[u8]>::to_vec);
                Ok(Value::list(parts))
            },
        };
        work.write(input, output, &piece_type(Type::list(Type::Blob)))
    }
}

fn settings(given: Given) -> Result<RuleSettings, Failure> {
    Ok(RuleSettings {
        window: count("window_size", given.window_size, MAX_WINDOW)?,
        top: count("top", given.top, MAX_LIST)?,
        min_support: count("min_support", given.min_support, u32::MAX as usize)?,
        threads: super::threads(given.threads)?,
    })
}
