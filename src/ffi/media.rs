//! Exports frames and probes.

use std::sync::Arc;
use std::time::Duration;

use super::error::{Result, VideoError};
use super::runtime;
use crate::media::{self, ColorInfo, FramePosition, MediaSource, Probe, Rotation};
use crate::{ErrorKind, MediaInput};

/// Limits for one call. Fields that are not set use the defaults.
#[derive(Debug, Clone, Default, uniffi::Record)]
pub struct MediaOptions {
    /// Maximum duration of the call. Defaults to 60 s.
    #[uniffi(default = None)]
    pub deadline: Option<Duration>,
    /// Maximum number of pixels (width times height) of a frame or image. Defaults to 8192 × 8192.
    #[uniffi(default = None)]
    pub max_pixels: Option<u64>,
    /// Maximum number of encoded bytes that the call may pass to the decoder. Defaults to 4 GiB.
    #[uniffi(default = None)]
    pub max_decoded_bytes: Option<u64>,
}

impl From<MediaOptions> for media::MediaOptions {
    fn from(options: MediaOptions) -> Self {
        let mut limits = Self::new();
        if let Some(deadline) = options.deadline {
            limits = limits.deadline(deadline);
        }
        if let Some(pixels) = options.max_pixels {
            limits = limits.max_pixels(pixels);
        }
        if let Some(bytes) = options.max_decoded_bytes {
            limits = limits.max_decoded_bytes(bytes);
        }
        limits
    }
}

/// The time base of a stream: the unit of its timestamps, in seconds, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct TimeBase {
    /// The numerator.
    pub numerator: u32,
    /// The denominator.
    pub denominator: u32,
}

/// The metadata of a frame: everything but its pixels.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct FrameOrigin {
    /// The presentation timestamp (PTS), in units of the time base.
    pub pts: i64,
    /// The time base of the stream.
    pub time_base: TimeBase,
    /// The playback time at which a player shows the frame.
    pub time: Duration,
    /// The index of the frame in presentation order, from 0, if known.
    pub number: Option<u64>,
    /// The color matrix and range used for the conversion, and whether the clip states them or they were assumed.
    pub color: ColorInfo,
    /// The rotation stated by the clip. It is already applied.
    pub rotation: Rotation,
}

impl From<media::FrameOrigin> for FrameOrigin {
    fn from(origin: media::FrameOrigin) -> Self {
        let (numerator, denominator) = origin.time_base;
        Self {
            pts: origin.pts,
            time_base: TimeBase {
                numerator,
                denominator,
            },
            time: origin.time,
            number: origin.number,
            color: origin.color,
            rotation: origin.rotation,
        }
    }
}

impl From<FrameOrigin> for media::FrameOrigin {
    fn from(origin: FrameOrigin) -> Self {
        Self {
            pts: origin.pts,
            time_base: (origin.time_base.numerator, origin.time_base.denominator),
            time: origin.time,
            number: origin.number,
            color: origin.color,
            rotation: origin.rotation,
        }
    }
}

/// A decoded frame as a player shows it: packed RGB, 8 bits per channel, top row first, rotated upright.
#[derive(Debug, uniffi::Object)]
pub struct Frame(media::Frame);

impl Frame {
    pub(super) fn new(frame: media::Frame) -> Arc<Self> {
        Arc::new(Self(frame))
    }
}

#[uniffi::export]
impl Frame {
    /// Creates a frame from packed RGB pixels: width × height × 3 bytes.
    #[uniffi::constructor]
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Arc<Self>> {
        Ok(Self::new(media::Frame::from_rgb(width, height, rgb)?))
    }

    /// Restores a frame from its pixels and its origin, such as one from another process.
    #[uniffi::constructor]
    pub fn restore(width: u32, height: u32, rgb: Vec<u8>, origin: FrameOrigin) -> Result<Arc<Self>> {
        let frame = media::Frame::from_rgb(width, height, rgb)?;
        Ok(Self::new(frame.with_origin(origin.into())))
    }

    /// Returns the metadata of the frame.
    pub fn origin(&self) -> FrameOrigin {
        self.0.origin().into()
    }

    /// Returns the width in pixels, after rotation.
    pub fn width(&self) -> u32 {
        self.0.width()
    }

