//! Which matrix and range a picture's colours are in, and the conversion to RGB.
//!
//! The conversion of planar YUV is ours: chroma is interpolated at its true position and every bit
//! depth is rounded once. libav's scaler picks the matrix behind the caller's back, calls gray full
//! range whatever the stream says, and aborts the process on a frame without a format; it is left with
//! repacking formats that carry no matrix.

use ff::format::Pixel;
use ffmpeg_next as ff;
use serde::Serialize;

use super::clip;
use super::libav;
use super::tags::{self, Tags};

/// The coefficients between luma, chroma and RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum ColourMatrix {
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

impl ColourMatrix {
    /// The weights of red and blue in luma.
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

/// Which code values mean black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum ColourRange {
    /// 16 to 235 of 8 bits for luma.
    Limited,
    /// All code values.
    Full,
}

/// How the colours of a picture were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ColourInfo {
    /// The matrix that was used.
    pub matrix: ColourMatrix,
    /// Whether the clip names that matrix. If not, it was assumed: BT.709 from 720 coded lines up,
    /// else BT.601.
    pub matrix_tagged: bool,
    /// The range that was used.
    pub range: ColourRange,
    /// Whether the clip names that range. If not, it was assumed: limited.
    pub range_tagged: bool,
    /// The clip's tag for its primaries, as libav spells it. Not converted.
    pub primaries: Option<String>,
    /// The clip's tag for its transfer curve, as libav spells it. Not converted: HDR stays HDR.
    pub transfer: Option<String>,
}

impl ColourInfo {
    pub(super) fn rgb() -> Self {
        Self {
            matrix: ColourMatrix::Rgb,
            matrix_tagged: true,
            range: ColourRange::Full,
            range_tagged: true,
            primaries: None,
            transfer: None,
        }
    }

