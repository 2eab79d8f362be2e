//! A job from its id to its end.
//!
//! Owns the only poll loop, its clock and its deadline, the events, and the handle by which any number
//! of callers watch. Refuses to know what a job makes or where that goes: a handle is generic over its
//! outcome, and the client says what the work is.

mod event;
mod handle;
mod pace;
mod poll;
#[cfg(test)]
#[path = "../../benches/rows.rs"]
pub(crate) mod rows;
mod schedule;
#[cfg(test)]
mod simulation;
mod times;

pub(crate) use event::Sealed;
pub use event::{Event, Events, JobEvent, JobEvents};
pub use handle::Handle;
pub(crate) use handle::{Reporter, spawn};
pub(crate) use poll::{Begin, wait_until_over};
pub use schedule::PollPolicy;
pub(crate) use schedule::pause;
pub(crate) use times::Times;
