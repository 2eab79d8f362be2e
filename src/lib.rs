//! Make AI video with Grok Imagine.

mod error;
#[cfg(feature = "media")]
pub mod media;
#[cfg(feature = "sandbox")]
pub mod sandbox;

pub use error::{Charge, Error, ErrorKind, Result, RetryAdvice};
