//! The facts about a clip that the planner receives, as text and images.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::model::Mode;
use crate::provider::QueryPart;

/// The maximum length of an earlier prompt in characters. A foreign sidecar may contain anything.
const MAX_EARLIER: usize = 4096;
const NOT_SHOWN: &str = " (not shown to you)";
const SERIES_HEADING: &str = "Prompts of its newest clips, oldest first:\n\n";

/// Everything that is known about a clip before it is made.
#[derive(Debug, Clone)]
pub(crate) struct PlannerInput {
    pub(crate) mode: Mode,
    pub(crate) seconds: Option<u32>,
    pub(crate) resolution: Option<String>,
    /// `None` if the service or an image decides.
    pub(crate) aspect_ratio: Option<String>,
    pub(crate) audio: Option<bool>,
    pub(crate) user_prompt: Option<String>,
    /// The maximum length of the planned prompt in characters.
    pub(crate) max_chars: usize,
    /// The number of voices in the request.
    pub(crate) voices: usize,
    pub(crate) images: Vec<PlannerImage>,
    /// The clips that this one continues, oldest first.
    pub(crate) lineage: Vec<Ancestor>,
    /// The topic of a series and its newest prompts, oldest first. Ignored if there is a lineage.
    pub(crate) series: Option<(String, Vec<String>)>,
}

/// An image of the request.
#[derive(Debug, Clone)]
pub(crate) struct PlannerImage {
    /// The purpose of the image: `start picture, the first frame`.
    pub(crate) role: String,
    /// The name of the image in prompts: `<IMAGE_0>`.
    pub(crate) tag: Option<String>,
    /// `None` if the language model cannot receive the image.
    pub(crate) content: Option<QueryPart>,
}

/// A clip of a lineage.
#[derive(Debug, Clone)]
pub(crate) struct Ancestor {
    pub(crate) role: String,
    pub(crate) file: Option<String>,
    pub(crate) revised_prompt: Option<String>,
    pub(crate) user_prompt: Option<String>,
}

impl PlannerInput {
    /// Returns the message for the model: the text, then the images in the order in which the text lists them.
    pub(super) fn parts(&self) -> Vec<QueryPart> {
        let images = self.images.iter().filter_map(|image| image.content.clone());
        std::iter::once(QueryPart::Text(self.text()))
            .chain(images)
            .collect()
    }

    /// Returns the maximum length of [`text`](Self::text) in bytes, with `earlier` prompts of the series and whether or
    /// not the images can be sent.
    pub(super) fn max_text_bytes(&self, earlier: usize) -> u64 {
        // The second term is for the number, the ellipsis and the end of a line.
        const MAX_LINE_BYTES: u64 = MAX_EARLIER as u64 * 4 + 32;
        let not_shown = NOT_SHOWN.len() as u64 * self.images.len() as u64;
        let series = match &self.series {
            Some(_) if self.lineage.is_empty() => MAX_LINE_BYTES.saturating_mul(earlier as u64),
            _ => 0,
        };
        (self.text().len() as u64)
            .saturating_add(not_shown)
            .saturating_add(series)
            .saturating_add(SERIES_HEADING.len() as u64)
    }

