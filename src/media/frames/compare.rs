//! How alike frames are, and where in an extended clip the old part ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::converter::Presenter;
use super::frame::Frame;
use super::scan::walk;
use crate::error::Result;
use crate::media::container::clip::Clip;
use crate::media::limits::MediaOptions;
use crate::media::source::MediaSource;
use crate::media::worker;

/// Frames of unequal size are compared as pictures of this size at the most.
pub(crate) const GRID: (u32, u32) = (320, 180);
/// How far from the expected end of the old part the seam is looked for.
const AROUND: Duration = Duration::from_millis(750);

/// How alike two frames are, in decibels: the peak signal-to-noise ratio of luma and of the two colour
/// differences (BT.709). Above 40 the difference is hard to see; below 25 the pictures differ plainly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Likeness {
    /// Of luma. At most 100, which stands for equal.
    pub luma_db: f64,
    /// Of the colour differences. At most 100, which stands for equal.
    pub colour_db: f64,
    /// Whether the sizes differed, so that both were reduced to one size first.
    pub reduced: bool,
}

/// Compares two frames; those of unequal size are reduced to one first.
pub fn likeness(a: &Frame, b: &Frame) -> Likeness {
    let same = (a.width(), a.height()) == (b.width(), b.height());
    let (luma, colour, count) = if same {
        errors(a.rgb(), b.rgb())
    } else {
        errors(&reduced(a), &reduced(b))
    };
    Likeness {
        luma_db: decibels(luma, count),
        colour_db: decibels(colour, 2.0 * count),
        reduced: !same,
    }
}

/// Where an extended clip goes on from the clip it was made of, as measured in its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Seam {
    /// When the old part ends and the new one begins, in seconds.
    pub seconds: f64,
    /// How alike the old clip's last frame and the frame just before the seam are.
    pub likeness: Likeness,
}

/// Finds the frame of an extended clip that is most like the old clip's last one, near the time at which
/// the old clip ended. `None` when nothing there is like it at all (luma under 20 dB).
///
/// # Errors
/// As [`frame`](super::frame()).
pub fn seam(
    source: impl Into<MediaSource>,
    last_of_old: &Frame,
    expected: Duration,
    options: &MediaOptions,
) -> Result<Option<Seam>> {
    let last_of_old = last_of_old.clone();
    worker::run(source.into(), options, move |source, options| {
        find_seam(source, &last_of_old, expected, options)
    })
}

fn find_seam(
    source: MediaSource,
    last_of_old: &Frame,
    expected: Duration,
    options: &MediaOptions,
) -> Result<Option<Seam>> {
    const LEAST: f64 = 20.0;
    let mut clip = Clip::open(crate::media::source::open(source, options)?)?;
    let presenter = Presenter::of(&clip);
    let (from, to) = (expected.saturating_sub(AROUND), expected + AROUND);
    // The best frame, and the start of the one after it.
    let mut best: Option<(Likeness, Option<Duration>)> = None;
    let mut just_found = false;
    walk(&mut clip, usize::MAX, |picture, pts, _| {
        let at = presenter.time_of(pts);
        if std::mem::take(&mut just_found)
            && let Some((_, after)) = &mut best
        {
            *after = Some(at);
        }
        if (from..=to).contains(&at) {
            let frame = presenter.frame(picture, pts, None)?;
            let found = likeness(last_of_old, &frame);
            // A clip may stand still at its end: the later of two equals is the end.
            if best.is_none_or(|(best, _)| found.luma_db + found.colour_db >= best.luma_db + best.colour_db) {
                best = Some((found, None));
                just_found = true;
            }
        }
        Ok(at <= to)
    })?;
    let end = clip.end().unwrap_or(expected);
    Ok(best
        .filter(|(found, _)| found.luma_db >= LEAST)
        .map(|(likeness, after)| Seam {
            seconds: after.unwrap_or(end).as_secs_f64(),
            likeness,
        }))
}

/// The sharpest of the last `count` frames of a clip: the one with the most detail in its luma. Holds two
/// frames at a time, however many are looked at.
///
/// # Errors
/// As [`frame`](super::frame()).
pub fn sharpest_of_last(source: impl Into<MediaSource>, count: u32, options: &MediaOptions) -> Result<Frame> {
    worker::run(source.into(), options, move |source, options| {
        find_sharpest(source, count, options)
    })
}

