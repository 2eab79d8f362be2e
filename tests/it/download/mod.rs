//! Fetching a clip: links, resumption, limits, hostile servers.

mod checks;
mod every_byte;
pub(crate) mod faults;
mod guard;
mod hostile;
mod links;
mod memory;
mod resume;
