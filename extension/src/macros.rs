//! Runs the files of `sql/` in an attached in-memory database.
//!
//! The macros live in a database of their own, so that nothing is written to
//! the user's and `LOAD` works on a read-only database and inside a
//! transaction. `execute_batch` is the one statement call of the crate that
//! needs only the stable C API.

use duckdb::Connection;
use std::error::Error;

/// The macros in the order of the data's way.
const FILES: &[(&str, &str)] = &[
    ("00_checks.sql", include_str!("../../sql/00_checks.sql")),
    ("01_events.sql", include_str!("../../sql/01_events.sql")),
    ("02_features.sql", include_str!("../../sql/02_features.sql")),
    ("03_funnel.sql", include_str!("../../sql/03_funnel.sql")),
    ("03_reports.sql", include_str!("../../sql/03_reports.sql")),
    ("04_retention.sql", include_str!("../../sql/04_retention.sql")),
    ("04_rfm.sql", include_str!("../../sql/04_rfm.sql")),
    ("05_segments.sql", include_str!("../../sql/05_segments.sql")),
    ("06_sequences.sql", include_str!("../../sql/06_sequences.sql")),
    ("07_training.sql", include_str!("../../sql/07_training.sql")),
    ("08_predictions.sql", include_str!("../../sql/08_predictions.sql")),
    ("09_about.sql", include_str!("../../sql/09_about.sql")),
];

/// Attaches the database that holds the macros.
///
/// # Errors
/// When the name `footfall` is taken.
pub fn attach(connection: &Connection) -> Result<(), Box<dyn Error>> {
    connection
        .execute_batch("ATTACH ':memory:' AS footfall (READ_WRITE)")
        .map_err(|error| {
            let message = error.to_string();
            if message.contains("already") || message.contains("exists") {
                "a database named 'footfall' is already attached, and the extension keeps its functions \
                 under that name; attach yours under another one (ATTACH 'footfall.duckdb' AS shop) and LOAD again"
                    .into()
            } else {
                format!("cannot attach the in-memory database for its macros: {message}").into()
            }
        })
}

/// Creates the macros.
///
/// # Errors
/// When a statement of the embedded SQL fails on this DuckDB.
pub fn create(connection: &Connection) -> Result<(), Box<dyn Error>> {
    for (file, sql) in FILES {
        connection
            .execute_batch(sql)
            .map_err(|error| format!("sql/{file}: {error}"))?;
    }
    Ok(())
}

/// Takes the database away again after a failed load; its own failure would
/// only hide the error that is being reported.
pub fn detach(connection: &Connection) {
    let _ = connection.execute_batch("DETACH footfall");
}
