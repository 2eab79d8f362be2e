//! Names of clips: which are allowed, and how a new one is made.

use std::cmp::Ordering as Order;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::host;

/// What a clip's file is called after the id.
pub(super) const CLIP_SUFFIX: &str = ".mp4";
/// What a sidecar is called after the id.
pub(super) const SIDECAR_SUFFIX: &str = ".mp4.json";

/// 255 bytes are what common filesystems allow; the suffixes of sidecars and of temporary files need
/// their share.
const MAX_BYTES: usize = 200;
/// The last day whose year has four digits: no clock of a machine in use says more.
pub(super) const LATEST: u64 = 253_402_214_400_000;

/// The id of a clip: its file name without `.mp4`.
///
/// A clip made here is called `<millis>_<8 hex>`; names of other programs (`my clip`) are allowed
/// too. An id is one plain name, never a path: it can be joined to the library's folder without
/// leaving it.
///
/// Ordered by time: names that begin with a time (`<millis>_`) by that number, then by name; all
/// other names are older than these and ordered by name. A list of clips is this order backwards.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClipId(String);

impl ClipId {
    /// Takes a name for an id.
    ///
    /// # Errors
    /// `InvalidRequest` for an empty name, one over 200 bytes, one with a separator (`/`, `\`) or a
    /// control character, a hidden one (a leading dot, so `.` and `..` as well), one that ends in
    /// `.mp4` or `.json` (that is a file name, see [`from_file_name`](Self::from_file_name)), and on
    /// Windows one with a character that Windows reserves.
    pub fn parse(stem: &str) -> Result<Self> {
        match refusal(stem) {
            Some(why) => Err(Error::invalid(format!("take {} for a clip: {why}", quoted(stem)))),
            None => Ok(Self(stem.to_owned())),
        }
    }

    /// Takes the file name of a clip (`x.mp4`) or of its sidecar (`x.mp4.json`).
    ///
    /// # Errors
    /// `InvalidRequest` as for [`parse`](Self::parse), and for another ending.
    pub fn from_file_name(name: &str) -> Result<Self> {
        match name
            .strip_suffix(SIDECAR_SUFFIX)
            .or_else(|| name.strip_suffix(CLIP_SUFFIX))
        {
            Some(stem) => Self::parse(stem),
            None => Err(Error::invalid(format!(
                "take {} for a clip: it does not end in .mp4",
                quoted(name)
            ))),
        }
    }

    /// Takes an id or a file name.
    pub(super) fn from_any(name: &str) -> Result<Self> {
        if name.ends_with(CLIP_SUFFIX) || name.ends_with(SIDECAR_SUFFIX) {
            Self::from_file_name(name)
        } else {
            Self::parse(name)
        }
    }

    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// File name of the clip: the id and `.mp4`.
    pub fn file_name(&self) -> String {
        format!("{}{CLIP_SUFFIX}", self.0)
    }

    /// File name of the sidecar: the id and `.mp4.json`.
    pub fn sidecar_name(&self) -> String {
        format!("{}{SIDECAR_SUFFIX}", self.0)
    }

    /// The time the name begins with, in milliseconds since 1970 UTC, if it begins with one.
    pub fn millis(&self) -> Option<u64> {
        millis(&self.0)
    }

    /// A new name: now, and random digits.
    pub(super) fn fresh() -> Result<Self> {
        Ok(Self::at_now(random()?))
    }

    /// A new name: now, and the given digits. Within a process each is later than the one before,
    /// even when the clock is set back.
    pub(super) fn at_now(digits: u32) -> Self {
        let now = now_millis().min(LATEST);
        let step = |last: u64| now.max(last.saturating_add(1));
        let last = host::with_last_name_millis(|last| {
            last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(step(last)))
        });
        Self::at(step(last.unwrap_or_default()), digits)
    }

    /// A clock that was never set says 1970: the time has its ten digits all the same, so that it is one.
    fn at(millis: u64, digits: u32) -> Self {
        Self(format!("{millis:010}_{digits:08x}"))
    }
}

/// Why a name is no id, if it is none.
fn refusal(stem: &str) -> Option<&'static str> {
    if stem.is_empty() {
        return Some("the name is empty");
    }
    if stem.len() > MAX_BYTES {
        return Some("the name is longer than 200 bytes");
    }
    if stem.contains(['/', '\\']) {
        return Some("the name holds a path separator");
    }
    if stem.starts_with('.') {
        return Some("the name begins with a dot");
    }
    if stem.chars().any(char::is_control) {
        return Some("the name holds a control character");
    }
    if cfg!(windows) && (stem.contains(['<', '>', ':', '"', '|', '?', '*']) || stem.ends_with([' ', '.'])) {
        return Some("Windows reserves a character of the name");
    }
    if cfg!(windows) && is_device(stem) {
        return Some("Windows reserves the name");
    }
    if [".mp4", ".json"].iter().any(|suffix| stem.ends_with(suffix)) {
        return Some("that is a file name, not an id");
    }
    None
}

/// Whether a name is an id: [`ClipId::parse`] without the id.
pub(super) fn is_id(stem: &str) -> bool {
    refusal(stem).is_none()
}

/// Whether Windows takes a file of that name for a device, whatever it ends in.
pub(super) fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_ascii_uppercase();
    let numbered = |kind| {
        let rest: Option<&str> = stem.strip_prefix(kind);
        rest.is_some_and(|rest| matches!(rest, "¹" | "²" | "³") || matches!(rest.as_bytes(), [b'0'..=b'9']))
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str())
        || numbered("COM")
        || numbered("LPT")
}

