//! `order_events(numbers, names, start, ties, others, user_id[, items, categories])`: a history as two lists in time order,
//! and where in the lists that it was given each event stands.
//!
//! Runs over every event there is, so it fills the two lists in place.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::{Chunk, Column, slots};
use duckdb::core::{FlatVector, Inserter, ListVector};
use duckdb::ffi::duckdb_string_t;
use footfall::calendar;
use footfall::error::Error as Failure;
use footfall::sequence::order::{self, Event, Packed, Placed, Tie, Wide};
use std::error::Error;
use std::mem::MaybeUninit;
use std::ops::Range;

pub struct OrderEvents;

impl Scalar for OrderEvents {
    const NAME: &'static str = "order_events";

    fn signatures() -> Vec<Signature> {
        let parameters = vec![
            Type::list(Type::Bigint),
            Type::list(Type::Varchar),
            Type::Bigint,
            Type::Any,
            Type::list(Type::Struct(vec![("time", Type::Timestamp), ("action", Type::Varchar)])),
            Type::Varchar,
        ];
        let returns = vec![
            ("actions", Type::list(Type::Varchar)),
            ("times", Type::list(Type::Timestamp)),
            ("ties", Type::Bigint),
        ];
        let things = Signature {
            parameters: [&parameters[..], &[Type::Any, Type::Any]].concat(),
            returns: Type::Struct([&returns[..], &[("places", Type::list(Type::Bigint))]].concat()),
        };
        let events = Signature {
            parameters,
            returns: Type::Struct(returns),
        };
        vec![events, things]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let [histories, names, starts, ties, others, users] = [0, 1, 2, 3, 4, 5].map(|index| input.column(index));
        let things = (input.width() > 6).then(|| [("items", input.column(6)), ("categories", input.column(7))]);
        let elements = histories.child();
        let numbers = elements.values::<i64>();
        let is_other = |index| !elements.all_valid() && elements.is_null(index);

        let mut vector = output.vector.struct_vector();
        let (mut actions, mut times) = (vector.list_vector_child(0), vector.list_vector_child(1));
        let mut n_tied = vector.child(2, input.len());
        let n_events = (0..input.len()).map(|row| histories.list(row).len()).sum();
        let mut written = Written {
            names: Names::new(names),
            actions: actions.child(n_events),
            // SAFETY: the child of a TIMESTAMP[] holds 64-bit numbers and has room for `n_events`.
            times: unsafe { slots(&mut times.child(n_events), n_events) },
            len: 0,
        };
        // SAFETY: a BIGINT vector holds 64-bit numbers and has a slot for every row.
        let counts = unsafe { slots::<i64>(&mut n_tied, input.len()) };
        let (mut packed, mut wide, mut placed) = (Vec::new(), Vec::new(), Vec::new());
        let mut places = Places::default();
        for (row, count) in counts.iter_mut().enumerate() {
            let offset = written.len;
            places.begin();
            if input.any_null(row) {
                vector.set_null(row);
                actions.set_null(row);
                times.set_null(row);
                n_tied.set_null(row);
            } else {
                let (start_us, user, history) = (starts.values::<i64>()[row], users.bytes(row), histories.list(row));
                let n_events = history.len();
                let ties = read_ordinals("ties", ties, row, n_events)?;
                let others = read_others(others, row)?;
                let things = read_things(&things, row, n_events)?;
                written.names.choose(row)?;
                let n_tied = if ties.is_none() && others.is_empty() && things.is_none() {
                    packed.clear();
                    for index in history {
                        if is_other(index) {
                            return Err(wrong_others(0).into());
                        }
                        packed.push(written.names.event(numbers[index])?);
                    }
                    written.write(&mut packed, start_us, user, &others)?
                } else {
                    wide.clear();
                    let mut rest = others.iter().zip(written.names.texts.len() + 1..);
                    for (nth, index) in history.enumerate() {
                        let (time_us, action) = if is_other(index) {
                            let ((time, _), action) = rest.next().ok_or_else(|| wrong_others(others.len()))?;
                            // Where this wraps, adding the start again is refused below.
                            (time.wrapping_sub(start_us), action)
                        } else {
                            let event = written.names.event(numbers[index])?;
                            (event.time_us(), event.action())
                        };
                        let tie = ties.as_ref().and_then(|ties| ties[nth]);
                        wide.push(Wide { time_us, tie, action });
                    }
                    if rest.next().is_some() {
                        return Err(wrong_others(others.len()).into());
                    }
                    match things {
                        None => written.write(&mut wide, start_us, user, &others)?,
                        Some(things) => {
                            let events = wide.iter().zip(things).enumerate();
                            placed.clear();
                            placed.extend(events.map(|(index, (&event, thing))| Placed { event, thing, index }));
                            let n_tied = written.write(&mut placed, start_us, user, &others)?;
                            places.all.extend(placed.iter().map(|event| event.index as i64 + 1));
                            n_tied
                        }
                    }
                };
                count.write(n_tied as i64);
            }
            actions.set_entry(row, offset, written.len - offset);
            times.set_entry(row, offset, written.len - offset);
        }
        actions.try_set_len(written.len)?;
        times.try_set_len(written.len)?;
        if things.is_some() {
            places.write(&mut vector.list_vector_child(3), input)?;
        }
        Ok(())
    }
}

