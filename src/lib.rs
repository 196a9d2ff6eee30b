//! The mathematics of footfall: calendar features, customer segments, sequence
//! models. Nothing here knows DuckDB; the crate in `extension/` is the boundary.
//!
//! The modules follow the way of the data; a stage imports only from stages
//! above it.

#![deny(unsafe_code)]
#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod limits;
pub mod error;
mod format;
pub mod options;
pub mod random;
mod special;
pub mod statistics;

pub mod compute;

pub mod calendar;
pub mod zone;
pub mod event_line;
pub mod funnel;
pub mod synthetic;

pub mod segment;

pub mod value;

pub mod sequence;
pub mod propensity;
pub mod metrics;
pub mod items;
pub mod baseline;
pub mod network;
pub mod model;
pub mod exchange;
pub mod device;
pub mod evaluate;
pub mod predict;
pub mod train;

pub mod report;
