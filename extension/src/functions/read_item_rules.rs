//! `read_item_rules(rules)`: rules that `item_rules_piece` found.
//!
//! There may be a hundred for each item of a catalogue, so it fills its vectors in place.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::{Chunk, slots};
use duckdb::core::StructVector;
use footfall::error::Error as Failure;
use footfall::items::{RULE_BYTES, Rule};
use std::error::Error;

pub struct ReadItemRules;

impl Scalar for ReadItemRules {
    const NAME: &'static str = "read_item_rules";

    fn signatures() -> Vec<Signature> {
        let rule = Type::Struct(vec![
            ("item", Type::Bigint),
            ("next", Type::Bigint),
            ("weight", Type::Double),
            ("support", Type::Bigint),
            ("lift", Type::Double),
        ]);
        vec![Signature {
            parameters: vec![Type::Blob],
            returns: Type::list(rule),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let blobs = input.column(0);
        let mut lists = output.vector.list_vector();
        let mut rules = Vec::new();
        for row in 0..input.len() {
            let offset = rules.len();
            if input.any_null(row) {
                lists.set_null(row);
            } else {
                rules.extend(read(blobs.bytes(row))?);
            }
            lists.set_entry(row, offset, rules.len() - offset);
        }
        lists.try_set_len(rules.len())?;
        let fields = lists.struct_child(rules.len());
        whole(&fields, 0, rules.iter().map(|rule| rule.item));
        whole(&fields, 1, rules.iter().map(|rule| rule.next));
        real(&fields, 2, rules.iter().map(|rule| rule.weight));
        whole(&fields, 3, rules.iter().map(|rule| rule.support));
        real(&fields, 4, rules.iter().map(|rule| rule.lift));
        Ok(())
    }
}

fn read(bytes: &[u8]) -> Result<impl Iterator<Item = Rule> + '_, Failure> {
    let (rules, rest) = bytes.as_chunks::<RULE_BYTES>();
    if rest.is_empty() {
        return Ok(rules.iter().map(Rule::from_bytes));
    }
    let found = format!("a BLOB of {} bytes", bytes.len());
    Err(Failure::argument("rules", found, "a result of item_rules_piece"))
}

/// Writes a BIGINT field.
fn whole(fields: &StructVector, index: usize, values: impl ExactSizeIterator<Item = u32>) {
    let mut vector = fields.child(index, values.len());
    // SAFETY: a BIGINT vector holds 64-bit numbers, and the field has room for as many as its list has elements.
    let slots = unsafe { slots::<i64>(&mut vector, values.len()) };
    for (slot, value) in slots.iter_mut().zip(values) {
        slot.write(value.into());
    }
}

/// Writes a DOUBLE field.
fn real(fields: &StructVector, index: usize, values: impl ExactSizeIterator<Item = f64>) {
    let mut vector = fields.child(index, values.len());
    // SAFETY: as in `whole`, of DOUBLEs.
    let slots = unsafe { slots::<f64>(&mut vector, values.len()) };
    for (slot, value) in slots.iter_mut().zip(values) {
        slot.write(value);
    }
}
