//! The files of the index: a line that says what they are of, then a line for each id.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::listing::read_line;
use super::stamp::Stamp;
use crate::library::ClipId;
use crate::library::list::Parts;

/// Changes with what is in the files. Those of another version are made anew.
const VERSION: u32 = 1;
/// The longest first line.
const HEAD: usize = 1024;
/// The longest other line: a letter, an id, its end.
const LINE: usize = 256;
/// How much is read at once from where a page begins.
const BLOCK: u64 = 16 << 10;
/// The largest file: more than the names of a full index need.
const LARGEST: u64 = 2 << 30;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    version: u32,
    /// The folder, as it was when the file was right.
    pub(super) folder: Stamp,
    /// For changes: the stamp of the names they are changes of.
    pub(super) since: Option<Stamp>,
    bytes: u64,
    crc32: u32,
}

/// An open file of the index, of which only the first line was read.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) head: Head,
    file: File,
    start: u64,
}

/// A file's text.
pub(super) fn text(folder: Stamp, since: Option<Stamp>, lines: &str) -> io::Result<Vec<u8>> {
    let head = Head {
        version: VERSION,
        folder,
        since,
        bytes: lines.len() as u64,
        crc32: crc32fast::hash(lines.as_bytes()),
    };
    let mut text = serde_json::to_vec(&head)?;
    text.push(b'\n');
    text.extend_from_slice(lines.as_bytes());
    Ok(text)
}

/// Bytes with what shows whether they are whole.
pub(super) fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(bytes.len() + 8);
    sealed.extend_from_slice(&VERSION.to_le_bytes());
    sealed.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    sealed.extend_from_slice(bytes);
    sealed
}

/// Bytes that were [`sealed`].
pub(super) fn load(path: &Path) -> Option<Vec<u8>> {
    let about = fs::symlink_metadata(path).ok()?;
    if !about.is_file() || about.len() > LARGEST {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).ok()?);
    File::open(path)
        .ok()?
        .take(LARGEST)
        .read_to_end(&mut bytes)
        .ok()?;
    let (version, rest) = bytes.split_first_chunk()?;
    let (crc32, body) = rest.split_first_chunk()?;
    let whole = *version == VERSION.to_le_bytes() && *crc32 == crc32fast::hash(body).to_le_bytes();
    whole.then(|| bytes.split_off(8))
}

impl Lines {
    /// Opens a file. `None` if it is not there, or none of this version.
    pub(super) fn open(path: &Path) -> Option<Self> {
        // A pipe would be waited for, a link would lead out of the library.
        if !fs::symlink_metadata(path).ok()?.is_file() {
            return None;
        }
        let file = File::open(path).ok()?;
        let size = file.metadata().ok()?.len();
        let mut first = Vec::with_capacity(HEAD);
        (&file).take(HEAD as u64).read_to_end(&mut first).ok()?;
        let end = first.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(&first[..end]).ok()?;
        let start = end as u64 + 1;
        let whole = head.version == VERSION && size <= LARGEST && size.checked_sub(start) == Some(head.bytes);
        whole.then_some(Self { head, file, start })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.head.bytes
    }

    /// All lines, oldest first. `None` if they are not what was written.
    pub(super) fn all(&self) -> Option<Vec<(ClipId, Parts)>> {
        let mut text = vec![0; usize::try_from(self.head.bytes).ok()?];
        self.file.read_exact_at(&mut text, self.start).ok()?;
        if crc32fast::hash(&text) != self.head.crc32 || !(text.is_empty() || text.ends_with(b"\n")) {
            return None;
        }
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let all: Option<Vec<_>> = lines.map(read_line).collect();
        all.filter(|all| all.is_sorted_by(|a, b| a.0 < b.0))
    }

    /// The last lines with ids below `before` for which `wanted` holds, at most `limit`, newest first. Reads as much
    /// of the file as they need, and a few blocks to find where they begin. `None` if something else stands there.
    pub(super) fn last(
        &self,
        before: Option<&ClipId>,
        limit: usize,
        wanted: impl Fn(&ClipId, Parts) -> bool,
    ) -> Option<Vec<ClipId>> {
        let mut end = match before {
            Some(before) => self.find(before)?,
            None => self.head.bytes,
        };
        let mut found: Vec<ClipId> = Vec::new();
        let mut newer = before.cloned();
        while end > 0 && found.len() < limit {
            let from = end.saturating_sub(BLOCK);
            let block = self.read(from, end)?;
            // What stands before the first end of a line is the rest of one that begins earlier.
            let first = match from {
                0 => 0,
                _ => block.iter().position(|byte| *byte == b'\n')? + 1,
            };
            let lines = block[first..].strip_suffix(b"\n")?;
            for line in lines.rsplit(|byte| *byte == b'\n') {
                let (id, parts) = read_line(line)?;
                if newer.is_some_and(|newer| newer <= id) {
                    return None;
                }
                newer = Some(id.clone());
                if wanted(&id, parts) {
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

    /// Where the first line begins whose id is not below `before`.
    fn find(&self, before: &ClipId) -> Option<u64> {
        // Lines that begin before `low` are below it; those that begin at `high` or after are not.
        let (mut low, mut high) = (0, self.head.bytes);
        while high - low > BLOCK {
            let middle = low + (high - low) / 2;
            let block = self.read(middle, high.min(middle + 2 * LINE as u64))?;
            let mut lines = block.splitn(3, |byte| *byte == b'\n');
            let at = middle + lines.next()?.len() as u64 + 1;
            let (id, _) = read_line(lines.next()?)?;
            if id < *before {
                low = at;
            } else {
                high = at;
            }
        }
        let mut at = low;
        let block = self.read(low, high)?;
        for line in block.split_inclusive(|byte| *byte == b'\n') {
            let (id, _) = read_line(line.strip_suffix(b"\n")?)?;
            if id >= *before {
                return Some(at);
            }
            at += line.len() as u64;
        }
        Some(high)
    }

    fn read(&self, from: u64, to: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(to.checked_sub(from)?).ok()?];
        self.file.read_exact_at(&mut bytes, self.start + from).ok()?;
        Some(bytes)
    }
}
