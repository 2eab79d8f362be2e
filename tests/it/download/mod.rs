//! Fetching a clip: links, resumption, limits, hostile servers.

mod guard;
mod hostile;
mod links;
mod memory;
mod resume;
