//! What a customer is worth: how many purchases are to be expected of whom, and of what value.
//!
//! - `optimum`: the maximum of a smooth function within bounds, by Newton's steps;
//! - [`customers`]: the sufficient statistics, checked, with equal customers merged into weighted ones;
//! - [`purchases`]: rates and dropout of a population, BG/NBD and MBG/NBD up to their limits;
//! - [`likelihood`]: how likely the purchases of some customers are in it;
//! - [`fit`]: the population in which they are likeliest;
//! - [`gamma_gamma`]: the value of a purchase;
//! - [`forecast`]: what is to be expected of one customer;
//! - [`model`]: both together as bytes.

// Derivatives of two to four coordinates are written as they are on paper, by their indices.
#![allow(clippy::needless_range_loop)]

mod optimum;
pub mod customers;
pub mod purchases;
pub mod likelihood;
pub mod fit;
pub mod gamma_gamma;
pub mod model;
pub mod forecast;
