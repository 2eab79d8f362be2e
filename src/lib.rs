//! Make AI video with Grok Imagine.

mod error;
pub mod library;
pub mod lineage;

pub use error::{Charge, Error, ErrorKind, Result, RetryAdvice};
