//! k-means and what belongs to it, lowest first.
//!
//! - [`blocks`]: the scaled points in the layout that the kernels read;
//! - [`lloyd`]: Lloyd's iterations with exact pruning;
//! - [`start`]: k-means++ and k-means|| starts;
//! - [`coreset`]: a weighted sample of many points, on which starts are tried;
//! - [`exchange`]: moves of single points where the iterations stop;
//! - [`model`]: the value of a clustering, and the cluster that it gives to a point;
//! - [`mod@fit`]: several starts and the best one;
//! - [`quality`]: inertia, silhouette, Davies-Bouldin;
//! - [`choose`]: one clustering per k and the choice among them.

pub mod blocks;
pub mod lloyd;
pub mod start;
pub mod coreset;
pub mod exchange;
pub mod model;
pub mod fit;
pub mod quality;
pub mod choose;

pub use fit::{FEW, MANY, Options, Prepared, fit};
