//! What an answer says: a plan for a clip, or a description of pictures.
//!
//! Owns the words. The user's own come from `subject`, what pictures show from `look`; everything is
//! computed, so the same question has the same answer.

use super::change::Change;
use super::look::Look;
use super::schema::Source;
use super::subject;

const CAMERAS: [&str; 6] = [
    "a slow push-in from a wide shot to a medium close-up",
    "a steady tracking shot at eye level",
    "a locked wide shot with one gentle pan",
    "a low angle that rises slowly",
    "a half orbit around the subject",
    "a handheld medium shot with restraint",
];

/// Everything there is to say to one question.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// The user's own words.
    subject: String,
    /// Whether those words were marked as the user's: then a plan is asked for, not a description.
    planned: bool,
    seconds: f64,
    looks: Vec<Look>,
    /// What the pictures became from the first to the last.
    change: Option<Change>,
    /// What a tool has answered.
    told: Option<String>,
}

impl Story {
    pub(super) fn new(text: &str, looks: Vec<Look>, told: Option<String>) -> Self {
        let change = match looks.as_slice() {
            [first, .., last] => Some(first.change(last)),
            _ => None,
        };
        let (subject, planned) = subject::find(text);
        Self {
            subject,
            planned,
            seconds: subject::seconds(text).unwrap_or(5.0),
            looks,
            change,
            told,
        }
    }

    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) fn has_pictures(&self) -> bool {
        !self.looks.is_empty()
    }

    /// The free text that answers: pictures are described, everything else is planned.
    pub(super) fn words(&self) -> String {
        let body = if self.looks.is_empty() || self.planned {
            self.plan()
        } else {
            self.description()
        };
        match &self.told {
            Some(told) => format!("The tool said: {told}\n\n{body}"),
            None => body,
        }
    }

    /// One paragraph for the video model: the user's words, whole, and how they are filmed.
    pub(super) fn plan(&self) -> String {
        let seconds = self.seconds;
        let subject = self.subject.trim_end_matches(['.', ' ']);
        let opening = match self.looks.first() {
            Some(look) => format!(
                "Starting on the given picture, {} and mostly {}: {subject}.",
                look.light_word(),
                look.colours.first().map_or("grey", |colour| colour.name)
            ),
            None => format!("{subject}."),
        };
        let beats = match seconds {
            s if s <= 4.0 => "one clear action that settles into the last frame",
            s if s <= 8.0 => "the scene is set, one change happens, then it holds",
            _ => "the scene is set, it develops in two connected beats, then it comes to rest",
        };
        format!(
            "{opening} Camera: {}. Environment: one continuous place in {}, with depth from near to far. \
             Pacing: over the full {seconds} seconds {beats}. {} Ending frame: the subject, held still and \
             sharp in the middle of the picture, so that a next clip can go on from it.",
            self.camera(),
            self.light(),
            self.sound()
        )
    }

    /// What the pictures show.
    pub(super) fn description(&self) -> String {
        let mut sentences: Vec<String> = Vec::new();
        for (at, look) in self.looks.iter().enumerate() {
            let which = match (self.looks.len(), at) {
                (1, _) => "The picture".to_owned(),
                (_, 0) => "The first picture".to_owned(),
                (n, at) if at + 1 == n => "The last picture".to_owned(),
                (_, at) => format!("Picture {}", at + 1),
            };
            sentences.push(format!("{which}: {}.", look.words()));
        }
        if let Some(change) = &self.change {
            sentences.push(format!("From the first to the last {}.", change.words()));
        }
        sentences.join(" ")
    }

    /// What finds in the web are about, and where from.
    pub(super) fn brief(&self) -> String {
        let subject = self.subject.trim_end_matches('.');
        format!(
            "Visual brief for {subject}: what it looks like in daylight and at dusk, its usual surroundings, its \
             materials and the way it moves. {}",
            self.plan()
        )
    }

    fn camera(&self) -> String {
        let lower = self.subject.to_lowercase();
        let own = [
            "camera", "dolly", "pan ", "zoom", "orbit", "close-up", "tracking", "drone",
        ];
        if own.iter().any(|word| lower.contains(word)) {
            return "exactly as described, in one continuous move".to_owned();
        }
        if let Some(change) = &self.change {
            return change.camera();
        }
        // A sum is enough to give different subjects different cameras, the same ones every time.
        let sum: usize = self.subject.bytes().map(usize::from).sum();
        CAMERAS[sum % CAMERAS.len()].to_owned()
    }

    fn light(&self) -> String {
        if let Some(look) = self.looks.first() {
            return format!(
                "{} {} light with {} contrast",
                look.light_word(),
                look.warmth(),
                look.contrast_word()
            );
        }
        let lower = self.subject.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if has(&["night", "dark", "moon"]) {
            "dim cool light with few sources"
        } else if has(&["dusk", "dawn", "sunset", "sunrise", "evening"]) {
            "low warm light from the side"
        } else {
            "soft daylight from one side"
        }
        .to_owned()
    }

    fn sound(&self) -> String {
        let said = subject::speech(&self.subject);
        if said.is_empty() {
            "Sound: the place itself and the movement, no music.".to_owned()
        } else {
            "Sound: the quoted words are spoken exactly as they stand, over the place itself, no music."
                .to_owned()
        }
    }

    fn palette(&self) -> Vec<String> {
        match self.looks.as_slice() {
            [] => vec!["natural colours".to_owned()],
            looks => {
                let mut names: Vec<String> = Vec::new();
                for colour in looks.iter().flat_map(|look| &look.colours) {
                    if !names.iter().any(|name| name == colour.name) {
                        names.push(colour.name.to_owned());
                    }
                }
                names
            }
        }
    }

    /// The parts of a picture that stand out, as far as colours tell.
    fn subjects(&self) -> Vec<String> {
        match self.looks.first() {
            None => vec![self.subject.clone()],
            Some(look) => look
                .colour_words()
                .iter()
                .map(|words| format!("an area of {words}"))
                .collect(),
        }
    }

    fn motion(&self) -> String {
        match (&self.change, self.looks.is_empty()) {
            (Some(change), _) => change.words(),
            (None, true) => format!("{}, paced over {} seconds", self.subject, self.seconds),
            (None, false) => "one picture alone shows no motion".to_owned(),
        }
    }

    fn mood(&self) -> String {
        match self.looks.first() {
            Some(look) => match (look.warmth(), look.light < 100.0) {
                ("warm", true) => "warm and intimate",
                ("warm", false) => "warm and cheerful",
                ("cool", true) => "cool and quiet",
                ("cool", false) => "cool and clear",
                (_, true) => "sombre",
                _ => "calm",
            },
            None => "calm and attentive",
        }
        .to_owned()
    }

    /// A prompt that would make the pictures again.
    fn recreation(&self) -> String {
        let Some(look) = self.looks.first() else {
            return self.plan();
        };
        format!(
            "A {} scene in {} light with {} contrast, mostly {}. Motion: {}. The camera {}.",
            self.mood(),
            look.light_word(),
            look.contrast_word(),
            look.colour_words().join(", "),
            self.motion(),
            self.change
                .as_ref()
                .map_or_else(|| "holds still".to_owned(), Change::camera)
        )
    }

    fn frame(&self, last: bool) -> String {
        let look = if last {
            self.looks.last()
        } else {
            self.looks.first()
        };
        match (look, last) {
            (Some(look), _) => look.words(),
            (None, true) => format!("{}, held still in the middle of the picture", self.subject),
            (None, false) => format!("{}, seen whole", self.subject),
        }
    }
}

