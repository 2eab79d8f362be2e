//! Text of others on its way to a terminal: sidecars, models, the service, file names.
//!
//! Owns which characters a terminal may obey instead of showing them, and how they are shown. Whatever the program
//! prints for a person passes through here; JSON is escaped here as well, because it is printed to terminals too.

use std::fmt::Write as _;
use std::io;

/// Whether a terminal may obey a character, or shows by it other text than there is: control characters of both
/// sets, marks that change the direction of text, separators of lines, and characters that are invisible.
const fn is_active(c: char) -> bool {
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

/// Lines of the program, in which text of others may stand. Line breaks and tabs stay; every other active character
/// is shown as `\u{1b}`.
pub(crate) fn lines(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => safe.push(c),
            c if is_active(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// Text of others on one line of at most `most` characters; what is cut off is shown as an ellipsis.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let mut safe = String::new();
    let mut room = most;
    for c in text.chars() {
        let before = safe.len();
        let used = match c {
            '\n' | '\r' | '\t' => {
                safe.push(' ');
                1
            }
            c if is_active(c) => {
                safe.extend(c.escape_unicode());
                safe.len() - before
            }
            c => {
                safe.push(c);
                1
            }
        };
        if used > room {
            safe.truncate(before);
            // Room for the ellipsis.
            if room == 0 {
                safe.pop();
            }
            safe.push('…');
            break;
        }
        room -= used;
    }
    safe
}

/// JSON as it is printed: what the format leaves as it is and a terminal may obey is escaped, which no reader of
/// JSON can tell apart.
pub(crate) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_active(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Standard error for the log, whose lines quote others too. A line that cannot be written is dropped: what is logged
/// about paid work must not end it.
#[derive(Debug)]
pub(crate) struct LogWriter;

impl io::Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let safe = lines(&String::from_utf8_lossy(line));
        let _ = io::stderr().write_all(safe.as_bytes());
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
    fn what_a_terminal_obeys_is_shown() {
        let bad = "a\u{1b}]52;c;x\u{7}\u{9b}2J\u{7f}\u{202e}b\u{2066}\u{0}";
        let shown_bad = r"a\u{1b}]52;c;x\u{7}\u{9b}2J\u{7f}\u{202e}b\u{2066}\u{0}";
        assert_eq!(lines(bad), shown_bad);
        assert_eq!(shown(bad, 500), shown_bad);
        assert_eq!(
            json(bad),
            r"a\u001b]52;c;x\u0007\u009b2J\u007f\u202eb\u2066\u0000"
        );
        assert_eq!(json("\u{e0041}"), r"\udb40\udc41");
        assert_eq!(lines("a\n\tb\r"), "a\n\tb\\u{d}");
        assert_eq!(shown("a\nb\r\nc", 9), "a b  c");
    }

    #[test]
    fn text_that_is_only_foreign_stays() {
        for text in ["שלום עולם", "日本語", "naïve — “quoted”", "👩‍🚀 🇫🇮", "a\u{301}"]
        {
            assert_eq!(
                (lines(text), shown(text, 80), json(text)),
                (text.into(), text.into(), text.into())
            );
        }
    }

    #[test]
    fn no_line_is_longer_than_its_limit() {
        for most in 1..40 {
            for text in [
                "x".repeat(100),
                "\u{1b}".repeat(100),
                "a\u{9b}".repeat(50),
                "é".repeat(100),
            ] {
                let line = shown(&text, most);
                assert!(line.chars().count() <= most, "{most}: {line}");
                assert!(line.ends_with('…'), "{most}: {line}");
            }
        }
        assert_eq!(shown("abc", 3), "abc");
        assert_eq!(shown("abcd", 3), "ab…");
    }
}
