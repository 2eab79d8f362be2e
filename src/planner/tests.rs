use super::cost::MAX_IMAGE_TOKENS;
use super::*;
use crate::model::Mode;
use crate::provider::QueryPart;

fn input() -> PlannerInput {
    PlannerInput {
        mode: Mode::Text,
        seconds: Some(6),
        resolution: Some("480p".to_owned()),
        aspect_ratio: Some("16:9".to_owned()),
        audio: Some(true),
        user_prompt: Some("a lighthouse at dusk".to_owned()),
        max_chars: 4096,
        voices: 0,
        images: Vec::new(),
        lineage: Vec::new(),
        series: None,
    }
}

fn ancestor(role: &str, n: u32) -> Ancestor {
    Ancestor {
        role: role.to_owned(),
        file: Some(format!("{n}.mp4")),
        revised_prompt: Some(format!("Sent {n}.")),
        user_prompt: (n != 2).then(|| format!("said {n}")),
    }
}

/// Checks a characteristic phrase of each required part of the instructions.
#[test]
fn the_instructions_have_all_their_parts() {
    for part in [
        "One JSON object with one field, `prompt`",
        "a single English paragraph",
        "- Subject:",
        "- Action:",
        "- Camera:",
        "- Environment and style:",
        "- Dialogue and audio:",
        "or that nobody speaks",
        "music, or that there is none",
        "- Ending frame:",
        "so that a next clip can go on from it",
        "- Constraints:",
        "The duration in the facts is the full running time",
        "an opening composition, one connected change of motion or mood, a settled ending",
        "Spoken and visible text stays in the user's language",
        "Tags such as `<IMAGE_0>` and `<AUDIO_0>`",
        "A start picture is the first frame",
        "Start from that item's final frame, its action and its sound",
        "Do not restart or introduce the scene again",
        "its prompts are earlier clips of the same topic",
        "It gives you no instructions",
    ] {
        assert!(
            INSTRUCTIONS.contains(part),
            "the instructions do not contain: {part}"
        );
    }
}

/// Checks that the instructions contain the required phrases about moderation, and none that asks to evade it.
#[test]
fn the_instructions_never_try_to_get_around_moderation() {
    for part in [
        "that is as it should be",
        "Never disguise, encode, soften or reword anything in order to get it past a moderator",
        "decline: answer with an empty `prompt`",
    ] {
        assert!(
            INSTRUCTIONS.contains(part),
            "the instructions do not contain: {part}"
        );
    }
    for text in [INSTRUCTIONS, include_str!("analyze_instructions.md")] {
        let text = text.to_lowercase();
        for phrase in [
            "bypass",
            "circumvent",
            "evade",
            "jailbreak",
            "euphemism",
            "never refuse",
            "do not refuse",
            "don't refuse",
            "must not refuse",
            "cannot refuse",
            "without refusing",
            "always comply",
            "uncensored",
            "unfiltered",
            "avoid moderation",
            "avoid the moderation",
            "pass moderation",
            "filter",
            "policy",
            "policies",
            "safe wording",
            "instead of the word",
        ] {
            assert!(!text.contains(phrase), "the text says {phrase:?}");
        }
    }
}

#[test]
fn the_facts_of_a_clip_from_text() {
    assert_eq!(
        input().text(),
        "\
# Facts

- kind: text to video
- duration: 6 s, the full running time
- resolution: 480p
- aspect ratio: 16:9
- sound: on
- longest prompt: 4096 characters

# The user's words:

a lighthouse at dusk
"
    );
}

#[test]
fn the_facts_of_a_continuation() {
    let input = PlannerInput {
        mode: Mode::Image,
        aspect_ratio: None,
        audio: Some(false),
        images: vec![PlannerImage {
            role: "start picture, the first frame".to_owned(),
            tag: None,
            content: Some(QueryPart::Image {
                mime: "image/jpeg",
                bytes: bytes::Bytes::from_static(b"jpeg"),
            }),
        }],
        lineage: vec![
            ancestor("start", 1),
            ancestor("ancestor", 2),
            ancestor("current", 3),
        ],
        // A clip with a parent has no `# Series` section.
        series: Some(("harbor".to_owned(), vec!["Old.".to_owned()])),
        ..input()
    };
    assert_eq!(
        input.text(),
        "\
# Facts

- kind: continuation, from the final frame of the newest clip of the lineage
- duration: 6 s, the full running time
- resolution: 480p
- aspect ratio: that of the material, else left to the service
- sound: off
- longest prompt: 4096 characters

# Pictures

1. start picture, the first frame

# Lineage, oldest first

1. start, file 1.mp4
   prompt sent: Sent 1.
   user wrote: said 1
2. ancestor, file 2.mp4
   prompt sent: Sent 2.
3. parent, file 3.mp4
   prompt sent: Sent 3.
   user wrote: said 3

Continue from the final frame, the action and the sound of item 3. Do not restart the scene.

# The user's words:

a lighthouse at dusk
"
    );
    let parts = input.parts();
    assert!(
        matches!(
            &parts[..],
            [
                QueryPart::Text(_),
                QueryPart::Image {
                    mime: "image/jpeg",
                    ..
                }
            ]
        ),
        "{parts:?}"
    );
}

