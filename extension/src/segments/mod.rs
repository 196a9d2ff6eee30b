//! Points, options and models of segmentation on their way in and out.

pub mod options;
pub mod points;
pub mod packed;
pub mod answer;
pub mod piece;
pub mod model;
pub mod mixture;
pub mod choice;
