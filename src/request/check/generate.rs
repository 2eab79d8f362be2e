//! The check of a request against the model table, before anything is read, sent or paid.
//!
//! Two kinds of rule. What can never be right (a blank prompt, a duration of 2.5 s, a base64 of
//! nothing) is always refused. What the table says the service would refuse follows
//! [`Validation`]: refused, warned of, or let through.

use std::time::Duration;

use super::{GenerateMode, GenerateRequest, Keyframe, StorageOptions};
use crate::error::{Error, Result};
use crate::model::{AspectRatio, Mode, ModeLimits, ModelEntry, ModelTable, PriceUnit};
use crate::model::{Resolution, Validation, VideoModel};
use crate::money::UsdTicks;

/// What a prompt should describe; sent along when one is missing.
pub(super) const PROMPT_GUIDANCE: &str = "describe what is seen and how it moves, the camera, the sound or \
    that there is no music, who speaks which words or that nobody does, and the ending frame, and \
    pace the scene to fill the duration";

/// Lives of stored files and links that the service takes, in seconds.
const STORAGE_LIFE: std::ops::RangeInclusive<u64> = 3_600..=2_592_000;

/// What a client puts where a request leaves something open.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Defaults {
    /// The model.
    pub model: VideoModel,
    /// The length.
    pub duration: Duration,
    /// The size class.
    pub resolution: Resolution,
    /// Sound.
    pub audio: bool,
}

impl Default for Defaults {
    /// The values of ima2-gen: the classic model (the one with every verb), 5 s, `480p`, sound.
    fn default() -> Self {
        Self {
            model: VideoModel::CLASSIC,
            duration: Duration::from_secs(5),
            resolution: Resolution::P480,
            audio: true,
        }
    }
}

/// A request that passed the check, with every default filled in.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Checked {
    /// The row of the table that applied.
    pub mode: Mode,
    /// The prompt, where there is one.
    pub prompt: Option<String>,
    /// The model that is asked for.
    pub model: VideoModel,
    /// Length in whole seconds.
    pub seconds: u32,
    /// Size class.
    pub resolution: Resolution,
    /// Width to height; `None` lets the service or the start image decide.
    pub aspect_ratio: Option<AspectRatio>,
    /// Sound.
    pub audio: bool,
    /// What it will cost; `None` when the table has no price for it.
    pub estimate: Option<UsdTicks>,
    /// What the table warns of and the client lets through.
    pub warnings: Vec<String>,
}

/// Collects what the table says against a request.
pub(super) struct Findings {
    validation: Validation,
    warnings: Vec<String>,
}

impl Findings {
    pub(super) const fn new(validation: Validation) -> Self {
        Self {
            validation,
            warnings: Vec::new(),
        }
    }

    /// The table says that the service will refuse this.
    pub(super) fn refuse(&mut self, what: String) -> Result<()> {
        match self.validation {
            Validation::Strict => Err(Error::invalid(what)),
            Validation::Warn => {
                self.warnings.push(what);
                Ok(())
            }
            Validation::Off => Ok(()),
        }
    }

    /// The table does not know.
    pub(super) fn warn(&mut self, what: String) {
        if self.validation != Validation::Off {
            self.warnings.push(what);
        }
    }

    /// A prompt may be too long, whatever it is for.
    pub(super) fn check_length(&mut self, prompt: &str, table: &ModelTable) -> Result<()> {
        let length = prompt.chars().count();
        if length <= table.max_prompt_chars as usize {
            return Ok(());
        }
        self.refuse(format!(
            "the prompt has {length} characters: the service takes {}",
            table.max_prompt_chars
        ))
    }

