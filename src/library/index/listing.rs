//! The names of a library in little memory, and in order.

use crate::library::list::Parts;
use crate::library::name::{self, CLIP_SUFFIX, ClipId, SIDECAR_SUFFIX};

/// Most names that an index holds.
const MOST: usize = 8_000_000;

impl Parts {
    /// The letter that stands before an id.
    pub(super) const fn letter(self) -> char {
        match (self.clip, self.sidecar) {
            (true, true) => 'b',
            (true, false) => 'c',
            (false, true) => 's',
            (false, false) => '-',
        }
    }

    pub(super) const fn of_letter(letter: u8) -> Option<Self> {
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

/// Names as a scan finds them: some 40 bytes for each.
#[derive(Debug, Default)]
pub(in crate::library) struct Listing {
    text: String,
    names: Vec<Name>,
    /// There are more than fit: no index is made of them.
    over: bool,
}

#[derive(Debug)]
struct Name {
    millis: Option<u64>,
    start: u32,
    length: u8,
    parts: Parts,
}

impl Listing {
    /// Takes the name of a regular file, if it is that of a clip or a sidecar.
    pub(in crate::library) fn add(&mut self, file_name: &str) {
        let (stem, sidecar) = match file_name.strip_suffix(SIDECAR_SUFFIX) {
            Some(stem) => (stem, true),
            None => match file_name.strip_suffix(CLIP_SUFFIX) {
                Some(stem) => (stem, false),
                None => return,
            },
        };
        if !name::is_id(stem) {
            return;
        }
        let (Ok(start), Ok(length)) = (u32::try_from(self.text.len()), u8::try_from(stem.len())) else {
            self.over = true;
            return;
        };
        if self.names.len() >= MOST {
            self.over = true;
            return;
        }
        self.text.push_str(stem);
        self.names.push(Name {
            millis: name::millis(stem),
            start,
            length,
            parts: Parts {
                clip: !sidecar,
                sidecar,
            },
        });
    }

    /// A line for each clip or sidecar without one, oldest first. `None` if there were too many.
    pub(super) fn into_lines(mut self) -> Option<String> {
        if self.over {
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
        for same in self.names.chunk_by(|a, b| stem(a) == stem(b)) {
            let parts = Parts {
                clip: same.iter().any(|name| name.parts.clip),
                sidecar: same.iter().any(|name| name.parts.sidecar),
            };
            lines.push(parts.letter());
            lines.push_str(stem(&same[0]));
            lines.push('\n');
        }
        Some(lines)
    }
}

/// What a line says. `None` for one that no index has.
pub(super) fn read_line(line: &[u8]) -> Option<(ClipId, Parts)> {
    let (letter, stem) = line.split_first()?;
    let id = ClipId::parse(std::str::from_utf8(stem).ok()?).ok()?;
    Some((id, Parts::of_letter(*letter)?))
}
