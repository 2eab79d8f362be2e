//! Pixels: color conversion, rotation and scaling. Knows no frames and no clips.

pub(crate) mod color;
pub(crate) mod rotation;
pub(crate) mod scale;
pub(crate) mod yuv;