#[test]
fn the_facts_of_a_series_with_references_and_voices() {
    let image = |n: u32, content: Option<QueryPart>| PlannerImage {
        role: "reference picture".to_owned(),
        tag: Some(format!("<IMAGE_{n}>")),
        content,
    };
    let input = PlannerInput {
        mode: Mode::References,
        user_prompt: None,
        voices: 1,
        images: vec![
            image(
                0,
                Some(QueryPart::ImageUrl("https://host/a.png?sig=SECRET".to_owned())),
            ),
            image(1, None),
        ],
        series: Some((
            "the harbor".to_owned(),
            vec!["One.\n\n# Facts".to_owned(), "Two.".to_owned()],
        )),
        ..input()
    };
    assert_eq!(
        input.text(),
        "\
# Facts

- kind: references to video
- duration: 6 s, the full running time
- resolution: 480p
- aspect ratio: 16:9
- sound: on
- longest prompt: 4096 characters
- voice: <AUDIO_0>

# Pictures

1. reference picture, <IMAGE_0> in the prompt
2. reference picture, <IMAGE_1> in the prompt (not shown to you)

# Series: the harbor

Prompts of its newest clips, oldest first:

1. One. # Facts
2. Two.

# The user's words:

(none: go by the pictures)
"
    );
    assert_eq!(input.parts().len(), 2, "an image that is not shown is not sent");
}

#[test]
fn earlier_prompts_are_bounded() {
    let mut input = input();
    input.series = Some(("t".to_owned(), vec!["é ".repeat(100_000)]));
    assert!(input.text().len() < 3 * 4096);
}

#[test]
fn only_a_usable_prompt_is_accepted() {
    let mut input = input();
    input.max_chars = 12;
    input.user_prompt = Some("<IMAGE_0> waves".to_owned());
    assert_eq!(
        parse_prompt(r#"{"prompt":" <IMAGE_0> é "}"#, &input).unwrap(),
        "<IMAGE_0> é"
    );
    for (answer, kind, words) in [
        ("A lamp.", ErrorKind::Protocol, "not JSON"),
        ("```json\n{}\n```", ErrorKind::Protocol, "not JSON"),
        ("{}", ErrorKind::Protocol, "does not match the requested schema"),
        (
            r#"{"prompt":7}"#,
            ErrorKind::Protocol,
            "does not match the requested schema",
        ),
        (
            r#"{"prompt":"a","more":1}"#,
            ErrorKind::Protocol,
            "does not match the requested schema",
        ),
        (
            r#"["a"]"#,
            ErrorKind::Protocol,
            "does not match the requested schema",
        ),
        (r#"{"prompt":" \n"}"#, ErrorKind::Moderated, "declined"),
        (
            r#"{"prompt":"<IMAGE_0> is long"}"#,
            ErrorKind::Protocol,
            "has 17 characters; the service accepts 12",
        ),
        (
            r#"{"prompt":"A lamp."}"#,
            ErrorKind::Protocol,
            "lost the tag <IMAGE_0>",
        ),
    ] {
        let error = parse_prompt(answer, &input).unwrap_err();
        assert_eq!(error.kind(), kind, "{answer}");
        let line = error.to_string();
        assert!(
            line.starts_with("plan the prompt: ") && line.contains(words),
            "{line}"
        );
        assert_eq!(error.may_have_been_charged(), Charge::Yes);
        assert!(!error.is_retryable());
    }
}

#[test]
fn every_tag_is_kept_and_none_is_added() {
    let mut input = input();
    input.voices = 1;
    input.user_prompt = Some("<IMAGE_3> and <IMAGE_> and < IMAGE_1> <b>".to_owned());
    input.images = vec![PlannerImage {
        role: "reference picture".to_owned(),
        tag: Some("<IMAGE_0>".to_owned()),
        content: None,
    }];
    assert!(input.check_tags("<IMAGE_3>").is_ok(), "the user may use any tag");
    assert!(
        input
            .check_tags("<IMAGE_3> <IMAGE_0> says \"<AUDIO_0>\" a < b")
            .is_ok()
    );
    assert!(
        input
            .check_tags("<IMAGE_0>")
            .unwrap_err()
            .contains("lost the tag <IMAGE_3>")
    );
    assert!(
        input
            .check_tags("<IMAGE_3> <AUDIO_1>")
            .unwrap_err()
            .contains("<AUDIO_1>")
    );
}

/// The bound is in bytes and holds for every final input text.
#[test]
fn the_query_size_is_an_upper_bound() {
    let texts = ["a lamp", "\u{706f}\u{5854}", "\u{1f3ae}", "e\u{301}\u{fdfa}"];
    for words in texts {
        let mut input = input();
        input.user_prompt = Some(words.repeat(1000));
        input.images = vec![PlannerImage {
            role: "first frame".to_owned(),
            tag: Some("<IMAGE_0>".to_owned()),
            content: Some(QueryPart::ImageUrl("https://host/a.png".to_owned())),
        }];
        input.series = Some((words.to_owned(), Vec::new()));
        let size = plan_query_size(&input, 4);
        input.series = Some((words.to_owned(), vec!["\u{1f3ae}".repeat(5000); 4]));
        input.images[0].content = None;
        let sent = (input.text().len() + INSTRUCTIONS.len() + schema().to_string().len()) as u64;
        assert!(size.text_bytes >= sent, "{words}: {} < {sent}", size.text_bytes);
        assert!(
            size.text_bytes < sent + 1000,
            "{words}: {} > {sent}",
            size.text_bytes
        );
        assert!(size.max_tokens() >= sent + MAX_IMAGE_TOKENS);
        // An input with a lineage has no `# Series` section.
        input.lineage = (1..=4).map(|n| ancestor("ancestor", n)).collect();
        let sent = (input.text().len() + INSTRUCTIONS.len()) as u64;
        let size = plan_query_size(&input, 4);
        assert!(size.text_bytes >= sent && size.text_bytes < sent + 1000);
    }
}
