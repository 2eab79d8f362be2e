//! Extracts the user's own words and the requested seconds from the prompt of a planner.

/// Labels that planners write before the user's words, by precedence. The last occurrence in a text counts.
const LABELS: [&str; 14] = [
    "user prompt",
    "user's prompt",
    "original prompt",
    "user request",
    "user's request",
    "user's words",
    "users words",
    "user words",
    "video prompt",
    "subject",
    "request",
    "prompt",
    "idea",
    "scene",
];

/// Maximum number of characters of the user's words that are kept.
const MAX_CHARS: usize = 3_000;

/// Returns the user's own words, and whether the text marks them as such.
pub(super) fn extract(text: &str) -> (String, bool) {
    let marked = find_tagged(text)
        .or_else(|| find_in_json(text))
        .or_else(|| find_labeled(text));
    let is_marked = marked.is_some();
    let found = marked.unwrap_or_else(|| text.to_owned());
    (clean(&found), is_marked)
}

fn clean(found: &str) -> String {
    let found = found.trim().trim_matches('`').trim();
    // Planners write `(none ...)` if the user gave no words.
    if found.to_lowercase().starts_with("(none") {
        return "what the given picture shows comes to life".to_owned();
    }
    let words: Vec<&str> = found.split_whitespace().collect();
    let joined: String = words.join(" ").chars().take(MAX_CHARS).collect();
    // Quotation marks around everything do not mean speech.
    let bare = joined
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|inner| !inner.contains('"'));
    bare.map_or(joined.clone(), str::to_owned)
}

/// Finds `<user_prompt>...</user_prompt>`.
fn find_tagged(text: &str) -> Option<String> {
    [
        "user_prompt",
        "user_request",
        "user",
        "request",
        "prompt",
        "subject",
    ]
    .into_iter()
    .find_map(|tag| {
        let (_, rest) = text.rsplit_once(&format!("<{tag}>"))?;
        let (inside, _) = rest.split_once(&format!("</{tag}>"))?;
        Some(inside.to_owned())
    })
}

/// Finds `{"prompt": "..."}`.
fn find_in_json(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text.trim()).ok()?;
    [
        "user_prompt",
        "userPrompt",
        "prompt",
        "user_request",
        "request",
        "subject",
        "text",
    ]
    .into_iter()
    .find_map(|key| value.get(key)?.as_str().map(str::to_owned))
}

/// Finds `User prompt:` and the words after it. If the line of the label has words, they are its paragraph. Otherwise
/// they are everything up to the next heading.
fn find_labeled(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let parse_label = |line: &str| -> Option<(usize, String)> {
        let bare = line.trim().trim_start_matches(['#', '*', '-', ' ']);
        // A Markdown heading needs no colon.
        let (head, rest) = match bare.split_once(':') {
            Some(parts) => parts,
            None if line.trim_start().starts_with('#') => (bare, ""),
            None => return None,
        };
        let head: String = head.trim_end_matches('*').trim().to_lowercase();
        // `User prompt (verbatim):` is the same label.
        let head = head.split('(').next().unwrap_or("").trim();
        let head = head.strip_prefix("the ").unwrap_or(head);
        let rank = LABELS.iter().position(|known| *known == head)?;
        Some((rank, rest.trim_start_matches('*').trim().to_owned()))
    };
    let best = lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| parse_label(line).map(|(rank, rest)| (rank, at, rest)))
        .min_by_key(|(rank, at, _)| (*rank, usize::MAX - at))?;
    let (_, at, rest) = best;
    let mut words = vec![rest.as_str()];
    let inline = !rest.is_empty();
    for line in &lines[at + 1..] {
        let ends = if inline {
            line.trim().is_empty() || is_heading(line)
        } else {
            line.trim_start().starts_with("# ") || line.trim_start().starts_with("## ")
        };
        if ends {
            break;
        }
        words.push(line);
    }
    let words = words.join("\n");
    (!words.trim().is_empty()).then_some(words)
}

/// Returns whether a line looks like `Duration: 6 s`.
fn is_heading(line: &str) -> bool {
    line.split_once(':').is_some_and(|(head, _)| {
        let head = head.trim();
        !head.is_empty()
            && head.len() < 40
            && head.split_whitespace().count() <= 4
            && !head.contains(['"', '.'])
    })
}

