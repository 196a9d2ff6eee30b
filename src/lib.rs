//! The mathematics of footfall: calendar features, customer segments, sequence
//! models. Nothing here knows DuckDB; the crate in `extension/` is the boundary.
//!
//! The modules follow the way of the data; a stage imports only from stages
//! above it.

#![deny(unsafe_code)]

pub mod error;
mod format;
pub mod options;
pub mod random;

pub mod calendar;
pub mod event_line;
pub mod funnel;
pub mod synthetic;
pub mod zone;

pub mod segment;

pub mod sequence;

pub mod baseline;
pub mod device;
pub mod evaluate;
pub mod metrics;
pub mod model;
pub mod network;
pub mod own_history;
pub mod predict;
pub mod train;
