//! The format of the index files: a header line, then one line per id.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::listing::parse_line;
use super::stamp::Stamp;
use crate::ids::ClipId;
use crate::storage::FilePresence;

/// The version of the format. Files with another version are replaced.
const VERSION: u32 = 1;
/// The maximum length of the header line.
const MAX_HEADER_BYTES: usize = 1024;
/// The maximum length of any other line: a letter, an id and a newline.
const MAX_LINE_BYTES: usize = 256;
/// The size of the blocks in which a page is read.
const BLOCK_BYTES: u64 = 16 << 10;
/// The maximum size of a file. It is larger than that of the largest index.
const MAX_FILE_BYTES: u64 = 2 << 30;

/// The header line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    version: u32,
    /// The stamp that the library's folder had with this content.
    pub(super) folder: Stamp,
    /// In the file of changes: the stamp in the file of names to which they apply.
    pub(super) since: Option<Stamp>,
    bytes: u64,
    crc32: u32,
}

/// An open index file, of which only the header was read.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) header: Header,
    file: File,
    start: u64,
}

/// Returns the content of an index file.
pub(super) fn to_text(folder: Stamp, since: Option<Stamp>, lines: &str) -> io::Result<Vec<u8>> {
    let header = Header {
        version: VERSION,
        folder,
        since,
        bytes: lines.len() as u64,
        crc32: crc32fast::hash(lines.as_bytes()),
    };
    let mut text = serde_json::to_vec(&header)?;
    text.push(b'\n');
    text.extend_from_slice(lines.as_bytes());
    Ok(text)
}

/// Prepends a version and a checksum to bytes.
pub(super) fn seal(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(bytes.len() + 8);
    sealed.extend_from_slice(&VERSION.to_le_bytes());
    sealed.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    sealed.extend_from_slice(bytes);
    sealed
}

/// Reads a file that was written with [`seal`]. Returns `None` if it is damaged.
pub(super) fn load(path: &Path) -> Option<Vec<u8>> {
    let meta = fs::symlink_metadata(path).ok()?;
    if !meta.is_file() || meta.len() > MAX_FILE_BYTES {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).ok()?);
    File::open(path)
        .ok()?
        .take(MAX_FILE_BYTES)
        .read_to_end(&mut bytes)
        .ok()?;
    let (version, rest) = bytes.split_first_chunk()?;
    let (crc32, body) = rest.split_first_chunk()?;
    let is_intact = *version == VERSION.to_le_bytes() && *crc32 == crc32fast::hash(body).to_le_bytes();
    is_intact.then(|| bytes.split_off(8))
}

impl Lines {
    /// Opens a file. Returns `None` if it does not exist or has another version.
    pub(super) fn open(path: &Path) -> Option<Self> {
        // Opening a pipe would wait forever, and following a link would leave the library.
        if !fs::symlink_metadata(path).ok()?.is_file() {
            return None;
        }
        let file = File::open(path).ok()?;
        let size = file.metadata().ok()?.len();
        let mut first = Vec::with_capacity(MAX_HEADER_BYTES);
        (&file)
            .take(MAX_HEADER_BYTES as u64)
            .read_to_end(&mut first)
            .ok()?;
        let end = first.iter().position(|byte| *byte == b'\n')?;
        let header: Header = serde_json::from_slice(&first[..end]).ok()?;
        let start = end as u64 + 1;
        let is_valid = header.version == VERSION
            && size <= MAX_FILE_BYTES
            && size.checked_sub(start) == Some(header.bytes);
        is_valid.then_some(Self { header, file, start })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.header.bytes
    }

    /// Returns all lines, oldest first, or `None` if they are damaged.
    pub(super) fn all(&self) -> Option<Vec<(ClipId, FilePresence)>> {
        let mut text = vec![0; usize::try_from(self.header.bytes).ok()?];
        self.file.read_exact_at(&mut text, self.start).ok()?;
        if crc32fast::hash(&text) != self.header.crc32 || !(text.is_empty() || text.ends_with(b"\n")) {
            return None;
        }
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let all: Option<Vec<_>> = lines.map(parse_line).collect();
        all.filter(|all| all.is_sorted_by(|a, b| a.0 < b.0))
    }

    /// Returns the newest ids below `before` for which `predicate` is true, newest first, at most `limit`. Reads only
    /// the blocks that contain them, and a few blocks for the binary search. Returns `None` if a line is damaged.
    pub(super) fn last(
        &self,
        before: Option<&ClipId>,
        limit: usize,
        predicate: impl Fn(&ClipId, FilePresence) -> bool,
    ) -> Option<Vec<ClipId>> {
        let mut end = match before {
            Some(before) => self.find(before)?,
            None => self.header.bytes,
        };
        let mut found: Vec<ClipId> = Vec::new();
        let mut newer = before.cloned();
        while end > 0 && found.len() < limit {
            let from = end.saturating_sub(BLOCK_BYTES);
            let block = self.read(from, end)?;
            // The text before the first newline belongs to a line that begins in the previous block.
            let first = match from {
                0 => 0,
                _ => block.iter().position(|byte| *byte == b'\n')? + 1,
            };
            let lines = block[first..].strip_suffix(b"\n")?;
            for line in lines.rsplit(|byte| *byte == b'\n') {
                let (id, presence) = parse_line(line)?;
                if newer.is_some_and(|newer| newer <= id) {
                    return None;
                }
                newer = Some(id.clone());
                if predicate(&id, presence) {
                    found.push(id);
                    if found.len() == limit {
                        return Some(found);
                    }
                }
            }
            end = from + first as u64;
        }
        Some(found)
    }

    /// Returns the position of the first line whose id is not below `before`.
    fn find(&self, before: &ClipId) -> Option<u64> {
        // Invariant: lines that begin before `low` are below `before`; lines that begin at `high` or later are not.
        let (mut low, mut high) = (0, self.header.bytes);
        while high - low > BLOCK_BYTES {
            let middle = low + (high - low) / 2;
            let block = self.read(middle, high.min(middle + 2 * MAX_LINE_BYTES as u64))?;
            let mut lines = block.splitn(3, |byte| *byte == b'\n');
            let start = middle + lines.next()?.len() as u64 + 1;
            let (id, _) = parse_line(lines.next()?)?;
            if id < *before {
                low = start;
            } else {
                high = start;
            }
        }
        let mut start = low;
        let block = self.read(low, high)?;
        for line in block.split_inclusive(|byte| *byte == b'\n') {
            let (id, _) = parse_line(line.strip_suffix(b"\n")?)?;
            if id >= *before {
                return Some(start);
            }
            start += line.len() as u64;
        }
        Some(high)
    }

    fn read(&self, from: u64, to: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(to.checked_sub(from)?).ok()?];
        self.file.read_exact_at(&mut bytes, self.start + from).ok()?;
        Some(bytes)
    }
}
