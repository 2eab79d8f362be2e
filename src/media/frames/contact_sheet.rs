//! A contact sheet: the first and last frames of clips, with lines from parents to children.

use super::frame::Frame;
use crate::error::{Error, Result};

/// Maximum side of a picture on the sheet.
const SIDE: u32 = 256;
/// Gap between the pictures of a clip, and margin of the sheet.
const GAP: u32 = 8;
/// Gap between a clip and its children, for the lines.
const LANE: u32 = 64;
/// Maximum pixels of a sheet.
const MAX_PIXELS: u64 = 1 << 26;

const BACKGROUND: [u8; 3] = [24, 26, 30];
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
    /// The index of its parent in the list, which must be lower than its own.
    pub parent: Option<usize>,
}

impl SheetClip {
    /// Creates a clip from its two frames. They are scaled down at once, so that a sheet holds only thumbnails.
    pub fn new(first: Frame, last: Frame, parent: Option<usize>) -> Self {
        Self {
            first: first.fit_within(SIDE),
            last: last.fit_within(SIDE),
            parent,
        }
    }
}

/// Draws clips as a tree: one column per generation, and each clip as its first and last frame.
///
/// A line leads from the last frame of a parent to the first frame of each child.
///
/// # Errors
///
/// Returns `Media` if there is no clip, a parent comes after its child, or the sheet would have more than 67
/// million pixels (about 300 clips).
pub fn contact_sheet(clips: &[SheetClip]) -> Result<Frame> {
    let bad = |cause: &str| Error::media(format!("draw a contact sheet: {cause}"));
    if clips.is_empty() {
        return Err(bad("there are no clips"));
    }
    let cells = assign_cells(clips).ok_or_else(|| bad("a parent must come before its child"))?;
    let cell_width = 2 * SIDE + GAP + LANE;
    let cell_height = clips
        .iter()
        .map(|clip| clip.first.height().max(clip.last.height()))
        .max()
        .unwrap_or(SIDE)
        + 2 * GAP;
    let columns = cells.iter().map(|cell| cell.column).max().unwrap_or(0) + 1;
    let rows = cells.iter().map(|cell| cell.row).max().unwrap_or(0) + 1;
    let width = u64::from(columns) * u64::from(cell_width) + u64::from(2 * GAP) - u64::from(LANE);
    let height = u64::from(rows) * u64::from(cell_height) + u64::from(GAP);
    if width * height > MAX_PIXELS {
        return Err(bad(&format!(
            "{width}x{height} is more than the limit of {MAX_PIXELS} pixels"
        )));
    }
    let (width, height) = (
        u32::try_from(width).unwrap_or(u32::MAX),
        u32::try_from(height).unwrap_or(u32::MAX),
    );
    let mut sheet = Canvas {
        width,
        rgb: BACKGROUND.repeat(width as usize * height as usize),
    };
    let corner = |cell: &Cell| (GAP + cell.column * cell_width, GAP + cell.row * cell_height);
    for (clip, cell) in clips.iter().zip(&cells) {
        let (x, y) = corner(cell);
        for (frame, x) in [(&clip.first, x), (&clip.last, x + SIDE + GAP)] {
            sheet.fill(x - 1, y - 1, frame.width() + 2, frame.height() + 2, BORDER);
            sheet.picture(frame, x, y);
        }
    }
    for (clip, cell) in clips.iter().zip(&cells) {
        let Some(parent) = clip.parent else { continue };
        let ((from_x, from_y), (to_x, to_y)) = (corner(&cells[parent]), corner(cell));
        let half = |frame: &Frame| frame.height() / 2;
        let (from_x, from_y) = (from_x + 2 * SIDE + GAP, from_y + half(&clips[parent].last));
        let (to_y, turn) = (to_y + half(&clip.first), to_x - LANE / 2);
        sheet.fill(from_x, from_y, turn.saturating_sub(from_x) + 2, 2, LINE);
        sheet.fill(turn, from_y.min(to_y), 2, from_y.abs_diff(to_y) + 2, LINE);
        sheet.fill(turn, to_y, to_x - turn, 2, LINE);
    }
    Frame::from_rgb(width, height, sheet.rgb)
}

/// The cell of a clip.
struct Cell {
    column: u32,
    row: u32,
}

/// Assigns cells: a column per generation, the first child in the row of its parent and the others below.
///
/// Returns `None` if a parent comes after its child.
fn assign_cells(clips: &[SheetClip]) -> Option<Vec<Cell>> {
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
    let mut cells: Vec<Option<Cell>> = clips.iter().map(|_| None).collect();
    let mut row = 0;
    // Depth first: a clip without children ends the row.
    while let Some((index, column)) = open.pop() {
        cells[index] = Some(Cell { column, row });
        open.extend(children[index].iter().rev().map(|child| (*child, column + 1)));
        if children[index].is_empty() {
            row += 1;
        }
    }
    cells.into_iter().collect()
}

struct Canvas {
    width: u32,
    rgb: Vec<u8>,
}

impl Canvas {
    fn fill(&mut self, x: u32, y: u32, width: u32, height: u32, color: [u8; 3]) {
        for row in y..y + height {
            if let Some(pixels) = self.row(x, row, width) {
                pixels.copy_from_slice(&color.repeat(width as usize));
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

    /// Returns the bytes of a part of a row, or `None` outside of the sheet.
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
    fn generations_are_columns_and_branches_are_rows() {
        let clips = [
            clip(1, None),
            clip(2, Some(0)),
            clip(3, Some(1)),
            clip(4, Some(0)),
        ];
        let cells: Vec<_> = assign_cells(&clips)
            .unwrap()
            .iter()
            .map(|cell| (cell.column, cell.row))
            .collect();
        assert_eq!(cells, [(0, 0), (1, 0), (2, 0), (1, 1)]);
        let sheet = contact_sheet(&clips).unwrap();
        assert!(sheet.rgb().as_chunks::<3>().0.contains(&LINE));
        for shade in 1..=4 {
            assert!(sheet.rgb().as_chunks::<3>().0.contains(&[shade; 3]), "{shade}");
        }
    }

    #[test]
    fn invalid_or_too_many_clips_are_an_error() {
        assert!(contact_sheet(&[]).is_err());
        assert!(contact_sheet(&[clip(1, Some(0))]).is_err());
        assert!(contact_sheet(&vec![clip(1, None); 4000]).is_err());
    }
}
