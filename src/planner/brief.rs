//! What the planner is told of a clip.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use bytes::Bytes;

use crate::model::Mode;
use crate::provider::Part;

/// Most characters of one earlier prompt. A foreign sidecar may hold anything.
const MAX_EARLIER: usize = 4096;
const NOT_SHOWN: &str = " (not shown to you)";
const SERIES_HEADING: &str = "Prompts of its newest clips, oldest first:\n\n";

/// All that is known of a clip before it is made.
#[derive(Debug, Clone)]
pub(crate) struct PlanBrief {
    pub(crate) mode: Mode,
    pub(crate) seconds: Option<u32>,
    pub(crate) resolution: Option<String>,
    /// Left out where service or picture decides.
    pub(crate) aspect_ratio: Option<String>,
    pub(crate) audio: Option<bool>,
    /// The user's own words.
    pub(crate) words: Option<String>,
    /// Most characters of a prompt.
    pub(crate) max_chars: usize,
    /// How many voices are sent along.
    pub(crate) voices: usize,
    pub(crate) pictures: Vec<Picture>,
    /// The branch that the clip goes on from, oldest first.
    pub(crate) lineage: Vec<Ancestor>,
    /// The topic of a series and its newest prompts, oldest first. Told where there is no lineage.
    pub(crate) series: Option<(String, Vec<String>)>,
}

/// A picture that is sent along.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    /// What it is for: `start picture, the first frame`.
    pub(crate) role: String,
    /// How prompts call it: `<IMAGE_0>`.
    pub(crate) tag: Option<String>,
    pub(crate) content: PictureContent,
}

#[derive(Debug, Clone)]
pub(crate) enum PictureContent {
    #[cfg_attr(
        not(any(feature = "media", test)),
        expect(dead_code, reason = "no picture can be made small")
    )]
    Inline {
        mime: &'static str,
        bytes: Bytes,
    },
    Link(String),
    /// The language model cannot be shown it.
    Unseen,
}

/// One clip of a lineage.
#[derive(Debug, Clone)]
pub(crate) struct Ancestor {
    pub(crate) role: String,
    pub(crate) file: Option<String>,
    pub(crate) revised_prompt: Option<String>,
    pub(crate) user_prompt: Option<String>,
}

impl PlanBrief {
    /// The text, then the pictures it lists.
    pub(super) fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::Text(self.text())];
        for picture in &self.pictures {
            match &picture.content {
                PictureContent::Inline { mime, bytes } => parts.push(Part::Picture {
                    mime,
                    bytes: bytes.clone(),
                }),
                PictureContent::Link(url) => parts.push(Part::Link(url.clone())),
                PictureContent::Unseen => {}
            }
        }
        parts
    }

    /// Returns how many bytes [`text`](Self::text) has at the most, whatever becomes of the pictures and with
    /// `earlier` prompts of the series.
    pub(super) fn max_text_bytes(&self, earlier: usize) -> u64 {
        // Of a character in UTF-8, and of the number, the ellipsis and the end of a line.
        const MAX_LINE_BYTES: u64 = MAX_EARLIER as u64 * 4 + 32;
        let not_shown = NOT_SHOWN.len() as u64 * self.pictures.len() as u64;
        let of_series = match &self.series {
            Some(_) if self.lineage.is_empty() => MAX_LINE_BYTES.saturating_mul(earlier as u64),
            _ => 0,
        };
        (self.text().len() as u64)
            .saturating_add(not_shown)
            .saturating_add(of_series)
            .saturating_add(SERIES_HEADING.len() as u64)
    }

    /// The facts. The user's words come last, so that nothing after them can be taken for them.
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
        self.write_pictures(out)?;
        if self.lineage.is_empty() {
            self.write_series(out)?;
        } else {
            self.write_lineage(out)?;
        }
        out.push_str("\n# The user's words:\n\n");
        match &self.words {
            Some(words) => writeln!(out, "{words}"),
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

    fn write_pictures(&self, out: &mut String) -> std::fmt::Result {
        if self.pictures.is_empty() {
            return Ok(());
        }
        out.push_str("\n# Pictures\n\n");
        for (index, picture) in self.pictures.iter().enumerate() {
            write!(out, "{}. {}", index + 1, picture.role)?;
            if let Some(tag) = &picture.tag {
                write!(out, ", {tag} in the prompt")?;
            }
            if matches!(picture.content, PictureContent::Unseen) {
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
            // The list ends with the clip that is gone on from, whatever its own record calls it.
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

    /// Every tag of the user's words has to be there still, and no other than the facts list.
    pub(super) fn check_tags(&self, prompt: &str) -> Result<(), String> {
        let own = tags(self.words.as_deref().unwrap_or_default());
        let planned = tags(prompt);
        if let Some(lost) = own.difference(&planned).next() {
            return Err(format!("the planned prompt lost the tag {lost}"));
        }
        let voices = (0..self.voices).map(|voice| format!("<AUDIO_{voice}>"));
        let listed: BTreeSet<String> = self
            .pictures
            .iter()
            .filter_map(|picture| picture.tag.clone())
            .chain(voices)
            .collect();
        match planned
            .iter()
            .find(|tag| !own.contains(*tag) && !listed.contains(*tag))
        {
            Some(made_up) => Err(format!(
                "the planned prompt has the tag {made_up}, and nothing goes by it"
            )),
            None => Ok(()),
        }
    }
}

/// `<IMAGE_0>`, `<AUDIO_1>`, … of a text.
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

/// Foreign text in one line of bounded length, so that it cannot pass for a part of the brief.
fn line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = line.char_indices().nth(MAX_EARLIER) {
        line.truncate(cut);
        line.push('…');
    }
    line
}
