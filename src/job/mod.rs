//! A job from its id to its end.
//!
//! Owns the only poll loop, its clock and its deadline, the events, and the handle by which any number
//! of callers watch. Refuses to know what a job makes or where that goes: a handle is generic over its
//! outcome, and the client says what the work is.

mod event;
mod handle;
mod poll;
mod schedule;

pub(crate) use event::Sealed;
pub use event::{Event, Events, JobEvent, JobEvents};
pub use handle::Handle;
pub(crate) use handle::{Reporter, spawn};
pub(crate) use poll::wait_until_over;
pub use schedule::PollPolicy;
pub(crate) use schedule::pause;
