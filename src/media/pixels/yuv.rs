//! Conversion of planar YUV to packed RGB in integers.
//!
//! Chroma is interpolated at its actual position, and samples of every bit depth are rounded once. Knows planes and
//! coefficients, but not libav, and not where the coefficients come from. The conversion is compiled twice for x86-64:
//! for any processor, and for those with AVX2, which need a quarter of the time. The results are the same.

#![expect(
    clippy::inline_always,
    reason = "functions that are not inlined are not compiled for AVX2"
)]

/// The subsampling and bit depth of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Whether chroma has half the width of luma.
    pub(crate) half_width: bool,
    /// Whether chroma has half the height of luma.
    pub(crate) half_height: bool,
    /// Whether there is no chroma.
    pub(crate) gray: bool,
    /// Bits per sample.
    pub(crate) depth: u32,
}

/// The position of a chroma sample between its luma samples; centered if not `left` or `top`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Siting {
    pub(crate) left: bool,
    pub(crate) top: bool,
}

/// One plane of a picture.
pub(crate) struct Plane<'a> {
    data: &'a [u8],
    stride: usize,
    width: usize,
    height: usize,
    /// The maximum of samples that take two bytes. Parts that a decoder did not fill may have larger values.
    max_wide: Option<u16>,
}

impl<'a> Plane<'a> {
    /// Creates a plane of samples with `depth` bits. Returns `None` if it is empty or `data` is too short.
    pub(crate) fn new(
        data: &'a [u8],
        stride: usize,
        width: usize,
        height: usize,
        depth: u32,
    ) -> Option<Self> {
        let plane = Self {
            data,
            stride,
            width,
            height,
            max_wide: (depth > 8).then(|| u16::MAX >> 16_u32.saturating_sub(depth)),
        };
        let row = plane.width * if plane.max_wide.is_some() { 2 } else { 1 };
        let needed = plane
            .stride
            .checked_mul(height.checked_sub(1)?)?
            .checked_add(row)?;
        (width > 0 && plane.stride >= row && plane.data.len() >= needed).then_some(plane)
    }

    /// Loads a row, or the last row for rows after it.
    #[inline(always)]
    fn load(&self, row: usize, out: &mut [i32]) {
        let row = row.min(self.height - 1);
        let bytes = self.data.get(row * self.stride..).unwrap_or_default();
        if let Some(max) = self.max_wide {
            for (out, &pair) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *out = i32::from(u16::from_le_bytes(pair).min(max));
            }
        } else {
            for (out, &byte) in out.iter_mut().zip(bytes) {
                *out = i32::from(byte);
            }
        }
    }
}

/// Fixed-point coefficients of the conversion. Products have [`SHIFT`] fraction bits.
pub(crate) struct Coefficients {
    luma: i32,
    luma_zero: i32,
    red: i32,
    green_u: i32,
    green_v: i32,
    blue: i32,
    chroma_zero: i32,
}

/// Fraction bits. The largest sum, of 12-bit white and saturated blue, stays below 2^31.
const SHIFT: u32 = 20;
/// Factor of interpolated chroma, so that it is not rounded before the conversion.
const CHROMA_SCALE: i32 = 16;

impl Coefficients {
    /// Computes the coefficients from the weights of red and blue in luma, the range and the bit depth.
    pub(crate) fn new((kr, kb): (f64, f64), full: bool, depth: u32) -> Self {
        let kg = 1.0 - kr - kb;
        let (luma_span, chroma_span, luma_zero) = if full {
            ((1 << depth) - 1, (1 << depth) - 1, 0)
        } else {
            (219 << (depth - 8), 224 << (depth - 8), 16 << (depth - 8))
        };
        let one = f64::from(1_u32 << SHIFT) * 255.0;
        let chroma = one / f64::from(chroma_span) / f64::from(CHROMA_SCALE);
        #[expect(clippy::cast_possible_truncation, reason = "all are below 2^23")]
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

/// The planes of a picture to convert.
pub(crate) struct Planes<'a> {
    pub(crate) luma: Plane<'a>,
    /// The blue and red differences. `None` for gray.
    pub(crate) chroma: Option<[Plane<'a>; 2]>,
    pub(crate) layout: Layout,
    pub(crate) siting: Siting,
}

impl Planes<'_> {
    /// Converts the picture to packed RGB, with rows from the top and without padding.
    #[cfg_attr(
        target_arch = "x86_64",
        expect(unsafe_code, reason = "calls code for processors with AVX2")
    )]
    pub(crate) fn into_rgb(self, coefficients: &Coefficients) -> Vec<u8> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the line above has checked that this processor has AVX2.
            return unsafe { self.into_rgb_avx2(coefficients) };
        }
        self.convert(coefficients)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn into_rgb_avx2(self, coefficients: &Coefficients) -> Vec<u8> {
        self.convert(coefficients)
    }

    #[inline(always)]
    fn convert(self, k: &Coefficients) -> Vec<u8> {
        let (width, height) = (self.luma.width, self.luma.height);
        let mut out = vec![0_u8; width * height * 3];
        let mut y_row = vec![0_i32; width];
        // Gray pictures have neutral chroma everywhere.
        let mut u_row = vec![k.chroma_zero; width];
        let mut v_row = u_row.clone();
        let (half_width, half_height) = (self.layout.half_width, self.layout.half_height);
        let mut chroma = self
            .chroma
            .map(|planes| planes.map(|plane| Chroma::new(plane, half_width, half_height, self.siting)));
        for (y, line) in out.chunks_exact_mut(width * 3).enumerate() {
            self.luma.load(y, &mut y_row);
            if let Some([u, v]) = &mut chroma {
                u.row(y, &mut u_row);
                v.row(y, &mut v_row);
            }
            convert_row(k, &y_row, &u_row, &v_row, line);
        }
        out
    }
}

