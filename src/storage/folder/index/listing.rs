//! Collects the file names of a library in compact form, and sorts them by clip id for the index.

use crate::ids::{self, CLIP_SUFFIX, ClipId, SIDECAR_SUFFIX};
use crate::storage::FilePresence;

/// The maximum number of file names for which an index is made. A clip and its sidecar are two.
const MAX_NAMES: usize = 8_000_000;

impl FilePresence {
    /// Returns the letter that precedes an id in a file of the index.
    pub(super) const fn to_letter(self) -> char {
        match (self.clip, self.sidecar) {
            (true, true) => 'b',
            (true, false) => 'c',
            (false, true) => 's',
            (false, false) => '-',
        }
    }

    pub(super) const fn from_letter(letter: u8) -> Option<Self> {
        let (clip, sidecar) = match letter {
            b'b' => (true, true),
            b'c' => (true, false),
            b's' => (false, true),
            b'-' => (false, false),
            _ => return None,
        };
        Some(Self { clip, sidecar })
    }
}

/// File names in the order in which they were read. Each uses 24 bytes and those of its id, which are usually 22.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    text: String,
    names: Vec<Name>,
    /// Whether a name is missing because there were too many. No index is made then.
    overflowed: bool,
}

#[derive(Debug)]
struct Name {
    millis: Option<u64>,
    start: u32,
    length: u8,
    presence: FilePresence,
}

impl Listing {
    /// Adds the name of a regular file. Ignores files other than clips and sidecars.
    pub(crate) fn add(&mut self, file_name: &str) {
        let (stem, sidecar) = match file_name.strip_suffix(SIDECAR_SUFFIX) {
            Some(stem) => (stem, true),
            None => match file_name.strip_suffix(CLIP_SUFFIX) {
                Some(stem) => (stem, false),
                None => return,
            },
        };
        if !ClipId::is_valid(stem) {
            return;
        }
        let (Ok(start), Ok(length)) = (u32::try_from(self.text.len()), u8::try_from(stem.len())) else {
            self.overflowed = true;
            return;
        };
        if self.names.len() >= MAX_NAMES {
            self.overflowed = true;
            return;
        }
        self.text.push_str(stem);
        self.names.push(Name {
            millis: ids::leading_millis(stem),
            start,
            length,
            presence: FilePresence {
                clip: !sidecar,
                sidecar,
            },
        });
    }

    /// Returns one line per id, oldest first, or `None` if a name is missing.
    pub(super) fn into_lines(mut self) -> Option<String> {
        if self.overflowed {
            return None;
        }
        let text = &self.text;
        let stem = |name: &Name| {
            let start = name.start as usize;
            &text[start..start + usize::from(name.length)]
        };
        self.names
            .sort_unstable_by(|a, b| (a.millis, stem(a)).cmp(&(b.millis, stem(b))));
        let mut lines = String::with_capacity(text.len() + 2 * self.names.len());
        for group in self.names.chunk_by(|a, b| stem(a) == stem(b)) {
            let presence = FilePresence {
                clip: group.iter().any(|name| name.presence.clip),
                sidecar: group.iter().any(|name| name.presence.sidecar),
            };
            lines.push(presence.to_letter());
            lines.push_str(stem(&group[0]));
            lines.push('\n');
        }
        Some(lines)
    }
}

/// Parses a line. Returns `None` if it is not valid.
pub(super) fn parse_line(line: &[u8]) -> Option<(ClipId, FilePresence)> {
    let (letter, stem) = line.split_first()?;
    let id = ClipId::parse(std::str::from_utf8(stem).ok()?).ok()?;
    Some((id, FilePresence::from_letter(*letter)?))
}