/// Where the events of each history stood in the lists that were given, from 1; of histories without items nothing.
#[derive(Default)]
struct Places {
    all: Vec<i64>,
    begins: Vec<usize>,
}

impl Places {
    fn begin(&mut self) {
        self.begins.push(self.all.len());
    }

    fn write(mut self, vector: &mut ListVector, input: &Chunk) -> Result<(), Box<dyn Error>> {
        self.begin();
        for (row, entry) in self.begins.windows(2).enumerate() {
            if input.any_null(row) {
                vector.set_null(row);
            }
            vector.set_entry(row, entry[0], entry[1] - entry[0]);
        }
        let mut child = vector.child(self.all.len());
        // SAFETY: the child of a BIGINT[] holds 64-bit numbers and has room for so many.
        let slots = unsafe { slots::<i64>(&mut child, self.all.len()) };
        for (slot, place) in slots.iter_mut().zip(self.all.iter()) {
            slot.write(*place);
        }
        Ok(vector.try_set_len(self.all.len())?)
    }
}

/// The two lists that are being filled, for all rows.
struct Written<'a> {
    names: Names<'a>,
    actions: FlatVector<'a>,
    times: &'a mut [MaybeUninit<i64>],
    len: usize,
}

impl<'a> Written<'a> {
    /// Puts the events of one user in order and writes them. Gives the number of those whose place
    /// the data do not say.
    fn write<E: Event>(
        &mut self,
        events: &mut [E],
        start_us: i64,
        user: &[u8],
        others: &[(i64, &'a str)],
    ) -> Result<usize, Box<dyn Error>> {
        let texts = &self.names.texts;
        let text = |action: usize| match action.checked_sub(texts.len() + 1) {
            None => texts[action - 1],
            Some(index) => others[index].1,
        };
        let n_tied = order::arrange(events, start_us, user, |action| text(action).as_bytes());
        for event in events {
            let time = start_us.checked_add(event.time_us());
            let time = time.filter(|time| calendar::SHOWN.contains(time)).ok_or_else(|| {
                Failure::argument(
                    "start",
                    start_us,
                    "a time that lies in the calendar with 'numbers' added",
                )
            })?;
            self.times[self.len].write(time);
            // SAFETY: a VARCHAR vector stores a `duckdb_string_t` per row.
            let slots = unsafe { self.actions.as_mut_ptr::<duckdb_string_t>() };
            match self.names.stored.get_mut(event.action() - 1) {
                // SAFETY: there are as many slots as `times`, and a text of the same vector may be
                // repeated, since the vector owns the bytes.
                Some(Some(stored)) => unsafe { slots.add(self.len).write(*stored) },
                stored => {
                    self.actions.insert(self.len, text(event.action()));
                    if let Some(stored) = stored {
                        // SAFETY: the slot has just been written.
                        *stored = Some(unsafe { slots.add(self.len).read() });
                    }
                }
            }
            self.len += 1;
        }
        Ok(n_tied)
    }
}

/// The action names of a row; a name is written once and then repeated.
struct Names<'a> {
    lists: &'a Column<'a>,
    all: Column<'a>,
    entry: Option<Range<usize>>,
    texts: Vec<&'a str>,
    /// Per text how DuckDB stores it where it was written.
    stored: Vec<Option<duckdb_string_t>>,
}

impl<'a> Names<'a> {
    fn new(lists: &'a Column<'a>) -> Self {
        Self {
            lists,
            all: lists.child(),
            entry: None,
            texts: Vec::new(),
            stored: Vec::new(),
        }
    }

