//! Decoding of still pictures: PNG, JPEG and WebP.

use std::io::Cursor;

use ffmpeg_next as ff;

use super::frame::Frame;
use crate::error::{Error, Result};
use crate::media::libav;
use crate::media::limits::{CallLimits, MediaOptions};
use crate::media::pixels::color::{self, ColorInfo};
use crate::media::pixels::rotation::Rotation;
use crate::media::source::{self, Format, MediaSource, OpenSource};
use crate::media::worker;
use crate::picture::{JpegSegments, PictureKind};

/// Decodes a still picture.
///
/// Its size is checked before it is decoded. Transparent parts become white, and the EXIF orientation is applied.
///
/// # Errors
///
/// Returns the errors of [`frame`](super::frame()), and `Media` if the source is a clip.
pub fn picture(source: impl Into<MediaSource>, options: &MediaOptions) -> Result<Frame> {
    worker::run(source.into(), options, |source, options| {
        let opened = source::open(source, options)?;
        if !opened.format.is_picture() {
            return Err(Error::media(format!(
                "open {}: it is a clip; give a PNG, JPEG or WebP picture",
                opened.limits.name()
            )));
        }
        decode(opened)
    })
}

/// Decodes a source that was opened and has the format of a picture.
pub(crate) fn decode(opened: OpenSource) -> Result<Frame> {
    let (bytes, format, limits) = opened.into_bytes()?;
    limits.count_decoded_bytes(bytes.len())?;
    let fail = |cause: String| limits.error("decode", cause);
    let kind = PictureKind::detect(&bytes);
    let (kind, (width, height)) = kind
        .and_then(|kind| Some((kind, kind.read_size(&bytes)?)))
        .ok_or_else(|| fail(format!("its {} header is damaged or cut off", format.name())))?;
    let side = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    limits.check_picture_size(side(width), side(height))?;
    // Decoders fill missing parts without an error.
    kind.check_whole(&bytes)
        .map_err(|why| fail(format!("the {} is {why}", format.name())))?;
    let frame = match format {
        Format::Png => decode_png(&bytes, &limits),
        Format::WebP => decode_webp(&bytes, &limits),
        _ => decode_jpeg(&bytes, &limits),
    };
    let frame = frame.map_err(fail)?;
    limits.check()?;
    limits.check_picture_size(frame.width, frame.height)?;
    let (width, height) = frame.rotation.shown_size(frame.width, frame.height);
    let rgb = frame
        .rotation
        .apply(frame.rgb, frame.width as usize, frame.height as usize);
    Ok(Frame {
        width,
        height,
        rgb,
        ..frame
    })
}

/// Creates a frame of coded pixels. The caller of the decoders applies the rotation.
fn coded_frame(width: u32, height: u32, rgb: Vec<u8>, rotation: Rotation) -> Result<Frame, String> {
    let frame = Frame::from_rgb(width, height, rgb).map_err(|e| e.to_string())?;
    Ok(Frame { rotation, ..frame })
}

fn decode_png(bytes: &[u8], limits: &CallLimits) -> Result<Frame, String> {
    let damaged = |e: png::DecodingError| format!("the PNG is damaged: {e}");
    let memory = png::Limits {
        bytes: usize::try_from(limits.max_pixels().saturating_mul(8)).unwrap_or(usize::MAX),
    };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), memory);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    // Text and color profiles are not used, and may decompress to huge sizes.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let len = reader.output_buffer_size().ok_or("the PNG is too large")?;
    let mut out = vec![0; len];
    let info = reader.next_frame(&mut out).map_err(damaged)?;
    out.truncate(info.buffer_size());
    let rgb = match info.color_type {
        png::ColorType::Rgb => out,
        png::ColorType::Rgba => over_white(&out),
        png::ColorType::Grayscale => out.iter().flat_map(|&v| [v; 3]).collect(),
        png::ColorType::GrayscaleAlpha => {
            let rgba: Vec<u8> = out
                .as_chunks::<2>()
                .0
                .iter()
                .flat_map(|&[v, a]| [v, v, v, a])
                .collect();
            over_white(&rgba)
        }
        png::ColorType::Indexed => return Err("the palette of the PNG was not applied".to_owned()),
    };
    let rotation = exif_rotation(reader.info().exif_metadata.as_deref());
    coded_frame(info.width, info.height, rgb, rotation)
}

