//! The models of the service, their limits and their prices.
//!
//! Owns the names of models, resolutions and aspect ratios, and the model table: rows with a date and a source, built
//! in from `models.toml` and replaceable. Does not check requests; `request` does, with the limits from here.

mod language;
mod name;
mod price;
mod table;

pub use language::LanguageModel;
pub use name::{AspectRatio, Resolution, VideoModel};
pub use price::{Price, PriceUnit};
pub use table::{Mode, ModeLimits, ModelEntry, ModelTable, Validation};
