//! What a sandbox remembers: jobs, files, clips on disk, stored answers, counters and settings.
//!
//! Owns the tables and their limits. Renders nothing and knows no route.

pub(crate) mod app;
pub(crate) mod blob;
pub(crate) mod checksum;
pub(crate) mod clock;
pub(crate) mod files;
pub(crate) mod jobs;
pub(crate) mod recent_table;
pub(crate) mod snapshot;
pub(crate) mod stored_answers;
