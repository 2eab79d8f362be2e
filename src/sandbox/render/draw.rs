//! Draws into the planes of a YUV picture: areas, shapes, text, blends, crops and scaling.

use super::font::{self, BITMAP_SIDE, GLYPH_SIDE};
use crate::media::Frame;
use crate::media::encoder::YuvPicture;

/// A rectangle in pixels. It is clipped to the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// Fills an area. Its edges are moved to even pixels, because chroma has half the resolution.
pub(super) fn fill(picture: &mut YuvPicture, area: Area, color: [u8; 3]) {
    let (x0, y0) = (area.x.min(picture.width) & !1, area.y.min(picture.height) & !1);
    let x1 = ((area.x + area.width).min(picture.width) + 1) & !1;
    let y1 = ((area.y + area.height).min(picture.height) + 1) & !1;
    let w = picture.width;
    for y in y0..y1 {
        picture.y[y * w + x0..y * w + x1].fill(color[0]);
    }
    for y in y0 / 2..y1 / 2 {
        picture.u[y * w / 2 + x0 / 2..y * w / 2 + x1 / 2].fill(color[1]);
        picture.v[y * w / 2 + x0 / 2..y * w / 2 + x1 / 2].fill(color[2]);
    }
}

/// The shape that moves through a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Disc,
    Square,
    Diamond,
    Ring,
}

impl Shape {
    fn contains(self, dx: i64, dy: i64, radius: i64) -> bool {
        match self {
            Self::Disc => dx * dx + dy * dy <= radius * radius,
            Self::Square => dx.abs().max(dy.abs()) * 5 <= radius * 4,
            Self::Diamond => dx.abs() + dy.abs() <= radius,
            Self::Ring => {
                let d = dx * dx + dy * dy;
                d <= radius * radius && d * 4 >= radius * radius
            }
        }
    }
}

/// Draws a shape around a center. Parts outside the picture are cut off.
pub(super) fn draw_shape(
    picture: &mut YuvPicture,
    shape: Shape,
    center: (i64, i64),
    radius: i64,
    color: [u8; 3],
) {
    let (w, h) = (signed(picture.width), signed(picture.height));
    let (x0, x1) = (
        (center.0 - radius).clamp(0, w),
        (center.0 + radius + 1).clamp(0, w),
    );
    let (y0, y1) = (
        (center.1 - radius).clamp(0, h),
        (center.1 + radius + 1).clamp(0, h),
    );
    for y in y0..y1 {
        for x in x0..x1 {
            if shape.contains(x - center.0, y - center.1, radius) {
                picture.y[index(y * w + x)] = color[0];
                if x % 2 == 0 && y % 2 == 0 {
                    let at = index(y / 2 * (w / 2) + x / 2);
                    picture.u[at] = color[1];
                    picture.v[at] = color[2];
                }
            }
        }
    }
}

/// Copies a picture to a position. Parts outside the target are cut off.
pub(super) fn paste(target: &mut YuvPicture, source: &YuvPicture, x: usize, y: usize) {
    let (x, y) = (x & !1, y & !1);
    if x >= target.width || y >= target.height {
        return;
    }
    let width = source.width.min(target.width - x);
    let height = source.height.min(target.height - y);
    let (tw, sw) = (target.width, source.width);
    for row in 0..height {
        let at = (y + row) * tw + x;
        target.y[at..at + width].copy_from_slice(&source.y[row * sw..row * sw + width]);
    }
    for row in 0..height / 2 {
        let at = (y / 2 + row) * (tw / 2) + x / 2;
        let from = row * (sw / 2);
        target.u[at..at + width / 2].copy_from_slice(&source.u[from..from + width / 2]);
        target.v[at..at + width / 2].copy_from_slice(&source.v[from..from + width / 2]);
    }
}

/// Mixes two pictures of equal size: `weight` 256ths of `b`, the rest of `a`.
pub(super) fn blend(a: &YuvPicture, b: &YuvPicture, weight: u32) -> YuvPicture {
    let weight = u16::try_from(weight.min(256)).unwrap_or(256);
    let mix = |a: &[u8], b: &[u8]| -> Vec<u8> {
        a.iter()
            .zip(b)
            .map(|(a, b)| {
                let sum = u32::from(*a) * u32::from(256 - weight) + u32::from(*b) * u32::from(weight) + 128;
                (sum >> 8) as u8
            })
            .collect()
    };
    YuvPicture {
        width: a.width,
        height: a.height,
        y: mix(&a.y, &b.y),
        u: mix(&a.u, &b.u),
        v: mix(&a.v, &b.v),
    }
}

