//! How faults are written: `[OPERATION:]KIND[=VALUE|@BYTE][,times=N][,after=N][,prompt=WORDS]`.
//!
//! Owns the words and nothing else. What is printed is read back as the same fault.

use std::fmt;
use std::str::FromStr;

use super::{Fault, FaultKind, FaultOperation, ModerationShape, RateLimitCause};
use crate::error::{Error, Result};

const SHAPES: [(&str, ModerationShape); 8] = [
    ("400", ModerationShape::Http400),
    ("400-billed", ModerationShape::Http400Billed),
    ("400-old", ModerationShape::Http400Old),
    ("null", ModerationShape::UrlNull),
    ("empty", ModerationShape::UrlEmpty),
    ("missing", ModerationShape::UrlMissing),
    ("no-video", ModerationShape::VideoNull),
    ("failed", ModerationShape::Failed),
];

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |what: String| Error::invalid(format!("read fault `{text}`: {what}"));
        let (head, conditions) = split_conditions(text.trim());
        let (operation, name) = match head.split_once(':') {
            Some((word, rest)) if FaultOperation::parse(word).is_some() => {
                (FaultOperation::parse(word), rest)
            }
            _ => (None, head),
        };
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (name, None),
        };
        let kind = match (name.split_once('@'), value) {
            (Some((name, byte)), None) => parse_at(name, byte),
            _ => parse_kind(name, value),
        };
        let kind = kind.map_err(&wrong)?;
        if let Some(operation) = operation
            && !kind.allows(operation)
        {
            return Err(wrong(format!("`{name}` does not go with {}", operation.as_str())));
        }
        let mut fault = Self::new(kind);
        fault.operation = operation.or(fault.operation);
        for (key, value) in conditions {
            match key {
                "times" => fault.times = Some(number(value).map_err(&wrong)?),
                "after" => fault.after = number(value).map_err(&wrong)?,
                "prompt" => fault.prompt = Some(value.to_owned()),
                _ => return Err(wrong(format!("unknown condition `{key}`"))),
            }
        }
        if fault.prompt.is_some() && matches!(fault.kind, FaultKind::CutRequestAt(_)) {
            return Err(wrong("what is cut off has no prompt yet".to_owned()));
        }
        Ok(fault)
    }
}

/// Cuts the conditions off the end, so that a URL or words with commas stay whole.
fn split_conditions(text: &str) -> (&str, Vec<(&str, &str)>) {
    let mut head = text;
    let mut conditions = Vec::new();
    while let Some((before, last)) = head.rsplit_once(',') {
        match last.split_once('=') {
            Some((key @ ("times" | "after" | "prompt"), value)) => {
                conditions.push((key, value));
                head = before;
            }
            _ => break,
        }
    }
    (head, conditions)
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a fitting number"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = number(text)?;
    if (0.0..=3600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(format!("`{seconds}` is not within 0 to 3600"))
    }
}