/// Returns the seconds that a text asks for: the number after "duration", or else the first number with a unit.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let lower = text.to_lowercase();
    let is_plausible = |seconds: &f64| (0.1..=600.0).contains(seconds);
    let after_label = lower.match_indices("duration").find_map(|(at, _)| {
        let rest = &lower[at + "duration".len()..];
        let near: String = rest.chars().take(24).collect();
        first_number(&near).map(|(number, _)| number).filter(is_plausible)
    });
    after_label.or_else(|| {
        let mut rest = lower.as_str();
        while let Some((number, after)) = first_number(rest) {
            let unit = after.trim_start_matches(['-', ' ']);
            let is_unit = ["seconds", "second", "secs", "sec", "s"].iter().any(|word| {
                unit.strip_prefix(word)
                    .is_some_and(|tail| !tail.starts_with(char::is_alphanumeric))
            });
            if is_unit && is_plausible(&number) {
                return Some(number);
            }
            rest = after;
        }
        None
    })
}

/// Returns the first number of a text and the text after it.
fn first_number(text: &str) -> Option<(f64, &str)> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[start..];
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let number = rest[..end].trim_end_matches('.');
    Some((number.parse().unwrap_or(f64::NAN), &rest[end..]))
}

/// Returns the spoken parts of a text: those in quotation marks.
pub(super) fn speech(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (open, close) in [
        ('"', '"'),
        ('\u{201c}', '\u{201d}'),
        ('\u{300c}', '\u{300d}'),
        ('\u{ab}', '\u{bb}'),
    ] {
        let mut rest = text;
        while let Some((_, inside)) = rest.split_once(open) {
            let Some((said, after)) = inside.split_once(close) else {
                break;
            };
            found.push(said);
            rest = after;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_words_are_found_in_every_format() {
        let ima2 = "Selected video model: grok-imagine-video. Mode: text-to-video.\n\
            Requested duration: 6s, resolution: 480p, aspect ratio: 16:9.\n\
            Mandatory web-search brief: unavailable.\n\
            Return the generate_video.prompt argument in English only.\n\nUser prompt:\na red fox\nsays \"hello\"";
        assert_eq!(extract(ima2), ("a red fox says \"hello\"".to_owned(), true));
        assert_eq!(seconds(ima2), Some(6.0));
        for text in [
            "a red fox",
            "\"a red fox\"",
            "User prompt: a red fox\n\nDuration: 4 s",
            "Prompt: a red fox\nDuration: 4 s",
            "Mode: text\n## User's words\nnothing\n**User prompt (verbatim):** a red fox",
            "<user_prompt>\na red fox\n</user_prompt>\nSeconds: 4",
            r#"{"mode": "text", "prompt": "a red fox", "seconds": 4}"#,
            "The subject: a red fox",
            "# Facts\n\n- duration: 4 s, the full running time\n\n# The user's words\n\na red fox\n",
        ] {
            assert_eq!(extract(text).0, "a red fox", "{text}");
        }
    }

    #[test]
    fn a_plain_question_is_not_marked() {
        assert!(!extract("A clip of 3.00 s. 2 frames follow.\nAt 0.00 s:").1);
        assert!(
            extract("# The user's words\n\n(none: go by the pictures)")
                .0
                .contains("given picture")
        );
    }

    #[test]
    fn seconds_are_found() {
        for (text, wanted) in [
            ("Duration: 7.5 seconds", Some(7.5)),
            ("a 10-second clip of 3 dogs", Some(10.0)),
            ("3 dogs run for 4s.", Some(4.0)),
            ("3 dogs", None),
            ("16:9, 480p, 8 sec", Some(8.0)),
        ] {
            assert_eq!(seconds(text), wanted, "{text}");
        }
    }

    #[test]
    fn speech_is_found_in_every_kind_of_quotation_marks() {
        assert_eq!(
            speech("she says \"go on\" and \u{300c}\u{884c}\u{3053}\u{3046}\u{300d}"),
            ["go on", "\u{884c}\u{3053}\u{3046}"]
        );
    }
}
