//! The matrix and range of a picture's colors, and its conversion to RGB.
//!
//! Planar YUV is converted in [`yuv`](super::yuv). libav's scaler chooses the matrix without the caller, treats gray as
//! full range whatever the stream says, and aborts the process on a frame without a format. So it only converts between
//! formats for which no matrix is needed. YUV of more than 12 bits is refused: the coefficients are not exact for it.

use ff::format::Pixel;
use ffmpeg_next as ff;
use serde::Serialize;

use super::yuv::{Coefficients, Layout, Plane, Planes, Siting};
use crate::media::libav;
use crate::media::libav::flags::is_bottom_up;
use crate::media::libav::numbers::{pixel_format, pixel_format_name};
use crate::media::libav::tags::{self, Tags};

/// The matrix between YUV and RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum ColorMatrix {
    /// ITU-R BT.601, standard definition and JPEG.
    Bt601,
    /// ITU-R BT.709, high definition.
    Bt709,
    /// ITU-R BT.2020, ultra-high definition.
    Bt2020,
    /// FCC, 1953.
    Fcc,
    /// SMPTE 240M.
    Smpte240m,
    /// No matrix: the picture is coded as RGB.
    Rgb,
}

impl ColorMatrix {
    /// Returns the weights of red and blue in luma.
    fn weights(self) -> (f64, f64) {
        match self {
            Self::Bt601 | Self::Rgb => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
            Self::Fcc => (0.30, 0.11),
            Self::Smpte240m => (0.212, 0.087),
        }
    }
}

/// The code values of black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum ColorRange {
    /// Luma from 16 to 235, at 8 bits.
    Limited,
    /// All code values.
    Full,
}

/// How the colors of a picture were converted to RGB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ColorInfo {
    /// The matrix that was used.
    pub matrix: ColorMatrix,
    /// Whether the clip specifies that matrix. If not, BT.709 was assumed from 720 coded lines up, else BT.601.
    pub matrix_tagged: bool,
    /// The range that was used.
    pub range: ColorRange,
    /// Whether the clip specifies that range. If not, the limited range was assumed.
    pub range_tagged: bool,
    /// The color primaries of the clip, by libav's name. They are not converted.
    pub primaries: Option<String>,
    /// The transfer function of the clip, by libav's name. It is not converted: HDR stays HDR.
    pub transfer: Option<String>,
}

impl ColorInfo {
    /// Returns the info of a picture that is coded as RGB.
    pub(crate) fn rgb() -> Self {
        Self {
            matrix: ColorMatrix::Rgb,
            matrix_tagged: true,
            range: ColorRange::Full,
            range_tagged: true,
            primaries: None,
            transfer: None,
        }
    }

    /// Reads the color tags of a frame. For missing tags, assumes what players assume.
    pub(crate) fn of(frame: &ff::frame::Video) -> Self {
        let format = pixel_format(frame);
        let numbers = Tags::of(frame);
        let tags = Self {
            primaries: numbers.primaries_name().map(str::to_owned),
            transfer: numbers.transfer_name().map(str::to_owned),
            ..Self::rgb()
        };
        let Some(format) =
            format.filter(|format| planar_layout(*format).is_some() || is_resampled_yuv(*format))
        else {
            return tags;
        };
        let (matrix, matrix_tagged) = choose_matrix(numbers.matrix, frame.height());
        let (range, range_tagged) = match numbers.range {
            tags::FULL => (ColorRange::Full, true),
            tags::LIMITED => (ColorRange::Limited, true),
            _ if is_yuvj(format) => (ColorRange::Full, true),
            _ => (ColorRange::Limited, false),
        };
        Self {
            matrix,
            matrix_tagged,
            range,
            range_tagged,
            ..tags
        }
    }
}

