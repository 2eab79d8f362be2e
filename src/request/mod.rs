//! What a caller asks for.
//!
//! Owns the requests, the media that go in, and the check of a request against the model table.
//! Refuses to know how anything is sent: no HTTP, no files, no libav. A request is a value; making
//! one costs nothing and touches nothing.

mod analyze;
mod check;
mod generate;
mod input;
mod plan;
mod resolved;

pub use analyze::AnalyzeOptions;
pub use check::{Checked, Defaults};
pub use generate::{GenerateMode, GenerateRequest, Keyframe, PublicUrl, StorageOptions, UploadTarget};
pub use input::MediaInput;
pub use plan::{PlanChoice, PlanWhen, PlannerFailure, PlannerSettings};
pub use resolved::{GenerateInputs, ResolvedKeyframe, ResolvedMedia, Transport};

use std::time::Duration;

/// A whole number of seconds: `secs(6)`.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
