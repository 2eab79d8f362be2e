//! The verbs. Each file has the named future of its verb and runs the steps of the verb in order.
//!
//! Each verb checks its request, reads its inputs, and passes both to the pipeline.

mod analyze;
#[cfg(feature = "media")]
pub(super) mod chain;
#[cfg(feature = "media")]
pub(super) mod continue_from;
#[cfg(feature = "media")]
mod frame;
pub(super) mod generate;
pub(super) mod transform;

pub use self::analyze::Analyze;
#[cfg(feature = "media")]
pub use self::chain::{Chain, ChainEvent, ChainHandle, ChainOutcome};
#[cfg(feature = "media")]
pub use self::continue_from::ContinueFrom;
#[cfg(feature = "media")]
pub use self::frame::ExtractFrame;
pub use self::generate::Generate;
pub use self::transform::{EditClip, ExtendClip};
