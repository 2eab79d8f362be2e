//! Make AI video with Grok Imagine.

mod error;
pub mod model;
mod money;
pub mod request;

pub use error::{Charge, Error, ErrorKind, Result, RetryAdvice};
pub use model::{AspectRatio, ModelTable, Resolution, Validation, VideoModel};
pub use money::{UsdTicks, usd};
pub use request::{GenerateMode, GenerateRequest, Keyframe, MediaInput, StorageOptions, UploadTarget, secs};
