//! The scalar and table functions, one file each, named as in SQL.

mod footfall_version;

use crate::scalar;
use duckdb::Connection;
use std::error::Error;

/// Registers every function in the system catalog.
///
/// # Errors
/// When DuckDB refuses one of them.
pub fn register(connection: &Connection) -> Result<(), Box<dyn Error>> {
    scalar::register::<footfall_version::FootfallVersion>(connection)?;
    Ok(())
}
