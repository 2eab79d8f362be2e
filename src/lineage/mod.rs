//! Which clip came from which.
//!
//! Owns the branch-local view that every sidecar carries under `videoContinuity`, in the JSON of
//! ima2-gen. Values only: it reads no file, knows no library, no clock and no service.

mod continuity;

pub use continuity::{Continuity, ContinuityEntry, MAX_ENTRIES, RETENTION, Role};
