//! The ids of clips, jobs and records.
//!
//! Owns the format of each, and how a new one is made. Does not know where clips and records are kept.

use std::borrow::Cow;
use std::cmp::Ordering as Order;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::FromStr;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::host;
use crate::text::quoted;

/// The suffix of a clip's file name, after the id.
pub(crate) const CLIP_SUFFIX: &str = ".mp4";
/// The suffix of a sidecar's file name, after the id.
pub(crate) const SIDECAR_SUFFIX: &str = ".mp4.json";

/// Common filesystems allow 255 bytes. The rest is for the suffixes of sidecars and temporary files.
const MAX_CLIP_ID_BYTES: usize = 200;
const MAX_JOB_ID_BYTES: usize = 200;
/// The beginning of the last day whose year has four digits, in milliseconds since the Unix epoch.
pub(crate) const LATEST_MILLIS: u64 = 253_402_214_400_000;

/// The error for a text that is not a valid id. Converts into [`Error`](crate::Error) with the kind
/// [`InvalidRequest`](crate::ErrorKind::InvalidRequest).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidId {
    message: String,
}

impl InvalidId {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// Implements what an id shares with a string: comparison, formatting, and conversion in both directions.
macro_rules! string_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

string_id!(ClipId);
string_id!(JobId);
string_id!(RecordId);

/// The id of a clip in a library: its file name without `.mp4`.
///
/// Clips made by this crate are named `<millis>_<8 hex digits>`. Names from other programs, such as `my clip`, are
/// valid too. An id is a single file name and never a path, so a path made from the library's folder and an id is
/// always inside the folder.
///
/// Ids are sorted by time. Those that begin with a time (`<millis>_`) are sorted by that number, then by name. All
/// other ids come before them, sorted by name. Listings use the reverse order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClipId(String);

impl ClipId {
    /// Parses an id.
    ///
    /// # Errors
    /// Fails if the id is empty, is longer than 200 bytes, contains a path separator (`/`, `\`) or a control character,
    /// begins with a dot, or ends in `.mp4` or `.json` (then it is a file name, see
    /// [`from_file_name`](Self::from_file_name)). On Windows, also fails if it contains a reserved character or is a
    /// reserved name.
    pub fn parse(stem: &str) -> Result<Self, InvalidId> {
        match reject_clip_id(stem) {
            Some(reason) => Err(InvalidId::new(format!(
                "parse clip id {}: {reason}",
                quoted(stem)
            ))),
            None => Ok(Self(stem.to_owned())),
        }
    }

    /// Parses the file name of a clip (`x.mp4`) or of its sidecar (`x.mp4.json`).
    ///
    /// # Errors
    /// As for [`parse`](Self::parse), and for any other file name extension.
    pub fn from_file_name(name: &str) -> Result<Self, InvalidId> {
        match name
            .strip_suffix(SIDECAR_SUFFIX)
            .or_else(|| name.strip_suffix(CLIP_SUFFIX))
        {
            Some(stem) => Self::parse(stem),
            None => Err(InvalidId::new(format!(
                "parse clip file name {}: it does not end in .mp4",
                quoted(name)
            ))),
        }
    }

