//! What a caller asks for.
//!
//! Owns the requests, the media that go in, and the check of a request against the model table.
//! Refuses to know how anything is sent: no HTTP, no files, no libav. A request is a value; making
//! one costs nothing and touches nothing.

mod analyze;
#[cfg(feature = "media")]
mod chain;
mod check;
mod check_video;
mod continue_from;
mod generate;
mod input;
mod plan;
mod resolved;
mod video;

pub use analyze::AnalyzeOptions;
#[cfg(feature = "media")]
pub(crate) use chain::KeptRequest;
#[cfg(feature = "media")]
pub use chain::{ChainRequest, ChainStart};
pub use check::{Checked, Defaults};
pub use check_video::CheckedVideo;
pub use continue_from::{ContinueRequest, ContinueStrategy, FrameChoice};
pub use generate::{GenerateMode, GenerateRequest, Keyframe, PublicUrl, StorageOptions, UploadTarget};
pub use input::MediaInput;
pub use plan::{PlanChoice, PlanWhen, PlannerFailure, PlannerSettings};
pub use resolved::{GenerateInputs, MediaContent, ResolvedKeyframe, ResolvedMedia, Transport};
pub use video::{EditRequest, ExtendRequest, TransportChoice};

use std::time::Duration;

/// A whole number of seconds: `secs(6)`.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