/// What a field is about.
fn topic(name: &str, about: &str) -> Option<&'static str> {
    const TOPICS: [(&str, &[&str]); 15] = [
        ("recreation", &["recreat", "reproduc", "regenerat"]),
        ("prompt", &["prompt", "paragraph", "plan"]),
        ("palette", &["palette", "colour", "color", "hue"]),
        ("light", &["light", "bright", "exposure", "contrast"]),
        ("camera", &["camera", "lens", "angle", "framing"]),
        ("shot", &["shot", "composition"]),
        ("motion", &["motion", "movement", "moves", "action", "change"]),
        (
            "last",
            &[
                "ending",
                "end_frame",
                "final_frame",
                "last_frame",
                "last frame",
                "end frame",
            ],
        ),
        ("first", &["opening", "first_frame", "start_frame", "first frame"]),
        ("mood", &["mood", "atmosphere", "tone", "emotion", "feeling"]),
        ("sound", &["sound", "audio", "music", "dialog", "speech", "voice"]),
        (
            "place",
            &["environment", "setting", "location", "background", "place"],
        ),
        (
            "subject",
            &["subject", "character", "object", "people", "title", "topic"],
        ),
        ("language", &["language"]),
        (
            "summary",
            &[
                "summary", "descri", "caption", "analysis", "scene", "overview", "text", "answer",
            ],
        ),
    ];
    let (name, about) = (name.to_lowercase(), about.to_lowercase());
    let of = |text: &str| {
        TOPICS
            .iter()
            .find(|(_, words)| words.iter().any(|word| text.contains(word)))
            .map(|(topic, _)| *topic)
    };
    of(&name).or_else(|| of(&about))
}

