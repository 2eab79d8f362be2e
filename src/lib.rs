//! Make AI video with Grok Imagine: nothing that was paid for is lost, paid twice, or silently changed, and
//! a frame is exactly the frame.
//!
//! [`VideoClient`] makes clips and keeps them in a [`Library`], a flat folder in which every clip has a
//! sidecar. [`media`] reads frames out of clips in the process, through libav. [`sandbox`] is the service
//! on loopback, with real video and scripted faults, for tests and for trying things at no cost.
//!
//! ```
//! # #[cfg(feature = "sandbox")]
//! # #[tokio::main]
//! # async fn main() -> reelkin::Result<()> {
//! use reelkin::sandbox::Sandbox;
//! use reelkin::{GenerateRequest, PollPolicy, VideoClient, secs};
//! use std::time::Duration;
//!
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let folder = folder.path();
//! let sandbox = Sandbox::builder().seconds_per_job(0.1).start().await?;
//! let mut poll = PollPolicy::default();
//! poll.first = Duration::from_millis(100); // the sandbox has no queue
//!
//! let client = VideoClient::builder()
//!     .base_url(sandbox.base_url())
//!     .api_key(sandbox.api_key())
//!     .library(folder)
//!     .poll(poll)
//!     .build()?;
//! let clip = client.generate(GenerateRequest::text("a lighthouse at dusk").duration(secs(1))).await?;
//! assert!(clip.path.is_some_and(|path| path.exists()));
//! assert_eq!(sandbox.state().creates, 1);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sandbox"))]
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! | feature | brings | needs |
//! |---|---|---|
//! | `media` (default) | [`media`]: frames, probes, the full check of a download | FFmpeg's libraries |
//! | `sandbox` | [`sandbox`] | `media` |
//! | `cli` | the program `reelkin` | `media`, `sandbox` |
//! | `s3` | a library in a bucket, [`Library::open_url`] | |
//! | `otel` | the example `telemetry`: spans over OTLP to a collector | `sandbox` |
//! | `ffi` | what the packages for Python, Kotlin and Swift are made of | `sandbox` |
//!
//! Without `media` the crate links no C library; a download is then checked by the outline of its
//! container alone.

#![cfg_attr(
    not(feature = "media"),
    expect(rustdoc::broken_intra_doc_links, reason = "parts are left out")
)]

mod backoff;
pub mod client;
mod error;
#[cfg(feature = "ffi")]
mod ffi;
mod host;
mod http;
mod ids;
mod job;
mod journal;
pub mod library;
pub mod lineage;
#[cfg(feature = "media")]
pub mod media;
pub mod model;
mod money;
mod mutation;
mod picture;
mod planner;
mod provider;
pub mod request;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod stop;
mod storage;
mod telemetry;
mod text;

pub use client::{
    Analyze, Generate, JobHandle, Outcome, Recover, Recovered, RecoveryEvent, RecoveryHandle, Transform,
    VideoClient, VideoClientBuilder,
};
#[cfg(feature = "media")]
pub use client::{Chain, ChainEvent, ChainHandle, ChainOutcome, ContinueFrom};
pub use error::{Charge, Error, ErrorKind, Result, RetryAdvice};
pub use http::{AccessToken, DownloadPolicy, RateLimit, Timeouts, TokenError, TokenSource};
pub use ids::{ClipId, InvalidId, JobId, RecordId};
pub use job::{Event, Events, Handle, JobEvent, JobEvents, PollPolicy};
pub use journal::{JobRecord, JobState, Settlement, StuckJob};
#[cfg(feature = "media")]
pub use library::{ChainRecord, Drift};
pub use library::{Clip, Library, QuarantinedClip};
pub use lineage::Family;
pub use model::{AspectRatio, ModelTable, Resolution, Validation, VideoModel};
pub use money::{Budget, Spent, UsdTicks, usd};
pub use planner::{ClipNotes, SeenFrame};
pub use provider::{TokenUsage, VisibleModel};
pub use request::{
    AnalyzeOptions, Checked, CheckedVideo, ContinueRequest, ContinueStrategy, Defaults, EditRequest,
    ExtendRequest, FrameChoice, GenerateMode, GenerateRequest, Keyframe, MediaInput, PlanChoice, PlanWhen,
    PlannerFailure, PlannerSettings, PublicUrl, StorageOptions, TransportChoice, UploadTarget, secs,
};
#[cfg(feature = "media")]
pub use request::{ChainRequest, ChainStart};

/// What the fuzzer reaches and no caller does; not part of the interface.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::provider::replies;
}

#[cfg(feature = "ffi")]
uniffi::setup_scaffolding!();

#[cfg(all(doctest, feature = "media"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// What callers rely on without saying so: a client can be shared and its futures sent.
#[cfg(test)]
fn _assert_impls() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    fn sent<T: Send + 'static>() {}
    shared::<VideoClient>();
    shared::<JobHandle>();
    shared::<Library>();
    shared::<Error>();
    sent::<Analyze>();
    sent::<Generate>();
    sent::<JobEvents>();
}

#[cfg(all(test, feature = "media"))]
#[path = "../tests/simulation/mod.rs"]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod simulation;