    /// What the table says of a model in a mode. `None` where it does not know the model, or knows that
    /// it does not do this.
    pub(super) fn limits<'a>(
        &mut self,
        table: &'a ModelTable,
        model: &VideoModel,
        mode: Mode,
    ) -> Result<Option<&'a ModeLimits>> {
        let (known, does) = match mode {
            Mode::Edit | Mode::Extend => ("limits are", mode.to_string()),
            _ => ("limits and its price are", format!("do {}", describe(mode))),
        };
        let Some(entry) = table.get(model) else {
            self.warn(format!(
                "model {model} is not in the table of {}: its {known} not known",
                table.date
            ));
            return Ok(None);
        };
        let limits = entry.mode(mode);
        if limits.is_none() {
            let others: Vec<_> = table.models_with(mode).map(VideoModel::as_str).collect();
            self.refuse(format!(
                "model {model} does not {does}; {} does",
                others.join(" or ")
            ))?;
        }
        Ok(limits)
    }

    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings
    }
}

impl GenerateRequest {
    /// Checks the request against a table and fills in the defaults.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) with one line that names the field and what
    /// would be right. Nothing was read, sent or paid.
    pub fn check(&self, table: &ModelTable, defaults: &Defaults, validation: Validation) -> Result<Checked> {
        let model = self.model.clone().unwrap_or_else(|| defaults.model.clone());
        let mode = self.kind();
        let mut findings = Findings::new(validation);

        self.check_shape()?;
        let prompt = self.checked_prompt(table, &mut findings)?;
        let seconds = whole_seconds("duration", self.duration.unwrap_or(defaults.duration))?;
        let resolution = self
            .resolution
            .clone()
            .unwrap_or_else(|| defaults.resolution.clone());
        if let Some(storage) = &self.storage {
            check_storage(storage)?;
        }

        if let Some(limits) = findings.limits(table, &model, mode)? {
            self.check_limits(
                limits,
                &model,
                prompt.as_deref(),
                seconds,
                &resolution,
                &mut findings,
            )?;
        }
        self.check_voices(table, &mut findings)?;

        let warnings = findings.into_warnings();
        Ok(Checked {
            mode,
            prompt,
            seconds,
            aspect_ratio: self.aspect_ratio.clone(),
            audio: self.audio.unwrap_or(defaults.audio),
            estimate: table
                .get(&model)
                .and_then(|entry| self.estimate(entry, seconds, &resolution)),
            resolution,
            warnings,
            model,
        })
    }

    fn checked_prompt(&self, table: &ModelTable, findings: &mut Findings) -> Result<Option<String>> {
        let blank = self
            .prompt
            .as_deref()
            .is_none_or(|prompt| prompt.trim().is_empty());
        if blank {
            // Pictures can speak for themselves; voices and nothing at all cannot.
            return if self.input_images() == 0 {
                Err(
                    Error::invalid("the prompt is blank: a clip from words needs words")
                        .with_guidance(PROMPT_GUIDANCE),
                )
            } else if self.prompt.is_some() {
                Err(
                    Error::invalid("the prompt is blank: leave it out, or say what moves")
                        .with_guidance(PROMPT_GUIDANCE),
                )
            } else {
                Ok(None)
            };
        }
        let prompt = self.prompt.as_deref().unwrap_or_default();
        findings.check_length(prompt, table)?;
        Ok(Some(prompt.to_owned()))
    }

    /// What can never be right, whatever the model.
    fn check_shape(&self) -> Result<()> {
        super::plan::check_topic(self.topic.as_deref())?;
        if self
            .aspect_ratio
            .as_ref()
            .is_some_and(|ratio| ratio.as_str() == "auto")
        {
            return Err(Error::invalid(
                "aspect_ratio auto is not a value of the service: leave the ratio out, and the start image or 16:9 decides",
            ));
        }
        match &self.mode {
            GenerateMode::References { images, .. } if images.is_empty() && self.voices.is_empty() => Err(
                Error::invalid("references are empty: give 1 to 14 pictures, or voices, or both"),
            ),
            GenerateMode::Frames {
                last: None,
                keyframes,
                ..
            } if keyframes.is_empty() => Err(Error::invalid(
                "frames has neither a last frame nor keyframes: to pin the first frame alone, start from an image",
            )),
            GenerateMode::Frames { .. } if !self.voices.is_empty() => Err(Error::invalid(
                "voices go with references, not with pinned last frames or keyframes",
            )),
            GenerateMode::Frames { keyframes, .. } => {
                let finer = |keyframe: &&Keyframe| !keyframe.at.subsec_nanos().is_multiple_of(1_000_000);
                keyframes.iter().find(finer).map_or(Ok(()), |keyframe| {
                    Err(Error::invalid(format!(
                        "keyframe at {} s is finer than a millisecond: give whole milliseconds, such as 2.667 s",
                        keyframe.at.as_secs_f64()
                    )))
                })
            }
            _ => Ok(()),
        }
    }