/// Returns the matrix for a number of H.273, and whether the number specifies it.
///
/// A matrix is assumed for numbers that are missing, not valid for YUV, or of a matrix that is not supported.
fn choose_matrix(number: u32, lines: u32) -> (ColorMatrix, bool) {
    match number {
        1 => (ColorMatrix::Bt709, true),
        4 => (ColorMatrix::Fcc, true),
        5 | 6 => (ColorMatrix::Bt601, true),
        7 => (ColorMatrix::Smpte240m, true),
        9 | 10 => (ColorMatrix::Bt2020, true),
        _ if lines >= 720 => (ColorMatrix::Bt709, false),
        _ => (ColorMatrix::Bt601, false),
    }
}

fn is_yuvj(format: Pixel) -> bool {
    matches!(
        format,
        Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P | Pixel::YUVJ440P | Pixel::YUVJ411P
    )
}

/// Returns whether a YUV format is resampled to 4:4:4 before its conversion. These formats are rare.
fn is_resampled_yuv(format: Pixel) -> bool {
    matches!(
        format,
        Pixel::YUV410P
            | Pixel::YUV411P
            | Pixel::YUVJ411P
            | Pixel::NV12
            | Pixel::NV21
            | Pixel::YUYV422
            | Pixel::UYVY422
    )
}

/// Returns the layout of a planar YUV or gray format that [`yuv`](super::yuv) converts.
fn planar_layout(format: Pixel) -> Option<Layout> {
    let (half_width, half_height, gray, depth) = match format {
        Pixel::YUV420P | Pixel::YUVJ420P | Pixel::YUVA420P => (true, true, false, 8),
        Pixel::YUV422P | Pixel::YUVJ422P | Pixel::YUVA422P => (true, false, false, 8),
        Pixel::YUV440P | Pixel::YUVJ440P => (false, true, false, 8),
        Pixel::YUV444P | Pixel::YUVJ444P | Pixel::YUVA444P => (false, false, false, 8),
        Pixel::YUV420P9LE | Pixel::YUVA420P9LE => (true, true, false, 9),
        Pixel::YUV420P10LE | Pixel::YUVA420P10LE => (true, true, false, 10),
        Pixel::YUV420P12LE => (true, true, false, 12),
        Pixel::YUV422P9LE | Pixel::YUVA422P9LE => (true, false, false, 9),
        Pixel::YUV422P10LE | Pixel::YUVA422P10LE => (true, false, false, 10),
        Pixel::YUV422P12LE => (true, false, false, 12),
        Pixel::YUV440P10LE => (false, true, false, 10),
        Pixel::YUV440P12LE => (false, true, false, 12),
        Pixel::YUV444P9LE | Pixel::YUVA444P9LE => (false, false, false, 9),
        Pixel::YUV444P10LE | Pixel::YUVA444P10LE => (false, false, false, 10),
        Pixel::YUV444P12LE => (false, false, false, 12),
        Pixel::GRAY8 => (false, false, true, 8),
        Pixel::GRAY9LE => (false, false, true, 9),
        Pixel::GRAY10LE => (false, false, true, 10),
        Pixel::GRAY12LE => (false, false, true, 12),
        _ => return None,
    };
    Some(Layout {
        half_width,
        half_height,
        gray,
        depth,
    })
}

/// Converts a decoded frame to packed RGB. The error says why it cannot be converted.
pub(crate) fn to_rgb(frame: &ff::frame::Video, color: &ColorInfo) -> Result<Vec<u8>, String> {
    let (width, height) = (frame.width(), frame.height());
    if width == 0 || height == 0 {
        return Err("the decoder returned a frame without a picture".to_owned());
    }
    // From here on the bindings may read the format: it is one that they know.
    let format = pixel_format(frame).ok_or_else(|| {
        let name = pixel_format_name(frame);
        format!("its pixel format {name} is not supported")
    })?;
    if is_bottom_up(frame) {
        return Err("its rows are stored from the bottom up, which is not supported".to_owned());
    }
    if let Some(layout) = planar_layout(format) {
        return planar_to_rgb(frame, format, layout, color);
    }
    if is_resampled_yuv(format) {
        let full = is_yuvj(format);
        let to = if full { Pixel::YUVJ444P } else { Pixel::YUV444P };
        let resampled = repack(frame, format, to)?;
        let layout = Layout {
            half_width: false,
            half_height: false,
            gray: false,
            depth: 8,
        };
        return planar_to_rgb(&resampled, to, layout, color);
    }
    let packed = repack(frame, format, Pixel::RGB24)?;
    let row = width as usize * 3;
    let stride = packed.stride(0);
    let mut out = Vec::with_capacity(row * height as usize);
    for line in packed.data(0).chunks(stride.max(1)).take(height as usize) {
        out.extend_from_slice(line.get(..row).ok_or("the scaler returned a short row")?);
    }
    Ok(out)
}

