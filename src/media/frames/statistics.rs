//! Statistics of a whole frame: mean color, contrast and sharpness.

use serde::Serialize;

use super::compare::{GRID, scale_to_grid, sharpness};
use super::frame::Frame;
use crate::error::Result;

/// The mean color, contrast and sharpness of a frame, in levels of 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FrameStatistics {
    /// The means of red, green and blue.
    pub mean_rgb: [f64; 3],
    /// The standard deviation of luma (BT.709).
    pub contrast: f64,
    /// The mean squared difference of neighboring pixels.
    ///
    /// It depends on the size of the frame: compare frames of one size, or use [`statistics_of_both`].
    pub sharpness: f64,
}

/// Computes the statistics of a frame.
pub fn statistics(frame: &Frame) -> FrameStatistics {
    let (mut sums, mut luma, mut squares) = ([0.0; 3], 0.0, 0.0);
    let pixels = frame.rgb().as_chunks::<3>().0;
    for pixel in pixels {
        let rgb = pixel.map(f64::from);
        for (sum, value) in sums.iter_mut().zip(rgb) {
            *sum += value;
        }
        let y = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
        luma += y;
        squares += y * y;
    }
    #[expect(clippy::cast_precision_loss, reason = "a frame has fewer than 2^52 pixels")]
    let count = pixels.len().max(1) as f64;
    let mean = luma / count;
    FrameStatistics {
        mean_rgb: sums.map(|sum| sum / count),
        // Rounding errors may make the variance of a plain frame slightly negative.
        contrast: (squares / count - mean * mean).max(0.0).sqrt(),
        sharpness: sharpness(frame),
    }
}

/// Computes comparable statistics of two frames. Frames of different sizes are first scaled to a common size.
///
/// # Errors
///
/// Returns the errors of [`Frame::from_rgb`], which do not occur in practice.
pub fn statistics_of_both(a: &Frame, b: &Frame) -> Result<(FrameStatistics, FrameStatistics)> {
    if (a.width(), a.height()) == (b.width(), b.height()) {
        return Ok((statistics(a), statistics(b)));
    }
    let scaled = |frame: &Frame| Frame::from_rgb(GRID.0, GRID.1, scale_to_grid(frame));
    Ok((statistics(&scaled(a)?), statistics(&scaled(b)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkerboard of two grays.
    fn checkerboard(width: u32, height: u32, cell: u32, grays: [u8; 2]) -> Frame {
        let pixel = |at: u32| {
            let (x, y) = (at % width / cell, at / width / cell);
            [grays[((x + y) % 2) as usize]; 3]
        };
        Frame::from_rgb(width, height, (0..width * height).flat_map(pixel).collect()).unwrap()
    }

    #[test]
    fn a_plain_frame_has_no_contrast_and_no_sharpness() {
        let plain = Frame::from_rgb(8, 8, [10, 20, 30].repeat(64)).unwrap();
        let found = statistics(&plain);
        for (mean, value) in found.mean_rgb.into_iter().zip([10.0, 20.0, 30.0]) {
            assert!((mean - value).abs() < 1e-6, "{found:?}");
        }
        assert!(found.contrast < 1e-6 && found.sharpness < 1e-6, "{found:?}");
    }

    #[test]
    fn contrast_is_the_deviation_and_sharpness_depends_on_edges() {
        let fine = statistics(&checkerboard(64, 64, 1, [100, 140]));
        let coarse = statistics(&checkerboard(64, 64, 8, [100, 140]));
        assert!((fine.contrast - 20.0).abs() < 1e-6, "{fine:?}");
        assert!((coarse.contrast - 20.0).abs() < 1e-6, "{coarse:?}");
        assert!(fine.sharpness > 4.0 * coarse.sharpness, "{fine:?} {coarse:?}");
    }

    #[test]
    fn one_picture_at_two_sizes_has_the_same_statistics() {
        let (small, large) = (
            checkerboard(640, 360, 40, [50, 200]),
            checkerboard(1280, 720, 80, [50, 200]),
        );
        let (a, b) = statistics_of_both(&small, &large).unwrap();
        assert!((a.contrast / b.contrast - 1.0).abs() < 0.02, "{a:?} {b:?}");
        assert!((a.sharpness / b.sharpness - 1.0).abs() < 0.05, "{a:?} {b:?}");
    }
}
