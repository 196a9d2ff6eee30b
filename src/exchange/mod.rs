//! Models on their way to and from other programs.

mod protobuf;
pub mod onnx;
pub mod weights;
