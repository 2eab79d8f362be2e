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

/// Seconds that an extension may add. A create request with another value is accepted, and its job fails.
pub(crate) const EXTENSION_SECONDS: RangeInclusive<u32> = 2..=10;

/// Maximum size of an input clip in bytes.
pub(crate) const MAX_VIDEO_BYTES: usize = 50 << 20;

/// Durations that a create request may specify, in seconds.
pub(super) const SECONDS: RangeInclusive<i64> = 1..=15;

/// Maximum length of a clip that `grok-imagine-video` makes from reference images, in seconds.
pub(super) const MAX_CLASSIC_REFERENCE_SECONDS: i64 = 10;

pub(super) const MAX_REFERENCES: usize = 14;
pub(super) const MAX_VOICES: usize = 3;
pub(super) const MAX_KEYFRAMES: usize = 4;

/// Positions per second at which a keyframe can be. A timestamp is rounded to the nearest one.
pub(crate) const KEYFRAMES_PER_SECOND: u32 = 3;

/// Lifetimes that a request may set for a stored file or a public URL, in seconds: one hour to thirty days.
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
