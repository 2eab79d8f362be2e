//! The structure of a container file: its outline, limits on its tables, and the open clip with its packets.

pub(crate) mod clip;
pub(crate) mod container_limits;
pub(crate) mod outline;