    /// Reads the tags of a frame, and fills the gaps as players do.
    pub(super) fn of(frame: &ff::frame::Video) -> Self {
        let layout = Layout::of(frame.format());
        let numbers = Tags::of(frame);
        let tags = Self {
            primaries: numbers.primaries_name().map(str::to_owned),
            transfer: numbers.transfer_name().map(str::to_owned),
            ..Self::rgb()
        };
        if layout.is_none() && !is_odd_yuv(frame.format()) {
            return tags;
        }
        let (matrix, matrix_tagged) = choose_matrix(numbers.matrix, frame.height());
        let (range, range_tagged) = match numbers.range {
            tags::FULL => (ColourRange::Full, true),
            tags::LIMITED => (ColourRange::Limited, true),
            _ if is_yuvj(frame.format()) => (ColourRange::Full, true),
            _ => (ColourRange::Limited, false),
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

/// The matrix for a number of H.273; one that is missing, or that a YUV picture cannot have, or that we have
/// no coefficients for, is replaced by the assumption.
fn choose_matrix(number: u32, lines: u32) -> (ColourMatrix, bool) {
    match number {
        1 => (ColourMatrix::Bt709, true),
        4 => (ColourMatrix::Fcc, true),
        5 | 6 => (ColourMatrix::Bt601, true),
        7 => (ColourMatrix::Smpte240m, true),
        9 | 10 => (ColourMatrix::Bt2020, true),
        _ if lines >= 720 => (ColourMatrix::Bt709, false),
        _ => (ColourMatrix::Bt601, false),
    }
}

fn is_yuvj(format: Pixel) -> bool {
    matches!(
        format,
        Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P | Pixel::YUVJ440P | Pixel::YUVJ411P
    )
}

/// YUV that is resampled to 4:4:4 first; rare enough.
fn is_odd_yuv(format: Pixel) -> bool {
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

/// A planar YUV or gray format that is converted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    /// Chroma planes are halved across and down; gray has none.
    half_width: bool,
    half_height: bool,
    gray: bool,
    depth: u32,
}

impl Layout {
    fn of(format: Pixel) -> Option<Self> {
        let (half_width, half_height, gray, depth) = match format {
            Pixel::YUV420P | Pixel::YUVJ420P | Pixel::YUVA420P => (true, true, false, 8),
            Pixel::YUV422P | Pixel::YUVJ422P | Pixel::YUVA422P => (true, false, false, 8),
            Pixel::YUV440P | Pixel::YUVJ440P => (false, true, false, 8),
            Pixel::YUV444P | Pixel::YUVJ444P | Pixel::YUVA444P => (false, false, false, 8),
            Pixel::YUV420P9LE => (true, true, false, 9),
            Pixel::YUV420P10LE => (true, true, false, 10),
            Pixel::YUV420P12LE => (true, true, false, 12),
            Pixel::YUV422P9LE => (true, false, false, 9),
            Pixel::YUV422P10LE => (true, false, false, 10),
            Pixel::YUV422P12LE => (true, false, false, 12),
            Pixel::YUV440P10LE => (false, true, false, 10),
            Pixel::YUV440P12LE => (false, true, false, 12),
            Pixel::YUV444P9LE => (false, false, false, 9),
            Pixel::YUV444P10LE => (false, false, false, 10),
            Pixel::YUV444P12LE => (false, false, false, 12),
            Pixel::GRAY8 => (false, false, true, 8),
            Pixel::GRAY10LE => (false, false, true, 10),
            Pixel::GRAY12LE => (false, false, true, 12),
            _ => return None,
        };
        Some(Self {
            half_width,
            half_height,
            gray,
            depth,
        })
    }
}

/// Packed RGB out of a decoded frame. The frame must have a format and a size; the error says why it
/// cannot be converted.
pub(super) fn to_rgb(frame: &ff::frame::Video, colour: &ColourInfo) -> Result<Vec<u8>, String> {
    let (width, height) = (frame.width(), frame.height());
    if frame.format() == Pixel::None || width == 0 || height == 0 {
        return Err("the decoder gave a frame without a picture".to_owned());
    }
    if clip::runs_upwards(frame) {
        return Err("its rows run from the bottom up, which is not read".to_owned());
    }
    if let Some(layout) = Layout::of(frame.format()) {
        return planar_to_rgb(frame, layout, colour);
    }
    if is_odd_yuv(frame.format()) {
        let full = is_yuvj(frame.format());
        let even = repack(frame, if full { Pixel::YUVJ444P } else { Pixel::YUV444P })?;
        let layout = Layout {
            half_width: false,
            half_height: false,
            gray: false,
            depth: 8,
        };
        return planar_to_rgb(&even, layout, colour);
    }
    let packed = repack(frame, Pixel::RGB24)?;
    let row = width as usize * 3;
    let stride = packed.stride(0);
    let mut out = Vec::with_capacity(row * height as usize);
    for line in packed.data(0).chunks(stride.max(1)).take(height as usize) {
        out.extend_from_slice(line.get(..row).ok_or("the scaler gave a short row")?);
    }
    Ok(out)
}

fn repack(frame: &ff::frame::Video, to: Pixel) -> Result<ff::frame::Video, String> {
    use ff::software::scaling::{Context, Flags};
    let (width, height) = (frame.width(), frame.height());
    let flags = Flags::BICUBIC | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INT | Flags::FULL_CHR_H_INP;
    let failed = |e| {
        format!(
            "its pixel format {:?} cannot be converted: {}",
            frame.format(),
            libav::reason(e)
        )
    };
    let mut context =
        Context::get(frame.format(), width, height, to, width, height, flags).map_err(failed)?;
    let mut out = ff::frame::Video::empty();
    context.run(frame, &mut out).map_err(failed)?;
    Ok(out)
}

/// Fixed-point coefficients: products have `SHIFT` fraction bits.
struct Coefficients {
    luma: i32,
    luma_zero: i32,
    red: i32,
    green_u: i32,
    green_v: i32,
    blue: i32,
    chroma_zero: i32,
}

// The largest sum, of 12-bit white and saturated blue, stays under 2^31.
const SHIFT: u32 = 20;
/// Interpolated chroma is kept sixteenfold, so that it is not rounded in between.
const CHROMA_SCALE: i32 = 16;

impl Coefficients {
    fn new(matrix: ColourMatrix, range: ColourRange, depth: u32) -> Self {
        let (kr, kb) = matrix.weights();
        let kg = 1.0 - kr - kb;
        let (luma_span, chroma_span, luma_zero) = match range {
            ColourRange::Limited => (219 << (depth - 8), 224 << (depth - 8), 16 << (depth - 8)),
            ColourRange::Full => ((1 << depth) - 1, (1 << depth) - 1, 0),
        };
        let one = f64::from(1_u32 << SHIFT) * 255.0;
        let chroma = one / f64::from(chroma_span) / f64::from(CHROMA_SCALE);
        #[expect(clippy::cast_possible_truncation, reason = "all are under 2^23")]
        let fixed = |value: f64| value.round() as i32;
        Self {
            luma: fixed(one / f64::from(luma_span)),
            luma_zero,
            red: fixed(2.0 * (1.0 - kr) * chroma),
            green_u: fixed(2.0 * (1.0 - kb) * kb / kg * chroma),
            green_v: fixed(2.0 * (1.0 - kr) * kr / kg * chroma),
            blue: fixed(2.0 * (1.0 - kb) * chroma),
            chroma_zero: CHROMA_SCALE << (depth - 1),
        }
    }
}

/// One plane of a frame, read row by row as numbers.
struct Plane<'a> {
    data: &'a [u8],
    stride: usize,
    width: usize,
    height: usize,
    /// The greatest value of a sample in two bytes. What a decoder left out of a damaged frame has others.
    most_wide: Option<u16>,
}

impl<'a> Plane<'a> {
    fn of(frame: &'a ff::frame::Video, index: usize, layout: Layout) -> Result<Self, String> {
        if index >= frame.planes() {
            return Err("the decoder gave a frame with a plane missing".to_owned());
        }
        let halve = |n: u32, half: bool| if half && index > 0 { n.div_ceil(2) } else { n } as usize;
        let plane = Self {
            data: frame.data(index),
            stride: frame.stride(index),
            width: halve(frame.width(), layout.half_width),
            height: halve(frame.height(), layout.half_height),
            most_wide: (layout.depth > 8).then(|| u16::MAX >> 16_u32.saturating_sub(layout.depth)),
        };
        let row = plane.width * if plane.most_wide.is_some() { 2 } else { 1 };
        if plane.stride < row || plane.data.len() < plane.stride * (plane.height - 1) + row {
            return Err("the decoder gave a frame with a short plane".to_owned());
        }
        Ok(plane)
    }

    fn load(&self, row: usize, out: &mut [i32]) {
        let row = row.min(self.height - 1);
        let bytes = self.data.get(row * self.stride..).unwrap_or_default();
        if let Some(most) = self.most_wide {
            for (out, &pair) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *out = i32::from(u16::from_le_bytes(pair).min(most));
            }
        } else {
            for (out, &byte) in out.iter_mut().zip(bytes) {
                *out = i32::from(byte);
            }
        }
    }
}

/// Where a chroma sample sits between the luma samples it serves.
#[derive(Clone, Copy)]
struct Siting {
    left: bool,
    top: bool,
}

impl Siting {
    fn of(frame: &ff::frame::Video) -> Self {
        // libav counts from 1, H.273 from 0.
        match Tags::of(frame).chroma {
            2 => Self {
                left: false,
                top: false,
            },
            3 => Self {
                left: true,
                top: true,
            },
            4 => Self {
                left: false,
                top: true,
            },
            0 if is_yuvj(frame.format()) => Self {
                left: false,
                top: false,
            },
            // What MPEG means when it says nothing.
            _ => Self {
                left: true,
                top: false,
            },
        }
    }
}

/// A chroma plane at full size, row by row.
struct Chroma<'a> {
    plane: Plane<'a>,
    half_width: bool,
    half_height: bool,
    siting: Siting,
    near: Vec<i32>,
    far: Vec<i32>,
}

