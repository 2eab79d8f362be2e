//! Waiting for a job: replies to polls, events, deadlines.

mod deadlines;
mod durations;
mod ends;
mod events;
mod every_byte;
pub(crate) mod faults;
mod replies;
mod stop;
