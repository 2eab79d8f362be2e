//! What the service's models can do and what they cost.
//!
//! Owns the names of models, resolutions and aspect ratios, and the capability table: dated data
//! with a source a row, built in from `models.toml` and replaceable. Refuses to know requests: it
//! answers questions about limits, and `request` asks them.

mod language;
mod name;
mod price;
mod table;

pub use language::LanguageModel;
pub use name::{AspectRatio, Resolution, VideoModel};
pub use price::{Price, PriceUnit};
pub use table::{Mode, ModeLimits, ModelEntry, ModelTable, Operation, Validation};
