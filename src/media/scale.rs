//! Frames made smaller.

use super::frame::Frame;

impl Frame {
    /// The same picture with its longer side at most `side` pixels, in the same proportions. Each pixel
    /// is the mean of the area it covers, so that nothing shimmers and nothing is lost between rows. A
    /// frame that fits is returned as it is; none is made larger.
    pub fn fit_within(self, side: u32) -> Self {
        let longest = self.width.max(self.height);
        if longest <= side || side == 0 {
            return self;
        }
        let scaled = |n: u32| {
            let n = (u64::from(n) * u64::from(side) + u64::from(longest) / 2) / u64::from(longest);
            u32::try_from(n).unwrap_or(side).max(1)
        };
        let (width, height) = (scaled(self.width), scaled(self.height));
        let rows = across(&self.rgb, self.width as usize, width as usize);
        let rgb = down(&rows, width as usize * 3, self.height as usize, height as usize);
        Self {
            width,
            height,
            rgb,
            ..self
        }
    }
}

/// The pieces of the old line that one pixel of the new one covers, in units that make a whole pixel of
/// the old line `new` wide and one of the new line `old` wide: exact in integers.
fn covered(old: usize, new: usize, at: usize) -> impl Iterator<Item = (usize, u64)> {
    let (from, to) = (at * old, (at + 1) * old);
    (from / new..to.div_ceil(new)).map(move |i| {
        let piece = (to.min((i + 1) * new)) - from.max(i * new);
        (i, piece as u64)
    })
}

fn across(rgb: &[u8], old: usize, new: usize) -> Vec<u8> {
    let pieces: Vec<Vec<(usize, u64)>> = (0..new).map(|at| covered(old, new, at).collect()).collect();
    let mut out = Vec::with_capacity(rgb.len() / old * new);
    for row in rgb.chunks_exact(old * 3) {
        for pieces in &pieces {
            let mut sum = [0_u64; 3];
            for &(i, weight) in pieces {
                for (sum, &value) in sum.iter_mut().zip(&row[i * 3..i * 3 + 3]) {
                    *sum += u64::from(value) * weight;
                }
            }
            out.extend(sum.map(|sum| mean(sum, old)));
        }
    }
    out
}

fn down(rows: &[u8], stride: usize, old: usize, new: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(stride * new);
    let mut sums = vec![0_u64; stride];
    for at in 0..new {
        sums.fill(0);
        for (i, weight) in covered(old, new, at) {
            for (sum, &value) in sums.iter_mut().zip(&rows[i * stride..(i + 1) * stride]) {
                *sum += u64::from(value) * weight;
            }
        }
        out.extend(sums.iter().map(|&sum| mean(sum, old)));
    }
    out
}

/// The weights of one pixel sum up to `whole`.
fn mean(sum: u64, whole: usize) -> u8 {
    let whole = whole as u64;
    u8::try_from((sum + whole / 2) / whole).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Frame {
        let rgb = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Frame::from_rgb(width, height, rgb.flat_map(|(x, y)| pixel(x, y)).collect()).unwrap()
    }

    #[test]
    fn sizes_keep_their_proportions_and_never_grow() {
        for (size, side, expect) in [
            ((1280, 720), 768, (768, 432)),
            ((720, 1280), 768, (432, 768)),
            ((848, 480), 768, (768, 435)),
            ((768, 300), 768, (768, 300)),
            ((64, 48), 768, (64, 48)),
            ((4000, 2), 768, (768, 1)),
            ((3, 2), 1, (1, 1)),
        ] {
            let small = frame(size.0, size.1, |_, _| [9, 8, 7]).fit_within(side);
            assert_eq!((small.width(), small.height()), expect, "{size:?}");
            assert!(small.rgb().chunks_exact(3).all(|pixel| pixel == [9, 8, 7]));
        }
    }

    #[test]
    fn each_pixel_is_the_mean_of_its_area() {
        // 3 to 2: each new pixel covers one old one and half of the middle one.
        let three = frame(3, 1, |x, _| [[0, 90, 240][x as usize]; 3]).fit_within(2);
        assert_eq!(three.rgb(), [[30; 3], [190; 3]].concat());
        // A chequerboard becomes its mean, wherever the grid falls.
        let board = frame(100, 60, |x, y| [if (x + y) % 2 == 0 { 255 } else { 0 }; 3]).fit_within(50);
        assert!(board.rgb().iter().all(|&v| v == 128), "{:?}", &board.rgb()[..6]);
        // The mean of the whole picture stays.
        let ramp = |x: u32, y: u32| [x * 2, y * 3, 77].map(|value| u8::try_from(value).unwrap());
        let mean = |frame: &Frame, channel: usize| {
            let values = frame.rgb().iter().skip(channel).step_by(3);
            values.map(|&v| f64::from(v)).sum::<f64>() / f64::from(frame.width() * frame.height())
        };
        let (large, small) = (frame(120, 80, ramp), frame(120, 80, ramp).fit_within(37));
        for channel in 0..3 {
            assert!((mean(&large, channel) - mean(&small, channel)).abs() < 0.5);
        }
    }
}
