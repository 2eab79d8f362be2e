//! TCP connections that can be cut at any byte, a listener that can go down, and the check of the host.
//!
//! Owns the sockets below HTTP. Knows neither routes nor jobs, nor which fault asked for what.

pub(crate) mod byte_faults;
pub(crate) mod connection;
pub(crate) mod host_check;
pub(crate) mod listener;