/// Interpolates a chroma plane to full size, row by row.
struct Chroma<'a> {
    plane: Plane<'a>,
    half_width: bool,
    half_height: bool,
    siting: Siting,
    near: Vec<i32>,
    far: Vec<i32>,
}

impl<'a> Chroma<'a> {
    fn new(plane: Plane<'a>, half_width: bool, half_height: bool, siting: Siting) -> Self {
        let row = vec![0; plane.width];
        Self {
            plane,
            half_width,
            half_height,
            siting,
            near: row.clone(),
            far: row,
        }
    }

    /// Computes the chroma of luma row `y`, times [`CHROMA_SCALE`].
    #[inline(always)]
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
        let pair = |before: i32, here: i32, after: i32| {
            if self.siting.left {
                [here * 4, (here + after) * 2]
            } else {
                [before + here * 3, here * 3 + after]
            }
        };
        let (pairs, tail) = out.as_chunks_mut::<2>();
        // The inner pairs are computed without branches, then the edges.
        let (here, after) = (
            near.get(1..).unwrap_or_default(),
            near.get(2..).unwrap_or_default(),
        );
        let inside = pairs.get_mut(1..).unwrap_or_default().iter_mut();
        if self.siting.left {
            for ((out, here), after) in inside.zip(here).zip(after) {
                *out = [here * 4, (here + after) * 2];
            }
        } else {
            for (((out, before), here), after) in inside.zip(near).zip(here).zip(after) {
                *out = [before + here * 3, here * 3 + after];
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

#[inline(always)]
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

/// Converts one pixel.
#[cfg(test)]
pub(crate) fn one_pixel(k: &Coefficients, [y, u, v]: [i32; 3]) -> [u8; 3] {
    let mut out = [0; 3];
    convert_row(k, &[y], &[u * CHROMA_SCALE], &[v * CHROMA_SCALE], &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_is_interpolated_at_its_siting() {
        let data = [10, 20, 40];
        for (left, expect) in [(true, [10, 15, 20, 30, 40]), (false, [10, 12, 17, 25, 35])] {
            for width in [5_usize, 6] {
                let plane = Plane::new(&data, 3, 3, 1, 8).unwrap();
                let mut chroma = Chroma::new(plane, true, false, Siting { left, top: false });
                let mut out = vec![0; width];
                chroma.row(0, &mut out);
                let out: Vec<_> = out.iter().map(|v| v / CHROMA_SCALE).collect();
                assert_eq!(out.get(..5), Some(&expect[..]));
                assert_eq!(out.get(5).copied().unwrap_or(40), 40);
            }
        }
    }

    #[test]
    fn both_compiled_versions_return_the_same_bytes() {
        for (depth, half_width, half_height, left, top) in [
            (8, true, true, true, false),
            (8, true, true, false, false),
            (10, true, false, true, true),
            (12, false, false, true, false),
        ] {
            for (width, height) in [(1_usize, 1_usize), (2, 3), (17, 5), (64, 4), (131, 6)] {
                let sample = if depth > 8 { 2 } else { 1 };
                let data: Vec<u8> = (0..width * height * sample)
                    .map(|i| u8::try_from(i * 89 % 251).unwrap())
                    .collect();
                let half = |n: usize, half: bool| if half { n.div_ceil(2) } else { n };
                let planes = || {
                    let (w, h) = (half(width, half_width), half(height, half_height));
                    let plane = |w: usize, h| Plane::new(&data, w * sample, w, h, depth).unwrap();
                    Planes {
                        luma: plane(width, height),
                        chroma: Some([plane(w, h), plane(w, h)]),
                        layout: Layout {
                            half_width,
                            half_height,
                            gray: false,
                            depth,
                        },
                        siting: Siting { left, top },
                    }
                };
                let k = Coefficients::new((0.2126, 0.0722), false, depth);
                assert_eq!(
                    planes().into_rgb(&k),
                    planes().convert(&k),
                    "{width}x{height}, {depth} bits"
                );
            }
        }
    }
}
