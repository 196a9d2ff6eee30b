//! Customer segments: k-means over customer features, how good a clustering
//! is, which k to take, and Gaussian mixtures.
//!
//! - [`points`]: the input, checked, with equal points merged into weighted ones (`repeats`) and
//!   all of them in canonical order (`arrange`) along a `curve`;
//! - `noise`: coordinates in which points differ by rounding only;
//! - [`scale`]: standardising and the logarithm for skewed money;
//! - [`blocks`]: the scaled points in the layout that the kernels read;
//! - [`start`]: k-means++ and k-means|| starts;
//! - [`coreset`]: a weighted sample of many points, on which starts are tried;
//! - [`lloyd`]: Lloyd's iterations with exact pruning;
//! - [`exchange`]: moves of single points where the iterations stop;
//! - [`model`]: the value of a clustering, and the cluster that it gives to a point;
//! - [`kmeans`]: several starts and the best one;
//! - [`quality`]: inertia, silhouette, Davies-Bouldin;
//! - [`choose`]: one clustering per k and the choice among them;
//! - [`gmm`]: soft segments, and `density`, the probabilities behind them;
//! - [`job`]: clusterings that are waited for in pieces.

mod arrange;
pub mod blocks;
pub mod choose;
pub mod coreset;
mod curve;
mod density;
pub mod error;
pub mod exchange;
pub mod gmm;
pub mod job;
pub mod kmeans;
pub mod lloyd;
pub mod model;
mod noise;
pub mod parallel;
pub mod points;
pub mod quality;
mod repeats;
pub mod scale;
pub mod start;
mod wide;
