//! Makes clips: real video, different for every prompt and readable by a person.
//!
//! Owns the work of a job (`job`), its input media (`inputs`) and the pictures and sound of a clip (everything
//! else, which knows no job). Knows no route.

mod audio;
mod clip;
mod draw;
mod font;
pub(crate) mod inputs;
pub(crate) mod job;
mod scene;
mod spec;
