//! The integration tests, one binary: linking is what costs.

#[cfg(feature = "sandbox")]
mod client_bench;
#[cfg(feature = "media")]
mod clips;
#[cfg(feature = "sandbox")]
mod faults;
mod library_commit;
mod library_copy;
mod library_crash;
mod library_list;
mod library_names;
mod library_record;
#[cfg(feature = "media")]
mod media_bad_input;
#[cfg(feature = "media")]
mod media_colour;
#[cfg(feature = "media")]
mod media_frames;
#[cfg(feature = "sandbox")]
mod sandbox_create;
#[cfg(feature = "sandbox")]
mod wire_server;