fn parse_kind(name: &str, value: Option<&str>) -> Result<FaultKind, String> {
    let needed = || value.ok_or_else(|| format!("`{name}` needs a value"));
    let retry_after = || value.map(number).transpose();
    let plain = |kind: FaultKind| match value {
        None => Ok(kind),
        Some(_) => Err(format!("`{name}` takes no value")),
    };
    Ok(match name {
        "reset" => plain(FaultKind::Reset)?,
        "lost-reply" => plain(FaultKind::LostReply)?,
        "delay" => FaultKind::Delay(seconds(needed()?)?),
        "restart" => FaultKind::Restart(seconds(needed()?)?),
        "expire-links" => plain(FaultKind::ExpireLinks)?,
        "429" => FaultKind::RateLimited(RateLimitCause::Burst, retry_after()?),
        "429-capacity" => FaultKind::RateLimited(RateLimitCause::Capacity, retry_after()?),
        "429-credits" => FaultKind::RateLimited(RateLimitCause::Credits, retry_after()?),
        "status" => FaultKind::Status(status(needed()?)?),
        "500" | "502" | "503" | "529" => plain(FaultKind::Status(status(name)?))?,
        "html" => FaultKind::HtmlPage(status(value.unwrap_or("522"))?),
        "not-json" => plain(FaultKind::NotJson)?,
        "empty-id" => plain(FaultKind::EmptyId)?,
        "empty-202" => plain(FaultKind::EmptyPending)?,
        "pending-200" => plain(FaultKind::PendingWith200)?,
        "no-progress" => plain(FaultKind::NoProgress)?,
        "status-word" => FaultKind::StatusWord(needed()?.to_owned()),
        "backwards" => plain(FaultKind::ProgressBackwards)?,
        "stalled" => plain(FaultKind::Stalled)?,
        "no-status" => plain(FaultKind::NoStatus)?,
        "no-usage" => plain(FaultKind::NoUsage)?,
        "no-url" => plain(FaultKind::NoUrl)?,
        "relative-url" => plain(FaultKind::RelativeUrl)?,
        "url" => FaultKind::Url(needed()?.to_owned()),
        "huge-body" => FaultKind::HugeBody(number(needed()?)?),
        "poll-400" => plain(FaultKind::TransientBadRequest)?,
        "expired" => plain(FaultKind::Expired)?,
        "failed" => FaultKind::Failed(value.unwrap_or("internal_error").to_owned()),
        "moderated" => {
            let word = value.unwrap_or("400");
            let shape = SHAPES.iter().find(|(name, _)| *name == word);
            FaultKind::Moderated(shape.ok_or_else(|| format!("unknown shape `{word}`"))?.1)
        }
        "storage-error" => plain(FaultKind::StorageError)?,
        "public-url-error" => plain(FaultKind::PublicUrlError)?,
        "slow-body" => FaultKind::SlowBody(number::<u64>(needed()?)?.max(1)),
        "truncated" => FaultKind::Truncated(value.map(number).transpose()?),
        "wrong-length" => FaultKind::WrongLength(number(needed()?)?),
        "redirect" => FaultKind::Redirect(value.unwrap_or("http://10.0.0.1/clip.mp4").to_owned()),
        "content-type" => FaultKind::ContentType(value.unwrap_or("text/html").to_owned()),
        "link-expired" => FaultKind::LinkExpired(status(value.unwrap_or("403"))?),
        "garbage" => plain(FaultKind::Garbage)?,
        "half-clip" => plain(FaultKind::HalfClip)?,
        "pad" => FaultKind::PadToBytes(number(needed()?)?),
        "render-size" => {
            let (width, height) = needed()?.split_once('x').ok_or("a size is WxH")?;
            let (width, height) = (number::<u32>(width)?, number::<u32>(height)?);
            if !(16..=4096).contains(&width) || !(16..=4096).contains(&height) || width % 2 + height % 2 > 0 {
                return Err("a size is even and within 16 to 4096".to_owned());
            }
            FaultKind::RenderSize(width, height)
        }
        "render-seconds" => FaultKind::RenderSeconds(number::<u32>(needed()?)?.clamp(1, 60)),
        "refusal" => plain(FaultKind::Refusal)?,
        "schema-break" => plain(FaultKind::SchemaBreak)?,
        "empty-answer" => plain(FaultKind::EmptyAnswer)?,
        "incomplete" => plain(FaultKind::Incomplete)?,
        "error-200" => plain(FaultKind::ErrorWith200)?,
        _ => return Err("unknown kind".to_owned()),
    })
}

/// The kinds that name a byte of an exchange.
fn parse_at(name: &str, byte: &str) -> Result<FaultKind, String> {
    let (byte, more) = match byte.split_once(':') {
        Some((byte, more)) => (byte, Some(more)),
        None => (byte, None),
    };
    let at: u64 = number(byte)?;
    Ok(match (name, more) {
        ("cut", None) => FaultKind::CutAt(at),
        ("reset", None) => FaultKind::ResetAt(at),
        ("stall", None) => FaultKind::StallAt(at),
        ("delay", Some(millis)) => FaultKind::DelayAt(at, number(millis)?),
        ("corrupt", bit) => match bit.map_or(Ok(0), number::<u8>)? {
            bit @ 0..=7 => FaultKind::CorruptAt(at, bit),
            bit => return Err(format!("a byte has no bit `{bit}`")),
        },
        ("cut-request", None) => FaultKind::CutRequestAt(at),
        ("delay", None) => return Err("`delay@N` needs its milliseconds, as in `delay@N:MS`".to_owned()),
        _ => return Err("unknown kind".to_owned()),
    })
}

