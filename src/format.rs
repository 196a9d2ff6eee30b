//! What the values of footfall have in common: the bytes of a `.safetensors`
//! file with JSON under one metadata key of our own, or JSON alone.
//!
//! Reading is total and allocates in proportion to the bytes: every size in the
//! header is compared with the bytes that are there. It takes a fraction of a
//! second beside what the tensors take, because the header has a largest size.

use crate::error::Error;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The largest header in bytes. The names of the actions of a model, at most
/// [`MAX_NAME_BYTES`](crate::limits::MAX_NAME_BYTES), may stand in it once with the vocabulary and once
/// with the class weights; as text within text a byte takes at most 7.
const MAX_HEADER: u64 = 32 << 20;

/// The header of a file that was read, and the bytes of its tensors.
pub(crate) struct File<'a> {
    header: Metadata,
    data: &'a [u8],
}

impl File<'_> {
    /// The names of all tensors, in no order.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.header.tensors().into_keys()
    }

    /// Whether there is a tensor of this name.
    pub fn holds(&self, name: &str) -> bool {
        self.header.info(name).is_some()
    }
}

/// One kind of value that is JSON: small, and without tensors. Numbers keep all their digits.
pub(crate) struct JsonFormat {
    /// The argument that such a value is given as.
    pub argument: &'static str,
    /// What stands in its field `kind`.
    pub kind: &'static str,
    /// The version that is written as `format`, and the latest that is read.
    pub version: u32,
    /// Longer bytes are no such value.
    pub most_bytes: usize,
    /// The macro that makes it.
    pub maker: &'static str,
}

impl JsonFormat {
    /// Reads a value and checks it; what is wrong with one `check` says.
    ///
    /// # Errors
    /// [`Error::Damaged`] for other bytes, [`Error::Newer`] for those of a later version.
    pub fn read<T: DeserializeOwned>(&self, bytes: &[u8], check: fn(&T) -> Result<(), String>) -> Result<T, Error> {
        /// What is read before the rest is.
        #[derive(Deserialize)]
        struct Header {
            kind: String,
            format: u32,
        }
        let damaged = |reason: &str| Error::damaged(self.argument, format!("{reason}; allowed: one of {}", self.maker));
        let header: Option<Header> = (bytes.len() <= self.most_bytes)
            .then(|| serde_json::from_slice(bytes).ok())
            .flatten();
        let header = header.ok_or_else(|| damaged(&format!("{} bytes of something else", bytes.len())))?;
        if header.kind != self.kind {
            return Err(damaged("it is of another kind"));
        }
        if header.format > self.version {
            return Err(Error::Newer {
                argument: self.argument,
                found: header.format,
                supported: self.version,
            });
        }
        let value: T = serde_json::from_slice(bytes).map_err(|error| damaged(&error.to_string()))?;
        check(&value).map_err(|reason| damaged(&reason))?;
        Ok(value)
    }
}

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
    pub fn open<'a, M: DeserializeOwned>(&self, bytes: &'a [u8]) -> Result<(M, File<'a>), Error> {
        let file = self.file(bytes)?;
        let metadata = file.header.metadata().as_ref();
        let text = metadata.and_then(|metadata| metadata.get(self.key)).ok_or_else(|| {
            let other = metadata.and_then(|metadata| metadata.keys().find(|key| key.starts_with("footfall")));
            if let Some(other) = other {
                return self.damaged(format!(
                    "it is another value of footfall, with '{other}' instead of '{}'",
                    self.key
                ));
            }
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
        let unreadable = |error: serde_json::Error| {
            let text = error.to_string();
            // Where it is in a long line of JSON helps nobody.
            let reason = text
                .rsplit_once(" at line ")
                .map_or(text.as_str(), |(reason, _)| reason);
            self.damaged(format!("its metadata are unreadable: {reason}"))
        };
        let Version { format_version: found } = serde_json::from_str(text).map_err(unreadable)?;
        if found > self.version {
            return Err(Error::Newer {
                argument: self.argument,
                found,
                supported: self.version,
            });
        }
        Ok((serde_json::from_str(text).map_err(unreadable)?, file))
    }

    /// The file, whatever its metadata.
    ///
    /// # Errors
    /// [`Error::Damaged`] for what is no `.safetensors` file.
    pub fn file<'a>(&self, bytes: &'a [u8]) -> Result<File<'a>, Error> {
        let n_header = bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        if n_header.is_some_and(|n| n > MAX_HEADER && n < bytes.len() as u64) {
            return Err(self.damaged(format!("its header has more than {MAX_HEADER} bytes")));
        }
        let incomplete = |_| self.damaged("it is not a complete .safetensors file");
        let (n_header, header) = SafeTensors::read_metadata(bytes).map_err(incomplete)?;
        // The bytes of the number itself come before the header.
        let data = &bytes[8 + n_header..];
        Ok(File { header, data })
    }

    /// A tensor of the type that belongs to its name.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is missing or of another type.
    pub fn tensor<'a>(&self, file: &File<'a>, name: &str, dtype: Dtype) -> Result<TensorView<'a>, Error> {
        let info = file
            .header
            .info(name)
            .ok_or_else(|| self.damaged(format!("tensor '{name}' is missing")))?;
        if info.dtype != dtype {
            let found = info.dtype;
            return Err(self.damaged(format!("tensor '{name}' has type {found:?} instead of {dtype:?}")));
        }
        // The header was compared with the bytes when it was read.
        let (start, end) = info.data_offsets;
        TensorView::new(dtype, info.shape.clone(), &file.data[start..end]).map_err(|error| self.damaged(error))
    }

    /// The error of a value that is not one of this kind.
    pub fn damaged(&self, reason: impl ToString) -> Error {
        Error::damaged(self.argument, reason)
    }
}
