//! How often the customers of a shop buy, and when they stop.
//!
//! While alive a customer buys at a rate of his own, gamma distributed over the customers, and after each purchase
//! he stops for good with a probability of his own, beta distributed: BG/NBD (Fader, Hardie and Lee, "Counting Your
//! Customers the Easy Way", Marketing Science 24 (2), 2005), where the first purchase is the one after which nobody
//! stops, and MBG/NBD (Batislam, Denizel and Filiztekin, International Journal of Research in Marketing 24 (3),
//! 2007), where one may.
//!
//! The published parameters r, alpha, a, b run to infinity or to 0 where customers do not differ, or nobody stops.
//! Here the same distributions have parameters with limits that can be computed with ([`Purchases`]), so that a
//! maximum on a boundary is found on it.

use super::optimum::Bounds;
use serde::{Deserialize, Serialize};

/// Whether a customer may stop after the first purchase.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// After a repeat purchase only (Fader, Hardie and Lee, 2005).
    BgNbd,
    /// After the first one too (Batislam, Denizel and Filiztekin, 2007).
    MbgNbd,
}

impl Family {
    /// The name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::BgNbd => "bgnbd",
            Self::MbgNbd => "mbgnbd",
        }
    }

    /// How many chances to stop come before the first repeat purchase.
    fn first_chances(self) -> f64 {
        match self {
            Self::BgNbd => 0.0,
            Self::MbgNbd => 1.0,
        }
    }

    /// How often a customer with `x` repeat purchases could have stopped.
    pub(super) fn chances(self, x: f64) -> f64 {
        x + self.first_chances()
    }
}

/// The rates and the dropout of a population.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Purchases {
    /// When they may stop.
    pub family: Family,
    /// The mean rate of purchases while alive, per unit of time: r / alpha. 0 where nobody bought again.
    pub rate: f64,
    /// The variance of the rates over their squared mean: 1 / r. 0 where all customers have the same.
    pub rate_dispersion: f64,
    /// The mean probability to stop after a purchase: a / (a + b). 0 where nobody stops.
    pub dropout: f64,
    /// The variance of the probabilities over the most that it can be, dropout (1 - dropout): 1 / (a + b + 1).
    /// 0 where all customers have the same, 1 where each has 0 or 1.
    pub dropout_dispersion: f64,
}

/// What is searched: the logarithm of the rate, and the other three as they are.
pub(super) const BOUNDS: Bounds<4> = [(-600.0, 600.0), (0.0, 1e9), (0.0, 1.0), (0.0, 1.0)];

impl Purchases {
    /// Checks numbers that come from outside.
    ///
    /// # Errors
    /// What is out of range, in words.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: f64, most: f64| {
            if (0.0..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!("a {name} of {value}"))
            }
        };
        within("rate", self.rate, 1e300)?;
        within("rate_dispersion", self.rate_dispersion, BOUNDS[1].1)?;
        within("dropout", self.dropout, 1.0)?;
        within("dropout_dispersion", self.dropout_dispersion, 1.0)
    }

    pub(super) fn from_place(family: Family, [rate, rate_dispersion, dropout, dropout_dispersion]: [f64; 4]) -> Self {
        Self {
            family,
            rate: rate.exp(),
            rate_dispersion,
            dropout,
            // Where nobody stops there is nothing to differ in.
            dropout_dispersion: if dropout == 0.0 { 0.0 } else { dropout_dispersion },
        }
    }

    /// The shape of the gamma distribution; infinite where all rates are the same.
    pub fn r(&self) -> f64 {
        1.0 / self.rate_dispersion
    }

    /// Its rate parameter, in units of time.
    pub fn alpha(&self) -> f64 {
        1.0 / (self.rate_dispersion * self.rate)
    }

    /// The first parameter of the beta distribution.
    pub fn a(&self) -> f64 {
        if self.dropout == 0.0 {
            return 0.0;
        }
        self.dropout * (1.0 - self.dropout_dispersion) / self.dropout_dispersion
    }

    /// The second parameter of the beta distribution; NaN where nobody stops, since any will do.
    pub fn b(&self) -> f64 {
        if self.dropout == 0.0 {
            return f64::NAN;
        }
        (1.0 - self.dropout) * (1.0 - self.dropout_dispersion) / self.dropout_dispersion
    }

    /// What is at a limit, in words; empty for a maximum within the bounds.
    pub fn boundaries(&self) -> Vec<&'static str> {
        let found = [
            (self.rate == 0.0, "nobody bought again"),
            (
                self.rate > 0.0 && self.rate_dispersion == 0.0,
                "all customers have the same rate",
            ),
            (self.rate > 0.0 && self.dropout == 0.0, "nobody stops"),
            (self.dropout == 1.0, "everybody stops after the first chance"),
            (
                self.dropout > 0.0 && self.dropout_dispersion == 0.0,
                "all customers stop with the same probability",
            ),
            (self.dropout_dispersion == 1.0, "each customer stops at once or never"),
        ];
        found
            .into_iter()
            .filter_map(|(holds, words)| holds.then_some(words))
            .collect()
    }
}
