//! Runs the files of `sql/` in an attached in-memory database.
//!
//! The macros live in a database of their own, so that nothing is written to
//! the user's and `LOAD` works on a read-only database and inside a
//! transaction. `execute_batch` is the one statement call of the crate that
//! needs only the stable C API.

use duckdb::Connection;
use std::error::Error;
use std::sync::{Mutex, PoisonError};

/// The macros in the order of the data's way.
const FILES: &[(&str, &str)] = &[
    ("00_checks.sql", include_str!("../../sql/00_checks.sql")),
    ("01_sums.sql", include_str!("../../sql/01_sums.sql")),
    ("10_events.sql", include_str!("../../sql/10_events.sql")),
    ("11_calendar.sql", include_str!("../../sql/11_calendar.sql")),
    ("12_features.sql", include_str!("../../sql/12_features.sql")),
    ("13_statistics.sql", include_str!("../../sql/13_statistics.sql")),
    ("20_activity.sql", include_str!("../../sql/20_activity.sql")),
    ("21_conversion.sql", include_str!("../../sql/21_conversion.sql")),
    ("22_funnel.sql", include_str!("../../sql/22_funnel.sql")),
    ("23_promotion.sql", include_str!("../../sql/23_promotion.sql")),
    ("30_orders.sql", include_str!("../../sql/30_orders.sql")),
    ("31_retention.sql", include_str!("../../sql/31_retention.sql")),
    ("32_rfm.sql", include_str!("../../sql/32_rfm.sql")),
    ("40_outliers.sql", include_str!("../../sql/40_outliers.sql")),
    ("41_segments.sql", include_str!("../../sql/41_segments.sql")),
    ("50_sequences.sql", include_str!("../../sql/50_sequences.sql")),
    ("51_training.sql", include_str!("../../sql/51_training.sql")),
    ("60_predictions.sql", include_str!("../../sql/60_predictions.sql")),
    ("61_evaluation.sql", include_str!("../../sql/61_evaluation.sql")),
    ("62_models.sql", include_str!("../../sql/62_models.sql")),
    ("63_exchange.sql", include_str!("../../sql/63_exchange.sql")),
    ("70_visits.sql", include_str!("../../sql/70_visits.sql")),
    ("71_groups.sql", include_str!("../../sql/71_groups.sql")),
    ("72_value.sql", include_str!("../../sql/72_value.sql")),
    ("73_propensity.sql", include_str!("../../sql/73_propensity.sql")),
    ("74_drift.sql", include_str!("../../sql/74_drift.sql")),
    ("75_items.sql", include_str!("../../sql/75_items.sql")),
    ("76_item_models.sql", include_str!("../../sql/76_item_models.sql")),
    ("77_monitor.sql", include_str!("../../sql/77_monitor.sql")),
    ("80_report.sql", include_str!("../../sql/80_report.sql")),
    ("81_event_charts.sql", include_str!("../../sql/81_event_charts.sql")),
    (
        "82_customer_charts.sql",
        include_str!("../../sql/82_customer_charts.sql"),
    ),
    ("83_model_charts.sql", include_str!("../../sql/83_model_charts.sql")),
    ("84_study.sql", include_str!("../../sql/84_study.sql")),
    ("85_partial.sql", include_str!("../../sql/85_partial.sql")),
    ("86_merged.sql", include_str!("../../sql/86_merged.sql")),
    ("90_about.sql", include_str!("../../sql/90_about.sql")),
];

/// The schemas beside `main`. What only the macros call is out of the way of those who look through `footfall.` for what
/// they may call; a report in parts has the name of the report.
const SCHEMAS: [&str; 3] = ["internal", "partial", "merged"];

/// What would stay in the macros for good, because DuckDB looks at it while it parses: there `/` becomes `//`, and names
/// change their case. The connection of LOAD ends with it and the settings are its own, so there is nothing to restore.
const PARSING: [&str; 2] = [
    "SET SESSION integer_division = false",
    "SET SESSION preserve_identifier_case = true",
];