fn status(text: &str) -> Result<u16, String> {
    let code = number(text)?;
    if (400..=599).contains(&code) {
        Ok(code)
    } else {
        Err(format!("`{code}` is not within 400 to 599"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.operation
            && self.kind.usual_operation() != Some(operation)
        {
            write!(f, "{}:", operation.as_str())?;
        }
        write!(f, "{}", self.kind)?;
        if let Some(prompt) = &self.prompt {
            write!(f, ",prompt={prompt}")?;
        }
        if self.after > 0 {
            write!(f, ",after={}", self.after)?;
        }
        if let Some(times) = self.times {
            write!(f, ",times={times}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset => f.write_str("reset"),
            Self::LostReply => f.write_str("lost-reply"),
            Self::Delay(seconds) => write!(f, "delay={seconds}"),
            Self::RateLimited(cause, after) => {
                f.write_str(match cause {
                    RateLimitCause::Burst => "429",
                    RateLimitCause::Capacity => "429-capacity",
                    RateLimitCause::Credits => "429-credits",
                })?;
                after.map_or(Ok(()), |after| write!(f, "={after}"))
            }
            Self::Status(code) => write!(f, "status={code}"),
            Self::HtmlPage(code) => write!(f, "html={code}"),
            Self::NotJson => f.write_str("not-json"),
            Self::EmptyId => f.write_str("empty-id"),
            Self::EmptyPending => f.write_str("empty-202"),
            Self::PendingWith200 => f.write_str("pending-200"),
            Self::NoProgress => f.write_str("no-progress"),
            Self::StatusWord(word) => write!(f, "status-word={word}"),
            Self::ProgressBackwards => f.write_str("backwards"),
            Self::Stalled => f.write_str("stalled"),
            Self::NoStatus => f.write_str("no-status"),
            Self::NoUsage => f.write_str("no-usage"),
            Self::NoUrl => f.write_str("no-url"),
            Self::RelativeUrl => f.write_str("relative-url"),
            Self::Url(url) => write!(f, "url={url}"),
            Self::HugeBody(bytes) => write!(f, "huge-body={bytes}"),
            Self::TransientBadRequest => f.write_str("poll-400"),
            Self::Expired => f.write_str("expired"),
            Self::Failed(code) => write!(f, "failed={code}"),
            Self::Moderated(shape) => {
                let word = SHAPES
                    .iter()
                    .find(|(_, known)| known == shape)
                    .map_or("400", |(word, _)| word);
                write!(f, "moderated={word}")
            }
            Self::StorageError => f.write_str("storage-error"),
            Self::PublicUrlError => f.write_str("public-url-error"),
            Self::SlowBody(rate) => write!(f, "slow-body={rate}"),
            Self::Truncated(None) => f.write_str("truncated"),
            Self::Truncated(Some(bytes)) => write!(f, "truncated={bytes}"),
            Self::WrongLength(bytes) => write!(f, "wrong-length={bytes}"),
            Self::Redirect(url) => write!(f, "redirect={url}"),
            Self::ContentType(kind) => write!(f, "content-type={kind}"),
            Self::LinkExpired(code) => write!(f, "link-expired={code}"),
            Self::Garbage => f.write_str("garbage"),
            Self::HalfClip => f.write_str("half-clip"),
            Self::PadToBytes(bytes) => write!(f, "pad={bytes}"),
            Self::RenderSize(width, height) => write!(f, "render-size={width}x{height}"),
            Self::RenderSeconds(seconds) => write!(f, "render-seconds={seconds}"),
            Self::Refusal => f.write_str("refusal"),
            Self::SchemaBreak => f.write_str("schema-break"),
            Self::EmptyAnswer => f.write_str("empty-answer"),
            Self::Incomplete => f.write_str("incomplete"),
            Self::ErrorWith200 => f.write_str("error-200"),
            Self::CutAt(byte) => write!(f, "cut@{byte}"),
            Self::ResetAt(byte) => write!(f, "reset@{byte}"),
            Self::StallAt(byte) => write!(f, "stall@{byte}"),
            Self::DelayAt(byte, millis) => write!(f, "delay@{byte}:{millis}"),
            Self::CorruptAt(byte, 0) => write!(f, "corrupt@{byte}"),
            Self::CorruptAt(byte, bit) => write!(f, "corrupt@{byte}:{bit}"),
            Self::CutRequestAt(byte) => write!(f, "cut-request@{byte}"),
            Self::Restart(seconds) => write!(f, "restart={seconds}"),
            Self::ExpireLinks => f.write_str("expire-links"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_as_it_is_written() {
        for text in [
            "reset,times=1",
            "poll:429=5,times=2",
            "lost-reply,times=1",
            "upload:lost-reply",
            "redirect=https://a.example/x?y=1,2,after=1",
            "moderated=no-video,prompt=red coat",
            "render-size=640x360",
            "poll:truncated=10",
            "schema-break,times=1",
            "answer:429=2",
            "create:cut@17,times=1",
            "reset@0",
            "upload:stall@3",
            "delay@9:250,after=2",
            "corrupt@12",
            "download:corrupt@12:7",
            "create:cut-request@100",
            "create:restart=0.5,after=3,times=1",
            "poll:expire-links",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
        }
        assert_eq!(
            "create:lost-reply".parse::<Fault>().unwrap().to_string(),
            "lost-reply"
        );
        for wrong in [
            "",
            "sunshine",
            "download:empty-202",
            "delay",
            "delay=-1",
            "reset=1",
            "status=200",
            "reset,often=2",
            "cut@",
            "delay@5",
            "corrupt@5:8",
            "cut@5:1",
            "reset@-1",
            "html@5",
            "cut-request@5,prompt=red",
        ] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }
}
