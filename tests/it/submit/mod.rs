//! Sending a create: what is checked before, what goes over the wire, and what each answer means.

mod answers;
mod every_byte;
mod faults;
mod fence;
mod inputs;
mod keyframe_times;
mod peers;
mod pictures;
mod requests;
mod settings;
mod traps;
