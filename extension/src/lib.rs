//! The DuckDB boundary of footfall: the entry point, one thin file per function,
//! the gate that contains panics, the macro loader, and typed access to DuckDB's
//! vectors.
//!
//! Only the stable part of the C API (v1.2.0) is used, so that one binary
//! serves every DuckDB from 1.4 on.

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

mod clv;
mod fields;
mod functions;
mod gate;
mod items;
mod jobs;
mod macros;
mod memory;
mod models;
mod pages;
mod progress;
mod propensity;
mod runs;
mod scalar;
mod segments;
mod table;
mod tokens;
mod value;
mod vector;

use duckdb::{Connection, duckdb_entrypoint_c_api};

#[global_allocator]
static MEMORY: pages::LargePages = pages::LargePages;

/// Called by `LOAD footfall`: attaches the in-memory database `footfall`,
/// registers the scalar and table functions and runs the files of `sql/` in it.
///
/// # Errors
/// When a database named `footfall` is attached already, or a statement of the
/// embedded SQL fails on this DuckDB.
#[duckdb_entrypoint_c_api(ext_name = "footfall", min_duckdb_version = "v1.2.0")]
pub fn load(connection: Connection) -> Result<(), Box<dyn std::error::Error>> {
    gate::contain("footfall", || {
        let name = macros::Name::from_environment()?;
        name.attach(&connection)?;
        functions::register(&connection)
            .and_then(|()| name.create(&connection))
            .inspect_err(|_| name.detach(&connection))
    })
}