/// The time that `stem` begins with: 10 to 16 digits before an underscore. Fewer would be a counter
/// (`0007_x`), not milliseconds.
pub(super) fn millis(stem: &str) -> Option<u64> {
    let (digits, rest) = stem.split_once('_')?;
    let time = (10..=16).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if time && !rest.is_empty() {
        digits.parse().ok()
    } else {
        None
    }
}

/// Milliseconds since 1970 UTC; 0 where a clock is set before that.
pub(crate) fn now_millis() -> u64 {
    let since = host::wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Random digits that part two names of one millisecond.
pub(super) fn random() -> Result<u32> {
    host::random()
        .map_err(|error| Error::new(ErrorKind::Library, "draw a random name for a clip").with_source(error))
}

/// A caller's string made safe for one line: quoted, control characters escaped, cut.
pub(super) fn quoted(name: &str) -> String {
    const SHOWN: usize = 80;
    if name.chars().count() > SHOWN {
        format!("{:?}…", name.chars().take(SHOWN).collect::<String>())
    } else {
        format!("{name:?}")
    }
}

impl Ord for ClipId {
    fn cmp(&self, other: &Self) -> Order {
        compare(&self.0, &other.0)
    }
}

/// The order of ids, for names that are not ids yet.
pub(super) fn compare(a: &str, b: &str) -> Order {
    millis(a).cmp(&millis(b)).then_with(|| a.cmp(b))
}

impl PartialOrd for ClipId {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ClipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ClipId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClipId {
    type Err = Error;

    fn from_str(stem: &str) -> Result<Self> {
        Self::parse(stem)
    }
}

impl TryFrom<String> for ClipId {
    type Error = Error;

    fn try_from(stem: String) -> Result<Self> {
        Self::parse(&stem)
    }
}

impl From<ClipId> for String {
    fn from(id: ClipId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tricks_are_refused() {
        let long = "x".repeat(201);
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/../b",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "..\\x",
            "a\0b",
            "a\nb",
            "a\u{7f}",
            "a\u{85}",
            ".hidden",
            ".incoming",
            "x.mp4",
            "x.mp4.json",
            "x.json",
            "file:///etc/passwd",
            &long,
        ] {
            let error = ClipId::parse(name).expect_err(name);
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{name:?}");
            assert!(!error.to_string().contains(['\0', '\n']), "{error}");
            assert!(error.to_string().len() < 200, "{error}");
        }
    }

    #[test]
    fn devices_of_windows_are_known() {
        for name in [
            "con", "NUL", "nul.txt", "Com1", "LPT9.mp4", "aux ", "COM³", "CONIN$",
        ] {
            assert!(is_device(name), "{name}");
        }
        for name in [
            "console",
            "com",
            "COM10",
            "nul_",
            "lpt",
            "x.nul",
            "1763812000000_0a1b2c3d",
        ] {
            assert!(!is_device(name), "{name}");
        }
    }

    #[test]
    fn names_of_others_are_allowed() {
        for name in [
            "my clip",
            "clip (1)",
            "żółw",
            "a..b",
            "x#1",
            "100%",
            "x~y[z]",
            "-o",
            &"x".repeat(200),
        ] {
            let id = ClipId::parse(name).unwrap();
            assert_eq!(ClipId::from_file_name(&id.file_name()).unwrap(), id);
            assert_eq!(ClipId::from_file_name(&id.sidecar_name()).unwrap(), id);
        }
        for name in [
            "clip",
            "clip.mov",
            "clip.MP4",
            ".mp4",
            "..mp4",
            "x.mp4.mp4",
            "a/b.mp4",
        ] {
            ClipId::from_file_name(name).expect_err(name);
        }
    }

    #[test]
    fn fresh_names_never_run_backwards() {
        let mut last = ClipId::fresh().unwrap();
        assert_eq!(last.as_str().len(), "1763812000000_0a1b2c3d".len());
        for _ in 0..10_000 {
            let next = ClipId::fresh().unwrap();
            assert!(next > last, "{next} after {last}");
            last = next;
        }
    }

    #[test]
    fn a_clock_that_is_far_off_makes_names_that_have_a_time() {
        for now in [0, 1, 86_400_000, 999_999_999, 1_763_812_000_000, LATEST] {
            let id = ClipId::at(now, 7);
            assert_eq!(id.millis(), Some(now), "{id}");
            assert_eq!(ClipId::parse(id.as_str()).unwrap(), id);
        }
        assert!(ClipId::at(5, 0) < ClipId::at(LATEST, 0));
    }

    #[test]
    fn times_order_before_names() {
        let mut ids: Vec<ClipId> = [
            "zebra",
            "9763812000000_a",
            "10763812000000_a",
            "1763812000000_b",
            "0007_x",
            "1763812000000_a",
        ]
        .into_iter()
        .map(|name| ClipId::parse(name).unwrap())
        .collect();
        ids.sort();
        ids.reverse();
        let names: Vec<&str> = ids.iter().map(ClipId::as_str).collect();
        assert_eq!(
            names,
            [
                "10763812000000_a",
                "9763812000000_a",
                "1763812000000_b",
                "1763812000000_a",
                "zebra",
                "0007_x"
            ]
        );
    }
}