/// Converts a frame to another pixel format with libav, without a change of matrix.
fn repack(frame: &ff::frame::Video, from: Pixel, to: Pixel) -> Result<ff::frame::Video, String> {
    use ff::software::scaling::{Context, Flags};
    let (width, height) = (frame.width(), frame.height());
    let flags = Flags::BICUBIC | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INT | Flags::FULL_CHR_H_INP;
    let failed = |e| {
        format!(
            "its pixel format {from:?} cannot be converted: {}",
            libav::describe(e)
        )
    };
    let mut context = Context::get(from, width, height, to, width, height, flags).map_err(failed)?;
    let mut out = ff::frame::Video::empty();
    context.run(frame, &mut out).map_err(failed)?;
    Ok(out)
}

/// Returns the chroma siting of a frame.
fn siting(frame: &ff::frame::Video, format: Pixel) -> Siting {
    // libav numbers the sitings from 1, H.273 from 0.
    let (left, top) = match Tags::of(frame).chroma {
        2 => (false, false),
        3 => (true, true),
        4 => (false, true),
        0 if is_yuvj(format) => (false, false),
        // The default of MPEG.
        _ => (true, false),
    };
    Siting { left, top }
}

fn plane(frame: &ff::frame::Video, index: usize, layout: Layout) -> Result<Plane<'_>, String> {
    if index >= frame.planes() {
        return Err("the decoder returned a frame with a missing plane".to_owned());
    }
    let halve = |n: u32, half: bool| if half && index > 0 { n.div_ceil(2) } else { n } as usize;
    let width = halve(frame.width(), layout.half_width);
    let height = halve(frame.height(), layout.half_height);
    Plane::new(
        frame.data(index),
        frame.stride(index),
        width,
        height,
        layout.depth,
    )
    .ok_or_else(|| "the decoder returned a frame with a short plane".to_owned())
}

