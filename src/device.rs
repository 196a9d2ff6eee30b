//! Where a network runs.

use crate::error::Error;
use crate::network::{Architecture, Engine, Fused, Plain};

/// The devices of this binary, as `footfall_devices()` lists them.
pub fn available() -> Vec<String> {
    let mut devices = vec!["cpu".to_owned()];
    // Asking for it is the only way to know: a build with the feature may run where no GPU is.
    if candle_core::Device::new_cuda(0).is_ok() {
        devices.push("cuda".to_owned());
    }
    devices
}

/// The engine that runs an architecture on a device.
///
/// # Errors
/// [`Error::Device`] when this binary or this machine lacks it: a device that
/// is asked for is never replaced by another one.
pub fn engine(device: &str, architecture: Architecture) -> Result<Box<dyn Engine>, Error> {
    match device {
        "cpu" => Ok(Box::new(Fused::new(architecture)?)),
        // The same mathematics a second time, one tensor operation after the other, to check the first by.
        "candle" => Ok(Box::new(Plain::new(architecture, candle_core::Device::Cpu)?)),
        "cuda" if !cfg!(feature = "cuda") => Err(Error::Device(
            "device 'cuda' is not in this binary; build it with `cargo build --release --workspace --features \
             footfall-extension/cuda` on a machine with the CUDA toolkit, or use device 'cpu'"
                .into(),
        )),
        "cuda" => {
            let device = candle_core::Device::new_cuda(0).map_err(|_| {
                Error::Device("device 'cuda' finds no CUDA driver or GPU here; use device 'cpu'".into())
            })?;
            Ok(Box::new(Plain::new(architecture, device)?))
        }
        other => Err(Error::argument(
            "device",
            format!("'{other}'"),
            "'cpu', 'cuda', 'candle'",
        )),
    }
}
