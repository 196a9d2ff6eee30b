//! Customer segments: k-means over customer features, how good a clustering
//! is, which k to take, and Gaussian mixtures; lowest first.
//!
//! - [`points`]: the input, checked, with equal points merged into weighted ones and all of them in canonical order;
//! - [`scale`]: standardising and the logarithm for skewed money;
//! - `noise`: coordinates in which points differ by rounding only;
//! - [`kmeans`]: clusters of equal spread;
//! - [`mixture`]: soft segments of any spread;
//! - [`outliers`]: customers that belong to no segment.

pub mod points;
pub mod scale;
mod noise;
pub mod kmeans;
pub mod mixture;
pub mod outliers;
