//! Planar pictures for the video encoder, and their conversion from RGB.

/// A planar `Y'CbCr` 4:2:0 picture in BT.709 with limited range, as H.264 encoders expect it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct YuvPicture {
    /// An even number.
    pub(crate) width: usize,
    /// An even number.
    pub(crate) height: usize,
    pub(crate) y: Vec<u8>,
    pub(crate) u: Vec<u8>,
    pub(crate) v: Vec<u8>,
}

impl YuvPicture {
    /// Creates a black picture. Odd sides are rounded down to even ones.
    pub(crate) fn black(width: usize, height: usize) -> Self {
        let (width, height) = (width.max(2) & !1, height.max(2) & !1);
        Self {
            width,
            height,
            y: vec![16; width * height],
            u: vec![128; width * height / 4],
            v: vec![128; width * height / 4],
        }
    }

    /// Converts packed RGB of `width * height * 3` bytes.
    ///
    /// Chroma samples are computed for the left pixel of each pair and between two rows, as players expect. An error of
    /// half a pixel would cost 10 dB at every edge.
    pub(crate) fn from_rgb(width: usize, height: usize, rgb: &[u8]) -> Self {
        let mut out = Self::black(width, height);
        let (w, h) = (out.width, out.height);
        let stride = width * 3;
        // The sum of each column of two pixels. The outermost sums are repeated at both ends.
        let mut sums = vec![[0i32; 3]; w + 2];
        for (row, two) in rgb.chunks_exact(stride * 2).take(h / 2).enumerate() {
            let (top, bottom) = two.split_at(stride);
            let (above, below) = out.y[row * 2 * w..(row + 1) * 2 * w].split_at_mut(w);
            let pixels = top.chunks_exact(3).zip(bottom.chunks_exact(3));
            let lumas = above.iter_mut().zip(below);
            for (((upper, lower), (y_upper, y_lower)), sum) in pixels.zip(lumas).zip(&mut sums[1..=w]) {
                let upper = [upper[0], upper[1], upper[2]].map(i32::from);
                let lower = [lower[0], lower[1], lower[2]].map(i32::from);
                *y_upper = luma(upper);
                *y_lower = luma(lower);
                *sum = [upper[0] + lower[0], upper[1] + lower[1], upper[2] + lower[2]];
            }
            sums[0] = sums[1];
            let chroma_row = row * (w / 2)..(row + 1) * (w / 2);
            let planes = out.u[chroma_row.clone()].iter_mut().zip(&mut out.v[chroma_row]);
            for ((u, v), three) in planes.zip(sums.windows(3).step_by(2)) {
                (*u, *v) = chroma([0, 1, 2].map(|c| three[0][c] + 2 * three[1][c] + three[2][c]));
            }
        }
        out
    }
}

// BT.709 limited range in 16-bit fixed point: Kr = 0.2126, Kb = 0.0722 (ITU-R BT.709-6, 3.2 to 3.5).
fn luma([r, g, b]: [i32; 3]) -> u8 {
    clamp8(16 + ((11_966 * r + 40_254 * g + 4_064 * b + 32_768) >> 16))
}

/// Converts sums of eight pixels.
fn chroma([r, g, b]: [i32; 3]) -> (u8, u8) {
    let cb = 128 + ((-6_596 * r - 22_189 * g + 28_785 * b + 262_144) >> 19);
    let cr = 128 + ((28_785 * r - 26_145 * g - 2_640 * b + 262_144) >> 19);
    (clamp8(cb), clamp8(cr))
}

/// Converts an RGB color to Y', Cb and Cr.
pub(crate) fn yuv_of(r: u8, g: u8, b: u8) -> [u8; 3] {
    let rgb = [r, g, b].map(i32::from);
    let (cb, cr) = chroma(rgb.map(|value| value * 8));
    [luma(rgb), cb, cr]
}

fn clamp8(value: i32) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_range_are_the_limits_of_bt709() {
        assert_eq!(yuv_of(0, 0, 0), [16, 128, 128]);
        assert_eq!(yuv_of(255, 255, 255), [235, 128, 128]);
        let [_, cb, cr] = yuv_of(0, 0, 255);
        assert!((239..=240).contains(&cb), "{cb}");
        assert!((116..=120).contains(&cr), "{cr}");
    }
}
