//! The one gate through which DuckDB calls us.
//!
//! DuckDB is C++ and cannot be unwound through. Whatever happens in a body (an
//! error, a panic, a panic while an error is shown or dropped) leaves the gate
//! as an error of one line that names the function. Destructors of bind and
//! init data have no way to report an error to DuckDB; the `duckdb` crate
//! contains their panics and the query goes on.

use std::any::Any;
use std::error::Error;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Runs `body` for the function `name`.
///
/// # Errors
/// What went wrong, in one line that begins with the name.
pub fn contain<T>(name: &str, body: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let shown = || body().map_err(|error| error.to_string());
    // What a body touched is dropped or belongs to DuckDB, which discards it on an error.
    catch_unwind(AssertUnwindSafe(shown))
        .unwrap_or_else(|payload| Err(format!("internal error: {}", message(payload))))
        .map_err(|error| one_line(&format!("{name}: {error}")).into())
}

fn message(payload: Box<dyn Any + Send>) -> String {
    let payload = match payload.downcast::<String>() {
        Ok(text) => return *text,
        Err(payload) => payload,
    };
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    // A payload of another type may panic when it is dropped.
    std::mem::forget(payload);
    text.unwrap_or_else(|| "panic without a message".into())
}

/// The longest message in characters: one that holds a value of a megabyte is
/// of no use to a reader.
const LONGEST_MESSAGE: usize = 1000;

/// The message on one line, without characters that steer a terminal or end a
/// C string; of one that is too long the start, which names the argument, and
/// the end, which tells what is allowed.
fn one_line(message: &str) -> String {
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = words.replace(char::is_control, "\u{FFFD}");
    let n_chars = line.chars().count();
    if n_chars <= LONGEST_MESSAGE {
        return line;
    }
    let half = LONGEST_MESSAGE / 2;
    let start: String = line.chars().take(half).collect();
    let end: String = line.chars().skip(n_chars - half).collect();
    format!("{start} ... {end}")
}
