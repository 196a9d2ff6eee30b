//! The mathematics of footfall: calendar features, customer segments, sequence
//! models. Nothing here knows DuckDB; the crate in `extension/` is the boundary.
//!
//! The modules follow the way of the data; a stage imports only from stages
//! above it.

pub mod calendar;
