//! The integration tests, filed by behavior. They are one binary, because linking takes most of the build time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, reason = "modules of one binary")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::items_after_statements,
    reason = "test clips are small, and a test is easiest to read next to its data"
)]

// A file that needs a feature says so in its first lines.
mod cli;
mod download;
mod library;
mod lineage;
mod media;
mod money;
mod poll;
mod recover;
mod sandbox;
mod security;
mod submit;
mod support;
mod verbs;