    /// Returns the facts as text. The user's prompt comes last, so that no other text can be mistaken for it.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        out.push_str("# Facts\n\n");
        writeln!(out, "- kind: {}", self.kind())?;
        if let Some(seconds) = self.seconds {
            writeln!(out, "- duration: {seconds} s, the full running time")?;
        }
        if let Some(resolution) = &self.resolution {
            writeln!(out, "- resolution: {resolution}")?;
        }
        match &self.aspect_ratio {
            Some(ratio) => writeln!(out, "- aspect ratio: {ratio}")?,
            None if self.mode == Mode::Text => writeln!(out, "- aspect ratio: left to the service")?,
            None => writeln!(
                out,
                "- aspect ratio: that of the material, else left to the service"
            )?,
        }
        match self.audio {
            Some(true) => writeln!(out, "- sound: on")?,
            Some(false) => writeln!(out, "- sound: off")?,
            None => {}
        }
        writeln!(out, "- longest prompt: {} characters", self.max_chars)?;
        for voice in 0..self.voices {
            writeln!(out, "- voice: <AUDIO_{voice}>")?;
        }
        self.write_images(out)?;
        if self.lineage.is_empty() {
            self.write_series(out)?;
        } else {
            self.write_lineage(out)?;
        }
        out.push_str("\n# The user's words:\n\n");
        match &self.user_prompt {
            Some(prompt) => writeln!(out, "{prompt}"),
            None => writeln!(out, "(none: go by the pictures)"),
        }
    }

    fn kind(&self) -> &'static str {
        match self.mode {
            Mode::Image if !self.lineage.is_empty() => {
                "continuation, from the final frame of the newest clip of the lineage"
            }
            Mode::Text => "text to video",
            Mode::Image => "image to video",
            Mode::References => "references to video",
            Mode::Frames => "video between pinned frames",
            Mode::Edit => "edit of a clip",
            Mode::Extend => "extension of a clip, the duration is what is added",
        }
    }

    fn write_images(&self, out: &mut String) -> std::fmt::Result {
        if self.images.is_empty() {
            return Ok(());
        }
        out.push_str("\n# Pictures\n\n");
        for (index, image) in self.images.iter().enumerate() {
            write!(out, "{}. {}", index + 1, image.role)?;
            if let Some(tag) = &image.tag {
                write!(out, ", {tag} in the prompt")?;
            }
            if image.content.is_none() {
                out.push_str(NOT_SHOWN);
            }
            out.push('\n');
        }
        Ok(())
    }

    fn write_lineage(&self, out: &mut String) -> std::fmt::Result {
        let newest = self.lineage.len();
        out.push_str("\n# Lineage, oldest first\n\n");
        for (index, ancestor) in self.lineage.iter().enumerate() {
            // The last clip is the parent, whatever role its own record gives it.
            let role = if index + 1 == newest {
                "parent"
            } else {
                &ancestor.role
            };
            write!(out, "{}. {}", index + 1, line(role))?;
            if let Some(file) = &ancestor.file {
                write!(out, ", file {}", line(file))?;
            }
            out.push('\n');
            if let Some(sent) = &ancestor.revised_prompt {
                writeln!(out, "   prompt sent: {}", line(sent))?;
            }
            if let Some(user) = &ancestor.user_prompt {
                writeln!(out, "   user wrote: {}", line(user))?;
            }
        }
        writeln!(
            out,
            "\nContinue from the final frame, the action and the sound of item {newest}. Do not restart the scene."
        )
    }

    fn write_series(&self, out: &mut String) -> std::fmt::Result {
        let Some((topic, prompts)) = &self.series else {
            return Ok(());
        };
        writeln!(out, "\n# Series: {}\n", line(topic))?;
        if prompts.is_empty() {
            return out.write_str("This is its first clip.\n");
        }
        out.push_str(SERIES_HEADING);
        for (index, prompt) in prompts.iter().enumerate() {
            writeln!(out, "{}. {}", index + 1, line(prompt))?;
        }
        Ok(())
    }

    /// Checks that a planned prompt has every tag of the user's prompt, and no tag that the facts do not list.
    pub(super) fn check_tags(&self, prompt: &str) -> Result<(), String> {
        let own = tags(self.user_prompt.as_deref().unwrap_or_default());
        let planned = tags(prompt);
        if let Some(lost) = own.difference(&planned).next() {
            return Err(format!("the planned prompt lost the tag {lost}"));
        }
        let voices = (0..self.voices).map(|voice| format!("<AUDIO_{voice}>"));
        let listed: BTreeSet<String> = self
            .images
            .iter()
            .filter_map(|image| image.tag.clone())
            .chain(voices)
            .collect();
        match planned
            .iter()
            .find(|tag| !own.contains(*tag) && !listed.contains(*tag))
        {
            Some(unknown) => Err(format!("the planned prompt has the unknown tag {unknown}")),
            None => Ok(()),
        }
    }
}

/// Returns the tags in a text: `<IMAGE_0>`, `<AUDIO_1>`, ….
fn tags(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('<') {
        let rest = &text[at..];
        let Some(end) = rest.find('>') else { break };
        let inner = &rest[1..end];
        let number = inner
            .strip_prefix("IMAGE_")
            .or_else(|| inner.strip_prefix("AUDIO_"));
        if number.is_some_and(|n| !n.is_empty() && n.len() <= 3 && n.bytes().all(|b| b.is_ascii_digit())) {
            found.insert(rest[..=end].to_owned());
        }
    }
    found
}

/// Returns foreign text as a single line of bounded length, so that it cannot imitate the structure of the facts.
fn line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = line.char_indices().nth(MAX_EARLIER) {
        line.truncate(cut);
        line.push('…');
    }
    line
}
