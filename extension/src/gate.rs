//! The one gate through which DuckDB calls us.
//!
//! DuckDB is C++ and cannot be unwound through. Whatever happens in a body (an
//! error, a panic, a panic while an error is shown or dropped) leaves the gate
//! as an error of one line that names the function. Destructors of bind and
//! init data have no way to report an error to DuckDB; the `duckdb` crate
//! contains their panics and the query goes on.
//!
//! The other way round, DuckDB's functions throw C++ exceptions, above all when
//! the memory for a result is more than `memory_limit` leaves. `guard.cpp`
//! catches them below the gate.

use crate::macros;
use std::any::Any;
use std::error::Error;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body` for the function `name`.
///
/// # Errors
/// What went wrong, in one line that begins with the name.
pub fn contain<T>(name: &str, body: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let named = |error: &dyn std::fmt::Display| format!("{name}: {error}");
    let shown = || match guard(body) {
        Ok(result) => result.map_err(|error| {
            if error.is::<CalledAs>() {
                error.to_string()
            } else {
                named(&error)
            }
        }),
        Err(error) => Err(named(&error)),
    };
    // What a body touched is dropped or belongs to DuckDB, which discards it on an error.
    catch_unwind(AssertUnwindSafe(shown))
        .unwrap_or_else(|payload| Err(named(&format!("internal error: {}", message(payload)))))
        .map_err(|error| one_line(&error).into())
}

/// An error of a function that works for a macro: it names the macro, which is what the user called.
#[derive(Debug)]
pub struct CalledAs(String);

impl CalledAs {
    /// `error` under the name of the `caller`, a macro.
    pub fn new(caller: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{}: {error}", macros::full_name(caller)))
    }
}

impl std::fmt::Display for CalledAs {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for CalledAs {}

#[link(name = "footfall_guard", kind = "static")]
#[cfg_attr(target_os = "linux", link(name = "stdc++"))]
#[cfg_attr(target_os = "macos", link(name = "c++"))]
unsafe extern "C-unwind" {
    fn footfall_guard(
        body: unsafe extern "C-unwind" fn(*mut c_void),
        data: *mut c_void,
        caught: unsafe extern "C-unwind" fn(*mut c_void, *const c_char),
    );
}

/// What `body` gives, or the message of the C++ exception that ended it; a
/// panic goes through.
fn guard<T, F: FnOnce() -> T>(body: F) -> Result<T, String> {
    struct Call<F, T> {
        body: Option<F>,
        result: Result<T, String>,
    }

    unsafe extern "C-unwind" fn run<F: FnOnce() -> T, T>(data: *mut c_void) {
        // SAFETY: `data` is the call below, which nobody else uses meanwhile.
        let call = unsafe { &mut *data.cast::<Call<F, T>>() };
        if let Some(body) = call.body.take() {
            call.result = Ok(body());
        }
    }

    unsafe extern "C-unwind" fn caught<F, T>(data: *mut c_void, message: *const c_char) {
        // SAFETY: as in `run`, which has ended; the message is a C string that lives until we return.
        let (call, message) = unsafe { (&mut *data.cast::<Call<F, T>>(), CStr::from_ptr(message)) };
        call.result = Err(exception(&message.to_string_lossy()));
    }

    let mut call = Call {
        body: Some(body),
        result: Err("internal error: the body did not run".into()),
    };
    // SAFETY: both functions take the `Call<F, T>` that they are given here, and it outlives them.
    unsafe { footfall_guard(run::<F, T>, (&raw mut call).cast(), caught::<F, T>) };
    call.result
}

/// The text of an exception: DuckDB's own carry JSON.
fn exception(message: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Exception {
        exception_type: String,
        exception_message: String,
    }
    serde_json::from_str(message).map_or_else(
        |_| message.to_owned(),
        |parts: Exception| format!("{} Error: {}", parts.exception_type, parts.exception_message),
    )
}

fn message(payload: Box<dyn Any + Send>) -> String {
    let payload = match payload.downcast::<String>() {
        Ok(text) => return *text,
        Err(payload) => payload,
    };
    match payload.downcast::<&str>() {
        Ok(text) => (*text).to_owned(),
        Err(payload) => {
            // A payload of another type may panic when it is dropped.
            std::mem::forget(payload);
            "panic without a message".into()
        }
    }
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
