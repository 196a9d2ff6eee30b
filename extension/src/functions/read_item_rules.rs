//! `read_item_rules(rules)`: rules that `item_rules_piece` found.

use crate::fields::Fields;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::items::{RULE_BYTES, Rule};
use std::error::Error;

pub struct ReadItemRules;

impl Scalar for ReadItemRules {
    const NAME: &'static str = "read_item_rules";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob],
            returns: Type::list(RULE.struct_type()),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &Type::list(RULE.struct_type()), |row| {
            let bytes = input.column(0).bytes(row);
            let (rules, []) = bytes.as_chunks::<RULE_BYTES>() else {
                let found = format!("a BLOB of {} bytes", bytes.len());
                return Err(Failure::argument("rules", found, "a result of item_rules_piece").into());
            };
            let rules = rules.iter().map(|bytes| RULE.value(&Rule::from_bytes(bytes)));
            Ok(Value::List(rules.collect()))
        })
    }
}

const RULE: Fields<Rule> = Fields(&[
    ("item", || Type::Bigint, |rule| i64::from(rule.item).into()),
    ("next", || Type::Bigint, |rule| i64::from(rule.next).into()),
    ("weight", || Type::Double, |rule| rule.weight.into()),
    ("support", || Type::Bigint, |rule| i64::from(rule.support).into()),
    ("lift", || Type::Double, |rule| rule.lift.into()),
]);