    fn check_limits(
        &self,
        limits: &ModeLimits,
        model: &VideoModel,
        prompt: Option<&str>,
        seconds: u32,
        resolution: &Resolution,
        findings: &mut Findings,
    ) -> Result<()> {
        let what = format!("{} with {}", describe(limits.mode), model);
        if limits.prompt_required && prompt.is_none() {
            findings.refuse(format!("the prompt is missing: {what} needs one"))?;
        }
        if let Some([least, most]) = limits.seconds
            && !(least..=most).contains(&seconds)
        {
            findings.refuse(format!(
                "duration {seconds} s is out of range: {what} makes {least} to {most} s"
            ))?;
        }
        if !limits.resolutions.is_empty() && !limits.resolutions.contains(resolution) {
            findings.refuse(format!(
                "resolution {resolution} is not for {what}: use {}",
                list(limits.resolutions.iter().map(Resolution::as_str))
            ))?;
        }
        if let Some(ratio) = &self.aspect_ratio {
            if limits.aspect_ratios.is_empty() {
                findings.refuse(format!(
                    "aspect_ratio {ratio} would be ignored: in {what} the picture decides; leave the ratio out, or crop the picture"
                ))?;
            } else if !limits.aspect_ratios.contains(ratio) {
                findings.refuse(format!(
                    "aspect_ratio {ratio} is not for {what}: use {}",
                    list(limits.aspect_ratios.iter().map(AspectRatio::as_str))
                ))?;
            }
        }
        self.check_counts(limits, &what, findings)?;
        self.check_keyframe_times(seconds, findings)
    }

    fn check_counts(&self, limits: &ModeLimits, what: &str, findings: &mut Findings) -> Result<()> {
        let mut at_most = |name: &str, count: usize, most: u32| {
            if count <= most as usize {
                return Ok(());
            }
            findings.refuse(match most {
                0 => format!("{what} takes no {name}, and {count} are given"),
                most => format!("{count} {name} are too many: {what} takes at most {most}"),
            })
        };
        at_most("voices", self.voices.len(), limits.max_voices)?;
        match &self.mode {
            GenerateMode::References { images, first_frame } => {
                at_most("reference pictures", images.len(), limits.max_references)?;
                if first_frame.is_some() && !limits.first_frame {
                    findings.refuse(format!("{what} cannot have a first frame beside references"))?;
                }
                Ok(())
            }
            GenerateMode::Frames { keyframes, .. } => {
                at_most("keyframes", keyframes.len(), limits.max_keyframes)
            }
            GenerateMode::Text | GenerateMode::Image { .. } => Ok(()),
        }
    }

    /// Strictly inside the clip, and no two on one third of a second: what the service checks, in the same units.
    fn check_keyframe_times(&self, seconds: u32, findings: &mut Findings) -> Result<()> {
        let GenerateMode::Frames { keyframes, .. } = &self.mode else {
            return Ok(());
        };
        let mut slots = Vec::with_capacity(keyframes.len());
        for keyframe in keyframes {
            let at = keyframe.at.as_secs_f64();
            if at <= 0.0 || at >= f64::from(seconds) {
                findings.refuse(format!(
                    "keyframe at {at} s is not inside the clip: use a time above 0 and below {seconds} s"
                ))?;
            }
            let slot = slot_of(keyframe.at, seconds);
            if slots.contains(&slot) {
                findings.refuse(format!(
                    "keyframe at {at} s falls on the same third of a second as another: the service keeps one frame a slot"
                ))?;
            }
            slots.push(slot);
        }
        Ok(())
    }

