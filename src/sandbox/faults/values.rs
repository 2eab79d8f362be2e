//! The values of faults, parsed and printed by their types.

use std::fmt;
use std::str::FromStr;

use super::words::{ModerationShape, RateLimitCause};

/// The values of a kind of fault: a tuple of the fields of its variant.
pub(super) trait Values: Sized {
    /// Parses the text after `=` or `@`. `word` is the word of the kind.
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String>;

    fn print(&self) -> Option<String>;
}

/// The value of a kind that requires exactly one.
trait Value: Sized + fmt::Display {
    fn parse_value(text: &str) -> Result<Self, String>;
}

impl<T: Value> Values for (T,) {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        T::parse_value(require(word, value)?).map(|value| (value,))
    }

    fn print(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

impl Value for String {
    fn parse_value(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Value for u64 {
    fn parse_value(text: &str) -> Result<Self, String> {
        parse_number(text)
    }
}

/// Seconds of a clip.
impl Value for u32 {
    fn parse_value(text: &str) -> Result<Self, String> {
        parse_number::<Self>(text).map(|seconds| seconds.clamp(1, 60))
    }
}

/// Seconds of a pause.
impl Value for f64 {
    fn parse_value(text: &str) -> Result<Self, String> {
        let seconds = parse_number(text)?;
        if (0.0..=3600.0).contains(&seconds) {
            Ok(seconds)
        } else {
            Err(format!("`{seconds}` is not within 0 to 3600"))
        }
    }
}

impl Value for ModerationShape {
    fn parse_value(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| format!("unknown form of moderation `{text}`"))
    }
}

impl fmt::Display for ModerationShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Values for () {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        refuse(word, value)
    }

    fn print(&self) -> Option<String> {
        None
    }
}

/// A status code. A word that is itself a code takes no value.
impl Values for (u16,) {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        let is_code = word.parse::<u16>().is_ok();
        if is_code {
            refuse(word, value)?;
        }
        let code = parse_number(if is_code { word } else { require(word, value)? })?;
        if (400..=599).contains(&code) {
            Ok((code,))
        } else {
            Err(format!("`{code}` is not within 400 to 599"))
        }
    }

    fn print(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

impl Values for (Option<u64>,) {
    fn parse(_: &str, value: Option<&str>) -> Result<Self, String> {
        Ok((value.map(parse_number).transpose()?,))
    }

    fn print(&self) -> Option<String> {
        self.0.map(|bytes| bytes.to_string())
    }
}

/// The cause, which the word names, and `Retry-After`.
impl Values for (RateLimitCause, Option<u32>) {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        let cause = RateLimitCause::parse(word).ok_or_else(|| format!("unknown cause `{word}`"))?;
        Ok((cause, value.map(parse_number).transpose()?))
    }

    fn print(&self) -> Option<String> {
        self.1.map(|seconds| seconds.to_string())
    }
}

/// Width and height.
impl Values for (u32, u32) {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        let (width, height) = require(word, value)?
            .split_once('x')
            .ok_or_else(|| format!("`{word}` needs a size such as 640x360"))?;
        let (width, height) = (parse_number::<u32>(width)?, parse_number::<u32>(height)?);
        let is_side = |side: u32| (16..=4096).contains(&side) && side.is_multiple_of(2);
        if is_side(width) && is_side(height) {
            Ok((width, height))
        } else {
            Err("width and height must be even and within 16 to 4096".to_owned())
        }
    }

    fn print(&self) -> Option<String> {
        Some(format!("{}x{}", self.0, self.1))
    }
}

/// A byte and the milliseconds of a pause.
impl Values for (u64, u64) {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        let (byte, millis) = require(word, value)?
            .split_once(':')
            .ok_or_else(|| format!("`{word}@BYTE` needs milliseconds, as in `{word}@100:250`"))?;
        Ok((parse_number(byte)?, parse_number(millis)?))
    }

    fn print(&self) -> Option<String> {
        Some(format!("{}:{}", self.0, self.1))
    }
}

/// A byte and one of its bits.
impl Values for (u64, u8) {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        let value = require(word, value)?;
        let (byte, bit) = value.split_once(':').unwrap_or((value, "0"));
        let (byte, bit) = (parse_number(byte)?, parse_number::<u8>(bit)?);
        if bit < 8 {
            Ok((byte, bit))
        } else {
            Err(format!("bit `{bit}` is not within 0 to 7"))
        }
    }

    fn print(&self) -> Option<String> {
        Some(match self {
            (byte, 0) => byte.to_string(),
            (byte, bit) => format!("{byte}:{bit}"),
        })
    }
}

fn require<'a>(word: &str, value: Option<&'a str>) -> Result<&'a str, String> {
    value.ok_or_else(|| format!("`{word}` needs a value"))
}

fn refuse(word: &str, value: Option<&str>) -> Result<(), String> {
    match value {
        None => Ok(()),
        Some(_) => Err(format!("`{word}` takes no value")),
    }
}

pub(super) fn parse_number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number of the right size"))
}
