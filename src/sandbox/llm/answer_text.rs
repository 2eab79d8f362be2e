//! Computes the text of an answer: a plan for a clip, or a description of pictures.
//!
//! Owns the wording. `user_words` finds the user's own words, `picture_stats` and `picture_change` describe
//! pictures. The same question always has the same answer.

use super::picture_change::PictureChange;
use super::picture_stats::PictureStats;
use super::user_words;

const CAMERAS: [&str; 6] = [
    "a slow push-in from a wide shot to a medium close-up",
    "a steady tracking shot at eye level",
    "a locked wide shot with one gentle pan",
    "a low angle that rises slowly",
    "a half orbit around the subject",
    "a handheld medium shot with restraint",
];

/// What a question gives to answer it with.
#[derive(Debug, Default)]
pub(super) struct AnswerText {
    /// The user's own words.
    subject: String,
    /// Whether the prompt marks those words as the user's, which asks for a plan rather than a description.
    is_plan: bool,
    seconds: f64,
    pictures: Vec<PictureStats>,
    /// The difference between the first and the last picture.
    change: Option<PictureChange>,
    tool_output: Option<String>,
}

impl AnswerText {
    pub(super) fn new(text: &str, pictures: Vec<PictureStats>, tool_output: Option<String>) -> Self {
        let change = match pictures.as_slice() {
            [first, .., last] => Some(first.change_to(last)),
            _ => None,
        };
        let (subject, is_plan) = user_words::extract(text);
        Self {
            subject,
            is_plan,
            seconds: user_words::seconds(text).unwrap_or(5.0),
            pictures,
            change,
            tool_output,
        }
    }

    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) fn has_pictures(&self) -> bool {
        !self.pictures.is_empty()
    }

    /// Returns the answer in free text: a description of pictures, otherwise a plan.
    pub(super) fn free_text(&self) -> String {
        let body = if self.pictures.is_empty() || self.is_plan {
            self.plan()
        } else {
            self.description()
        };
        match &self.tool_output {
            Some(output) => format!("The tool said: {output}\n\n{body}"),
            None => body,
        }
    }

    /// Returns a paragraph for the video model: the user's words, unchanged, and how they are filmed.
    fn plan(&self) -> String {
        let seconds = self.seconds;
        let subject = self.subject.trim_end_matches(['.', ' ']);
        let opening = match self.pictures.first() {
            Some(picture) => format!(
                "Starting on the given picture, {} and mostly {}: {subject}.",
                picture.light_word(),
                picture.colors.first().map_or("gray", |color| color.name)
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

    /// Describes the pictures.
    fn description(&self) -> String {
        let mut sentences: Vec<String> = Vec::new();
        for (at, picture) in self.pictures.iter().enumerate() {
            let which = match (self.pictures.len(), at) {
                (1, _) => "The picture".to_owned(),
                (_, 0) => "The first picture".to_owned(),
                (n, at) if at + 1 == n => "The last picture".to_owned(),
                (_, at) => format!("Picture {}", at + 1),
            };
            sentences.push(format!("{which}: {}.", picture.description()));
        }
        if let Some(change) = &self.change {
            sentences.push(format!("From the first to the last {}.", change.description()));
        }
        sentences.join(" ")
    }

    /// Returns the brief that a web search results in.
    pub(super) fn search_brief(&self) -> String {
        let subject = self.subject.trim_end_matches('.');
        format!(
            "Visual brief for {subject}: what it looks like in daylight and at dusk, its usual surroundings, its \
             materials and the way it moves. {}",
            self.plan()
        )
    }

    fn camera(&self) -> String {
        let lower = self.subject.to_lowercase();
        let camera_words = [
            "camera", "dolly", "pan ", "zoom", "orbit", "close-up", "tracking", "drone",
        ];
        if camera_words.iter().any(|word| lower.contains(word)) {
            return "exactly as described, in one continuous move".to_owned();
        }
        if let Some(change) = &self.change {
            return change.camera_movement();
        }
        // A sum gives most subjects different cameras, and each the same one every time.
        let sum: usize = self.subject.bytes().map(usize::from).sum();
        CAMERAS[sum % CAMERAS.len()].to_owned()
    }

    fn light(&self) -> String {
        if let Some(picture) = self.pictures.first() {
            return format!(
                "{} {} light with {} contrast",
                picture.light_word(),
                picture.warmth_word(),
                picture.contrast_word()
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
        let spoken = user_words::speech(&self.subject);
        if spoken.is_empty() {
            "Sound: the place itself and the movement, no music.".to_owned()
        } else {
            "Sound: the quoted words are spoken exactly as they stand, over the place itself, no music."
                .to_owned()
        }
    }

    fn palette(&self) -> Vec<String> {
        match self.pictures.as_slice() {
            [] => vec!["natural colors".to_owned()],
            pictures => {
                let mut names: Vec<String> = Vec::new();
                for color in pictures.iter().flat_map(|picture| &picture.colors) {
                    if !names.iter().any(|name| name == color.name) {
                        names.push(color.name.to_owned());
                    }
                }
                names
            }
        }
    }

    /// Returns the prominent parts of a picture, which are its colors.
    fn subjects(&self) -> Vec<String> {
        match self.pictures.first() {
            None => vec![self.subject.clone()],
            Some(picture) => picture
                .color_phrases()
                .iter()
                .map(|words| format!("an area of {words}"))
                .collect(),
        }
    }

    fn motion(&self) -> String {
        match (&self.change, self.pictures.is_empty()) {
            (Some(change), _) => change.description(),
            (None, true) => format!("{}, paced over {} seconds", self.subject, self.seconds),
            (None, false) => "one picture alone shows no motion".to_owned(),
        }
    }

    fn mood(&self) -> String {
        match self.pictures.first() {
            Some(picture) => match (picture.warmth_word(), picture.luma < 100.0) {
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

    /// Returns a prompt that recreates the pictures.
    fn recreation_prompt(&self) -> String {
        let Some(picture) = self.pictures.first() else {
            return self.plan();
        };
        format!(
            "A {} scene in {} light with {} contrast, mostly {}. Motion: {}. The camera {}.",
            self.mood(),
            picture.light_word(),
            picture.contrast_word(),
            picture.color_phrases().join(", "),
            self.motion(),
            self.change
                .as_ref()
                .map_or_else(|| "holds still".to_owned(), PictureChange::camera_movement)
        )
    }

    fn frame_description(&self, last: bool) -> String {
        let picture = if last {
            self.pictures.last()
        } else {
            self.pictures.first()
        };
        match (picture, last) {
            (Some(picture), _) => picture.description(),
            (None, true) => format!("{}, held still in the middle of the picture", self.subject),
            (None, false) => format!("{}, seen whole", self.subject),
        }
    }
}

/// Returns the topic of a field, by its name or else by its description.
fn topic(name: &str, description: &str) -> Option<&'static str> {
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
    let (name, description) = (name.to_lowercase(), description.to_lowercase());
    let find = |text: &str| {
        TOPICS
            .iter()
            .find(|(_, words)| words.iter().any(|word| text.contains(word)))
            .map(|(topic, _)| *topic)
    };
    find(&name).or_else(|| find(&description))
}

/// The values of the fields of a requested JSON object, by their names and descriptions.
impl AnswerText {
    pub(super) fn text(&self, name: &str, description: &str) -> String {
        match topic(name, description) {
            Some("prompt") if self.pictures.is_empty() || self.is_plan => self.plan(),
            Some("prompt" | "recreation") => self.recreation_prompt(),
            Some("palette") => self.palette().join(", "),
            Some("light") => self.light(),
            Some("camera") => self.camera(),
            Some("shot") => match self.pictures.first() {
                Some(picture) => format!("a {} shot; {}", picture.light_word(), picture.description()),
                None => self.camera(),
            },
            Some("motion") => self.motion(),
            Some("last") => self.frame_description(true),
            Some("first") => self.frame_description(false),
            Some("mood") => self.mood(),
            Some("sound") if self.pictures.is_empty() => self.sound(),
            Some("sound") => "pictures have no sound; quiet room tone would fit".to_owned(),
            Some("place") => format!("one continuous place in {}", self.light()),
            Some("subject") => self.subjects().join("; "),
            Some("language") => "en".to_owned(),
            _ => self.free_text(),
        }
    }

    /// Returns at least one text.
    pub(super) fn list(&self, name: &str, description: &str) -> Vec<String> {
        match topic(name, description) {
            Some("palette") => self.palette(),
            Some("subject") => self.subjects(),
            _ => vec![self.text(name, description)],
        }
    }

    pub(super) fn number(&self, name: &str, description: &str) -> Option<f64> {
        let text = format!("{name} {description}").to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(&["duration", "second", "length"]) {
            Some(self.seconds)
        } else if has(&["bright", "luma", "light"]) {
            self.pictures
                .first()
                .map(|picture| (picture.luma / 2.55).round() / 100.0)
        } else if has(&["width"]) {
            self.pictures.first().map(|picture| picture.width as f64)
        } else if has(&["height"]) {
            self.pictures.first().map(|picture| picture.height as f64)
        } else if has(&["confidence", "score", "probab"]) {
            Some(0.5)
        } else {
            None
        }
    }

    pub(super) fn boolean(&self, name: &str, description: &str) -> bool {
        match topic(name, description) {
            Some("motion") => self
                .change
                .as_ref()
                .is_some_and(|change| *change != PictureChange::Nothing),
            Some("sound") => !user_words::speech(&self.subject).is_empty(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_contains_the_users_words_and_every_part() {
        let text = AnswerText::new(
            "Duration: 9s\nUser prompt:\nan old sailor says \"Land ahoy!\" at dusk",
            Vec::new(),
            None,
        );
        let plan = text.plan();
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
        assert_eq!(plan, text.free_text());
    }

    #[test]
    fn fields_are_filled_by_their_names() {
        let red = PictureStats::measure(4, 4, &[220, 20, 20].repeat(16));
        let text = AnswerText::new("Describe the clip.", vec![red.clone(), red], None);
        assert_eq!(text.text("palette", ""), "red");
        assert_eq!(text.list("dominant_colors", ""), ["red"]);
        assert!(
            text.text("recreation_prompt", "")
                .contains("red (100 %, everywhere)")
        );
        assert_eq!(text.text("motion", ""), "nothing visible changes");
        assert!(!text.boolean("has_motion", ""));
        assert!(text.text("x", "How the light falls").contains("warm light"));
        assert!(text.text("prompt", "").contains("mostly red"));
        assert_eq!(text.number("duration_seconds", ""), Some(5.0));
    }
}