/// An error where `/` is still `//`: somebody has locked the configuration.
const CHECK_PARSING: &str = "SELECT CASE WHEN 1 / 2 = 0 THEN error('the setting integer_division is on and cannot be \
    changed, and would stay in the macros; SET GLOBAL integer_division = false before LOAD') END";

/// The name of the database that holds the macros.
pub struct Name(String);

/// What takes the place of `footfall` before the macros' names, for users who have a schema or database of that name.
const VARIABLE: &str = "FOOTFALL_NAME";

/// The name that the last LOAD of this process gave to the database of the macros.
static LOADED: Mutex<String> = Mutex::new(String::new());

/// A macro as its user calls it.
pub fn full_name(function: &str) -> String {
    let database = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    format!("{database}.{function}")
}

impl Name {
    /// The name from the environment, or `footfall`.
    ///
    /// # Errors
    /// When the environment asks for what cannot be written without quotes.
    pub fn from_environment() -> Result<Self, Box<dyn Error>> {
        let name = std::env::var(VARIABLE).unwrap_or_else(|_| "footfall".into());
        let is_letter = |character: char| character.is_ascii_lowercase() || character == '_';
        let plain = name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
        if plain && !["main", "system", "temp"].contains(&name.as_str()) {
            Ok(Self(name))
        } else {
            let allowed = "lower-case letters, digits and _, not main, system or temp";
            Err(format!("the environment variable {VARIABLE} is '{name}'; allowed: {allowed}").into())
        }
    }

    /// What to do where the name is taken.
    fn way_out(&self) -> String {
        format!(
            "set the environment variable {VARIABLE}, for example to ff, before LOAD, and call ff.rfm(...) where \
             the documentation has {}.rfm(...)",
            self.0
        )
    }

    /// Attaches the database.
    ///
    /// # Errors
    /// When a database of this name is attached, or the user's own database has a schema of this
    /// name: `name.function` would then be ambiguous. When `/` would be `//` in the macros.
    pub fn attach(&self, connection: &Connection) -> Result<(), Box<dyn Error>> {
        let (name, way_out) = (&self.0, self.way_out());
        for setting in PARSING {
            // A locked configuration forbids it, and then it only matters how things stand.
            let _ = connection.execute_batch(setting);
        }
        connection.execute_batch(CHECK_PARSING).map_err(plain)?;
        connection.execute_batch(&format!(
            "SELECT CASE WHEN count(*) > 0 THEN error('the database ' || any_value(database_name) || ' has a schema named \
             {name}, and the extension keeps its functions under that name; {way_out}') END \
             FROM duckdb_schemas() WHERE schema_name = '{name}' AND database_name = current_database()"
        ))
        .map_err(plain)?;
        connection.execute_batch(&format!("ATTACH ':memory:' AS {name} (READ_WRITE)")).map_err(|error| {
            let message = error.to_string();
            if message.contains("already") || message.contains("exists") {
                format!(
                    "a database named '{name}' is already attached, and the extension keeps its functions under that \
                     name; attach yours under another one (ATTACH 'footfall.duckdb' AS shop) and LOAD again, or {way_out}"
                )
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
    pub fn create(&self, connection: &Connection) -> Result<(), Box<dyn Error>> {
        for schema in SCHEMAS {
            connection.execute_batch(&format!("CREATE SCHEMA {}.{schema}", self.0))?;
        }
        for (file, sql) in FILES {
            // Calls, messages and comments alike.
            let own = sql.replace("footfall.", &format!("{}.", self.0));
            connection
                .execute_batch(&own)
                .map_err(|error| format!("sql/{file}: {error}"))?;
        }
        self.0
            .clone_into(&mut LOADED.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// Takes the database away again after a failed load; its own failure would
    /// only hide the error that is being reported.
    pub fn detach(&self, connection: &Connection) {
        let _ = connection.execute_batch(&format!("DETACH {}", self.0));
    }
}

/// What `error(...)` said, without the name of its class.
fn plain(error: duckdb::Error) -> String {
    error.to_string().trim_start_matches("Invalid Input Error: ").to_owned()
}
