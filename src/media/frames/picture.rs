//! Still pictures: PNG, JPEG and WebP, turned upright.

use std::io::Cursor;

use ffmpeg_next as ff;

use super::frame::Frame;
use crate::error::{Error, ErrorKind, Result};
use crate::media::libav;
use crate::media::limits::{MediaOptions, Watch};
use crate::media::pixels::color::{self, ColourInfo};
use crate::media::pixels::rotation::Rotation;
use crate::media::source::{self, Format, MediaSource, OpenSource};
use crate::media::worker;
use crate::picture::{JpegSegments, PictureKind};

/// Decodes a still picture. Its size is checked before its pixels are; transparent parts become white; the
/// orientation that a camera wrote is applied.
///
/// # Errors
///
/// As [`frame`](super::frame()); [`ErrorKind::Media`] for a clip too.
pub fn picture(source: impl Into<MediaSource>, options: &MediaOptions) -> Result<Frame> {
    worker::run(source.into(), options, |source, options| {
        let opened = source::open(source, options)?;
        if !opened.format.is_picture() {
            return Err(Error::new(
                ErrorKind::Media,
                format!(
                    "open {}: is a clip; give a PNG, JPEG or WebP picture",
                    opened.watch.name()
                ),
            ));
        }
        decode(opened)
    })
}

pub(crate) fn decode(opened: OpenSource) -> Result<Frame> {
    let (bytes, format, watch) = opened.into_bytes()?;
    watch.spend(bytes.len())?;
    let fail = |cause: String| watch.fail("decode", cause);
    let kind = PictureKind::of(&bytes);
    let (kind, (width, height)) = kind
        .and_then(|kind| Some((kind, kind.size(&bytes)?)))
        .ok_or_else(|| fail(format!("its {} header is damaged or cut off", format.name())))?;
    let side = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    watch.check_size(side(width), side(height))?;
    // Decoders fill what is missing, and say nothing.
    kind.check_whole(&bytes)
        .map_err(|why| fail(format!("the {} is {why}", format.name())))?;
    let pixels = match format {
        Format::Png => decode_png(&bytes, &watch).map_err(fail)?,
        Format::WebP => decode_webp(&bytes, &watch).map_err(fail)?,
        _ => decode_jpeg(&bytes, &watch).map_err(fail)?,
    };
    watch.check()?;
    let Pixels {
        width,
        height,
        rgb,
        colour,
        rotation,
    } = pixels;
    watch.check_size(width, height)?;
    let rgb = rotation.apply(rgb, width as usize, height as usize);
    let (width, height) = rotation.shown(width, height);
    let mut frame = Frame::from_rgb(width, height, rgb).map_err(|e| watch.fail("decode", e))?;
    frame.colour = colour;
    frame.rotation = rotation;
    Ok(frame)
}

struct Pixels {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
    colour: ColourInfo,
    rotation: Rotation,
}

fn decode_png(bytes: &[u8], watch: &Watch) -> Result<Pixels, String> {
    let damaged = |e: png::DecodingError| format!("the PNG is damaged: {e}");
    let limits = png::Limits {
        bytes: usize::try_from(watch.max_pixels().saturating_mul(8)).unwrap_or(usize::MAX),
    };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    // Bombs of text and profiles are not even unpacked.
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
        png::ColorType::Indexed => return Err("the PNG's palette was not applied".to_owned()),
    };
    let exif = reader.info().exif_metadata.as_deref().and_then(exif_orientation);
    let rotation = exif.map(Rotation::from_exif).unwrap_or_default();
    Ok(Pixels {
        width: info.width,
        height: info.height,
        rgb,
        colour: ColourInfo::rgb(),
        rotation,
    })
}

fn decode_webp(bytes: &[u8], watch: &Watch) -> Result<Pixels, String> {
    let damaged = |e: image_webp::DecodingError| format!("the WebP is damaged: {e}");
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    decoder.set_memory_limit(usize::try_from(watch.max_pixels().saturating_mul(8)).unwrap_or(usize::MAX));
    let (width, height) = decoder.dimensions();
    let mut out = vec![0; decoder.output_buffer_size().ok_or("the WebP is too large")?];
    decoder.read_image(&mut out).map_err(damaged)?;
    let rgb = if decoder.has_alpha() {
        over_white(&out)
    } else {
        out
    };
    let exif = decoder.exif_metadata().ok().flatten();
    let rotation = exif
        .as_deref()
        .and_then(exif_orientation)
        .map(Rotation::from_exif)
        .unwrap_or_default();
    Ok(Pixels {
        width,
        height,
        rgb,
        colour: ColourInfo::rgb(),
        rotation,
    })
}

/// By libav's decoder alone: a picture needs no demuxer.
fn decode_jpeg(bytes: &[u8], watch: &Watch) -> Result<Pixels, String> {
    libav::init();
    libav::cap_allocations(watch.max_pixels());
    let codec = ff::decoder::find_by_name("mjpeg").ok_or("the libav in use has no decoder for JPEG")?;
    let mut options = ff::Dictionary::new();
    options.set("max_pixels", &watch.max_pixels().to_string());
    let mut decoder = ff::codec::Context::new_with_codec(codec)
        .decoder()
        .open_as_with(codec, options)
        .and_then(ff::codec::decoder::Opened::video)
        .map_err(|e| format!("JPEG cannot be decoded: {}", libav::reason(e)))?;
    let damaged = |e| format!("the JPEG cannot be decoded: {}", libav::reason(e));
    let mut picture = ff::frame::Video::empty();
    decoder.send_packet(&ff::Packet::copy(bytes)).map_err(damaged)?;
    decoder.send_eof().map_err(damaged)?;
    decoder.receive_frame(&mut picture).map_err(damaged)?;
    let mut colour = ColourInfo::of(&picture);
    if colour.matrix != color::ColourMatrix::Rgb {
        // JFIF knows one matrix, whatever the size.
        colour.matrix = color::ColourMatrix::Bt601;
        colour.matrix_tagged = true;
        colour.range = color::ColourRange::Full;
        colour.range_tagged = true;
    }
    let rgb = color::to_rgb(&picture, &colour)?;
    let rotation = jpeg_exif(bytes)
        .and_then(exif_orientation)
        .map(Rotation::from_exif)
        .unwrap_or_default();
    Ok(Pixels {
        width: picture.width(),
        height: picture.height(),
        rgb,
        colour,
        rotation,
    })
}

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

/// The EXIF block in the header of a JPEG, if it comes before the pixels.
fn jpeg_exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut segments = JpegSegments::of(bytes);
    segments.find_map(|(marker, body)| body.strip_prefix(b"Exif\0\0").filter(|_| marker == 0xe1))
}

/// The orientation, 1 to 8, in a TIFF block.
fn exif_orientation(tiff: &[u8]) -> Option<u16> {
    let tiff = tiff.strip_prefix(b"Exif\0\0").unwrap_or(tiff);
    let big = match tiff.get(..2)? {
        b"MM" => true,
        b"II" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = <[u8; 2]>::try_from(tiff.get(at..at.checked_add(2)?)?).ok()?;
        Some(if big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    };
    let u32_at = |at: usize| {
        let bytes = <[u8; 4]>::try_from(tiff.get(at..at.checked_add(4)?)?).ok()?;
        Some(if big {
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
    fn transparent_is_white() {
        assert_eq!(
            over_white(&[10, 20, 30, 0, 10, 20, 30, 255]),
            [255, 255, 255, 10, 20, 30]
        );
    }
}
