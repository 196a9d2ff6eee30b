//! `generate_events(users := …, days := …, seed := …, start_day := …, first_user := …)`:
//! rows of a synthetic shop, streamed.
//!
//! Threads take one user after the other and share nothing but the number of
//! the next one, so memory stays flat and the set of rows does not depend on
//! the number of threads (their order does).

use crate::table::Table;
use duckdb::core::{DataChunkHandle, Inserter, LogicalTypeHandle, LogicalTypeId};
use duckdb::vtab::{BindInfo, InitInfo, Value};
use footfall::error::Error as Failure;
use footfall::synthetic::{DEFAULT_DAYS, DEFAULT_START, Event, Generator, Settings};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

const DEFAULT_USERS: i64 = 1_000;
const DEFAULT_SEED: i64 = 42;

pub struct GenerateEvents;

/// What the threads share.
pub struct Progress {
    next_user: AtomicU64,
    /// Histories that did not fit into the last chunk.
    begun: Mutex<Vec<Begun>>,
}

/// A user's history, of which the first `n_written` rows are out.
#[derive(Default)]
struct Begun {
    events: Vec<Event>,
    n_written: usize,
}

impl Table for GenerateEvents {
    const NAME: &'static str = "generate_events";
    type Plan = Generator;
    type Progress = Progress;

    fn named_parameters() -> Vec<(&'static str, LogicalTypeHandle)> {
        // As BIGINT they would arrive rounded: 1.5 as 2 and true as 1.
        ["users", "days", "seed", "start_day", "first_user"]
            .map(|name| (name, LogicalTypeId::Any.into()))
            .into()
    }

    fn plan(bind: &BindInfo) -> Result<Generator, Box<dyn Error>> {
        let settings = settings(bind)?;
        for (name, ty) in [
            ("user_id", LogicalTypeId::Bigint),
            ("item_id", LogicalTypeId::Bigint),
            ("category_id", LogicalTypeId::Bigint),
            ("action", LogicalTypeId::Varchar),
            ("ts", LogicalTypeId::Timestamp),
        ] {
            bind.add_result_column(name, ty.into());
        }
        bind.set_cardinality(settings.expected_rows(), false);
        Ok(Generator::new(settings))
    }

    fn start(generator: &Generator, init: &InitInfo) -> Result<Progress, Box<dyn Error>> {
        init.set_max_threads(generator.settings().users());
        Ok(Progress {
            next_user: AtomicU64::new(generator.settings().user_numbers().start),
            begun: Mutex::default(),
        })
    }

    fn fill(generator: &Generator, progress: &Progress, output: &mut DataChunkHandle) -> Result<(), Box<dyn Error>> {
        let capacity = output.flat_vector(0).capacity();
        let mut history = Begun::default();
        let mut n_rows = 0;
        while n_rows < capacity && progress.refill(&mut history, generator) {
            let waiting = history.waiting();
            let n = waiting.len().min(capacity - n_rows);
            write(&waiting[..n], output, n_rows);
            n_rows += n;
            history.n_written += n;
        }
        progress.put_back(history);
        output.set_len(n_rows);
        Ok(())
    }
}

fn settings(bind: &BindInfo) -> Result<Settings, Box<dyn Error>> {
    let given = |name, default| match bind.get_named_parameter(name) {
        Some(value) if !value.is_null() => whole_number(name, &value),
        _ => Ok(default),
    };
    Ok(Settings::new(
        given("users", DEFAULT_USERS)?,
        given("days", DEFAULT_DAYS)?,
        given("seed", DEFAULT_SEED)?,
        i32::try_from(given("start_day", DEFAULT_START.into())?).unwrap_or(i32::MAX),
    )?
    .beginning_at(given("first_user", 1)?)?)
}

/// A value that is a BIGINT or can be one without changing.
fn whole_number(name: &'static str, value: &Value) -> Result<i64, Failure> {
    let refused = |received: String| Failure::argument(name, received, "a whole number that fits a BIGINT");
    match value.logical_type_id() {
        LogicalTypeId::Tinyint
        | LogicalTypeId::Smallint
        | LogicalTypeId::Integer
        | LogicalTypeId::Bigint
        | LogicalTypeId::Hugeint
        | LogicalTypeId::UTinyint
        | LogicalTypeId::USmallint
        | LogicalTypeId::UInteger
        | LogicalTypeId::UBigint
        | LogicalTypeId::UHugeint => {
            let (received, number) = (value.to_string(), value.to_int64());
            (received == number.to_string())
                .then_some(number)
                .ok_or_else(|| refused(received))
        }
        LogicalTypeId::Boolean
        | LogicalTypeId::Float
        | LogicalTypeId::Double
        | LogicalTypeId::Decimal
        | LogicalTypeId::Varchar => Err(refused(value.to_string())),
        // Asked for the number of an ENUM, DuckDB throws; its message names neither function nor option.
        other => Err(refused(format!("a value of type {other:?}"))),
    }
}

impl Begun {
    fn waiting(&self) -> &[Event] {
        &self.events[self.n_written..]
    }
}

impl Progress {
    /// Whether `history` has rows to write, if need be those of another user.
    fn refill(&self, history: &mut Begun, generator: &Generator) -> bool {
        if history.waiting().is_empty()
            && let Some(begun) = self.begun().pop()
        {
            *history = begun;
        }
        while history.waiting().is_empty() {
            let user = self.next_user.fetch_add(1, Ordering::Relaxed);
            if user >= generator.settings().user_numbers().end {
                return false;
            }
            history.events.clear();
            history.n_written = 0;
            generator.user(user, &mut history.events);
        }
        true
    }

    fn put_back(&self, history: Begun) {
        if !history.waiting().is_empty() {
            self.begun().push(history);
        }
    }

    fn begun(&self) -> MutexGuard<'_, Vec<Begun>> {
        // The vector is whole between a pop and a push, so a panic elsewhere
        // leaves nothing half done.
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes `events` to the rows from `first` on.
fn write(events: &[Event], output: &DataChunkHandle, first: usize) {
    let bigint = |column: usize, value: fn(&Event) -> i64| {
        let mut vector = output.flat_vector(column);
        // SAFETY: columns 0, 1, 2 are BIGINT and 4 is a TIMESTAMP, both stored
        // as 64 bits, and no other slice of the column exists.
        let slots = unsafe { vector.as_mut_slice::<i64>() };
        for (slot, event) in slots[first..].iter_mut().zip(events) {
            *slot = value(event);
        }
    };
    bigint(0, |event| event.user_id);
    bigint(1, |event| event.item_id);
    bigint(2, |event| event.category_id);
    bigint(4, |event| event.ts_us);
    let action = output.flat_vector(3);
    for (row, event) in events.iter().enumerate() {
        action.insert(first + row, event.action.name());
    }
}
