//! A Transformer that says which item comes next: SASRec.
//!
//! Kang and McAuley, "Self-attentive sequential recommendation" (2018), with three things that were found since: norms before the
//! blocks (Xiong et al., "On layer normalization in the Transformer architecture", 2020), the cross-entropy of the whole catalogue in
//! place of one negative (Klenitskiy and Vasilev, "Turning dross into gold loss: is BERT4Rec really better than SASRec?", 2023),
//! and positions from the first item on. What goes in and what is compared with it are the same vectors of items.
//!
//! Histories lie one behind the other as rows, without padding. No table of rows times items exists: scores are made by blocks and
//! made again for the gradients. Sums have an order of their own, whatever the number of threads.

mod kernels;
mod shape;
mod dropout;
mod attention;
mod blocks;
mod softmax;
mod trained;
mod training;

pub use shape::{MAX_DIM, Shape, memory};
pub use trained::{Network, Room};
pub use training::{STEP, Settings, Trainer};
