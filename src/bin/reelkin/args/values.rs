//! Parsers for option values.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// The longest duration that an option accepts: 365 days.
const MAX_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

/// Parses a whole or fractional number of seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let invalid = || "expected a number of seconds, such as 6 or 2.5".to_owned();
    let seconds: f64 = text.parse().map_err(|_| invalid())?;
    if seconds.is_finite() && seconds > MAX_SECONDS {
        return Err(format!(
            "longer than a year; the maximum is {MAX_SECONDS} seconds"
        ));
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| invalid())
}

/// Returns a parser for an option that accepts one of a fixed set of words.
pub(crate) fn one_of<T>(words: &'static [(&'static str, T)]) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word)).try_map(move |text| {
        let known = words.iter().find(|(word, _)| *word == text);
        known.map(|(_, value)| *value).ok_or("unknown word")
    })
}
