//! Parses and prints the values of faults.

use std::fmt;
use std::str::FromStr;

use super::words::{ModerationShape, RateLimitCause};

/// The values of a kind of fault: a tuple of the fields of its variant.
pub(super) trait FaultValues: Sized {
    /// Parses the text after `=` or `@`. `word` is the word of the kind.
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String>;

    fn print(&self) -> Option<String>;
}

/// A value of a kind that takes exactly one.
trait SingleValue: Sized + fmt::Display {
    fn parse_value(text: &str) -> Result<Self, String>;
}

impl<T: SingleValue> FaultValues for (T,) {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        T::parse_value(require(word, value)?).map(|value| (value,))
    }

    fn print(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

impl SingleValue for String {
    fn parse_value(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl SingleValue for u64 {
    fn parse_value(text: &str) -> Result<Self, String> {
        parse_number(text)
    }
}

/// The duration of a clip in seconds, limited to 1 to 60.
impl SingleValue for u32 {
    fn parse_value(text: &str) -> Result<Self, String> {
        parse_number::<Self>(text).map(|seconds| seconds.clamp(1, 60))
    }
}

/// The duration of a pause in seconds.
impl SingleValue for f64 {
    fn parse_value(text: &str) -> Result<Self, String> {
        let seconds = parse_number(text)?;
        if (0.0..=3600.0).contains(&seconds) {
            Ok(seconds)
        } else {
            Err(format!("`{seconds}` is not between 0 and 3600"))
        }
    }
}

impl SingleValue for ModerationShape {
    fn parse_value(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| format!("unknown kind of moderation reply `{text}`"))
    }
}

impl fmt::Display for ModerationShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FaultValues for () {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        refuse_value(word, value)
    }

    fn print(&self) -> Option<String> {
        None
    }
}

/// A status code. A kind whose word is a code, such as `503`, takes no value.
impl FaultValues for (u16,) {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        let is_code = word.parse::<u16>().is_ok();
        if is_code {
            refuse_value(word, value)?;
        }
        let code = parse_number(if is_code { word } else { require(word, value)? })?;
        if (400..=599).contains(&code) {
            Ok((code,))
        } else {
            Err(format!("`{code}` is not between 400 and 599"))
        }
    }

    fn print(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

impl FaultValues for (Option<u64>,) {
    fn parse(_: &str, value: Option<&str>) -> Result<Self, String> {
        Ok((value.map(parse_number).transpose()?,))
    }

    fn print(&self) -> Option<String> {
        self.0.map(|bytes| bytes.to_string())
    }
}

/// The cause, which is the word of the kind, and the seconds of `Retry-After`.
impl FaultValues for (RateLimitCause, Option<u32>) {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        let cause = RateLimitCause::parse(word).ok_or_else(|| format!("unknown cause `{word}`"))?;
        Ok((cause, value.map(parse_number).transpose()?))
    }

    fn print(&self) -> Option<String> {
        self.1.map(|seconds| seconds.to_string())
    }
}

/// Width and height.
impl FaultValues for (u32, u32) {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        let (width, height) = require(word, value)?
            .split_once('x')
            .ok_or_else(|| format!("`{word}` needs a size such as 640x360"))?;
        let (width, height) = (parse_number::<u32>(width)?, parse_number::<u32>(height)?);
        let is_side = |side: u32| (16..=4096).contains(&side) && side.is_multiple_of(2);
        if is_side(width) && is_side(height) {
            Ok((width, height))
        } else {
            Err("width and height must be even and between 16 and 4096".to_owned())
        }
    }

    fn print(&self) -> Option<String> {
        Some(format!("{}x{}", self.0, self.1))
    }
}

/// The offset of a byte, and the duration of a pause in milliseconds.
impl FaultValues for (u64, u64) {
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
impl FaultValues for (u64, u8) {
    fn parse(word: &str, value: Option<&str>) -> Result<Self, String> {
        let value = require(word, value)?;
        let (byte, bit) = value.split_once(':').unwrap_or((value, "0"));
        let (byte, bit) = (parse_number(byte)?, parse_number::<u8>(bit)?);
        if bit < 8 {
            Ok((byte, bit))
        } else {
            Err(format!("bit `{bit}` is not between 0 and 7"))
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

fn refuse_value(word: &str, value: Option<&str>) -> Result<(), String> {
    match value {
        None => Ok(()),
        Some(_) => Err(format!("`{word}` takes no value")),
    }
}

pub(super) fn parse_number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number, or is out of range"))
}
