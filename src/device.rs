//! Where a network runs.

use crate::compute::cuda;
use crate::error::Error;
use crate::network::{Architecture, Engine, Fused, Gpu, Plain};

/// The devices of this machine, as `footfall_devices()` lists them. No context is opened on a card.
pub fn available() -> Vec<String> {
    let mut devices = vec!["cpu".to_owned()];
    if cuda::card().is_ok() {
        devices.push("cuda".to_owned());
    }
    devices
}

/// The engine that runs an architecture on a device.
///
/// # Errors
/// [`Error::Device`] when this machine lacks it: a device that
/// is asked for is never replaced by another one.
pub fn engine(device: &str, architecture: Architecture) -> Result<Box<dyn Engine>, Error> {
    match device {
        "cpu" => Ok(Box::new(Fused::new(architecture)?)),
        // The same mathematics a second time, one tensor operation after the other, to check the first by.
        "candle" => Ok(Box::new(Plain::new(architecture, candle_core::Device::Cpu)?)),
        "cuda" => Ok(Box::new(Gpu::new(architecture)?)),
        other => Err(Error::argument(
            "device",
            format!("'{other}'"),
            "'cpu', 'cuda', 'candle'",
        )),
    }
}
