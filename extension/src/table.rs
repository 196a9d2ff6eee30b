//! Table functions whose rows come from nothing: what a function gives (name,
//! parameters, rows), and how it is handed to DuckDB.

use crate::gate::contain;
use duckdb::Connection;
use duckdb::core::{DataChunkHandle, LogicalTypeHandle};
use duckdb::vtab::{BindInfo, InitInfo, TableFunctionInfo, VTab};
use std::error::Error;
use std::marker::PhantomData;

/// A table function of the extension. Its errors are one line that names the
/// argument, the value received and the values allowed; the gate adds the
/// function's name.
pub trait Table: 'static {
    /// The name in SQL.
    const NAME: &'static str;

    /// What a call asks for.
    type Plan: Send + Sync;

    /// What the threads of a query share.
    type Progress: Send + Sync;

    fn named_parameters() -> Vec<(&'static str, LogicalTypeHandle)>;

    /// Reads the arguments and declares the columns.
    ///
    /// # Errors
    /// An argument that is not allowed.
    fn plan(bind: &BindInfo) -> Result<Self::Plan, Box<dyn Error>>;

    /// Before the first row.
    ///
    /// # Errors
    /// When the rows cannot be made.
    fn start(plan: &Self::Plan, init: &InitInfo) -> Result<Self::Progress, Box<dyn Error>>;

    /// Writes the next rows, none at the end. Threads call it at the same time.
    ///
    /// # Errors
    /// When the rows cannot be made.
    fn fill(plan: &Self::Plan, progress: &Self::Progress, output: &mut DataChunkHandle) -> Result<(), Box<dyn Error>>;
}

/// Registers `T` under its name in the system catalog.
///
/// # Errors
/// When DuckDB refuses the function, for example because the name is taken.
pub fn register<T: Table>(connection: &Connection) -> Result<(), Box<dyn Error>> {
    connection
        .register_table_function::<Registered<T>>(T::NAME)
        .map_err(|error| format!("cannot register {}: {error}", T::NAME).into())
}

struct Registered<T>(PhantomData<T>);

impl<T: Table> VTab for Registered<T> {
    type BindData = T::Plan;
    type InitData = T::Progress;

    fn bind(bind: &BindInfo) -> Result<T::Plan, Box<dyn Error>> {
        contain(T::NAME, || T::plan(bind))
    }

    fn init(init: &InitInfo) -> Result<T::Progress, Box<dyn Error>> {
        // SAFETY: DuckDB passes the data that `bind` returned, alive as long
        // as the query.
        let plan = unsafe { &*init.get_bind_data::<T::Plan>() };
        contain(T::NAME, || T::start(plan, init))
    }

    fn func(info: &TableFunctionInfo<Self>, output: &mut DataChunkHandle) -> Result<(), Box<dyn Error>> {
        let (plan, progress) = (info.get_bind_data(), info.get_init_data());
        contain(T::NAME, || T::fill(plan, progress, output))
    }

    fn named_parameters() -> Option<Vec<(String, LogicalTypeHandle)>> {
        let parameters = T::named_parameters();
        Some(parameters.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect())
    }
}
