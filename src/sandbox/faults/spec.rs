//! The text form of faults: `[OPERATION:]KIND[=VALUE|@BYTE][,times=N][,after=N][,prompt=WORDS]`.
//!
//! Owns the syntax of a fault and of values. Printing a fault gives text that parses as the same fault.

use std::fmt;
use std::str::FromStr;

use super::Fault;
use super::kind::{FaultKind, KindRow};
use super::values::parse_number;
use super::words::FaultOperation;
use crate::error::{Error, Result};

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |what: String| Error::invalid(format!("read fault `{text}`: {what}"));
        let (head, conditions) = split_conditions(text.trim());
        let prefixed = head
            .split_once(':')
            .and_then(|(word, rest)| Some((FaultOperation::parse(word)?, rest)));
        let (operation, kind_text) =
            prefixed.map_or((None, head), |(operation, rest)| (Some(operation), rest));
        let kind = parse_kind(kind_text).map_err(&wrong)?;
        if let Some(operation) = operation
            && !kind.allows(operation)
        {
            let expected = kind.default_operation().map_or("any", FaultOperation::as_str);
            return Err(wrong(format!(
                "`{kind}` applies to {expected}, not to {}",
                operation.as_str()
            )));
        }
        let mut fault = Self::new(kind);
        fault.operation = operation.or(fault.operation);
        for (key, value) in conditions {
            match key {
                "times" => fault.times = Some(parse_number(value).map_err(&wrong)?),
                "after" => fault.after = parse_number(value).map_err(&wrong)?,
                _ => fault.prompt = Some(value.to_owned()),
            }
        }
        if fault.prompt.is_some() && matches!(fault.kind, FaultKind::CutRequestAt(_)) {
            return Err(wrong(
                "`cut-request` takes no `prompt`, because the prompt has not been read yet".to_owned(),
            ));
        }
        Ok(fault)
    }
}

/// Splits the conditions off the end, so that a URL or words with commas stay whole.
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

/// Parses a kind with its value.
fn parse_kind(text: &str) -> Result<FaultKind, String> {
    let (word, value, is_at) = match (text.split_once('='), text.split_once('@')) {
        (Some((word, value)), _) => (word, Some(value), false),
        (None, Some((word, byte))) => (word, Some(byte), true),
        (None, None) => (text, None, false),
    };
    let row = KindRow::find(word, is_at)
        .ok_or_else(|| format!("unknown kind `{word}`; `reelkin sandbox --help` lists the kinds"))?;
    (row.parse)(word, value)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.operation
            && self.kind.default_operation() != Some(operation)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_fault_parses_as_the_same_fault() {
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
