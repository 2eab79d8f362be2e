//! Encoders: PNG and JPEG for frames, and MP4 for the sandbox.

#[cfg(feature = "sandbox")]
mod clip_writer;
mod png_jpeg;
#[cfg(feature = "sandbox")]
mod yuv_picture;

#[cfg(feature = "sandbox")]
pub(crate) use self::clip_writer::{ClipWriter, SAMPLE_RATE};
#[cfg(feature = "ffi")]
pub(crate) use self::png_jpeg::pixels_to_png;
#[cfg(feature = "sandbox")]
pub(crate) use self::yuv_picture::{YuvPicture, yuv_of};
