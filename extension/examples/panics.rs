//! An extension whose functions panic wherever DuckDB can call them, behind the
//! same gates as those of footfall. Only tests load it.

// The gates are used whole; what only footfall's own functions need stays unused.
#![allow(dead_code)]

/// What the gates ask of the macros, of which there are none here.
mod macros {
    pub fn full_name(function: &str) -> String {
        format!("panics.{function}")
    }
}

#[path = "../src/gate.rs"]
mod gate;
#[path = "../src/scalar.rs"]
mod scalar;
#[path = "../src/table.rs"]
mod table;
#[path = "../src/value.rs"]
mod value;
#[path = "../src/vector.rs"]
mod vector;

use duckdb::core::{DataChunkHandle, LogicalTypeHandle, LogicalTypeId};
use duckdb::vtab::{BindInfo, InitInfo};
use duckdb::{Connection, duckdb_entrypoint_c_api};
use scalar::{Scalar, Signature};
use std::error::Error;
use std::fmt;
use std::panic::panic_any;
use table::Table;
use value::{Output, Type, Value};
use vector::Chunk;

/// Registers the functions; with FOOTFALL_PANIC_AT_LOAD it panics instead.
///
/// # Errors
/// When DuckDB refuses a function.
#[duckdb_entrypoint_c_api(ext_name = "panics", min_duckdb_version = "v1.2.0")]
pub fn load(connection: Connection) -> Result<(), Box<dyn Error>> {
    gate::contain("panics", || {
        if std::env::var_os("FOOTFALL_PANIC_AT_LOAD").is_some() {
            panic!("at LOAD");
        }
        scalar::register::<PanicScalar>(&connection)?;
        table::register::<PanicTable>(&connection)
    })
}

/// Goes wrong in the way that is asked for; an unknown way goes right.
fn go_wrong(how: &str, message: &str) -> Result<(), Box<dyn Error>> {
    match how {
        "panic" => panic!("{message}"),
        "bytes" => panic_any(b"\xff\x00\xc3\x28".to_vec()),
        "payload" => panic_any(PanicsOnDrop(message.to_owned())),
        "error" => Err(message.into()),
        "display" => Err(Box::new(PanicsOnDisplay(message.to_owned()))),
        "drop" => Err(Box::new(PanicsOnDrop(message.to_owned()))),
        _ => Ok(()),
    }
}

#[derive(Debug)]
struct PanicsOnDisplay(String);

impl fmt::Display for PanicsOnDisplay {
    fn fmt(&self, _: &mut fmt::Formatter) -> fmt::Result {
        panic!("{}", self.0)
    }
}

impl Error for PanicsOnDisplay {}

#[derive(Debug)]
struct PanicsOnDrop(String);

impl fmt::Display for PanicsOnDrop {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for PanicsOnDrop {}

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("{}", self.0)
    }
}

/// `panic_scalar(how, message)`
struct PanicScalar;

impl Scalar for PanicScalar {
    const NAME: &'static str = "panic_scalar";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Varchar, Type::Varchar],
            returns: Type::Boolean,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        for row in 0..input.len() {
            go_wrong(input.column(0).text(row)?, input.column(1).text(row)?)?;
        }
        output.write(&Type::Boolean, &vec![Value::from(true); input.len()])
    }
}

/// `panic_table(at := …, how := …, message := …)`
struct PanicTable;

struct Plan {
    at: String,
    how: String,
    message: String,
}

impl Plan {
    fn reach(&self, place: &str) -> Result<(), Box<dyn Error>> {
        if self.at == place {
            go_wrong(&self.how, &self.message)
        } else {
            Ok(())
        }
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        if self.at == "drop of the plan" {
            panic!("{}", self.message);
        }
    }
}

struct Progress {
    panics_on_drop: Option<String>,
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(message) = &self.panics_on_drop {
            panic!("{message}");
        }
    }
}

impl Table for PanicTable {
    const NAME: &'static str = "panic_table";
    type Plan = Plan;
    type Progress = Progress;

    fn named_parameters() -> Vec<(&'static str, LogicalTypeHandle)> {
        ["at", "how", "message"]
            .map(|name| (name, LogicalTypeId::Varchar.into()))
            .into()
    }

    fn plan(bind: &BindInfo) -> Result<Plan, Box<dyn Error>> {
        let text = |name| {
            bind.get_named_parameter(name)
                .map_or(String::new(), |value| value.to_string())
        };
        let plan = Plan {
            at: text("at"),
            how: text("how"),
            message: text("message"),
        };
        bind.add_result_column("row", LogicalTypeId::Bigint.into());
        plan.reach("plan")?;
        Ok(plan)
    }

    fn start(plan: &Plan, _: &InitInfo) -> Result<Progress, Box<dyn Error>> {
        plan.reach("start")?;
        Ok(Progress {
            panics_on_drop: (plan.at == "drop of the progress").then(|| plan.message.clone()),
        })
    }

    fn fill(plan: &Plan, _: &Progress, output: &mut DataChunkHandle) -> Result<(), Box<dyn Error>> {
        plan.reach("fill")?;
        output.set_len(0);
        Ok(())
    }
}
