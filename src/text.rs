//! Text of others, made fit for one line of a message.

/// The number of characters that [`quoted`] shows.
const MAX_QUOTED: usize = 80;

/// Returns a caller's string in quotation marks: control characters escaped, cut to 80 characters.
pub(crate) fn quoted(text: &str) -> String {
    if text.chars().count() > MAX_QUOTED {
        format!("{:?}…", text.chars().take(MAX_QUOTED).collect::<String>())
    } else {
        format!("{text:?}")
    }
}

/// Cuts a text to at most `max` bytes, between two characters.
pub(crate) fn truncated(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
