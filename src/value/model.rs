//! A model of purchases and their value as bytes: JSON, in which numbers keep all their digits.

use super::gamma_gamma::GammaGamma;
use super::purchases::Purchases;
use crate::error::Error;
use serde::{Deserialize, Serialize};

const KIND: &str = "footfall clv";
const FORMAT: u32 = 1;
/// Longer bytes are no model.
const MOST_BYTES: usize = 4096;

/// How customers buy, and what for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClvModel {
    kind: String,
    format: u32,
    /// When they buy, and when they stop.
    pub purchases: Purchases,
    /// Without amounts there is none.
    pub values: Option<GammaGamma>,
    /// The unit of time of the rates.
    pub days_per_unit: f64,
    /// The end of the observation, as days since 1970-01-01.
    pub as_of_day: i64,
}

/// What is read before the rest is.
#[derive(Deserialize)]
struct Header {
    kind: String,
    format: u32,
}

impl ClvModel {
    /// A model of the present format.
    pub fn new(purchases: Purchases, values: Option<GammaGamma>, days_per_unit: f64, as_of_day: i64) -> Self {
        Self {
            kind: KIND.into(),
            format: FORMAT,
            purchases,
            values,
            days_per_unit,
            as_of_day,
        }
    }

    /// The model as JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and names are JSON")
    }

    /// Reads and checks what [`ClvModel::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Damaged`] for other bytes, [`Error::Newer`] for those of a newer version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let damaged = |reason: &str| Error::damaged("model", format!("{reason}; allowed: one of footfall.fit_clv"));
        let header = bytes
            .get(..MOST_BYTES.min(bytes.len()))
            .filter(|start| start.len() == bytes.len());
        let header: Header = header
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .ok_or_else(|| damaged(&format!("{} bytes of something else", bytes.len())))?;
        if header.kind != KIND {
            return Err(damaged("it is of another kind"));
        }
        if header.format > FORMAT {
            return Err(Error::Newer {
                argument: "model",
                found: header.format,
                supported: FORMAT,
            });
        }
        let model: Self = serde_json::from_slice(bytes).map_err(|error| damaged(&error.to_string()))?;
        model.check().map_err(|reason| damaged(&reason))?;
        Ok(model)
    }

    fn check(&self) -> Result<(), String> {
        self.purchases.check()?;
        self.values.as_ref().map_or(Ok(()), GammaGamma::check)?;
        if !(self.days_per_unit > 0.0 && self.days_per_unit <= 1e6) {
            return Err(format!("a unit of {} days", self.days_per_unit));
        }
        if self.as_of_day.abs() > 200_000_000 {
            return Err(format!("an end of {} days", self.as_of_day));
        }
        Ok(())
    }
}
