//! The limits of the video routes and the names that requests may use.

use std::ops::RangeInclusive;

/// The team that every key belongs to.
pub(crate) const TEAM: &str = "00000000-0000-0000-0000-000000000000";

/// Maximum length of a prompt in characters. A longer prompt is accepted, and its job fails.
pub(crate) const MAX_PROMPT_CHARS: usize = 4096;

/// Maximum length of a clip to edit, in milliseconds.
pub(crate) const MAX_EDIT_MILLIS: u64 = 8_700;

/// Lengths of a clip that can be extended, in milliseconds.
pub(crate) const EXTENDABLE_MILLIS: RangeInclusive<u64> = 2_000..=15_000;

/// Seconds that an extension may add. The check of the create accepts more, and such a job fails.
pub(crate) const EXTENSION_SECONDS: RangeInclusive<u32> = 2..=10;

/// Maximum size of an input clip.
pub(crate) const MAX_VIDEO_BYTES: usize = 50 << 20;

/// Lengths that a create may ask for, in seconds.
pub(super) const SECONDS: RangeInclusive<i64> = 1..=15;

/// Maximum length of a clip that the classic model makes from references, in seconds.
pub(super) const MAX_CLASSIC_REFERENCE_SECONDS: i64 = 10;

pub(super) const MAX_REFERENCES: usize = 14;
pub(super) const MAX_VOICES: usize = 3;
pub(super) const MAX_KEYFRAMES: usize = 4;

/// Positions per second to which keyframes snap.
pub(crate) const KEYFRAMES_PER_SECOND: u32 = 3;

/// Lifetimes that a stored file or a public URL may ask for, in seconds: one hour to thirty days.
pub(super) const LIFETIME_SECONDS: RangeInclusive<i64> = 3_600..=2_592_000;

pub(super) const VOICES: [&str; 26] = [
    "ara", "eve", "leo", "rex", "sal", "carina", "zagan", "helix", "orion", "luna", "iris", "altair",
    "zenith", "perseus", "helios", "lux", "kepler", "rigel", "cosmo", "celeste", "ursa", "sirius", "lumen",
    "castor", "naksh", "atlas",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_26_voices() {
        assert_eq!(VOICES.iter().collect::<std::collections::HashSet<_>>().len(), 26);
    }
}