    /// Takes the names from the list in `row`. Equal list entries are equal lists: see the
    /// module `vector`.
    fn choose(&mut self, row: usize) -> Result<(), Box<dyn Error>> {
        let entry = self.lists.list(row);
        if self.entry.as_ref() == Some(&entry) {
            return Ok(());
        }
        if entry.clone().any(|index| self.all.is_null(index)) {
            return Err(Failure::argument("names", "a list that holds NULL", "action names").into());
        }
        self.texts = entry
            .clone()
            .map(|index| self.all.text(index))
            .collect::<Result<_, _>>()?;
        self.stored = vec![None; entry.len()];
        self.entry = Some(entry);
        Ok(())
    }

    /// The event of a number, whose action must be one of the names.
    fn event(&self, number: i64) -> Result<Packed, Failure> {
        let event = Packed(number);
        if (1..=self.texts.len()).contains(&event.action()) {
            return Ok(event);
        }
        let (given, allowed) = (event.action(), self.texts.len());
        Err(Failure::argument(
            "numbers",
            format!("a list with the action {given}"),
            format!("numbers whose action is 1 to {allowed}"),
        ))
    }
}

fn wrong_others(n: usize) -> Failure {
    Failure::argument(
        "others",
        format!("a list of {n}"),
        "an event for each NULL in 'numbers'",
    )
}

/// The time and action of the events that are NULL in `numbers`.
fn read_others<'a>(others: &Column<'a>, row: usize) -> Result<Vec<(i64, &'a str)>, Box<dyn Error>> {
    let (events, entry) = (others.child(), others.list(row));
    let (times, actions) = (events.field(0), events.field(1));
    let event = |index| {
        if times.is_null(index) || actions.is_null(index) {
            return Err(
                Failure::argument("others", "a list that holds NULL", "events with 'time' and 'action'").into(),
            );
        }
        Ok((times.values::<i64>()[index], actions.text(index)?))
    };
    entry.map(event).collect()
}

/// The items and categories of one history of `n_events` events by their ranks; nothing where both lists are empty.
fn read_things(
    things: &Option<[(&'static str, &Column); 2]>,
    row: usize,
    n_events: usize,
) -> Result<Option<Vec<[Tie; 2]>>, Box<dyn Error>> {
    let Some(things) = things else { return Ok(None) };
    let [items, categories] = things.map(|(argument, column)| read_ordinals(argument, column, row, n_events));
    let (items, categories) = (items?, categories?);
    if items.is_none() && categories.is_none() {
        return Ok(None);
    }
    let rank = |ranks: &Option<Vec<Tie>>, nth: usize| ranks.as_ref().and_then(|ranks| ranks[nth]);
    Ok(Some(
        (0..n_events)
            .map(|nth| [rank(&items, nth), rank(&categories, nth)])
            .collect(),
    ))
}

/// What orders the `n_events` events of one history; an empty list is nothing.
fn read_ordinals(
    argument: &'static str,
    lists: &Column,
    row: usize,
    n_events: usize,
) -> Result<Option<Vec<Tie>>, Box<dyn Error>> {
    const ALLOWED: &str =
        "a list of whole or floating-point numbers, DATEs, TIMESTAMPs or texts, empty or as long as 'numbers'";
    if !lists.is_list() {
        return Err(Failure::argument(argument, "not a list", ALLOWED).into());
    }
    let (values, entry) = (lists.child(), lists.list(row));
    if entry.is_empty() {
        return Ok(None);
    }
    if entry.len() != n_events {
        return Err(Failure::argument(argument, format!("a list of {}", entry.len()), ALLOWED).into());
    }
    let ordinals = values
        .ordinals(entry.clone())
        .ok_or_else(|| Failure::argument(argument, "a list of another type", ALLOWED))?;
    let ordered = entry.zip(ordinals);
    let ranks = ordered.map(|(index, ordinal)| (!values.is_null(index)).then_some(ordinal));
    Ok(Some(ranks.collect()))
}
