//! Makes text from outside safe to print: text of sidecars, models, the service and file names.
//!
//! Everything that the program prints is escaped here, JSON included, because a terminal may interpret control
//! characters in it.

use std::fmt::Write as _;
use std::io;

/// Returns whether a character is escaped: control characters, bidirectional controls, line and paragraph separators,
/// and invisible characters. A terminal may act on them, or display the text differently from its content.
const fn is_unsafe(c: char) -> bool {
    matches!(
        c,
        '\u{0}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Escapes text of one or more lines, such as `\u{1b}` for an escape character. Line breaks and tabs stay.
pub(super) fn escape_lines(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => escaped.push(c),
            c if is_unsafe(c) => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Escapes text, puts it on one line and truncates it to `max_chars` characters, with an ellipsis at the end.
pub(crate) fn single_line(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut room = max_chars;
    for c in text.chars() {
        let before = line.len();
        let used = match c {
            '\n' | '\r' | '\t' => {
                line.push(' ');
                1
            }
            c if is_unsafe(c) => {
                line.extend(c.escape_unicode());
                line.len() - before
            }
            c => {
                line.push(c);
                1
            }
        };
        if used > room {
            line.truncate(before);
            if room == 0 {
                // The ellipsis replaces the last character.
                line.pop();
            }
            line.push('…');
            break;
        }
        room -= used;
    }
    line
}

/// Escapes serialized JSON. The result is JSON for the same value.
pub(super) fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Writes escaped log lines to standard error. Errors are ignored, because a failed log must not stop paid work.
#[derive(Debug)]
pub(crate) struct LogWriter;

impl io::Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let escaped = escape_lines(&String::from_utf8_lossy(line));
        let _ = io::stderr().write_all(escaped.as_bytes());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_characters() {
        let bad = "a\u{1b}]52;c;x\u{7}\u{9b}2J\u{7f}\u{202e}b\u{2066}\u{0}";
        let escaped = r"a\u{1b}]52;c;x\u{7}\u{9b}2J\u{7f}\u{202e}b\u{2066}\u{0}";
        assert_eq!(escape_lines(bad), escaped);
        assert_eq!(single_line(bad, 500), escaped);
        assert_eq!(
            escape_json(bad),
            r"a\u001b]52;c;x\u0007\u009b2J\u007f\u202eb\u2066\u0000"
        );
        assert_eq!(escape_json("\u{e0041}"), r"\udb40\udc41");
        assert_eq!(escape_lines("a\n\tb\r"), "a\n\tb\\u{d}");
        assert_eq!(single_line("a\nb\r\nc", 9), "a b  c");
    }

    #[test]
    fn keeps_text_in_other_scripts() {
        for text in ["שלום עולם", "日本語", "naïve — “quoted”", "👩‍🚀 🇫🇮", "a\u{301}"]
        {
            assert_eq!(
                (escape_lines(text), single_line(text, 80), escape_json(text)),
                (text.into(), text.into(), text.into())
            );
        }
    }

    #[test]
    fn truncates_to_the_maximum_length() {
        for max_chars in 1..40 {
            for text in [
                "x".repeat(100),
                "\u{1b}".repeat(100),
                "a\u{9b}".repeat(50),
                "é".repeat(100),
            ] {
                let line = single_line(&text, max_chars);
                assert!(line.chars().count() <= max_chars, "{max_chars}: {line}");
                assert!(line.ends_with('…'), "{max_chars}: {line}");
            }
        }
        assert_eq!(single_line("abc", 3), "abc");
        assert_eq!(single_line("abcd", 3), "ab…");
    }
}
