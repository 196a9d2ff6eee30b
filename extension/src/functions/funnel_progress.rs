//! `funnel_progress(times, marks, steps, within, strict, strict_increase)`: how far a user gets along the steps
//! of a funnel, and when.
//!
//! Runs over every event there is, so it fills the two lists in place.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::{Chunk, Column, slots};
use duckdb::ffi::duckdb_interval;
use footfall::error::Error as Failure;
use footfall::funnel::{Event, Funnel, Moments, Window};
use footfall::limits::MAX_STEPS;
use std::error::Error;

pub struct FunnelProgress;

/// A window as long as this or longer is none.
const NO_WINDOW_MONTHS: i32 = 12_000_000;

impl Scalar for FunnelProgress {
    const NAME: &'static str = "funnel_progress";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![
                Type::list(Type::Timestamp),
                Type::list(Type::Ubigint),
                Type::list(Type::Varchar),
                Type::Interval,
                Type::Boolean,
                Type::Boolean,
            ],
            returns: Type::Struct(vec![
                ("times", Type::list(Type::Timestamp)),
                ("occurs", Type::list(Type::Boolean)),
            ]),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let [times, marks] = [0, 1].map(|index| List::new(input.column(index)));
        let mut vector = output.vector.struct_vector();
        let (mut reached, mut occurs) = (vector.list_vector_child(0), vector.list_vector_child(1));
        let n_slots = input.len() * MAX_STEPS;
        // SAFETY: the children of a TIMESTAMP[] and a BOOLEAN[] hold 64-bit numbers and bytes, and
        // have room for `n_slots`.
        let (time_slots, occurs_slots) = unsafe {
            (
                slots::<i64>(&mut reached.child(n_slots), n_slots),
                slots::<bool>(&mut occurs.child(n_slots), n_slots),
            )
        };
        let (mut events, mut moments) = (Vec::new(), Moments::default());
        let mut asked: Option<(Question, Funnel, usize)> = None;
        let (mut n_times, mut n_occurs) = (0, 0);
        for row in 0..input.len() {
            let (first_time, first_occurs) = (n_times, n_occurs);
            if input.any_null(row) {
                vector.set_null(row);
                reached.set_null(row);
                occurs.set_null(row);
            } else {
                let question = Question::read(input, row);
                if asked.as_ref().is_none_or(|(known, ..)| *known != question) {
                    let (funnel, n_steps) = question.funnel(input.column(2), row)?;
                    asked = Some((question, funnel, n_steps));
                }
                let Some((_, funnel, n_steps)) = &asked else {
                    unreachable!("a question has been asked");
                };
                events.clear();
                read(&mut events, times.row(row, "times")?, marks.row(row, "marks")?)?;
                let progress = funnel.progress(&mut events, &mut moments);
                for &time in progress.times_us() {
                    time_slots[n_times].write(time);
                    n_times += 1;
                }
                for step in 0..*n_steps {
                    occurs_slots[n_occurs].write(progress.occurs(step));
                    n_occurs += 1;
                }
            }
            reached.set_entry(row, first_time, n_times - first_time);
            occurs.set_entry(row, first_occurs, n_occurs - first_occurs);
        }
        reached.try_set_len(n_times)?;
        occurs.try_set_len(n_occurs)?;
        Ok(())
    }
}

/// A LIST argument and its elements.
struct List<'a> {
    lists: &'a Column<'a>,
    elements: Column<'a>,
}

impl<'a> List<'a> {
    fn new(lists: &'a Column<'a>) -> Self {
        Self {
            lists,
            elements: lists.child(),
        }
    }

    /// The elements of a row; `argument` is its name.
    fn row<T: crate::vector::Native>(&self, row: usize, argument: &'static str) -> Result<&'a [T], Failure> {
        let entry = self.lists.list(row);
        if !self.elements.all_valid() && entry.clone().any(|element| self.elements.is_null(element)) {
            return Err(Failure::argument(argument, "a list that holds NULL", "values"));
        }
        Ok(self.elements.values::<T>().rows(entry))
    }
}

/// What is asked of a user, as it stands in a row. Equal list entries are equal lists: see the module `vector`.
#[derive(PartialEq)]
struct Question {
    steps: std::ops::Range<usize>,
    within: Window,
    strict: bool,
    strict_increase: bool,
}

impl Question {
    fn read(input: &Chunk, row: usize) -> Self {
        let duckdb_interval { months, days, micros } = input.column(3).values::<duckdb_interval>()[row];
        let is_true = |index: usize| input.column(index).values::<u8>()[row] != 0;
        Self {
            steps: input.column(2).list(row),
            within: Window { months, days, micros },
            strict: is_true(4),
            strict_increase: is_true(5),
        }
    }

    /// The funnel, and the number of its steps.
    fn funnel(&self, steps: &Column, row: usize) -> Result<(Funnel, usize), Box<dyn Error>> {
        let (entry, names) = (steps.list(row), steps.child());
        if !(1..=MAX_STEPS).contains(&entry.len()) || entry.clone().any(|step| names.is_null(step)) {
            let allowed = format!("a list of 1 to {MAX_STEPS} actions");
            return Err(Failure::argument("steps", format!("a list of {}", entry.len()), allowed).into());
        }
        let same = |step: usize| entry.clone().position(|other| names.bytes(other) == names.bytes(step));
        let places: Vec<_> = entry.clone().filter_map(same).map(|index| index + 1).collect();
        let within = (self.within.months < NO_WINDOW_MONTHS).then_some(self.within);
        Ok((
            Funnel::new(&places, within, self.strict, self.strict_increase),
            places.len(),
        ))
    }
}

/// Appends the events of a row: the last four bits of a mark are the place, the others the part.
fn read(events: &mut Vec<Event>, times: &[i64], marks: &[u64]) -> Result<(), Failure> {
    if times.len() != marks.len() {
        let received = format!("a list of {}", marks.len());
        return Err(Failure::argument("marks", received, "one for each of 'times'"));
    }
    if let Some(place) = marks
        .iter()
        .map(|mark| mark & 15)
        .find(|&place| place > MAX_STEPS as u64)
    {
        let received = format!("a list with the place {place}");
        return Err(Failure::argument(
            "marks",
            received,
            format!("places of 0 to {MAX_STEPS}"),
        ));
    }
    events.extend(times.iter().zip(marks).map(|(&time_us, &mark)| Event {
        part: mark >> 4,
        time_us,
        place: (mark & 15) as u8,
    }));
    Ok(())
}