    /// Parses an id or a file name.
    pub(crate) fn from_id_or_file_name(name: &str) -> Result<Self, InvalidId> {
        if name.ends_with(CLIP_SUFFIX) || name.ends_with(SIDECAR_SUFFIX) {
            Self::from_file_name(name)
        } else {
            Self::parse(name)
        }
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the file name of the clip: the id and `.mp4`.
    pub fn file_name(&self) -> String {
        format!("{}{CLIP_SUFFIX}", self.0)
    }

    /// Returns the file name of the sidecar: the id and `.mp4.json`.
    pub fn sidecar_name(&self) -> String {
        format!("{}{SIDECAR_SUFFIX}", self.0)
    }

    /// Returns the time at the beginning of the id, in milliseconds since the Unix epoch. `None` if there is none.
    pub fn millis(&self) -> Option<u64> {
        leading_millis(&self.0)
    }

    /// Returns a new id for the clip of a job: the current time, and digits derived from the job's id.
    pub fn of_job(job_id: &str) -> Self {
        Self(timestamped(job_digits(job_id)))
    }

    /// Returns a new id: the current time and random digits.
    pub(crate) fn fresh() -> Result<Self, host::RandomError> {
        Ok(Self(timestamped(host::random()?)))
    }

    /// Returns the end of every id that is made for a job.
    pub(crate) fn job_suffix(job_id: &str) -> String {
        format!("_{:08x}", job_digits(job_id))
    }

    /// Returns whether a text is a valid id, without allocating.
    pub(crate) fn is_valid(stem: &str) -> bool {
        reject_clip_id(stem).is_none()
    }
}

/// Returns why a text is not a valid clip id, or `None`.
fn reject_clip_id(stem: &str) -> Option<&'static str> {
    if stem.is_empty() {
        return Some("the name is empty");
    }
    if stem.len() > MAX_CLIP_ID_BYTES {
        return Some("the name is longer than 200 bytes");
    }
    if stem.contains(['/', '\\']) {
        return Some("the name contains a path separator");
    }
    if stem.starts_with('.') {
        return Some("the name begins with a dot");
    }
    if stem.chars().any(char::is_control) {
        return Some("the name contains a control character");
    }
    if cfg!(windows) && (stem.contains(['<', '>', ':', '"', '|', '?', '*']) || stem.ends_with([' ', '.'])) {
        return Some("the name contains a character that Windows reserves");
    }
    if cfg!(windows) && is_windows_device(stem) {
        return Some("Windows reserves the name");
    }
    if [".mp4", ".json"].iter().any(|suffix| stem.ends_with(suffix)) {
        return Some("it is a file name, not an id");
    }
    None
}

/// Returns whether Windows treats a file with this name as a device, regardless of the extension.
pub(crate) fn is_windows_device(name: &str) -> bool {
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

/// Returns the time at the beginning of a name: 10 to 16 digits before an underscore. Fewer digits are a counter
/// (`0007_x`) rather than milliseconds.
pub(crate) fn leading_millis(stem: &str) -> Option<u64> {
    let (digits, rest) = stem.split_once('_')?;
    let is_time = (10..=16).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_time && !rest.is_empty() {
        digits.parse().ok()
    } else {
        None
    }
}

/// Returns `<millis>_<digits>` for the current time. Within a process, each result is later than the previous one, even
/// if the clock is set back.
fn timestamped(digits: u32) -> String {
    let now = host::now().as_millis().min(LATEST_MILLIS);
    let step = |last: u64| now.max(last.saturating_add(1));
    let last = host::with_last_name_millis(|last| {
        last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(step(last)))
    });
    format_timestamped(step(last.unwrap_or_default()), digits)
}

/// Returns `<millis>_<digits>`. Pads the time to ten digits, so that it is recognized even if the clock was never set.
fn format_timestamped(millis: u64, digits: u32) -> String {
    format!("{millis:010}_{digits:08x}")
}

/// Returns the digits of the id of a job's clip. They are derived from the job id, so that the clip can be found by its
/// name.
fn job_digits(job_id: &str) -> u32 {
    let hash = Sha256::digest(canonical_job_id(job_id).as_bytes());
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

/// Compares two names in the order of [`ClipId`], without parsing them.
pub(crate) fn compare_names(a: &str, b: &str) -> Order {
    leading_millis(a).cmp(&leading_millis(b)).then_with(|| a.cmp(b))
}

impl Ord for ClipId {
    fn cmp(&self, other: &Self) -> Order {
        compare_names(&self.0, &other.0)
    }
}

impl PartialOrd for ClipId {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

/// The service's id of a job. Another process can pick up the job with this id alone.
///
/// Two ids that are UUIDs are equal if they differ in case only.
#[derive(Debug, Clone, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl PartialEq for JobId {
    fn eq(&self, other: &Self) -> bool {
        is_same_job(&self.0, &other.0)
    }
}

impl Hash for JobId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        canonical_job_id(&self.0).hash(state);
    }
}

impl JobId {
    /// Parses an id as the service writes it.
    ///
    /// # Errors
    /// Fails if it is empty, longer than 200 bytes, or contains characters other than letters, digits and `-_.:`.
    pub fn parse(id: &str) -> Result<Self, InvalidId> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
        let is_valid = (1..=MAX_JOB_ID_BYTES).contains(&id.len())
            && id.bytes().all(is_allowed)
            && !id.bytes().all(|b| b == b'.');
        if is_valid {
            return Ok(Self(id.to_owned()));
        }
        Err(InvalidId::new(
            "parse job id: it is not valid; a job id looks like 1f0e6b0a-3c7d-4f6e-9a51-0d9c2b7e8a44",
        ))
    }

    /// Returns the id as the service writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns whether two texts are ids of one job.
pub(crate) fn is_same_job(a: &str, b: &str) -> bool {
    a == b || (is_uuid(a) && a.eq_ignore_ascii_case(b))
}

/// Returns the form of a job id that is compared and hashed: the letters of a UUID have no case.
fn canonical_job_id(id: &str) -> Cow<'_, str> {
    if is_uuid(id) {
        id.to_ascii_lowercase().into()
    } else {
        id.into()
    }
}

/// Returns whether a text has the form of a UUID, such as `1f0e6b0a-3c7d-4f6e-9a51-0d9c2b7e8a44`.
fn is_uuid(id: &str) -> bool {
    let is_hex =
        |(part, length): (&str, usize)| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit());
    id.matches('-').count() == 4 && id.split('-').zip([8, 4, 4, 4, 12]).all(is_hex)
}

/// The id of the record of a paid request in the journal, `<millis>_<8 hex digits>`. It is not the service's job id,
/// which does not exist yet when the record is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordId(String);

impl RecordId {
    /// Parses an id.
    ///
    /// # Errors
    /// Fails for anything but 10 to 16 digits, an underscore and 8 hex digits.
    pub fn parse(id: &str) -> Result<Self, InvalidId> {
        let is_valid = id.split_once('_').is_some_and(|(_, digits)| {
            digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        if is_valid && leading_millis(id).is_some() {
            return Ok(Self(id.to_owned()));
        }
        Err(InvalidId::new(format!(
            "parse record id {}: a record id looks like 1763829999123_a1b2c3d4",
            quoted(id)
        )))
    }

    /// Returns a new id: the current time and random digits.
    pub(crate) fn fresh() -> Result<Self, host::RandomError> {
        Ok(Self(timestamped(host::random()?)))
    }

    /// Returns a new id for a job that was found by its job id. Its digits are derived from the job id.
    pub(crate) fn of_job(job_id: &JobId) -> Self {
        Self(timestamped(job_digits(job_id.as_str())))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns when the record was created, in milliseconds since the Unix epoch.
    pub fn millis(&self) -> u64 {
        leading_millis(&self.0).unwrap_or_default()
    }

    /// Returns a clip id with the same text, for a record without a job id.
    pub(crate) fn to_clip_id(&self) -> ClipId {
        ClipId(self.0.clone())
    }
}

#[cfg(test)]
mod tests;
