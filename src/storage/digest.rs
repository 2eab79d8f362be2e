//! Computes the size and hash of a file.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::io_error;
use crate::error::Result;

/// The size and hash of a clip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ClipDigest {
    /// The SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl ClipDigest {
    pub(crate) fn new(hash: Sha256, bytes: u64) -> Self {
        Self {
            sha256: to_hex(&hash.finalize()),
            bytes,
        }
    }

    /// Reads a file of the library in pieces. Blocks.
    pub(crate) fn of_file(path: &Path) -> Result<Self> {
        Self::read(path).map_err(|error| io_error(&format!("read {}", path.display()), error))
    }

    /// Reads any file in pieces. Blocks.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        let mut bytes = 0;
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => return Ok(Self::new(hash, bytes)),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hash.update(&buffer[..read]);
            bytes += read as u64;
        }
    }
}

/// Returns the SHA-256 of bytes as lowercase hex digits.
pub(crate) fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    to_hex(&Sha256::digest(bytes))
}

/// Returns bytes as lowercase hex digits.
fn to_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