    /// An unknown voice may be one of the team's own, so it is a warning at most.
    fn check_voices(&self, table: &ModelTable, findings: &mut Findings) -> Result<()> {
        for voice in &self.voices {
            if voice.trim().is_empty() {
                return Err(Error::invalid(
                    "a voice is blank: give a preset such as eve, or a custom voice id",
                ));
            }
            let known = table.voices.iter().any(|name| name.eq_ignore_ascii_case(voice));
            if !known {
                findings.warn(format!(
                    "voice {voice} is not a preset of the table: taken as a custom voice id"
                ));
            }
        }
        Ok(())
    }

    /// How many pictures go in; each is billed.
    pub fn input_images(&self) -> usize {
        match &self.mode {
            GenerateMode::Text => 0,
            GenerateMode::Image { .. } => 1,
            GenerateMode::References { images, first_frame } => {
                images.len() + usize::from(first_frame.is_some())
            }
            GenerateMode::Frames {
                first,
                last,
                keyframes,
            } => usize::from(first.is_some()) + usize::from(last.is_some()) + keyframes.len(),
        }
    }

    fn estimate(&self, entry: &ModelEntry, seconds: u32, resolution: &Resolution) -> Option<UsdTicks> {
        let second = entry.price(PriceUnit::OutputSecond, Some(resolution))?;
        let images = match self.input_images() {
            0 => UsdTicks::ZERO,
            count => entry.price(PriceUnit::InputImage, None)? * count as u64,
        };
        Some(second * u64::from(seconds) + images)
    }
}

/// The third of a second, counted from 0, that the service snaps a keyframe to, in a clip of so many seconds.
///
/// It is the nearest one inside of the clip: the thirds at its two ends belong to the first and the last frame. In
/// whole numbers, since products of a float and 3 round to either side of a half.
fn slot_of(at: Duration, seconds: u32) -> u128 {
    let nearest = (at.as_millis() * 3 + 500) / 1000;
    nearest.clamp(1, (u128::from(seconds) * 3).saturating_sub(1).max(1))
}

/// The duration as the service counts it.
pub(super) fn whole_seconds(field: &str, duration: Duration) -> Result<u32> {
    let shown = duration.as_secs_f64();
    if duration.subsec_nanos() != 0 || duration.is_zero() {
        return Err(Error::invalid(format!(
            "{field} {shown} s is not a whole number of seconds above 0: the service counts whole seconds, such as 5"
        )));
    }
    u32::try_from(duration.as_secs())
        .map_err(|_| Error::invalid(format!("{field} {shown} s is out of range: use 1 to 15 s")))
}

pub(super) fn check_storage(storage: &StorageOptions) -> Result<()> {
    if storage.filename.trim().is_empty() {
        return Err(Error::invalid(
            "storage filename is blank: give the stored clip a name",
        ));
    }
    let life = |field: &str, life: Option<Duration>| match life {
        Some(life) if life.subsec_nanos() != 0 || !STORAGE_LIFE.contains(&life.as_secs()) => {
            Err(Error::invalid(format!(
                "{field} {} s is out of range: use whole seconds from {} (an hour) to {} (30 days)",
                life.as_secs_f64(),
                STORAGE_LIFE.start(),
                STORAGE_LIFE.end()
            )))
        }
        _ => Ok(()),
    };
    life("storage expires_after", storage.expires_after)?;
    match storage.public_url {
        Some(super::PublicUrl::ExpiresAfter(at)) => life("storage public_url expires_after", Some(at)),
        _ => Ok(()),
    }
}

const fn describe(mode: Mode) -> &'static str {
    match mode {
        Mode::Text => "text to video",
        Mode::Image => "image to video",
        Mode::References => "references to video",
        Mode::Frames => "pinned frames",
        Mode::Edit => "edits",
        Mode::Extend => "extensions",
    }
}

/// `a, b or c`.
fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
