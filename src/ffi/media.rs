//! Probes and frames.

use std::sync::Arc;
use std::time::Duration;

use super::error::{Result, VideoError};
use super::runtime;
use crate::media::{self, ColourInfo, FramePosition, MediaSource, Probe, Rotation};
use crate::{ErrorKind, MediaInput};

/// Bounds for one call. What is left open has its default.
#[derive(Debug, Clone, Default, uniffi::Record)]
pub struct MediaOptions {
    /// The longest the call may take; 60 s.
    #[uniffi(default = None)]
    pub deadline: Option<Duration>,
    /// The most pixels (width times height) a frame or picture may have; 8192 times 8192.
    #[uniffi(default = None)]
    pub max_pixels: Option<u64>,
    /// The most bytes of coded data that the call may read into the decoder; 4 GiB.
    #[uniffi(default = None)]
    pub max_decoded_bytes: Option<u64>,
}

impl From<MediaOptions> for media::MediaOptions {
    fn from(options: MediaOptions) -> Self {
        let mut bounds = Self::new();
        if let Some(deadline) = options.deadline {
            bounds = bounds.with_deadline(deadline);
        }
        if let Some(pixels) = options.max_pixels {
            bounds = bounds.with_max_pixels(pixels);
        }
        if let Some(bytes) = options.max_decoded_bytes {
            bounds = bounds.with_max_decoded_bytes(bytes);
        }
        bounds
    }
}

/// The unit of a time stamp in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct TimeBase {
    /// Above the line.
    pub numerator: u32,
    /// Below the line.
    pub denominator: u32,
}

/// What is known of a frame besides its pixels.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct FrameOrigin {
    /// The timestamp in the stream, in units of its time base.
    pub pts: i64,
    /// The unit of the timestamp.
    pub time_base: TimeBase,
    /// What a player's clock shows when the frame appears.
    pub time: Duration,
    /// Its place in presentation order, from 0, where that is known.
    pub number: Option<u64>,
    /// Which matrix and range made the pixels, and whether the clip said so or it was assumed.
    pub color: ColourInfo,
    /// How the coded picture was turned. Already applied.
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

/// A picture as a player shows it: packed RGB, 8 bits a channel, rows from the top, turned upright.
#[derive(Debug, uniffi::Object)]
pub struct Frame(media::Frame);

impl Frame {
    pub(super) fn new(frame: media::Frame) -> Arc<Self> {
        Arc::new(Self(frame))
    }
}

#[uniffi::export]
impl Frame {
    /// A frame out of packed RGB pixels, width times height times 3 bytes.
    #[uniffi::constructor]
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Arc<Self>> {
        Ok(Self::new(media::Frame::from_rgb(width, height, rgb)?))
    }

    /// The frame with these pixels and this origin: a copy of one in another process.
    #[uniffi::constructor]
    pub fn restore(width: u32, height: u32, rgb: Vec<u8>, origin: FrameOrigin) -> Result<Arc<Self>> {
        let frame = media::Frame::from_rgb(width, height, rgb)?;
        Ok(Self::new(frame.with_origin(origin.into())))
    }

    /// What is known of the frame besides its pixels.
    pub fn origin(&self) -> FrameOrigin {
        self.0.origin().into()
    }

    /// Pixels a row, as shown.
    pub fn width(&self) -> u32 {
        self.0.width()
    }

    /// Rows, as shown.
    pub fn height(&self) -> u32 {
        self.0.height()
    }

    /// The pixels: red, green, blue, row by row from the top, without padding. A copy.
    pub fn rgb(&self) -> Vec<u8> {
        self.0.rgb().to_vec()
    }

    /// Where the pixels are in memory. They are there, unchanged, as long as this object is.
    pub fn rgb_address(&self) -> u64 {
        self.0.rgb().as_ptr() as u64
    }

    /// How many bytes the pixels have.
    pub fn rgb_length(&self) -> u64 {
        self.0.rgb().len() as u64
    }

    /// The timestamp in the stream, in units of its time base.
    pub fn pts(&self) -> i64 {
        self.0.pts()
    }

    /// The unit of the timestamp.
    pub fn time_base(&self) -> TimeBase {
        let (numerator, denominator) = self.0.time_base();
        TimeBase {
            numerator,
            denominator,
        }
    }

    /// What a player's clock shows when this frame appears.
    pub fn time(&self) -> Duration {
        self.0.time()
    }

    /// Its place in presentation order, from 0, where that is known.
    pub fn number(&self) -> Option<u64> {
        self.0.number()
    }

    /// Which matrix and range made the pixels, and whether the clip said so or it was assumed.
    pub fn colour(&self) -> ColourInfo {
        self.0.colour().clone()
    }

    /// How the coded picture was turned. Already applied.
    pub fn rotation(&self) -> Rotation {
        self.0.rotation()
    }

    /// The picture as a PNG file.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        Ok(self.0.to_png()?)
    }

    /// The picture as a JPEG file; quality from 1 to 100.
    pub fn to_jpeg(&self, quality: u8) -> Result<Vec<u8>> {
        Ok(self.0.to_jpeg(quality)?)
    }

    /// How alike two frames of one size are, in decibels; infinite for equal ones.
    pub fn psnr(&self, other: &Self) -> Result<f64> {
        Ok(media::psnr(&self.0, &other.0)?)
    }
}

/// One frame of a file or of bytes, exactly the one that a player shows. Breaking it off interrupts the decoder.
#[uniffi::export]
pub async fn frame(
    source: MediaInput,
    position: FramePosition,
    options: Option<MediaOptions>,
) -> Result<Arc<Frame>> {
    let source = local(source)?;
    runtime::run(async move {
        let bounds = options.unwrap_or_default().into();
        Ok(Frame::new(media::bridge::frame(source, position, bounds).await?))
    })
    .await
}

/// Several frames of a file or of bytes, in the order in which they were asked for.
#[uniffi::export]
pub async fn frames(
    source: MediaInput,
    positions: Vec<FramePosition>,
    options: Option<MediaOptions>,
) -> Result<Vec<Arc<Frame>>> {
    let source = local(source)?;
    runtime::run(async move {
        let bounds = options.unwrap_or_default().into();
        let frames = media::bridge::frames(source, positions, bounds).await?;
        Ok(frames.into_iter().map(Frame::new).collect())
    })
    .await
}

/// What a clip or a picture is: size, length, codecs, colours.
#[uniffi::export]
pub async fn probe(source: MediaInput, options: Option<MediaOptions>) -> Result<Probe> {
    let source = local(source)?;
    runtime::run(async move {
        let bounds = options.unwrap_or_default().into();
        Ok(media::bridge::probe(source, bounds).await?)
    })
    .await
}

/// What a person types where a picture goes in: a file, an https URL, a `file_id` or a data URL.
#[uniffi::export]
pub fn parse_media_input(text: &str) -> Result<MediaInput> {
    Ok(MediaInput::parse(text)?)
}

/// What a person types where a clip goes in: the same, or the name of a clip of the library.
#[uniffi::export]
pub fn parse_video_input(text: &str) -> Result<MediaInput> {
    Ok(MediaInput::parse_video(text)?)
}

fn local(source: MediaInput) -> Result<MediaSource> {
    match source {
        MediaInput::Path(path) => Ok(MediaSource::from(path)),
        MediaInput::Bytes { bytes, name } => Ok(MediaSource::named_bytes(name, bytes)),
        other => Err(VideoError::here(
            ErrorKind::InvalidRequest,
            &format!(
                "open {}: frames are taken from a file or from bytes; of a clip of a library the client takes them",
                other.display_name()
            ),
        )),
    }
}
