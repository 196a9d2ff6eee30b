//! Scalar functions: what a function gives (name, signatures, body), and how it
//! is handed to DuckDB.

use crate::gate::contain;
use crate::value::{Output, Type};
use crate::vector::Chunk;
use duckdb::Connection;
use duckdb::core::DataChunkHandle;
use duckdb::vscalar::{ScalarFunctionSignature, VScalar};
use duckdb::vtab::arrow::WritableVector;
use std::error::Error;
use std::marker::PhantomData;

/// Parameter types and result type of one overload.
pub struct Signature {
    pub parameters: Vec<Type>,
    pub returns: Type,
}

/// A scalar function of the extension.
pub trait Scalar: 'static {
    /// The name in SQL.
    const NAME: &'static str;

    /// Whether DuckDB must run it as often and where it is written, and not where it thinks best.
    const VOLATILE: bool = false;

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
        .register_scalar_function::<Registered<F>>(F::NAME)
        .map_err(|error| format!("cannot register {}: {error}", F::NAME).into())
}

struct Registered<F>(PhantomData<F>);

impl<F: Scalar> VScalar for Registered<F> {
    type State = ();

    fn volatile() -> bool {
        F::VOLATILE
    }

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
        contain(F::NAME, || F::invoke(&chunk, output))
    }
}
