//! Frames, probes and limits of libav.

mod bad_input;
mod clip_frames;
mod color;
mod frames;
mod hostile;
mod interrupt;
mod libav_components;
mod multi_frame;
mod rotation;