impl<'a> Chroma<'a> {
    fn new(plane: Plane<'a>, layout: Layout, siting: Siting) -> Self {
        let row = vec![0; plane.width];
        Self {
            plane,
            half_width: layout.half_width,
            half_height: layout.half_height,
            siting,
            near: row.clone(),
            far: row,
        }
    }

    /// The row of chroma for luma row `y`, times [`CHROMA_SCALE`].
    fn row(&mut self, y: usize, out: &mut [i32]) {
        if self.half_height {
            let near = y / 2;
            let odd = y % 2 == 1;
            let far = if odd { near + 1 } else { near.saturating_sub(1) };
            self.plane.load(near, &mut self.near);
            self.plane.load(far, &mut self.far);
            let (a, b) = match (self.siting.top, odd) {
                (false, _) => (3, 1),
                (true, false) => (4, 0),
                (true, true) => (2, 2),
            };
            for (near, far) in self.near.iter_mut().zip(&self.far) {
                *near = *near * a + far * b;
            }
        } else {
            self.plane.load(y, &mut self.near);
            for value in &mut self.near {
                *value *= 4;
            }
        }
        let near = &self.near;
        if !self.half_width {
            for (out, value) in out.iter_mut().zip(near) {
                *out = value * 4;
            }
            return;
        }
        let last = near.len() - 1;
        // The edges, then the inside without a branch.
        let pair = |before: i32, here: i32, after: i32| {
            if self.siting.left {
                [here * 4, (here + after) * 2]
            } else {
                [before + here * 3, here * 3 + after]
            }
        };
        let (pairs, tail) = out.as_chunks_mut::<2>();
        let inside = near.windows(3);
        for (out, window) in pairs.iter_mut().skip(1).zip(inside) {
            if let [before, here, after] = *window {
                *out = pair(before, here, after);
            }
        }
        let at = |i: usize| near.get(i.min(last)).copied().unwrap_or_default();
        if let Some(out) = pairs.first_mut() {
            *out = pair(at(0), at(0), at(1));
        }
        if last > 0
            && let Some(out) = pairs.get_mut(last)
        {
            *out = pair(at(last - 1), at(last), at(last));
        }
        if let Some(out) = tail.first_mut() {
            let [value, _] = pair(at(last.saturating_sub(1)), at(last), at(last));
            *out = value;
        }
    }
}