/// Text on a dark background.
pub(super) struct Label {
    picture: YuvPicture,
}

const BACKGROUND: [u8; 3] = [26, 128, 128];
const TEXT_LUMA: u8 = 232;

impl Label {
    /// Draws lines of text at a scale.
    pub(super) fn new(lines: &[String], scale: usize) -> Self {
        let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let margin = BITMAP_SIDE * scale / 2;
        let step = line_height(scale);
        let width = (longest * BITMAP_SIDE * scale + margin * 2 + 1) & !1;
        let height = (lines.len() * step + margin * 2 - (step - BITMAP_SIDE * scale) + 1) & !1;
        let mut picture = YuvPicture::black(width, height);
        let all = Area {
            x: 0,
            y: 0,
            width,
            height,
        };
        fill(&mut picture, all, BACKGROUND);
        for (number, line) in lines.iter().enumerate() {
            for (column, character) in line.chars().enumerate() {
                let (x, y) = (margin + column * BITMAP_SIDE * scale, margin + number * step);
                draw_character(&mut picture, character, x, y, scale);
            }
        }
        Self { picture }
    }

    pub(super) fn width(&self) -> usize {
        self.picture.width
    }

    pub(super) fn height(&self) -> usize {
        self.picture.height
    }

    /// Paints the label on a band as wide as the picture, with `margin` above and below. The band hides the label
    /// of an input clip, which would otherwise show through.
    pub(super) fn paint(&self, target: &mut YuvPicture, x: usize, y: usize, margin: usize) {
        let top = y.saturating_sub(margin);
        let band = Area {
            x: 0,
            y: top,
            width: target.width,
            height: (y + self.picture.height + margin).min(target.height) - top,
        };
        fill(target, band, BACKGROUND);
        paste(target, &self.picture, x, y);
    }
}

pub(super) fn line_height(scale: usize) -> usize {
    BITMAP_SIDE * scale + BITMAP_SIDE * scale / 4
}

fn draw_character(picture: &mut YuvPicture, character: char, x: usize, y: usize, scale: usize) {
    let glyph = font::glyph(character);
    let side = BITMAP_SIDE * scale;
    for dy in 0..side {
        let row = glyph[dy * GLYPH_SIDE / side];
        if row == 0 {
            continue;
        }
        for dx in 0..side {
            if row >> (dx * GLYPH_SIDE / side) & 1 == 1 && x + dx < picture.width && y + dy < picture.height {
                let width = picture.width;
                picture.y[(y + dy) * width + x + dx] = TEXT_LUMA;
            }
        }
    }
}

