//! The interface of the packages for Python, Kotlin and Swift.
//!
//! Owns what crosses the boundary and in which form: objects over the clients, handles, frames and libraries of
//! the crate, one error, and records where a value of the core cannot cross as it is. It uses the public
//! interface alone, so nothing can be done from another language that Rust cannot do.
//!
//! To add to it: derive `uniffi::Record` or `uniffi::Enum` on the value where it is defined, and export one method
//! that calls the core. Names are the core's. What a language's own users expect (keyword arguments, iteration,
//! cancellation, pictures of its libraries) is written by hand in `bindings/`.
//!
//! Exported futures watch; they never own. A call that is dropped before its end stops waiting for its job,
//! which goes on at the service, stays in the library's journal, and is finished by the next recovery.

#![expect(unreachable_pub, reason = "the module is private, what it exports is not")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "what crosses the boundary arrives owned"
)]

mod client;
mod error;
mod family;
mod job;
mod journal;
mod library;
mod media;
mod runtime;
mod sandbox;
mod settings;
mod token;
mod types;
mod works;
