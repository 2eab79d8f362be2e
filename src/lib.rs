//! Makes, edits, extends, continues and analyzes AI video with Grok Imagine.
//!
//! A paid request is recorded before it is sent, and never sent again if the service may have accepted it. Options are
//! never changed silently, and frames are exact to the pixel.
//!
//! * [`VideoClient`] makes clips and keeps them in a [`Library`].
//! * [`Library`] is a flat folder, or a bucket, that holds each clip next to its sidecar: a JSON file that says how the
//!   clip was made.
//! * [`media`] probes clips and reads frames in-process, through libav.
//! * [`sandbox`] is a local server that speaks the service's protocol, renders real video and injects faults. It needs no
//!   key and costs nothing.
//!
//! Every operation fails with [`Error`]. It says what happened, whether it may have cost money, and what to do next.
//!
//! # Example
//!
//! ```
//! # #[cfg(feature = "sandbox")]
//! # #[tokio::main]
//! # async fn main() -> reelkin::Result<()> {
//! use reelkin::sandbox::Sandbox;
//! use reelkin::{GenerateRequest, VideoClient, secs};
//! use std::time::Duration;
//!
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let folder = folder.path();
//! let sandbox = Sandbox::builder().min_job_duration(Duration::from_millis(100)).start().await?;
//! let client = VideoClient::builder()
//!     .base_url(sandbox.base_url())
//!     .api_key(sandbox.api_key())
//!     .library(folder)
//!     .build()?;
//!
//! let request = GenerateRequest::text("a lighthouse at dusk").duration(secs(1));
//! let clip = client.generate(request).await?;
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
//! | feature | adds | requires |
//! |---|---|---|
//! | `media` (default) | [`media`]: frames, probing, and decoding as a check of downloads | FFmpeg's libraries |
//! | `sandbox` | [`sandbox`] | `media` |
//! | `cli` | the program `reelkin` | `media`, `sandbox` |
//! | `s3` | libraries in a bucket: [`Library::open_url`] | |
//! | `otel` | the example `telemetry`, which exports spans over OTLP | `sandbox` |
//! | `ffi` | the interface of the Python, Kotlin and Swift packages | `sandbox` |
//!
//! Without `media` the crate links no C library. A download is then checked only by the structure of its container.

#![cfg_attr(
    not(feature = "media"),
    expect(
        rustdoc::broken_intra_doc_links,
        reason = "links to `media` items have no target"
    )
)]

mod backoff;
#[cfg(all(doctest, feature = "sandbox"))]
mod book;
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
mod operation;
mod picture;
mod planner;
mod provider;
pub mod request;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod similarity;
mod stop;
mod storage;
mod sync;
mod telemetry;
mod text;
mod timestamp;

#[cfg(feature = "media")]
#[doc(inline)]
pub use client::{ChainEvent, ChainHandle, ChainOutcome};
#[doc(inline)]
pub use client::{
    JobHandle, JobOutcome, Recovered, RecoveryEvent, RecoveryHandle, VideoClient, VideoClientBuilder,
};
pub use error::{Charge, Error, ErrorKind, Result, RetryAdvice};
pub use http::{AccessToken, DownloadPolicy, RateLimit, Timeouts, TokenError, TokenSource};
pub use ids::{ClipId, InvalidId, JobId, RecordId};
pub use job::{EventStream, JobEvent, JobEvents, PollPolicy, WorkEvent, WorkHandle};
pub use journal::{JobRecord, JobState, Settlement, StuckJob};
#[cfg(feature = "media")]
#[doc(inline)]
pub use library::{ChainRecord, Drift};
#[doc(inline)]
pub use library::{Clip, Library, QuarantinedClip};
#[doc(inline)]
pub use lineage::Family;
#[doc(inline)]
pub use model::{AspectRatio, ModelTable, Resolution, VideoModel};
pub use money::{Budget, Spent, UsdTicks, usd};
pub use operation::Operation;
pub use planner::{ClipNotes, SeenFrame};
pub use provider::{TokenUsage, VisibleModel};
#[doc(inline)]
pub use request::{
    AnalyzeOptions, ContinueRequest, ContinueStrategy, EditRequest, Estimate, ExtendRequest, FrameChoice,
    GenerateMode, GenerateRequest, Keyframe, MediaInput, PlanChoice, PlanWhen, PlannerFailure,
    PlannerSettings, PublicUrl, StorageOptions, TransportChoice, UploadTarget, VideoRequest, secs,
};
#[cfg(feature = "media")]
#[doc(inline)]
pub use request::{ChainRequest, ChainStart};
pub use timestamp::Timestamp;

/// The futures of the verbs, which [`VideoClient`] returns.
pub mod futures {
    pub use crate::client::{Analyze, EditClip, ExtendClip, Generate, Recover};
    #[cfg(feature = "media")]
    pub use crate::client::{Chain, ContinueFrom};
}

/// Entry points for the fuzz targets. Not part of the public API.
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

/// Asserts at compile time that the main types can be shared between threads and the futures sent to other threads.
#[cfg(test)]
fn _assert_impls() {
    fn is_shareable<T: Send + Sync + Clone + 'static>() {}
    fn is_sendable<T: Send + 'static>() {}
    is_shareable::<VideoClient>();
    is_shareable::<JobHandle>();
    is_shareable::<Library>();
    is_shareable::<Error>();
    is_sendable::<futures::Analyze>();
    is_sendable::<futures::Generate>();
    is_sendable::<JobEvents>();
}

#[cfg(all(test, feature = "media"))]
#[path = "../tests/simulation/mod.rs"]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod simulation;
