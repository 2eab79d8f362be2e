//! The boxes that MP4 and MOV files consist of.

use std::io::{self, Read, Seek, SeekFrom};

/// The header of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mp4Box {
    pub(crate) kind: [u8; 4],
    /// The offset where its content begins.
    pub(crate) body: u64,
    /// The offset where it ends according to its size, which may lie beyond its parent or the file.
    pub(crate) end: u64,
}

/// Reads the header of the box at offset `at` in a parent that ends at `end`, as libav does.
///
/// Returns `None` if there is no further box.
pub(crate) fn next_box(reader: &mut (impl Read + Seek), at: u64, end: u64) -> io::Result<Option<Mp4Box>> {
    let rest = end.saturating_sub(at);
    if rest < 8 {
        return Ok(None);
    }
    reader.seek(SeekFrom::Start(at))?;
    let mut head = [0_u8; 8];
    reader.read_exact(&mut head)?;
    let [a, b, c, d, kind @ ..] = head;
    let (head, size) = match u32::from_be_bytes([a, b, c, d]) {
        // The box extends to the end of its parent.
        0 => (8, rest),
        1 if rest < 16 => (8, 16),
        1 => {
            let mut wide = [0_u8; 8];
            reader.read_exact(&mut wide)?;
            (16, u64::from_be_bytes(wide))
        }
        size => (8, u64::from(size)),
    };
    Ok((size >= head).then(|| Mp4Box {
        kind,
        body: at + head,
        end: at.saturating_add(size),
    }))
}