fn planar_to_rgb(
    frame: &ff::frame::Video,
    format: Pixel,
    layout: Layout,
    color: &ColorInfo,
) -> Result<Vec<u8>, String> {
    let full = color.range == ColorRange::Full;
    let coefficients = Coefficients::new(color.matrix.weights(), full, layout.depth);
    let plane = |index| plane(frame, index, layout);
    let planes = Planes {
        luma: plane(0)?,
        chroma: if layout.gray {
            None
        } else {
            Some([plane(1)?, plane(2)?])
        },
        layout,
        siting: siting(frame, format),
    };
    Ok(planes.into_rgb(&coefficients))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::libav::numbers::{FORMATS, UNKNOWN_FORMATS, set_pixel_format_number};
    use crate::media::pixels::yuv::one_pixel;

    fn pixel(matrix: ColorMatrix, range: ColorRange, depth: u32, yuv: [i32; 3]) -> [u8; 3] {
        let full = range == ColorRange::Full;
        one_pixel(&Coefficients::new(matrix.weights(), full, depth), yuv)
    }

    #[test]
    fn black_white_and_primaries() {
        use ColorMatrix::{Bt601, Bt709};
        use ColorRange::{Full, Limited};
        assert_eq!(pixel(Bt709, Limited, 8, [16, 128, 128]), [0, 0, 0]);
        assert_eq!(pixel(Bt709, Limited, 8, [235, 128, 128]), [255, 255, 255]);
        assert_eq!(pixel(Bt709, Limited, 8, [255, 255, 255])[0], 255);
        assert_eq!(pixel(Bt601, Full, 8, [255, 128, 128]), [255, 255, 255]);
        assert_eq!(pixel(Bt601, Full, 8, [76, 85, 255]), [254, 0, 0]);
        assert_eq!(pixel(Bt709, Limited, 8, [63, 102, 240]), [255, 1, 0]);
        assert_eq!(pixel(Bt601, Limited, 8, [82, 90, 240]), [255, 1, 0]);
        assert_eq!(pixel(Bt709, Limited, 10, [940, 512, 512]), [255, 255, 255]);
        assert_eq!(pixel(Bt709, Limited, 12, [256, 2048, 2048]), [0, 0, 0]);
        assert_eq!(pixel(Bt709, Full, 12, [4095, 4095, 4095])[2], 255);
    }

    #[test]
    fn the_matrix_is_assumed_by_lines_without_a_valid_tag() {
        assert_eq!(choose_matrix(2, 719), (ColorMatrix::Bt601, false));
        assert_eq!(choose_matrix(2, 720), (ColorMatrix::Bt709, false));
        // RGB, ICtCp and an unassigned number.
        assert_eq!(choose_matrix(0, 1080), (ColorMatrix::Bt709, false));
        assert_eq!(choose_matrix(14, 480), (ColorMatrix::Bt601, false));
        assert_eq!(choose_matrix(200, 480), (ColorMatrix::Bt601, false));
        assert_eq!(choose_matrix(6, 1080), (ColorMatrix::Bt601, true));
    }

    /// Returns the layout that the name of a planar format says, such as `yuva420p10le` or `gray9le`.
    fn named_layout(name: &str) -> Option<Layout> {
        let (subsampling, depth) = match name.strip_prefix("gray") {
            Some(depth) => ("gray", depth),
            None => name
                .trim_start_matches("yuv")
                .trim_start_matches(['a', 'j'])
                .split_once('p')?,
        };
        let depth = match depth.trim_end_matches("le") {
            "" => 8,
            bits => bits.parse().ok()?,
        };
        let (half_width, half_height) = match subsampling {
            "420" => (true, true),
            "422" => (true, false),
            "440" => (false, true),
            "444" | "gray" => (false, false),
            _ => return None,
        };
        Some(Layout {
            half_width,
            half_height,
            gray: subsampling == "gray",
            depth,
        })
    }

    #[test]
    fn every_yuv_format_is_converted_with_its_own_matrix() {
        for &format in FORMATS {
            let frame = ff::frame::Video::new(format, 16, 16);
            let name = pixel_format_name(&frame);
            let layout = named_layout(&name).filter(|layout| layout.depth <= 12);
            assert_eq!(planar_layout(format), layout, "{name}");
            let is_yuv = ["yuv", "yuyv", "uyvy", "nv"]
                .iter()
                .any(|start| name.starts_with(start));
            let has_matrix = layout.is_some() || is_resampled_yuv(format);
            assert!(has_matrix || !is_yuv, "{name}");
            let matrix = ColorInfo::of(&frame).matrix;
            assert_eq!(matrix != ColorMatrix::Rgb, has_matrix, "{name}");
        }
        let deep = ff::frame::Video::new(Pixel::YUV420P14LE, 16, 16);
        let error = to_rgb(&deep, &ColorInfo::of(&deep)).unwrap_err();
        assert!(error.contains("yuv420p14le is not supported"), "{error}");
    }

    #[test]
    fn a_frame_with_an_unknown_pixel_format_is_an_error() {
        // Silences libav, which logs each number that it does not know.
        libav::init();
        let mut frame = ff::frame::Video::new(Pixel::YUV420P, 16, 16);
        let info = ColorInfo::of(&frame);
        for number in UNKNOWN_FORMATS {
            set_pixel_format_number(&mut frame, number);
            let error = to_rgb(&frame, &info).unwrap_err();
            assert!(error.contains("pixel format"), "{error}");
        }
    }
}
