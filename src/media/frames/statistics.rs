//! What a frame is like as a whole: its colour, its contrast, its sharpness.

use serde::Serialize;

use super::compare::{GRID, detail, reduced};
use super::frame::Frame;
use crate::error::Result;

/// The mean colour of a frame, its contrast and its sharpness, all in levels of 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FrameStatistics {
    /// The means of red, green and blue.
    pub mean_rgb: [f64; 3],
    /// The standard deviation of luma (BT.709).
    pub contrast: f64,
    /// The mean squared difference of neighbouring pixels. It depends on the size of the frame: compare
    /// frames of one size, or use [`statistics_of_both`].
    pub sharpness: f64,
}

/// Measures a frame.
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
        // Rounding may leave a plain frame a little below nothing.
        contrast: (squares / count - mean * mean).max(0.0).sqrt(),
        sharpness: detail(frame),
    }
}

/// Measures two frames so that they can be compared: those of unequal size are reduced to one first.
///
/// # Errors
/// As [`Frame::from_rgb`]; in practice none.
pub fn statistics_of_both(a: &Frame, b: &Frame) -> Result<(FrameStatistics, FrameStatistics)> {
    if (a.width(), a.height()) == (b.width(), b.height()) {
        return Ok((statistics(a), statistics(b)));
    }
    let small = |frame: &Frame| Frame::from_rgb(GRID.0, GRID.1, reduced(frame));
    Ok((statistics(&small(a)?), statistics(&small(b)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chequered frame of two greys.
    fn chequered(width: u32, height: u32, cell: u32, greys: [u8; 2]) -> Frame {
        let pixel = |at: u32| {
            let (x, y) = (at % width / cell, at / width / cell);
            [greys[((x + y) % 2) as usize]; 3]
        };
        Frame::from_rgb(width, height, (0..width * height).flat_map(pixel).collect()).unwrap()
    }

    #[test]
    fn a_plain_frame_has_its_colour_and_nothing_else() {
        let plain = Frame::from_rgb(8, 8, [10, 20, 30].repeat(64)).unwrap();
        let found = statistics(&plain);
        for (mean, value) in found.mean_rgb.into_iter().zip([10.0, 20.0, 30.0]) {
            assert!((mean - value).abs() < 1e-6, "{found:?}");
        }
        assert!(found.contrast < 1e-6 && found.sharpness < 1e-6, "{found:?}");
    }

    #[test]
    fn contrast_is_the_deviation_and_sharpness_follows_the_edges() {
        let fine = statistics(&chequered(64, 64, 1, [100, 140]));
        let coarse = statistics(&chequered(64, 64, 8, [100, 140]));
        assert!((fine.contrast - 20.0).abs() < 1e-6, "{fine:?}");
        assert!((coarse.contrast - 20.0).abs() < 1e-6, "{coarse:?}");
        assert!(fine.sharpness > 4.0 * coarse.sharpness, "{fine:?} {coarse:?}");
    }

    #[test]
    fn the_same_picture_at_two_sizes_is_the_same() {
        let (small, large) = (
            chequered(640, 360, 40, [50, 200]),
            chequered(1280, 720, 80, [50, 200]),
        );
        let (a, b) = statistics_of_both(&small, &large).unwrap();
        assert!((a.contrast / b.contrast - 1.0).abs() < 0.02, "{a:?} {b:?}");
        assert!((a.sharpness / b.sharpness - 1.0).abs() < 0.05, "{a:?} {b:?}");
    }
}
