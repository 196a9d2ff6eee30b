//! The scalar and table functions, one file each, named as in SQL.

mod footfall_version;
mod generate_events;
mod time_features;

use crate::scalar;
use duckdb::Connection;
use std::error::Error;

/// Registers every function in the system catalog.
///
/// # Errors
/// When DuckDB refuses one of them.
pub fn register(connection: &Connection) -> Result<(), Box<dyn Error>> {
    scalar::register::<footfall_version::FootfallVersion>(connection)?;
    scalar::register::<time_features::TimeFeatures>(connection)?;
    generate_events::register(connection)?;
    Ok(())
}
