//! Scalar functions: what a function gives (name, signatures, body) and the one
//! gate through which DuckDB calls it.
//!
//! The gate reads NULLs, catches panics and puts the function's name in front
//! of an error once. The `duckdb` crate contains whatever is left (a panic
//! while an error is formatted or a state destroyed).

use crate::value::{Output, Type};
use crate::vector::Chunk;
use duckdb::core::DataChunkHandle;
use duckdb::vscalar::{ScalarFunctionSignature, VScalar};
use duckdb::vtab::arrow::WritableVector;
use duckdb::Connection;
use std::error::Error;
use std::marker::PhantomData;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Parameter types and result type of one overload.
pub struct Signature {
    pub parameters: Vec<Type>,
    pub returns: Type,
}

/// A scalar function of the extension.
pub trait Scalar: 'static {
    /// The name in SQL.
    const NAME: &'static str;

    /// The overloads.
    fn signatures() -> Vec<Signature>;

    /// Computes the result for every row of `input`. A row in which an
    /// argument is NULL ([`Chunk::any_null`]) must become NULL.
    ///
    /// # Errors
    /// One line that names the argument, the value received and the values
    /// allowed; the gate adds the function's name.
    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>>;
}

/// Registers `F` under its name in the system catalog.
///
/// # Errors
/// When DuckDB refuses the function, for example because the name is taken.
pub fn register<F: Scalar>(connection: &Connection) -> Result<(), Box<dyn Error>> {
    connection
        .register_scalar_function::<Gate<F>>(F::NAME)
        .map_err(|error| format!("footfall: cannot register {}: {error}", F::NAME).into())
}

struct Gate<F>(PhantomData<F>);

impl<F: Scalar> VScalar for Gate<F> {
    type State = ();

    fn signatures() -> Vec<ScalarFunctionSignature> {
        F::signatures()
            .into_iter()
            .map(|signature| {
                ScalarFunctionSignature::exact(
                    signature.parameters.iter().map(Type::logical).collect(),
                    signature.returns.logical(),
                )
            })
            .collect()
    }

    fn invoke(_: &(), input: &mut DataChunkHandle, output: &mut dyn WritableVector) -> Result<(), Box<dyn Error>> {
        // SAFETY: DuckDB keeps the chunk and its vectors alive and unchanged
        // for the whole call, and the borrow ends with it.
        let chunk = unsafe { Chunk::new(input) };
        let output = Output::new(output, chunk.len());
        catch_unwind(AssertUnwindSafe(|| F::invoke(&chunk, output)))
            .unwrap_or_else(|payload| Err(format!("internal error: {}", panic_message(&payload)).into()))
            .map_err(|error| one_line(&format!("{}: {error}", F::NAME)).into())
    }
}

fn panic_message(payload: &Box<dyn std::any::Any + Send>) -> &str {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("panic without a message")
}

/// The longest message in characters: one that holds a value of a megabyte is
/// of no use to a reader.
const LONGEST_MESSAGE: usize = 1000;

/// The message on one line; of one that is too long the start, which names the
/// argument, and the end, which tells what is allowed.
fn one_line(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let n_chars = line.chars().count();
    if n_chars <= LONGEST_MESSAGE {
        return line;
    }
    let half = LONGEST_MESSAGE / 2;
    let start: String = line.chars().take(half).collect();
    let end: String = line.chars().skip(n_chars - half).collect();
    format!("{start} ... {end}")
}
