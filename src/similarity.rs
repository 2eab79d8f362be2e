//! Similarity of pictures, as a sidecar states it.
//!
//! Owns the two types. Does not know how pictures are compared (`media`) or why (`client`, `library`).

use serde::{Deserialize, Serialize};

/// The similarity of two pictures in decibels: the peak signal-to-noise ratio of luma and of the color differences
/// (BT.709).
///
/// The ratio is at most 100, which also stands for equal pictures. Above 40 the difference is hard to see; below 25 it is
/// obvious.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct PictureMatch {
    /// The ratio of luma.
    pub luma_db: f64,
    /// The ratio of the color differences.
    #[serde(rename = "colour_db")]
    pub color_db: f64,
    /// Whether the sizes differed, so that both pictures were scaled to a common size first.
    pub reduced: bool,
}

/// The position in an extended clip where the source clip ends and the added part begins, found by comparing frames.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct SeamReport {
    /// The position, in seconds.
    pub seconds: f64,
    /// The similarity between the last frame of the source clip and the last frame before this position.
    pub likeness: PictureMatch,
}
