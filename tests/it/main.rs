//! The integration tests: one binary, a module for each behaviour.

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
