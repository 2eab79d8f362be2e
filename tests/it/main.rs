//! The integration tests, one binary: linking is what costs.
#![expect(
    clippy::unwrap_used,
    reason = "tests are named for what they show, and may panic outside of test functions too"
)]

#[cfg(feature = "media")]
mod clips;
#[cfg(feature = "media")]
mod media_bad_input;
#[cfg(feature = "media")]
mod media_colour;
#[cfg(feature = "media")]
mod media_frames;
#[cfg(feature = "sandbox")]
mod sandbox_clients;
#[cfg(feature = "sandbox")]
mod sandbox_contract;
#[cfg(feature = "sandbox")]
mod sandbox_create;
#[cfg(feature = "sandbox")]
mod sandbox_faults;
#[cfg(feature = "sandbox")]
mod sandbox_files;
#[cfg(feature = "sandbox")]
mod sandbox_modes;
#[cfg(feature = "sandbox")]
mod sandbox_results;
