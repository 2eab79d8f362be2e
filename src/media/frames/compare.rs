//! Comparison of two frames, and the measures of one frame that comparisons need.

use super::frame::Frame;
use crate::error::{Error, Result};
use crate::similarity::PictureMatch;

/// The size that frames of different sizes are scaled to before they are compared.
pub(super) const GRID: (u32, u32) = (320, 180);

/// Compares two frames. Frames of different sizes are first scaled to a common size.
pub fn likeness(a: &Frame, b: &Frame) -> PictureMatch {
    let same_size = (a.width(), a.height()) == (b.width(), b.height());
    let (luma, color, count) = if same_size {
        squared_errors(a.rgb(), b.rgb())
    } else {
        squared_errors(&scale_to_grid(a), &scale_to_grid(b))
    };
    PictureMatch {
        luma_db: decibels(luma, count),
        color_db: decibels(color, 2.0 * count),
        reduced: !same_size,
    }
}

/// Compares two frames: returns the peak signal-to-noise ratio over all three channels, in decibels.
///
/// It is infinite for equal frames. Above 40 the difference is hard to see.
///
/// # Errors
///
/// Returns `Media` if the sizes differ.
pub fn psnr(a: &Frame, b: &Frame) -> Result<f64> {
    if (a.width(), a.height()) != (b.width(), b.height()) {
        return Err(Error::media(format!(
            "compare frames: their sizes differ, {}x{} and {}x{}",
            a.width(),
            a.height(),
            b.width(),
            b.height()
        )));
    }
    let squares: u64 = a
        .rgb()
        .iter()
        .zip(b.rgb())
        .map(|(&x, &y)| u64::from(x.abs_diff(y)).pow(2))
        .sum();
    if squares == 0 {
        return Ok(f64::INFINITY);
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio; its 53 bits are plenty")]
    let mean = squares as f64 / a.rgb().len() as f64;
    Ok(10.0 * (255.0 * 255.0 / mean).log10())
}

/// Computes the mean squared difference of neighboring green values, which is low for blurred and dark frames.
pub(super) fn sharpness(frame: &Frame) -> f64 {
    let stride = frame.width() as usize * 3;
    let rows = frame.rgb().chunks_exact(stride.max(1));
    let below = rows.clone().skip(1);
    let squares: u64 = rows
        .zip(below)
        .map(|(row, below)| {
            let (row, below) = (row.as_chunks::<3>().0, below.as_chunks::<3>().0);
            let right = row.iter().skip(1).map(|pixel| pixel[1]);
            let square = |a: u8, b: u8| u64::from(a.abs_diff(b)).pow(2);
            let neighbors = row
                .iter()
                .zip(right)
                .map(|(pixel, right)| square(pixel[1], right));
            let lower = row
                .iter()
                .zip(below)
                .map(|(pixel, below)| square(pixel[1], below[1]));
            neighbors.chain(lower).sum::<u64>()
        })
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "only compared with other frames")]
    let mean = squares as f64 / (frame.rgb().len() / 3).max(1) as f64;
    mean
}

/// Sums the squared errors of luma and of the color differences. Returns both sums and the number of pixels.
fn squared_errors(a: &[u8], b: &[u8]) -> (f64, f64, f64) {
    let (mut luma, mut color) = (0.0, 0.0);
    let (a, b) = (a.as_chunks::<3>().0, b.as_chunks::<3>().0);
    for (a, b) in a.iter().zip(b) {
        let [red, green, blue] =
            [0, 1, 2].map(|channel: usize| f64::from(a[channel]) - f64::from(b[channel]));
        let y = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        luma += y * y;
        color += ((blue - y) / 1.8556).powi(2) + ((red - y) / 1.5748).powi(2);
    }
    #[expect(clippy::cast_precision_loss, reason = "a frame has fewer than 2^52 pixels")]
    let count = a.len() as f64;
    (luma, color, count)
}

/// Computes the peak signal-to-noise ratio of a sum of squared errors.
fn decibels(squares: f64, count: f64) -> f64 {
    const MAX: f64 = 100.0;
    if squares <= 0.0 {
        return MAX;
    }
    (10.0 * (255.0 * 255.0 * count / squares).log10()).min(MAX)
}

/// Scales a frame to [`GRID`]. Each pixel is the mean of its cell.
pub(super) fn scale_to_grid(frame: &Frame) -> Vec<u8> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let (columns, rows) = (GRID.0 as usize, GRID.1 as usize);
    let mut out = Vec::with_capacity(columns * rows * 3);
    // In a frame that is smaller than the grid, each cell has one pixel.
    let span = |cell: usize, cells: usize, size: usize| {
        let from = cell * size / cells;
        from..((cell + 1) * size / cells).max(from + 1).min(size)
    };
    for row in 0..rows {
        for column in 0..columns {
            let (mut sum, mut count) = ([0_u64; 3], 0_u64);
            for y in span(row, rows, height) {
                for x in span(column, columns, width) {
                    let at = (y * width + x) * 3;
                    for (sum, value) in sum.iter_mut().zip(&frame.rgb()[at..at + 3]) {
                        *sum += u64::from(*value);
                    }
                    count += 1;
                }
            }
            out.extend(sum.map(|sum| u8::try_from((sum + count / 2) / count.max(1)).unwrap_or(u8::MAX)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(width: u32, height: u32, color: [u8; 3]) -> Frame {
        Frame::from_rgb(width, height, color.repeat((width * height) as usize)).unwrap()
    }

    #[test]
    fn equal_frames_are_equal_at_any_size() {
        let same = likeness(&plain(64, 36, [9, 99, 199]), &plain(64, 36, [9, 99, 199]));
        assert!(same.luma_db >= 100.0 && same.color_db >= 100.0 && !same.reduced);
        let other = likeness(&plain(1280, 720, [9, 99, 199]), &plain(640, 368, [9, 99, 199]));
        assert!(other.luma_db >= 100.0 && other.reduced);
    }

    #[test]
    fn a_tint_changes_color_and_a_shade_changes_luma() {
        let gray = plain(8, 8, [100, 100, 100]);
        let darker = likeness(&gray, &plain(8, 8, [80, 80, 80]));
        assert!(darker.luma_db < 25.0 && darker.color_db >= 100.0, "{darker:?}");
        let tinted = likeness(&gray, &plain(8, 8, [110, 95, 120]));
        assert!(tinted.color_db < tinted.luma_db, "{tinted:?}");
    }

    #[test]
    fn psnr_of_equal_and_of_opposite_frames() {
        let black = Frame::from_rgb(2, 2, vec![0; 12]).unwrap();
        let white = Frame::from_rgb(2, 2, vec![255; 12]).unwrap();
        assert!(psnr(&black, &black).unwrap().is_infinite());
        assert!(psnr(&black, &white).unwrap().abs() < 1e-9);
        assert!(psnr(&black, &Frame::from_rgb(1, 1, vec![0; 3]).unwrap()).is_err());
        assert!(Frame::from_rgb(2, 2, vec![0; 11]).is_err());
    }
}
