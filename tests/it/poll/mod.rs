//! Waiting for a job: replies to polls, events, deadlines.

mod durations;
mod events;
mod peers;