impl Source for Story {
    fn text(&self, name: &str, about: &str) -> String {
        match topic(name, about) {
            Some("prompt") if self.looks.is_empty() || self.planned => self.plan(),
            Some("prompt" | "recreation") => self.recreation(),
            Some("palette") => self.palette().join(", "),
            Some("light") => self.light(),
            Some("camera") => self.camera(),
            Some("shot") => match self.looks.first() {
                Some(look) => format!("a {} shot; {}", look.light_word(), look.words()),
                None => self.camera(),
            },
            Some("motion") => self.motion(),
            Some("last") => self.frame(true),
            Some("first") => self.frame(false),
            Some("mood") => self.mood(),
            Some("sound") if self.looks.is_empty() => self.sound(),
            Some("sound") => "pictures have no sound; quiet room tone would fit".to_owned(),
            Some("place") => format!("one continuous place in {}", self.light()),
            Some("subject") => self.subjects().join("; "),
            Some("language") => "en".to_owned(),
            _ => self.words(),
        }
    }

    fn list(&self, name: &str, about: &str) -> Vec<String> {
        match topic(name, about) {
            Some("palette") => self.palette(),
            Some("subject") => self.subjects(),
            _ => vec![self.text(name, about)],
        }
    }

    fn number(&self, name: &str, about: &str) -> Option<f64> {
        let text = format!("{name} {about}").to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(&["duration", "second", "length"]) {
            Some(self.seconds)
        } else if has(&["bright", "luma", "light"]) {
            self.looks.first().map(|look| (look.light / 2.55).round() / 100.0)
        } else if has(&["width"]) {
            self.looks.first().map(|look| look.width as f64)
        } else if has(&["height"]) {
            self.looks.first().map(|look| look.height as f64)
        } else if has(&["confidence", "score", "probab"]) {
            Some(0.5)
        } else {
            None
        }
    }

    fn truth(&self, name: &str, about: &str) -> bool {
        match topic(name, about) {
            Some("motion") => self
                .change
                .as_ref()
                .is_some_and(|change| *change != Change::Nothing),
            Some("sound") => !subject::speech(&self.subject).is_empty(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_carries_the_users_words_and_every_part() {
        let story = Story::new(
            "Duration: 9s\nUser prompt:\nan old sailor says \"Land ahoy!\" at dusk",
            Vec::new(),
            None,
        );
        let plan = story.plan();
        for part in [
            "an old sailor says \"Land ahoy!\" at dusk",
            "Camera:",
            "Environment:",
            "Sound: the quoted words are spoken exactly",
            "Ending frame:",
            "over the full 9 seconds",
            "low warm light",
        ] {
            assert!(plan.contains(part), "{part}: {plan}");
        }
        assert!(!plan.contains('\n'));
        assert_eq!(plan, story.words());
    }

    #[test]
    fn fields_are_filled_by_their_names() {
        let red = Look::of(4, 4, &[220, 20, 20].repeat(16));
        let story = Story::new("Describe the clip.", vec![red.clone(), red], None);
        assert_eq!(story.text("palette", ""), "red");
        assert_eq!(story.list("dominant_colors", ""), ["red"]);
        assert!(
            story
                .text("recreation_prompt", "")
                .contains("red (100 %, everywhere)")
        );
        assert_eq!(story.text("motion", ""), "nothing visible changes");
        assert!(!story.truth("has_motion", ""));
        assert!(story.text("x", "How the light falls").contains("warm light"));
        assert!(story.text("prompt", "").contains("mostly red"));
        assert_eq!(story.number("duration_seconds", ""), Some(5.0));
    }
}
