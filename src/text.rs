//! Shortens and escapes text from callers, files and servers for messages.

/// The maximum number of characters in the result of [`quoted`].
const MAX_QUOTED: usize = 80;

/// Returns a text in quotation marks, with control characters escaped, truncated to 80 characters.
pub(crate) fn quoted(text: &str) -> String {
    if text.chars().count() > MAX_QUOTED {
        format!("{:?}…", text.chars().take(MAX_QUOTED).collect::<String>())
    } else {
        format!("{text:?}")
    }
}

/// Returns the beginning of a text, at most `max` bytes, without splitting a character.
pub(crate) fn truncated(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
