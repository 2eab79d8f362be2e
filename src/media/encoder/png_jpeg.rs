//! Encoding of frames as PNG and JPEG, and of other pixels as PNG.

use crate::error::{Error, Result};
use crate::media::frames::frame::Frame;

impl Frame {
    /// Encodes the frame as PNG, without loss.
    ///
    /// Compression is set to fast: a frame of 720 lines takes a few milliseconds, and the PNG is not larger than with
    /// ffmpeg's defaults.
    ///
    /// # Errors
    ///
    /// Returns `Media` if the encoder does not support the size.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        encode_png(self.width(), self.height(), png::ColorType::Rgb, self.rgb())
    }

    /// Encodes the frame as JPEG. `quality` is 1 to 100. At 90 and above, color is encoded at full resolution.
    ///
    /// # Errors
    ///
    /// Returns `Media` if the quality is out of range, or a side is longer than 65,535 pixels.
    pub fn to_jpeg(&self, quality: u8) -> Result<Vec<u8>> {
        if !(1..=100).contains(&quality) {
            return Err(Error::media(format!(
                "encode a frame as JPEG: quality {quality} is not between 1 and 100"
            )));
        }
        let (Ok(width), Ok(height)) = (u16::try_from(self.width()), u16::try_from(self.height())) else {
            return Err(Error::media(format!(
                "encode a frame as JPEG: {}x{} is larger than the limit of 65535 a side",
                self.width(),
                self.height()
            )));
        };
        let mut out = Vec::with_capacity(self.rgb().len() / 8);
        let encoder = jpeg_encoder::Encoder::new(&mut out, quality);
        encoder
            .encode(self.rgb(), width, height, jpeg_encoder::ColorType::Rgb)
            .map_err(|e| Error::media("encode a frame as JPEG").with_source(e))?;
        Ok(out)
    }
}

fn encode_png(width: u32, height: u32, color: png::ColorType, pixels: &[u8]) -> Result<Vec<u8>> {
    let failed = |e: png::EncodingError| Error::media("encode an image as PNG").with_source(e);
    let mut out = Vec::with_capacity(pixels.len() / 2);
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

/// Encodes pixels of 8 bits per channel as PNG: gray, gray and alpha, RGB, or RGB and alpha, for 1 to 4 channels.
///
/// # Errors
///
/// Returns `Media` for another number of channels, or if `pixels` does not have width x height x channels bytes.
#[cfg(feature = "ffi")]
pub(crate) fn pixels_to_png(width: u32, height: u32, channels: u8, pixels: &[u8]) -> Result<Vec<u8>> {
    let color = match channels {
        1 => png::ColorType::Grayscale,
        2 => png::ColorType::GrayscaleAlpha,
        3 => png::ColorType::Rgb,
        4 => png::ColorType::Rgba,
        _ => {
            return Err(Error::media(format!(
                "encode an image as PNG: {channels} channels are not 1 to 4"
            )));
        }
    };
    encode_png(width, height, color, pixels)
}
