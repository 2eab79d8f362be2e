//! Sending a create: what is checked before, what goes over the wire, and what each answer means.

mod checks;
mod every_byte;
pub(crate) mod faults;
mod fence;
mod inputs;
mod keyframe_times;
mod outputs;
mod pictures;
mod replies;
mod requests;
mod settings;
mod unknown;
