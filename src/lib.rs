//! Make AI video with Grok Imagine.

mod error;

pub use error::{Charge, Error, ErrorKind, Result, RetryAdvice};
