//! The requests of a caller.
//!
//! Owns the request types, the media that go into them, and the check of a request against the model table. Does not
//! know how a request is sent: no HTTP, no files, no libav. A request is a plain value.

#[macro_use]
mod setters;

mod analyze;
#[cfg(feature = "media")]
mod chain;
mod check;
mod continue_from;
mod edit;
mod estimate;
mod extend;
mod generate;
mod input;
mod output;
mod planner;
mod resolved;
#[cfg(feature = "media")]
mod saved;

pub use analyze::AnalyzeOptions;
#[cfg(feature = "media")]
pub use chain::{ChainRequest, ChainStart};
pub use check::{CheckedRequest, CheckedVideo, Defaults};
pub use continue_from::{ContinueRequest, ContinueStrategy, FrameChoice};
pub use edit::EditRequest;
pub use estimate::{Estimate, VideoRequest};
pub use extend::ExtendRequest;
pub use generate::{GenerateMode, GenerateRequest, Keyframe};
pub use input::{MediaInput, TransportChoice};
pub use output::{PublicUrl, StorageOptions, UploadTarget};
pub use planner::{PlanChoice, PlanWhen, PlannerFailure, PlannerSettings};
pub use resolved::{GenerateInputs, MediaContent, ResolvedKeyframe, ResolvedMedia, Transport};
#[cfg(feature = "media")]
pub(crate) use saved::SavedRequest;

use std::time::Duration;

/// Returns a whole number of seconds: `secs(6)`.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
