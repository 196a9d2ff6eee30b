//! The input of segmentation: points in a canonical order, equal ones merged.
//!
//! Customer features repeat a lot (recency in days, counts of purchases), and
//! k-means depends only on which points there are and how often. So equal
//! points become one point with a weight, which is exact, and the points are
//! put into an order that is a function of their set: whatever order the rows
//! arrive in, everything after this module does the same sums in the same
//! order and gives the same bytes.
//!
//! The canonical order is that of a space-filling curve, ties in lexicographic
//! order. Neighbours on the curve are mostly neighbours in space, which is what
//! lets [`crate::segment::kmeans::lloyd`] decide about whole blocks of points at once.

mod rows;
mod repeats;
mod curve;
mod arrange;
mod merged;

pub use merged::Points;
pub(super) use rows::compare;
