use super::*;
use crate::model::Mode;
use crate::provider::Part;

fn brief() -> PlanBrief {
    PlanBrief {
        mode: Mode::Text,
        seconds: Some(6),
        resolution: Some("480p".to_owned()),
        aspect_ratio: Some("16:9".to_owned()),
        audio: Some(true),
        words: Some("a lighthouse at dusk".to_owned()),
        max_chars: 4096,
        voices: 0,
        pictures: Vec::new(),
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

/// Each part of the text that the issue asks for, by the words that make it one.
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
        assert!(INSTRUCTIONS.contains(part), "the text lost: {part}");
    }
}

/// Promise 10. What it must say, and the turns of phrase with which others say the opposite.
#[test]
fn the_instructions_never_try_to_get_around_moderation() {
    for part in [
        "that is as it should be",
        "Never disguise, encode, soften or reword anything in order to get it past a moderator",
        "decline: answer with an empty `prompt`",
    ] {
        assert!(INSTRUCTIONS.contains(part), "the text lost: {part}");
    }
    for text in [INSTRUCTIONS, include_str!("analysis.md")] {
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
fn a_clip_from_words() {
    assert_eq!(
        brief().text(),
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
fn a_clip_that_goes_on_from_another() {
    let brief = PlanBrief {
        mode: Mode::Image,
        aspect_ratio: None,
        audio: Some(false),
        pictures: vec![Picture {
            role: "start picture, the first frame".to_owned(),
            tag: None,
            content: PictureContent::Inline {
                mime: "image/jpeg",
                bytes: bytes::Bytes::from_static(b"jpeg"),
            },
        }],
        lineage: vec![
            ancestor("start", 1),
            ancestor("ancestor", 2),
            ancestor("current", 3),
        ],
        // With a parent the series is not told.
        series: Some(("harbour".to_owned(), vec!["Old.".to_owned()])),
        ..brief()
    };
    assert_eq!(
        brief.text(),
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
    let parts = brief.parts();
    assert!(
        matches!(
            &parts[..],
            [
                Part::Text(_),
                Part::Picture {
                    mime: "image/jpeg",
                    ..
                }
            ]
        ),
        "{parts:?}"
    );
}

#[test]
fn a_clip_of_a_series_with_references_and_voices() {
    let picture = |n: u32, content: PictureContent| Picture {
        role: "reference picture".to_owned(),
        tag: Some(format!("<IMAGE_{n}>")),
        content,
    };
    let brief = PlanBrief {
        mode: Mode::References,
        words: None,
        voices: 1,
        pictures: vec![
            picture(
                0,
                PictureContent::Link("https://host/a.png?sig=SECRET".to_owned()),
            ),
            picture(1, PictureContent::Unseen),
        ],
        series: Some((
            "the harbour".to_owned(),
            vec!["One.\n\n# Facts".to_owned(), "Two.".to_owned()],
        )),
        ..brief()
    };
    assert_eq!(
        brief.text(),
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

# Series: the harbour

Prompts of its newest clips, oldest first:

1. One. # Facts
2. Two.

# The user's words:

(none: go by the pictures)
"
    );
    assert_eq!(brief.parts().len(), 2, "what is not shown is not sent");
}

#[test]
fn earlier_prompts_are_bounded() {
    let mut brief = brief();
    brief.series = Some(("t".to_owned(), vec!["é ".repeat(100_000)]));
    assert!(brief.text().len() < 3 * 4096);
}

#[test]
fn only_a_prompt_that_can_be_sent_is_a_plan() {
    let mut brief = brief();
    brief.max_chars = 12;
    brief.words = Some("<IMAGE_0> waves".to_owned());
    assert_eq!(
        read(r#"{"prompt":" <IMAGE_0> é "}"#, &brief).unwrap(),
        "<IMAGE_0> é"
    );
    for (answer, kind, words) in [
        ("A lamp.", ErrorKind::Protocol, "not JSON"),
        ("```json\n{}\n```", ErrorKind::Protocol, "not JSON"),
        ("{}", ErrorKind::Protocol, "not the JSON that was asked for"),
        (
            r#"{"prompt":7}"#,
            ErrorKind::Protocol,
            "not the JSON that was asked for",
        ),
        (
            r#"{"prompt":"a","more":1}"#,
            ErrorKind::Protocol,
            "not the JSON that was asked for",
        ),
        (r#"["a"]"#, ErrorKind::Protocol, "not the JSON that was asked for"),
        (r#"{"prompt":" \n"}"#, ErrorKind::Moderated, "declined"),
        (
            r#"{"prompt":"<IMAGE_0> is long"}"#,
            ErrorKind::Protocol,
            "has 17 characters: the service takes 12",
        ),
        (
            r#"{"prompt":"A lamp."}"#,
            ErrorKind::Protocol,
            "lost the tag <IMAGE_0>",
        ),
    ] {
        let error = read(answer, &brief).unwrap_err();
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
fn tags_are_kept_and_none_is_made_up() {
    let mut brief = brief();
    brief.voices = 1;
    brief.words = Some("<IMAGE_3> and <IMAGE_> and < IMAGE_1> <b>".to_owned());
    brief.pictures = vec![Picture {
        role: "reference picture".to_owned(),
        tag: Some("<IMAGE_0>".to_owned()),
        content: PictureContent::Unseen,
    }];
    assert!(
        brief.check_tags("<IMAGE_3>").is_ok(),
        "the user's own tag is the user's matter"
    );
    assert!(
        brief
            .check_tags("<IMAGE_3> <IMAGE_0> says \"<AUDIO_0>\" a < b")
            .is_ok()
    );
    assert!(
        brief
            .check_tags("<IMAGE_0>")
            .unwrap_err()
            .contains("lost the tag <IMAGE_3>")
    );
    assert!(
        brief
            .check_tags("<IMAGE_3> <AUDIO_1>")
            .unwrap_err()
            .contains("<AUDIO_1>")
    );
}

/// The bound holds for every text that the brief can turn into, and is one of bytes.
#[test]
fn the_size_of_a_question_is_a_bound() {
    let texts = ["a lamp", "\u{706f}\u{5854}", "\u{1f3ae}", "e\u{301}\u{fdfa}"];
    for words in texts {
        let mut brief = brief();
        brief.words = Some(words.repeat(1000));
        brief.pictures = vec![Picture {
            role: "first frame".to_owned(),
            tag: Some("<IMAGE_0>".to_owned()),
            content: PictureContent::Link("https://host/a.png".to_owned()),
        }];
        brief.series = Some((words.to_owned(), Vec::new()));
        let size = plan_size(&brief, 4);
        brief.series = Some((words.to_owned(), vec!["\u{1f3ae}".repeat(5000); 4]));
        brief.pictures[0].content = PictureContent::Unseen;
        let asked = (brief.text().len() + INSTRUCTIONS.len() + schema().to_string().len()) as u64;
        assert!(size.text_bytes >= asked, "{words}: {} < {asked}", size.text_bytes);
        assert!(
            size.text_bytes < asked + 1000,
            "{words}: {} > {asked}",
            size.text_bytes
        );
        assert!(size.max_tokens() >= asked + MAX_PICTURE_TOKENS);
        // With a lineage the series is not told.
        brief.lineage = (1..=4).map(|n| ancestor("ancestor", n)).collect();
        let told = (brief.text().len() + INSTRUCTIONS.len()) as u64;
        let size = plan_size(&brief, 4);
        assert!(size.text_bytes >= told && size.text_bytes < told + 1000);
    }
}

#[test]
fn a_long_question_costs_twice() {
    let table = ModelTable::built_in().unwrap();
    let cost = |text_bytes| {
        let size = QuestionSize {
            text_bytes,
            pictures: 0,
        };
        most_cost(table, "grok-4.3", size, false).unwrap().ticks()
    };
    let output = 25_000 * u64::from(MAX_OUTPUT_TOKENS);
    assert_eq!(cost(198_000), 200_000 * 12_500 + output);
    assert_eq!(cost(198_001), 2 * (200_001 * 12_500 + output));
    assert_eq!(cost(u64::MAX), u64::MAX);
    let size = QuestionSize {
        text_bytes: 1,
        pictures: 2,
    };
    assert_eq!(size.max_tokens(), 1 + 2 * 1_792 + 2_000);
    assert_eq!(most_cost(table, "grok-4.3", size, true), None);
}
