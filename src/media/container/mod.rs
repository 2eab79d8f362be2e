//! Container files: the outline of a file, limits on its tables, and the open clip with its packets.
//!
//! Knows no decoders and no frames.

mod boxes;
pub(crate) mod clip;
mod container_limits;
mod outline;
