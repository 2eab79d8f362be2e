//! A contact sheet: first and last frames of clips, joined along their family.

use super::frame::Frame;
use crate::error::{Error, ErrorKind, Result};

/// Longer side of a picture on the sheet.
const SIDE: u32 = 256;
/// Between pictures of one clip, and around everything.
const GAP: u32 = 8;
/// Between a clip and its children, where the lines run.
const LANE: u32 = 64;
/// Most pixels of a sheet.
const MOST_PIXELS: u64 = 1 << 26;

const GROUND: [u8; 3] = [24, 26, 30];
const BORDER: [u8; 3] = [70, 76, 86];
const LINE: [u8; 3] = [235, 178, 70];

/// One clip on a contact sheet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SheetClip {
    /// Its first frame.
    pub first: Frame,
    /// Its last frame.
    pub last: Frame,
    /// The clip it comes from, as its place in the list; it must stand before this one.
    pub parent: Option<usize>,
}

impl SheetClip {
    /// A clip by its two frames, reduced at once: a sheet of many clips holds thumbnails only.
    pub fn new(first: Frame, last: Frame, parent: Option<usize>) -> Self {
        Self {
            first: first.fit_within(SIDE),
            last: last.fit_within(SIDE),
            parent,
        }
    }
}

/// Draws clips from left to right by generation: each as its first and last frame, with a line from the
/// last frame of a parent to the first frame of each child.
///
/// # Errors
/// [`ErrorKind::Media`] when there is no clip, a parent does not stand before its child, or the sheet would
/// have more than 67 million pixels (some 300 clips).
pub fn contact_sheet(clips: &[SheetClip]) -> Result<Frame> {
    let bad = |what: &str| Error::new(ErrorKind::Media, format!("draw a contact sheet: {what}"));
    if clips.is_empty() {
        return Err(bad("there is no clip"));
    }
    let places = places(clips).ok_or_else(|| bad("a parent does not stand before its child"))?;
    let cell_width = 2 * SIDE + GAP + LANE;
    let cell_height = clips
        .iter()
        .map(|clip| clip.first.height().max(clip.last.height()))
        .max()
        .unwrap_or(SIDE)
        + 2 * GAP;
    let columns = places.iter().map(|place| place.column).max().unwrap_or(0) + 1;
    let rows = places.iter().map(|place| place.row).max().unwrap_or(0) + 1;
    let width = u64::from(columns) * u64::from(cell_width) + u64::from(2 * GAP) - u64::from(LANE);
    let height = u64::from(rows) * u64::from(cell_height) + u64::from(GAP);
    if width * height > MOST_PIXELS {
        return Err(bad(&format!(
            "{width}x{height} is larger than {MOST_PIXELS} pixels"
        )));
    }
    let (width, height) = (
        u32::try_from(width).unwrap_or(u32::MAX),
        u32::try_from(height).unwrap_or(u32::MAX),
    );
    let mut sheet = Canvas {
        width,
        rgb: GROUND.repeat(width as usize * height as usize),
    };
    let corner = |place: &Place| (GAP + place.column * cell_width, GAP + place.row * cell_height);
    for (clip, place) in clips.iter().zip(&places) {
        let (x, y) = corner(place);
        for (frame, x) in [(&clip.first, x), (&clip.last, x + SIDE + GAP)] {
            sheet.fill(x - 1, y - 1, frame.width() + 2, frame.height() + 2, BORDER);
            sheet.picture(frame, x, y);
        }
    }
    for (clip, place) in clips.iter().zip(&places) {
        let Some(parent) = clip.parent else { continue };
        let ((from_x, from_y), (to_x, to_y)) = (corner(&places[parent]), corner(place));
        let half = |frame: &Frame| frame.height() / 2;
        let (from_x, from_y) = (from_x + 2 * SIDE + GAP, from_y + half(&clips[parent].last));
        let (to_y, turn) = (to_y + half(&clip.first), to_x - LANE / 2);
        sheet.fill(from_x, from_y, turn.saturating_sub(from_x) + 2, 2, LINE);
        sheet.fill(turn, from_y.min(to_y), 2, from_y.abs_diff(to_y) + 2, LINE);
        sheet.fill(turn, to_y, to_x - turn, 2, LINE);
    }
    Frame::from_rgb(width, height, sheet.rgb)
}

struct Place {
    column: u32,
    row: u32,
}

/// A column a generation; the first child stands beside its parent, the others below.
fn places(clips: &[SheetClip]) -> Option<Vec<Place>> {
    let mut children = vec![Vec::new(); clips.len()];
    let mut open = Vec::new();
    for (index, clip) in clips.iter().enumerate() {
        match clip.parent {
            None => open.push((index, 0)),
            Some(parent) if parent < index => children[parent].push(index),
            Some(_) => return None,
        }
    }
    open.reverse();
    let mut places: Vec<Option<Place>> = clips.iter().map(|_| None).collect();
    let mut row = 0;
    // Depth first: a clip that ends its branch ends the row.
    while let Some((index, column)) = open.pop() {
        places[index] = Some(Place { column, row });
        open.extend(children[index].iter().rev().map(|child| (*child, column + 1)));
        if children[index].is_empty() {
            row += 1;
        }
    }
    places.into_iter().collect()
}

struct Canvas {
    width: u32,
    rgb: Vec<u8>,
}

impl Canvas {
    fn fill(&mut self, x: u32, y: u32, width: u32, height: u32, colour: [u8; 3]) {
        for row in y..y + height {
            if let Some(pixels) = self.row(x, row, width) {
                pixels.copy_from_slice(&colour.repeat(width as usize));
            }
        }
    }

    fn picture(&mut self, frame: &Frame, x: u32, y: u32) {
        let stride = frame.width() as usize * 3;
        for (line, row) in frame.rgb().chunks_exact(stride.max(1)).zip(y..) {
            if let Some(pixels) = self.row(x, row, frame.width()) {
                pixels.copy_from_slice(line);
            }
        }
    }

    /// The bytes of a part of a row; `None` outside of the sheet.
    fn row(&mut self, x: u32, y: u32, width: u32) -> Option<&mut [u8]> {
        if x + width > self.width {
            return None;
        }
        let start = (y as usize * self.width as usize + x as usize) * 3;
        self.rgb.get_mut(start..start + width as usize * 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(shade: u8, parent: Option<usize>) -> SheetClip {
        let frame = Frame::from_rgb(64, 36, vec![shade; 64 * 36 * 3]).unwrap();
        SheetClip::new(frame.clone(), frame, parent)
    }

    #[test]
    fn branches_stand_below_each_other_and_generations_beside() {
        let clips = [
            clip(1, None),
            clip(2, Some(0)),
            clip(3, Some(1)),
            clip(4, Some(0)),
        ];
        let places: Vec<_> = places(&clips)
            .unwrap()
            .iter()
            .map(|place| (place.column, place.row))
            .collect();
        assert_eq!(places, [(0, 0), (1, 0), (2, 0), (1, 1)]);
        let sheet = contact_sheet(&clips).unwrap();
        assert!(sheet.rgb().as_chunks::<3>().0.contains(&LINE));
        for shade in 1..=4 {
            assert!(sheet.rgb().as_chunks::<3>().0.contains(&[shade; 3]), "{shade}");
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        assert!(contact_sheet(&[]).is_err());
        assert!(contact_sheet(&[clip(1, Some(0))]).is_err());
        assert!(contact_sheet(&vec![clip(1, None); 4000]).is_err());
    }
}
