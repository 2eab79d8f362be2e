//! Make AI video with Grok Imagine.

mod backoff;
pub mod client;
mod error;
mod http;
mod job;
pub mod library;
pub mod lineage;
#[cfg(feature = "media")]
pub mod media;
pub mod model;
mod money;
mod provider;
pub mod request;
#[cfg(feature = "sandbox")]
pub mod sandbox;

pub use client::{Generate, JobHandle, VideoClient, VideoClientBuilder};
pub use error::{Charge, Error, ErrorKind, Result, RetryAdvice};
pub use http::{DownloadPolicy, RateLimit, TokenSource};
pub use job::{Handle, JobEvent, JobEvents, PollPolicy};
pub use library::{Clip, ClipId, Library};
pub use model::{AspectRatio, ModelTable, Resolution, Validation, VideoModel};
pub use money::{UsdTicks, usd};
pub use provider::{JobId, VisibleModel};
pub use request::{GenerateMode, GenerateRequest, Keyframe, MediaInput, StorageOptions, UploadTarget, secs};