fn planar_to_rgb(frame: &ff::frame::Video, layout: Layout, colour: &ColourInfo) -> Result<Vec<u8>, String> {
    let k = Coefficients::new(colour.matrix, colour.range, layout.depth);
    let luma = Plane::of(frame, 0, layout)?;
    let (width, height) = (luma.width, luma.height);
    let mut out = vec![0_u8; width * height * 3];
    let mut y_row = vec![0_i32; width];
    // Gray is the neutral chroma everywhere.
    let mut u_row = vec![k.chroma_zero; width];
    let mut v_row = u_row.clone();
    let mut chroma = if layout.gray {
        None
    } else {
        let siting = Siting::of(frame);
        let plane = |index| Ok::<_, String>(Chroma::new(Plane::of(frame, index, layout)?, layout, siting));
        Some((plane(1)?, plane(2)?))
    };
    for (y, line) in out.chunks_exact_mut(width * 3).enumerate() {
        luma.load(y, &mut y_row);
        if let Some((u, v)) = &mut chroma {
            u.row(y, &mut u_row);
            v.row(y, &mut v_row);
        }
        convert_row(&k, &y_row, &u_row, &v_row, line);
    }
    Ok(out)
}

fn convert_row(k: &Coefficients, y: &[i32], u: &[i32], v: &[i32], out: &mut [u8]) {
    #[expect(clippy::cast_sign_loss, reason = "clamped to a byte")]
    let byte = |value: i32| (value >> SHIFT).clamp(0, 255) as u8;
    for (((out, y), u), v) in out.as_chunks_mut::<3>().0.iter_mut().zip(y).zip(u).zip(v) {
        let y = (y - k.luma_zero) * k.luma + (1 << (SHIFT - 1));
        let (u, v) = (u - k.chroma_zero, v - k.chroma_zero);
        *out = [
            byte(y + v * k.red),
            byte(y - u * k.green_u - v * k.green_v),
            byte(y + u * k.blue),
        ];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(matrix: ColourMatrix, range: ColourRange, depth: u32, yuv: [i32; 3]) -> [u8; 3] {
        let k = Coefficients::new(matrix, range, depth);
        let [y, u, v] = yuv;
        let mut out = [0; 3];
        convert_row(&k, &[y], &[u * CHROMA_SCALE], &[v * CHROMA_SCALE], &mut out);
        out
    }

    #[test]
    fn black_white_and_primaries() {
        use ColourMatrix::{Bt601, Bt709};
        use ColourRange::{Full, Limited};
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
    fn untagged_follows_the_lines_and_odd_tags_are_assumptions() {
        assert_eq!(choose_matrix(2, 719), (ColourMatrix::Bt601, false));
        assert_eq!(choose_matrix(2, 720), (ColourMatrix::Bt709, false));
        // RGB, ICtCp and a number that nobody gave a meaning.
        assert_eq!(choose_matrix(0, 1080), (ColourMatrix::Bt709, false));
        assert_eq!(choose_matrix(14, 480), (ColourMatrix::Bt601, false));
        assert_eq!(choose_matrix(200, 480), (ColourMatrix::Bt601, false));
        assert_eq!(choose_matrix(6, 1080), (ColourMatrix::Bt601, true));
    }

    #[test]
    fn chroma_sits_where_it_is_said_to() {
        let layout = Layout {
            half_width: true,
            half_height: false,
            gray: false,
            depth: 8,
        };
        let data = [10, 20, 40];
        for (left, expect) in [(true, [10, 15, 20, 30, 40]), (false, [10, 12, 17, 25, 35])] {
            for width in [5_usize, 6] {
                let plane = Plane {
                    data: &data,
                    stride: 3,
                    width: 3,
                    height: 1,
                    most_wide: None,
                };
                let mut chroma = Chroma::new(plane, layout, Siting { left, top: false });
                let mut out = vec![0; width];
                chroma.row(0, &mut out);
                let out: Vec<_> = out.iter().map(|v| v / CHROMA_SCALE).collect();
                assert_eq!(out.get(..5), Some(&expect[..]));
                assert_eq!(out.get(5).copied().unwrap_or(40), 40);
            }
        }
    }
}