fn find_sharpest(source: MediaSource, count: u32, options: &MediaOptions) -> Result<Frame> {
    let mut clip = Clip::open(crate::media::source::open(source, options)?)?;
    let presenter = Presenter::of(&clip);
    // Which frames are the last is known at the end only, so the clip is gone through twice: once for the
    // times, once for the pictures.
    let mut times = Vec::new();
    walk(&mut clip, usize::MAX, |_, pts, _| {
        times.push(pts);
        Ok(true)
    })?;
    times.sort_unstable();
    let from = times.len().saturating_sub(count as usize);
    let first = times.get(from).copied().unwrap_or(i64::MIN);
    let mut best: Option<(f64, Frame)> = None;
    walk(&mut clip, usize::MAX, |picture, pts, _| {
        if pts >= first {
            let frame = presenter.frame(picture, pts, None)?;
            let detail = detail(&frame);
            // Of equals the later one goes on more smoothly.
            if best.as_ref().is_none_or(|(most, _)| detail >= *most) {
                best = Some((detail, frame));
            }
        }
        Ok(true)
    })?;
    best.map(|(_, frame)| frame).ok_or_else(|| clip.nothing())
}

/// Mean squared difference of neighbouring green values: blur, fades and black have little of it.
pub(crate) fn detail(frame: &Frame) -> f64 {
    let stride = frame.width() as usize * 3;
    let rows = frame.rgb().chunks_exact(stride.max(1));
    let below = rows.clone().skip(1);
    let squares: u64 = rows
        .zip(below)
        .map(|(row, below)| {
            let (row, below) = (row.as_chunks::<3>().0, below.as_chunks::<3>().0);
            let right = row.iter().skip(1).map(|pixel| pixel[1]);
            let square = |a: u8, b: u8| u64::from(a.abs_diff(b)).pow(2);
            let neighbours = row
                .iter()
                .zip(right)
                .map(|(pixel, right)| square(pixel[1], right));
            let lower = row
                .iter()
                .zip(below)
                .map(|(pixel, below)| square(pixel[1], below[1]));
            neighbours.chain(lower).sum::<u64>()
        })
        .sum();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a measure for comparing, not for adding up"
    )]
    let mean = squares as f64 / (frame.rgb().len() / 3).max(1) as f64;
    mean
}

/// Summed squared errors of luma and of the colour differences, and how many pixels there are.
fn errors(a: &[u8], b: &[u8]) -> (f64, f64, f64) {
    let (mut luma, mut colour) = (0.0, 0.0);
    let (a, b) = (a.as_chunks::<3>().0, b.as_chunks::<3>().0);
    for (a, b) in a.iter().zip(b) {
        let [red, green, blue] =
            [0, 1, 2].map(|channel: usize| f64::from(a[channel]) - f64::from(b[channel]));
        let y = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        luma += y * y;
        colour += ((blue - y) / 1.8556).powi(2) + ((red - y) / 1.5748).powi(2);
    }
    #[expect(clippy::cast_precision_loss, reason = "a frame has fewer than 2^52 pixels")]
    let count = a.len() as f64;
    (luma, colour, count)
}

fn decibels(squares: f64, count: f64) -> f64 {
    const MOST: f64 = 100.0;
    if squares <= 0.0 {
        return MOST;
    }
    (10.0 * (255.0 * 255.0 * count / squares).log10()).min(MOST)
}

/// The picture as the means of the cells of a grid.
pub(crate) fn reduced(frame: &Frame) -> Vec<u8> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let (columns, rows) = (GRID.0 as usize, GRID.1 as usize);
    let mut out = Vec::with_capacity(columns * rows * 3);
    // A cell of a picture that is smaller than the grid has one pixel, not none.
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

    fn plain(width: u32, height: u32, colour: [u8; 3]) -> Frame {
        Frame::from_rgb(width, height, colour.repeat((width * height) as usize)).unwrap()
    }

    #[test]
    fn equal_frames_are_alike_at_any_size() {
        let same = likeness(&plain(64, 36, [9, 99, 199]), &plain(64, 36, [9, 99, 199]));
        assert!(same.luma_db >= 100.0 && same.colour_db >= 100.0 && !same.reduced);
        let other = likeness(&plain(1280, 720, [9, 99, 199]), &plain(640, 368, [9, 99, 199]));
        assert!(other.luma_db >= 100.0 && other.reduced);
    }

    #[test]
    fn a_tint_shows_in_colour_and_a_shade_in_luma() {
        let grey = plain(8, 8, [100, 100, 100]);
        let darker = likeness(&grey, &plain(8, 8, [80, 80, 80]));
        assert!(darker.luma_db < 25.0 && darker.colour_db >= 100.0, "{darker:?}");
        let tinted = likeness(&grey, &plain(8, 8, [110, 95, 120]));
        assert!(tinted.colour_db < tinted.luma_db, "{tinted:?}");
    }
}
