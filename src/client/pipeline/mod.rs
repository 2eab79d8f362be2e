//! The steps that the verbs share, in the order in which a clip passes them.
//!
//! Reading inputs (`input_context`, `images`, `clip_source`, `media_origin`), planning the prompt (`planning`), reserving
//! money and sending the create request (`submit`), waiting, downloading and saving (`finish`, with `verify`,
//! `content_checks` and `quarantine`), the sidecar (`sidecar`), and resuming after an interruption (`recover`).

pub(super) mod clip_source;
pub(super) mod content_checks;
pub(super) mod finish;
pub(super) mod images;
pub(super) mod input_context;
pub(super) mod media_origin;
pub(super) mod planning;
pub(super) mod quarantine;
pub(super) mod recover;
pub(super) mod sidecar;
pub(super) mod submit;
pub(super) mod verify;
#[cfg(all(test, feature = "cli"))]
mod verify_tests;
