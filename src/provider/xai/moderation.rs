//! Which codes and phrases of the service mean that moderation rejected a clip or a query.
//!
//! They occur in error replies and in the verdicts on failed jobs. Does not know what follows from a rejection.

/// Returns whether an error reports that moderation rejected a clip or a query.
///
/// A code of moderation is sufficient. Without one, the message must contain a known phrase, and the code must be
/// absent or mean an invalid argument or a missing permission. A message such as "The moderation service timed out"
/// contains no such phrase.
pub(super) fn is_moderation_verdict(code: Option<&str>, message: Option<&str>) -> bool {
    let code = code.map(|code| code.to_lowercase().replace(['-', ' '], "_"));
    let is_message_relevant = match code.as_deref() {
        Some(code) if is_moderation_code(code) => return true,
        Some(code) => [
            "invalid_argument",
            "client_specified_an_invalid_argument",
            "permission_denied",
        ]
        .contains(&code),
        None => true,
    };
    let message = message
        .filter(|_| is_message_relevant)
        .unwrap_or_default()
        .to_lowercase();
    [
        "rejected by content moderation",
        "blocked by content moderation",
        "blocked by moderation",
        "content violates usage guidelines",
        "safety_check_type",
    ]
    .iter()
    .any(|phrase| message.contains(phrase))
}

/// Returns whether a code reports moderation, such as `imagine:content-moderated`.
pub(super) fn is_moderation_code(code: &str) -> bool {
    let code = code.to_lowercase().replace('-', "_");
    code.rsplit(':').next() == Some("content_moderated")
}