    /// Returns the height in pixels, after rotation.
    pub fn height(&self) -> u32 {
        self.0.height()
    }

    /// Returns a copy of the pixels: red, green, blue, row by row from the top, without padding.
    pub fn rgb(&self) -> Vec<u8> {
        self.0.rgb().to_vec()
    }

    /// Returns the address of the pixels in memory. It stays valid, and the pixels unchanged, while this object lives.
    pub fn rgb_address(&self) -> u64 {
        self.0.rgb().as_ptr() as u64
    }

    /// Returns the size of the pixels in bytes.
    pub fn rgb_length(&self) -> u64 {
        self.0.rgb().len() as u64
    }

    /// Encodes the frame as a PNG file.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        Ok(self.0.to_png()?)
    }

    /// Encodes the frame as a JPEG file with a quality from 1 to 100.
    pub fn to_jpeg(&self, quality: u8) -> Result<Vec<u8>> {
        Ok(self.0.to_jpeg(quality)?)
    }

    /// Returns the PSNR of two frames of the same size in decibels; infinity for identical frames.
    pub fn psnr(&self, other: &Self) -> Result<f64> {
        Ok(media::psnr(&self.0, &other.0)?)
    }
}

/// Decodes one frame of a file or of bytes, exactly as a player would show it. Cancelling interrupts the decoder.
#[uniffi::export]
pub async fn frame(
    source: MediaInput,
    position: FramePosition,
    options: Option<MediaOptions>,
) -> Result<Arc<Frame>> {
    let source = local_source(source)?;
    runtime::run(async move {
        let limits = options.unwrap_or_default().into();
        Ok(Frame::new(
            media::nonblocking::frame(source, position, limits).await?,
        ))
    })
    .await
}

/// Decodes several frames of a file or of bytes, in the order of `positions`.
#[uniffi::export]
pub async fn frames(
    source: MediaInput,
    positions: Vec<FramePosition>,
    options: Option<MediaOptions>,
) -> Result<Vec<Arc<Frame>>> {
    let source = local_source(source)?;
    runtime::run(async move {
        let limits = options.unwrap_or_default().into();
        let frames = media::nonblocking::frames(source, positions, limits).await?;
        Ok(frames.into_iter().map(Frame::new).collect())
    })
    .await
}

/// Reads the properties of a clip or an image: dimensions, duration, codecs, colors.
#[uniffi::export]
pub async fn probe(source: MediaInput, options: Option<MediaOptions>) -> Result<Probe> {
    let source = local_source(source)?;
    runtime::run(async move {
        let limits = options.unwrap_or_default().into();
        Ok(media::nonblocking::probe(source, limits).await?)
    })
    .await
}

/// Encodes pixels of 8 bits per channel as a PNG file: gray, gray and alpha, RGB, or RGB and alpha, for 1 to 4 channels.
///
/// `pixels` has width × height × channels bytes, row by row from the top, without padding.
#[uniffi::export]
pub fn encode_png(width: u32, height: u32, channels: u8, pixels: &[u8]) -> Result<Vec<u8>> {
    Ok(media::pixels_to_png(width, height, channels, pixels)?)
}

/// Parses user input that names an image: a file, an https URL, a `file_id` or a data URL.
#[uniffi::export]
pub fn parse_media_input(text: &str) -> Result<MediaInput> {
    Ok(MediaInput::parse(text)?)
}

/// Parses user input that names a clip: a file, an https URL, a `file_id`, a data URL, or a clip in the library.
#[uniffi::export]
pub fn parse_video_input(text: &str) -> Result<MediaInput> {
    Ok(MediaInput::parse_video(text)?)
}

/// Accepts files and bytes only, since there is no client here that could fetch anything else.
fn local_source(source: MediaInput) -> Result<MediaSource> {
    match source {
        MediaInput::Path(path) => Ok(MediaSource::from(path)),
        MediaInput::Bytes { bytes, name } => Ok(MediaSource::named_bytes(name, bytes)),
        other => Err(VideoError::local(
            ErrorKind::InvalidRequest,
            &format!(
                "open {}: pass a file or bytes; for a clip in a library, call frame on the client",
                other.display_name()
            ),
        )),
    }
}
