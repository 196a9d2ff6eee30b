//! The machine: threads, vector instructions, products. It knows no customer and no network.
//!
//! - [`job`]: long work that gives control back after a bounded time;
//! - [`parallel`]: work cut into pieces that do not depend on the number of threads;
//! - [`dispatch`]: loops compiled for each instruction set;
//! - `vector`: registers of floats by instruction set, with the exponential function;
//! - `tile`, `product`, `matrix`: products of matrices by tiles of registers;
//! - [`cuda`]: NVIDIA's driver, opened at run time;
//! - `buffer`, `pool`: aligned memory, kept from call to call.

#![allow(unsafe_code)]

pub mod job;
pub mod parallel;
pub(crate) mod pool;
pub(crate) mod buffer;
pub mod dispatch;
pub(crate) mod vector;
pub(crate) mod tile;
pub(crate) mod product;
pub(crate) mod matrix;
pub mod cuda;
