//! What the values of footfall have in common: the bytes of a `.safetensors`
//! file with JSON under one metadata key of our own.
//!
//! Reading is total and allocates in proportion to the bytes: every size in the
//! header is compared with the bytes that are there.

use crate::error::Error;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::Deserialize;

/// One kind of value.
pub(crate) struct Format {
    /// The argument that such a value is given as.
    pub argument: &'static str,
    /// The metadata key.
    pub key: &'static str,
    /// The version that is written, and the latest that is read.
    pub version: u32,
}

impl Format {
    /// The metadata and the tensors.
    ///
    /// # Errors
    /// [`Error::Damaged`] for anything else, [`Error::Newer`] for a later version.
    pub fn open<'a, M: DeserializeOwned>(&self, bytes: &'a [u8]) -> Result<(M, SafeTensors<'a>), Error> {
        let incomplete = |_| self.damaged("it is not a complete .safetensors file");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(incomplete)?;
        let metadata = header.metadata().as_ref();
        let text = metadata.and_then(|metadata| metadata.get(self.key)).ok_or_else(|| {
            self.damaged(format!(
                "it is a .safetensors file that footfall did not write as a {} (no '{}' metadata)",
                self.argument, self.key
            ))
        })?;
        // The version alone first: a newer format may hold anything else.
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let unreadable = |error: serde_json::Error| self.damaged(format!("its metadata are unreadable: {error}"));
        let Version { format_version: found } = serde_json::from_str(text).map_err(unreadable)?;
        if found > self.version {
            return Err(Error::Newer {
                argument: self.argument,
                found,
                supported: self.version,
            });
        }
        let metadata = serde_json::from_str(text).map_err(unreadable)?;
        Ok((metadata, SafeTensors::deserialize(bytes).map_err(incomplete)?))
    }

    /// A tensor of the type that belongs to its name.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is missing or of another type.
    pub fn tensor<'a>(&self, file: &SafeTensors<'a>, name: &str, dtype: Dtype) -> Result<TensorView<'a>, Error> {
        let view = file
            .tensor(name)
            .map_err(|_| self.damaged(format!("tensor '{name}' is missing")))?;
        if view.dtype() == dtype {
            Ok(view)
        } else {
            let found = view.dtype();
            Err(self.damaged(format!("tensor '{name}' has type {found:?} instead of {dtype:?}")))
        }
    }

    /// The error of a value that is not one of this kind.
    pub fn damaged(&self, reason: impl ToString) -> Error {
        Error::damaged(self.argument, reason)
    }
}