fn decode_webp(bytes: &[u8], limits: &CallLimits) -> Result<Frame, String> {
    let damaged = |e: image_webp::DecodingError| format!("the WebP is damaged: {e}");
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    decoder.set_memory_limit(usize::try_from(limits.max_pixels().saturating_mul(8)).unwrap_or(usize::MAX));
    let (width, height) = decoder.dimensions();
    let mut out = vec![0; decoder.output_buffer_size().ok_or("the WebP is too large")?];
    decoder.read_image(&mut out).map_err(damaged)?;
    let rgb = if decoder.has_alpha() {
        over_white(&out)
    } else {
        out
    };
    let exif = decoder.exif_metadata().ok().flatten();
    let rotation = exif_rotation(exif.as_deref());
    coded_frame(width, height, rgb, rotation)
}

/// Decodes a JPEG with libav. A picture needs no demuxer.
fn decode_jpeg(bytes: &[u8], limits: &CallLimits) -> Result<Frame, String> {
    libav::init();
    libav::cap_allocations(limits.max_pixels());
    let codec = ff::decoder::find_by_name("mjpeg").ok_or("this libav has no decoder for JPEG")?;
    let mut options = ff::Dictionary::new();
    options.set("max_pixels", &limits.max_pixels().to_string());
    let mut decoder = ff::codec::Context::new_with_codec(codec)
        .decoder()
        .open_as_with(codec, options)
        .and_then(ff::codec::decoder::Opened::video)
        .map_err(|e| format!("JPEG cannot be decoded: {}", libav::describe(e)))?;
    let damaged = |e| format!("the JPEG cannot be decoded: {}", libav::describe(e));
    let mut picture = ff::frame::Video::empty();
    decoder.send_packet(&ff::Packet::copy(bytes)).map_err(damaged)?;
    decoder.send_eof().map_err(damaged)?;
    decoder.receive_frame(&mut picture).map_err(damaged)?;
    let mut color = ColorInfo::of(&picture);
    if color.matrix != color::ColorMatrix::Rgb {
        // JFIF has one matrix for pictures of any size.
        color.matrix = color::ColorMatrix::Bt601;
        color.matrix_tagged = true;
        color.range = color::ColorRange::Full;
        color.range_tagged = true;
    }
    let rgb = color::to_rgb(&picture, &color)?;
    let rotation = exif_rotation(jpeg_exif(bytes));
    let frame = coded_frame(picture.width(), picture.height(), rgb, rotation)?;
    Ok(Frame { color, ..frame })
}

/// Blends RGBA over white.
fn over_white(rgba: &[u8]) -> Vec<u8> {
    let blend = |value: u8, alpha: u8| {
        let sum = u32::from(value) * u32::from(alpha) + 255 * u32::from(255 - alpha) + 127;
        u8::try_from(sum / 255).unwrap_or(u8::MAX)
    };
    rgba.as_chunks::<4>()
        .0
        .iter()
        .flat_map(|&[r, g, b, a]| [blend(r, a), blend(g, a), blend(b, a)])
        .collect()
}

/// Finds the EXIF data in the header of a JPEG.
fn jpeg_exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut segments = JpegSegments::new(bytes);
    segments.find_map(|(marker, body)| body.strip_prefix(b"Exif\0\0").filter(|_| marker == 0xe1))
}

/// Returns the rotation in EXIF data, or none.
fn exif_rotation(exif: Option<&[u8]>) -> Rotation {
    let orientation = exif.and_then(exif_orientation);
    orientation.map(Rotation::from_exif).unwrap_or_default()
}

/// Finds the orientation, 1 to 8, in EXIF data.
fn exif_orientation(tiff: &[u8]) -> Option<u16> {
    let tiff = tiff.strip_prefix(b"Exif\0\0").unwrap_or(tiff);
    let is_big_endian = match tiff.get(..2)? {
        b"MM" => true,
        b"II" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if is_big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    };
    let u32_at = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if is_big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    };
    let directory = usize::try_from(u32_at(4)?).ok()?;
    let entries = u16_at(directory)?;
    (0..usize::from(entries)).find_map(|i| {
        let entry = directory.checked_add(2 + i * 12)?;
        (u16_at(entry)? == 0x0112).then(|| u16_at(entry.checked_add(8)?))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exif_orientation_in_both_byte_orders() {
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0";
        assert_eq!(exif_orientation(little), Some(6));
        assert_eq!(exif_orientation(big), Some(8));
        assert_eq!(exif_orientation(&little[..12]), None);
        assert_eq!(exif_orientation(b"II*\0\xff\xff\xff\xff"), None);
        let jpeg = [&b"\xff\xd8\xff\xe1\0\x1eExif\0\0"[..], little].concat();
        assert_eq!(jpeg_exif(&jpeg).and_then(exif_orientation), Some(6));
    }

    #[test]
    fn transparent_pixels_become_white() {
        assert_eq!(
            over_white(&[10, 20, 30, 0, 10, 20, 30, 255]),
            [255, 255, 255, 10, 20, 30]
        );
    }
}
