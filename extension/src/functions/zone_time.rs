//! `zone_time(instant, time_zone, called_as)`: what the clock of a zone shows at an instant.
//!
//! Ours and not DuckDB's `AT TIME ZONE`, which needs an extension (ICU) that some clients have to
//! fetch first: a macro that mentions it could not be bound there, whatever type its times have.

use crate::gate::CalledAs;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::{Chunk, slots};
use footfall::zone::Zone;
use std::error::Error;

pub struct ZoneTime;

impl Scalar for ZoneTime {
    const NAME: &'static str = "zone_time";

    fn signatures() -> Vec<Signature> {
        [Type::TimestampTz, Type::Timestamp]
            .map(|instant| Signature {
                parameters: vec![instant, Type::Varchar, Type::Varchar],
                returns: Type::Timestamp,
            })
            .into()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let (instants, zones, callers) = (input.column(0), input.column(1), input.column(2));
        let mut vector = output.vector.flat_vector();
        // SAFETY: a TIMESTAMP vector stores 64-bit numbers and has a slot for every row.
        let locals = unsafe { slots::<i64>(&mut vector, input.len()) };
        let mut current: Option<(u128, Zone)> = None;
        let mut nulls = Vec::new();
        for (row, local) in locals.iter_mut().enumerate() {
            if input.any_null(row) {
                nulls.push(row);
                continue;
            }
            let name = zones.slot(row);
            if current.as_ref().is_none_or(|(known, _)| *known != name) {
                let zone = Zone::named(zones.text(row)?);
                let caller = callers.text(row)?;
                current = Some((name, zone.map_err(|error| CalledAs::new(caller, error))?));
            }
            let Some((_, zone)) = &current else { continue };
            local.write(zone.local_us(instants.values::<i64>()[row]));
        }
        for row in nulls {
            vector.set_null(row);
        }
        Ok(())
    }
}
