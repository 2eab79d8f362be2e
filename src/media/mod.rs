//! Media.

#[cfg(feature = "sandbox")]
pub(crate) mod write;