/// Wraps text into lines of at most `columns` characters, if possible between words. Text of more than `rows` lines
/// ends in an ellipsis.
pub(super) fn wrap(text: &str, columns: usize, rows: usize) -> Vec<String> {
    let columns = columns.max(4);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + rest.len() > columns {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        while rest.len() > columns {
            let tail = rest.split_off(columns);
            lines.push(rest.into_iter().collect());
            rest = tail;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        used += rest.len();
        line.extend(rest);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    if lines.len() > rows {
        lines.truncate(rows.max(1));
        if let Some(last) = lines.last_mut() {
            let kept: String = last.chars().take(columns.saturating_sub(3)).collect();
            *last = kept + "...";
        }
    }
    lines
}

/// The part of a picture to crop, in 1/65536 of its size.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// The size of the part; 65536 is the whole picture.
    pub(super) size: u32,
    /// The position between left (0) and right (65536).
    pub(super) x: u32,
    /// The position between top (0) and bottom (65536).
    pub(super) y: u32,
}

/// Crops a picture and scales the part to the picture's size.
pub(super) fn crop(picture: &YuvPicture, view: View, out: &mut YuvPicture) {
    let (w, h) = (picture.width, picture.height);
    crop_plane(&picture.y, w, h, view, &mut out.y);
    crop_plane(&picture.u, w / 2, h / 2, view, &mut out.u);
    crop_plane(&picture.v, w / 2, h / 2, view, &mut out.v);
}

/// Crops and scales a plane by bilinear interpolation.
fn crop_plane(source: &[u8], w: usize, h: usize, view: View, out: &mut [u8]) {
    let positions = |length: usize, place: u32| {
        let visible = (length as u64 - 1) * u64::from(view.size);
        let start = ((((length as u64 - 1) << 16) - visible) * u64::from(place)) >> 16;
        // The source position of each target position: the integer part and 8 bits of fraction.
        (0..length as u64)
            .map(move |i| {
                let at = start + visible * i / (length as u64 - 1).max(1);
                ((at >> 16) as usize, (at >> 8 & 0xFF) as u32)
            })
            .collect::<Vec<_>>()
    };
    let columns = positions(w, view.x);
    let rows = positions(h, view.y);
    // Rows are interpolated first, because each interpolated row is read w times. Index loops are used because
    // tests render in debug builds, which do not optimize iterator chains.
    let mut mixed = vec![0u32; w + 1];
    for (target, (y, fy)) in out.chunks_exact_mut(w).zip(rows) {
        let top = &source[y * w..][..w];
        let bottom = &source[(y + 1).min(h - 1) * w..][..w];
        let mut x = 0;
        while x < w {
            mixed[x] = u32::from(top[x]) * (256 - fy) + u32::from(bottom[x]) * fy;
            x += 1;
        }
        mixed[w] = mixed[w - 1];
        let columns = &columns[..target.len()];
        let mut x = 0;
        while x < target.len() {
            let (at, part) = columns[x];
            let (left, right) = (mixed[at], mixed[at + 1]);
            target[x] = ((left * (256 - part) + right * part + 32_768) >> 16) as u8;
            x += 1;
        }
    }
}

/// Scales a frame to cover the target and cuts off what exceeds it on two sides. A frame of the target size keeps its
/// pixels.
pub(super) fn cover(frame: &Frame, to_width: usize, to_height: usize) -> YuvPicture {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let rgb = frame.rgb();
    if (width, height) == (to_width, to_height) {
        return YuvPicture::from_rgb(width, height, rgb);
    }
    // The part of the source with the target's aspect ratio.
    let (cut_width, cut_height) = if width * to_height > to_width * height {
        ((height * to_width / to_height).max(1), height)
    } else {
        (width, (width * to_height / to_width).max(1))
    };
    let (left, top) = ((width - cut_width) / 2, (height - cut_height) / 2);
    let mut scaled = vec![0u8; to_width * to_height * 3];
    for y in 0..to_height {
        let (y0, y1) = source_range(y, to_height, cut_height);
        for x in 0..to_width {
            let (x0, x1) = source_range(x, to_width, cut_width);
            let mut sum = [0u32; 3];
            for sy in y0..y1 {
                for sx in x0..x1 {
                    let at = ((top + sy) * width + left + sx) * 3;
                    for (sum, value) in sum.iter_mut().zip(&rgb[at..at + 3]) {
                        *sum += u32::from(*value);
                    }
                }
            }
            let count = ((y1 - y0) * (x1 - x0)) as u32;
            for (target, sum) in scaled[(y * to_width + x) * 3..].iter_mut().zip(sum) {
                *target = (sum / count) as u8;
            }
        }
    }
    YuvPicture::from_rgb(to_width, to_height, &scaled)
}

/// Returns the source positions that contribute to a target position.
fn source_range(at: usize, to: usize, from: usize) -> (usize, usize) {
    let start = (at * from / to).min(from - 1);
    let end = ((at + 1) * from).div_ceil(to).clamp(start + 1, from);
    (start, end)
}

fn signed(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn index(value: i64) -> usize {
    usize::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_fits_is_shown_whole() {
        let text = "a lighthouse at dusk, waves roll in";
        assert_eq!(wrap(text, 12, 9).join(" "), text);
    }

    #[test]
    fn text_that_does_not_fit_ends_in_an_ellipsis() {
        let lines = wrap(&"word ".repeat(100), 20, 3);
        assert_eq!(lines.len(), 3);
        assert!(lines[2].ends_with("..."), "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= 20), "{lines:?}");
    }

    #[test]
    fn a_crop_of_everything_changes_nothing() {
        let mut picture = YuvPicture::black(64, 48);
        for (i, y) in picture.y.iter_mut().enumerate() {
            *y = (i * 7 % 220) as u8;
        }
        let mut out = picture.clone();
        out.y.fill(0);
        crop(
            &picture,
            View {
                size: 65_536,
                x: 0,
                y: 0,
            },
            &mut out,
        );
        assert!(out == picture);
    }
}
