//! Make AI video with Grok Imagine.

mod error;
#[cfg(feature = "media")]
pub mod media;

pub use error::{Charge, Error, ErrorKind, Result, RetryAdvice};
