//! The check of a generate request.

use std::time::Duration;

use super::{Defaults, PROMPT_GUIDANCE, TableCheck, check_storage, describe, list, whole_seconds};
use crate::error::{Error, Result};
use crate::model::{
    AspectRatio, Mode, ModeLimits, ModelTable, PriceUnit, Resolution, Validation, VideoModel,
};
use crate::money::UsdTicks;
use crate::request::{Estimate, GenerateMode, GenerateRequest, Keyframe};

/// Maximum length of a topic in characters.
const MAX_TOPIC: usize = 200;

/// A checked generate request with all defaults filled in.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CheckedRequest {
    /// The mode whose limits apply.
    pub mode: Mode,
    /// The prompt; `None` if pictures alone describe the clip.
    pub prompt: Option<String>,
    /// The requested model.
    pub model: VideoModel,
    /// The length in whole seconds.
    pub seconds: u32,
    /// The resolution.
    pub resolution: Resolution,
    /// Width to height; with `None`, the start image or the service determines it.
    pub aspect_ratio: Option<AspectRatio>,
    /// Whether the clip has sound.
    pub audio: bool,
    /// The estimated cost; `None` if the table has no price.
    pub estimate: Option<UsdTicks>,
    /// Violations of the table that the client's [`Validation`] permits, and what the table does not cover.
    pub warnings: Vec<String>,
}

impl GenerateRequest {
    /// Checks the request against a model table and fills in the defaults. Reads and sends nothing.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) with one line that names the field and says what would be
    /// valid.
    pub fn check(
        &self,
        table: &ModelTable,
        defaults: &Defaults,
        validation: Validation,
    ) -> Result<CheckedRequest> {
        let mut check = TableCheck::new(table, validation);
        self.check_shape()?;
        let prompt = self.check_prompt(&mut check)?;
        let seconds = whole_seconds("duration", self.duration.unwrap_or(defaults.duration))?;
        if let Some(storage) = &self.storage {
            check_storage(storage)?;
        }
        let resolution = self.resolution.as_ref().unwrap_or(&defaults.resolution);
        let mut checked = CheckedRequest {
            mode: self.kind(),
            prompt,
            model: self.model.as_ref().unwrap_or(&defaults.model).clone(),
            seconds,
            resolution: resolution.clone(),
            aspect_ratio: self.aspect_ratio.clone(),
            audio: self.audio.unwrap_or(defaults.audio),
            estimate: None,
            warnings: Vec::new(),
        };
        if let Some(limits) = check.find_limits(&checked.model, checked.mode)? {
            self.check_limits(limits, &checked, &mut check)?;
        }
        self.check_voices(&mut check)?;
        checked.estimate = checked.estimate(table, self.input_images());
        checked.warnings = check.warnings;
        Ok(checked)
    }

    fn check_prompt(&self, check: &mut TableCheck<'_>) -> Result<Option<String>> {
        let prompt = self.prompt.as_deref().unwrap_or_default();
        if !prompt.trim().is_empty() {
            check.check_length(prompt)?;
            return Ok(Some(prompt.to_owned()));
        }
        // Pictures can do without a prompt; voices cannot.
        let message = if self.input_images() == 0 {
            "the prompt is blank: a request without pictures needs a prompt"
        } else if self.prompt.is_some() {
            "the prompt is blank: omit it, or describe the motion"
        } else {
            return Ok(None);
        };
        Err(Error::invalid(message).with_guidance(PROMPT_GUIDANCE))
    }

