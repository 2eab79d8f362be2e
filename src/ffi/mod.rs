//! The API that the Python, Kotlin and Swift packages are built on.
//!
//! Owns what crosses the language boundary and in which form: objects that wrap clients, handles, frames and
//! libraries, one error type, and records for core values that cannot cross as they are. It uses the crate's public
//! API only, so the other languages can do nothing that Rust cannot.
//!
//! To extend it, derive `uniffi::Record` or `uniffi::Enum` on a value where it is defined and export one method that
//! calls the core. Names are the core's. What each language adds (keyword arguments, iteration, cancellation, types of
//! its image libraries) is written by hand in `bindings/`.
//!
//! Exported futures observe a job; they do not own it. A call that is dropped early stops waiting for its job. The
//! job continues at the service, stays in the library's journal, and is finished by the next recovery.

#![expect(unreachable_pub, reason = "the module is private, but its exports are public")]
#![expect(clippy::needless_pass_by_value, reason = "UniFFI passes arguments by value")]

mod client;
mod error;
mod family;
mod job;
mod journal;
mod library;
mod logging;
mod media;
mod runtime;
mod sandbox;
mod settings;
mod tasks;
mod token;
mod types;
