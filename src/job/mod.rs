//! Waiting for a job, from its id to its result.
//!
//! Owns the only poll loop with its schedule and deadline, the events of a job, and the handle through which any
//! number of callers observe it. Does not know what a job produces or where the result goes: a handle is generic over
//! its result, and the client supplies the work.

mod duration_stats;
mod event;
mod handle;
mod poll;
#[cfg(test)]
#[path = "../../tests/poll_schedule/mod.rs"]
mod poll_schedule;
mod progress;
#[cfg(test)]
#[path = "../../benches/rows.rs"]
pub(crate) mod rows;
mod schedule;

pub(crate) use duration_stats::DurationStats;
pub(crate) use event::Sealed;
pub use event::{EventStream, JobEvent, JobEvents, WorkEvent};
pub use handle::WorkHandle;
pub(crate) use handle::{Reporter, spawn};
pub(crate) use poll::{PollStart, wait_until_over};
pub use schedule::PollPolicy;
pub(crate) use schedule::pause;
