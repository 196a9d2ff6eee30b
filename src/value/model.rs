//! A model of purchases and their value as bytes: JSON, in which numbers keep all their digits.

use super::gamma_gamma::GammaGamma;
use super::purchases::Purchases;
use crate::error::Error;
use crate::format::JsonFormat;
use serde::{Deserialize, Serialize};

const FORMAT: JsonFormat = JsonFormat {
    argument: "model",
    kind: "footfall clv",
    version: 1,
    most_bytes: 4096,
    maker: "footfall.fit_clv",
};

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

impl ClvModel {
    /// A model of the present format.
    pub fn new(purchases: Purchases, values: Option<GammaGamma>, days_per_unit: f64, as_of_day: i64) -> Self {
        Self {
            kind: FORMAT.kind.into(),
            format: FORMAT.version,
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
        FORMAT.read(bytes, Self::check)
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
