//! `order_events(numbers, names, start, ties)`: a history as two lists in time order.
//!
//! Runs over every event there is, so it fills the two lists in place.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::{Chunk, Column};
use duckdb::core::{FlatVector, Inserter};
use duckdb::ffi::duckdb_string_t;
use footfall::calendar;
use footfall::error::Error as Failure;
use footfall::sequence::order::{self, Tie};
use std::error::Error;
use std::ops::Range;

pub struct OrderEvents;

impl Scalar for OrderEvents {
    const NAME: &'static str = "order_events";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![
                Type::list(Type::Bigint),
                Type::list(Type::Varchar),
                Type::Bigint,
                Type::Any,
            ],
            returns: Type::Struct(vec![
                ("actions", Type::list(Type::Varchar)),
                ("times", Type::list(Type::Timestamp)),
            ]),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let [histories, names, starts, ties] = [0, 1, 2, 3].map(|index| input.column(index));
        let numbers = histories.child();

        let mut vector = output.vector.struct_vector();
        let (mut actions, mut times) = (vector.list_vector_child(0), vector.list_vector_child(1));
        let n_events = (0..input.len()).map(|row| histories.list(row).len()).sum();
        let mut written = Names::new(names, actions.child(n_events), n_events);
        // SAFETY: the child of a TIMESTAMP[] holds 64-bit numbers and has room for `n_events`.
        let slots = unsafe { std::slice::from_raw_parts_mut(times.child(n_events).as_mut_ptr::<i64>(), n_events) };
        let mut events = Vec::new();
        let mut offset = 0;
        for row in 0..input.len() {
            let mut length = 0;
            if input.any_null(row) {
                vector.set_null(row);
                actions.set_null(row);
                times.set_null(row);
            } else {
                let start = starts.values::<i64>()[row];
                events.clear();
                let history = histories.list(row);
                if !numbers.all_valid() && history.clone().any(|event| numbers.is_null(event)) {
                    return Err(Failure::argument("numbers", "a list that holds NULL", "numbers").into());
                }
                events.extend_from_slice(&numbers.values::<i64>()[history]);
                let ties = read_ties(ties, row, events.len())?;
                order::sort(&mut events, ties.as_deref());
                written.choose(row);
                length = events.len();
                for (at, &event) in (offset..).zip(&events) {
                    written.write(at, order::action(event))?;
                    let time = start.checked_add(order::time_us(event));
                    slots[at] = time.filter(|time| calendar::SHOWN.contains(time)).ok_or_else(|| {
                        Failure::argument("start", start, "a time that lies in the calendar with 'numbers' added")
                    })?;
                }
            }
            actions.set_entry(row, offset, length);
            times.set_entry(row, offset, length);
            offset += length;
        }
        actions.try_set_len(offset)?;
        times.try_set_len(offset)?;
        Ok(())
    }
}

/// Writes action names by their place in a list; a name is read once and then repeated.
struct Names<'a> {
    lists: &'a Column<'a>,
    texts: Column<'a>,
    entry: Range<usize>,
    /// Per place in the list the name as DuckDB stores it in `written`.
    known: Vec<Option<duckdb_string_t>>,
    written: FlatVector<'a>,
    n_slots: usize,
}

impl<'a> Names<'a> {
    /// `written` has room for `n_slots` texts.
    fn new(lists: &'a Column<'a>, written: FlatVector<'a>, n_slots: usize) -> Self {
        Self {
            lists,
            texts: lists.child(),
            entry: 0..0,
            known: Vec::new(),
            written,
            n_slots,
        }
    }

    /// Takes the names from the list in `row`. Equal list entries are equal lists: see the
    /// module `vector`.
    fn choose(&mut self, row: usize) {
        let entry = self.lists.list(row);
        if self.entry != entry {
            self.known = vec![None; entry.len()];
            self.entry = entry;
        }
    }

    /// Writes the name at `place`, counted from 1, into `slot`.
    fn write(&mut self, slot: usize, place: usize) -> Result<(), Box<dyn Error>> {
        assert!(slot < self.n_slots, "slot {slot} of {}", self.n_slots);
        let Some(known) = place.checked_sub(1).and_then(|index| self.known.get_mut(index)) else {
            let allowed = format!("numbers whose action is 1 to {}", self.known.len());
            return Err(Failure::argument("numbers", format!("a list with the action {place}"), allowed).into());
        };
        // SAFETY: a VARCHAR vector stores a `duckdb_string_t` per row.
        let text = unsafe { self.written.as_mut_ptr::<duckdb_string_t>() };
        match known {
            // SAFETY: the vector has room for `n_slots` texts, and a text of the same vector may
            // be repeated, since the vector owns the bytes.
            Some(known) => unsafe { text.add(slot).write(*known) },
            None => {
                let index = self.entry.start + place - 1;
                if self.texts.is_null(index) {
                    return Err(Failure::argument("names", "a list that holds NULL", "action names").into());
                }
                self.written.insert(slot, self.texts.text(index)?);
                // SAFETY: the slot has just been written.
                *known = Some(unsafe { text.add(slot).read() });
            }
        }
        Ok(())
    }
}

/// The ties of one history of `n_events` events; an empty list is none.
fn read_ties(ties: &Column, row: usize, n_events: usize) -> Result<Option<Vec<Tie>>, Box<dyn Error>> {
    const ALLOWED: &str = "a list of whole numbers, DATEs or TIMESTAMPs, empty or as long as 'numbers'";
    if !ties.is_list() {
        return Err(Failure::argument("ties", "not a list", ALLOWED).into());
    }
    let (values, entry) = (ties.child(), ties.list(row));
    if entry.is_empty() {
        return Ok(None);
    }
    if entry.len() != n_events {
        return Err(Failure::argument("ties", format!("a list of {}", entry.len()), ALLOWED).into());
    }
    let ordinals = values
        .ordinals(entry.clone())
        .ok_or_else(|| Failure::argument("ties", "a list of another type", ALLOWED))?;
    let ordered = entry.zip(ordinals);
    let ties = ordered.map(|(index, ordinal)| (!values.is_null(index)).then_some(ordinal));
    Ok(Some(ties.collect()))
}