    /// Checks what is invalid for every model.
    fn check_shape(&self) -> Result<()> {
        check_topic(self.topic.as_deref())?;
        if self
            .aspect_ratio
            .as_ref()
            .is_some_and(|ratio| ratio.as_str() == "auto")
        {
            return Err(Error::invalid(
                "aspect_ratio auto is not a value of the service: omit it to use the ratio of the start image, or 16:9",
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
                "frames has neither a last frame nor keyframes: to pin only the first frame, start from an image",
            )),
            GenerateMode::Frames { .. } if !self.voices.is_empty() => Err(Error::invalid(
                "voices are not supported with pinned frames: use them with references",
            )),
            GenerateMode::Frames { keyframes, .. } => {
                let is_finer = |keyframe: &&Keyframe| !keyframe.at.subsec_nanos().is_multiple_of(1_000_000);
                keyframes.iter().find(is_finer).map_or(Ok(()), |keyframe| {
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
        checked: &CheckedRequest,
        check: &mut TableCheck<'_>,
    ) -> Result<()> {
        let what = format!("{} with {}", describe(limits.mode), checked.model);
        let (seconds, resolution) = (checked.seconds, &checked.resolution);
        if limits.prompt_required && checked.prompt.is_none() {
            check.refuse(format!("the prompt is missing: {what} needs one"))?;
        }
        if let Some([min, max]) = limits.seconds
            && !(min..=max).contains(&seconds)
        {
            check.refuse(format!(
                "duration {seconds} s is out of range: {what} supports {min} to {max} s"
            ))?;
        }
        if !limits.resolutions.is_empty() && !limits.resolutions.contains(resolution) {
            check.refuse(format!(
                "resolution {resolution} is not supported for {what}: use {}",
                list(limits.resolutions.iter().map(Resolution::as_str))
            ))?;
        }
        if let Some(ratio) = &self.aspect_ratio {
            if limits.aspect_ratios.is_empty() {
                check.refuse(format!(
                    "aspect_ratio {ratio} would be ignored: for {what} the picture determines the ratio; omit it, or crop the picture"
                ))?;
            } else if !limits.aspect_ratios.contains(ratio) {
                check.refuse(format!(
                    "aspect_ratio {ratio} is not supported for {what}: use {}",
                    list(limits.aspect_ratios.iter().map(AspectRatio::as_str))
                ))?;
            }
        }
        self.check_counts(limits, &what, check)?;
        self.check_keyframe_times(seconds, check)
    }

    fn check_counts(&self, limits: &ModeLimits, what: &str, check: &mut TableCheck<'_>) -> Result<()> {
        let mut check_count = |name: &str, count: usize, max: u32| {
            if count <= max as usize {
                return Ok(());
            }
            check.refuse(match max {
                0 => format!("{what} accepts no {name}, but {count} were given"),
                max => format!("{count} {name} are too many: {what} accepts at most {max}"),
            })
        };
        check_count("voices", self.voices.len(), limits.max_voices)?;
        match &self.mode {
            GenerateMode::References { images, first_frame } => {
                check_count("reference pictures", images.len(), limits.max_references)?;
                if first_frame.is_some() && !limits.first_frame {
                    check.refuse(format!(
                        "{what} does not accept a first frame together with references"
                    ))?;
                }
                Ok(())
            }
            GenerateMode::Frames { keyframes, .. } => {
                check_count("keyframes", keyframes.len(), limits.max_keyframes)
            }
            GenerateMode::Text | GenerateMode::Image { .. } => Ok(()),
        }
    }

    /// Checks that keyframes lie inside the clip and on different thirds of a second, as the service does.
    fn check_keyframe_times(&self, seconds: u32, check: &mut TableCheck<'_>) -> Result<()> {
        let GenerateMode::Frames { keyframes, .. } = &self.mode else {
            return Ok(());
        };
        let mut slots = Vec::with_capacity(keyframes.len());
        for keyframe in keyframes {
            let at = keyframe.at.as_secs_f64();
            if at <= 0.0 || at >= f64::from(seconds) {
                check.refuse(format!(
                    "keyframe at {at} s is not inside the clip: use a time above 0 and below {seconds} s"
                ))?;
            }
            let slot = find_slot(keyframe.at, seconds);
            if slots.contains(&slot) {
                check.refuse(format!(
                    "keyframe at {at} s falls on the same third of a second as another: the service keeps one frame for each third"
                ))?;
            }
            slots.push(slot);
        }
        Ok(())
    }

    /// Checks the voices. An unknown voice is only a warning, because it may be a custom voice of the team.
    fn check_voices(&self, check: &mut TableCheck<'_>) -> Result<()> {
        for voice in &self.voices {
            if voice.trim().is_empty() {
                return Err(Error::invalid(
                    "a voice is blank: give a preset such as eve, or a custom voice id",
                ));
            }
            let presets = &check.table.voices;
            if !presets.iter().any(|name| name.eq_ignore_ascii_case(voice)) {
                check.warn(format!(
                    "voice {voice} is not a preset in the table: it is used as a custom voice id"
                ));
            }
        }
        Ok(())
    }
}

impl CheckedRequest {
    pub(crate) fn to_estimate(&self) -> Estimate {
        Estimate {
            cost: self.estimate,
            clips: 1,
            model: Some(self.model.clone()),
            duration: Some(Duration::from_secs(self.seconds.into())),
            resolution: Some(self.resolution.clone()),
            aspect_ratio: self.aspect_ratio.clone(),
            audio: Some(self.audio),
            warnings: self.warnings.clone(),
        }
    }

    fn estimate(&self, table: &ModelTable, input_images: usize) -> Option<UsdTicks> {
        let entry = table.get(&self.model)?;
        let second = entry.price(PriceUnit::OutputSecond, Some(&self.resolution))?;
        let images = match input_images {
            0 => UsdTicks::ZERO,
            count => entry.price(PriceUnit::InputImage, None)? * count as u64,
        };
        Some(second * u64::from(self.seconds) + images)
    }
}

/// Returns the third of a second, counted from 0, to which the service moves a keyframe.
///
/// It is the nearest one inside the clip: the thirds at both ends belong to the first and the last frame. Computed with
/// integers, because the product of a float and 3 can round to either side of a half.
fn find_slot(at: Duration, seconds: u32) -> u128 {
    let nearest = (at.as_millis() * 3 + 500) / 1000;
    nearest.clamp(1, (u128::from(seconds) * 3).saturating_sub(1).max(1))
}

/// Checks that a topic is a name on one line.
fn check_topic(topic: Option<&str>) -> Result<()> {
    let Some(topic) = topic else { return Ok(()) };
    if topic.trim().is_empty() {
        return Err(Error::invalid("the topic is blank: omit it, or name the series"));
    }
    if topic.chars().count() > MAX_TOPIC || topic.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "the topic is not a name: use one line of at most {MAX_TOPIC} characters"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_a_name() {
        assert!(check_topic(None).is_ok());
        assert!(check_topic(Some("Leuchtturm, Folge")).is_ok());
        for bad in ["", "  ", "two\nlines", &"x".repeat(201)] {
            assert!(check_topic(Some(bad)).is_err(), "{bad:?}");
        }
    }
}
