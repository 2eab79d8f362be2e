//! The check of a request against the model table, before anything is read, sent or paid.
//!
//! There are two kinds of rule. Requests that are invalid for every model (a blank prompt, a duration of 2.5 s) are always
//! refused. Requests that the service would refuse according to the table are refused, reported as a warning or
//! accepted, depending on [`Validation`].

mod generate;
mod transform;

pub use generate::CheckedRequest;
pub use transform::CheckedVideo;

use std::time::Duration;

use super::{PublicUrl, StorageOptions};
use crate::error::{Error, Result};
use crate::model::{Mode, ModeLimits, ModelTable, Resolution, Validation, VideoModel};

/// What a prompt should describe; added to the error for a blank prompt.
const PROMPT_GUIDANCE: &str = "describe what is seen and how it moves, the camera, the sound or that there is no music, \
    who speaks which words or that nobody speaks, and the ending frame, and pace the scene to fill the duration";

/// Valid lifetimes of stored files and links, in seconds.
const STORAGE_LIFE: std::ops::RangeInclusive<u64> = 3_600..=2_592_000;

/// The values that a client uses for fields that a request leaves open.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Defaults {
    /// The model.
    pub model: VideoModel,
    /// The length of a new clip.
    pub duration: Duration,
    /// The resolution.
    pub resolution: Resolution,
    /// Whether a clip has sound.
    pub audio: bool,
}

impl Default for Defaults {
    /// Returns the defaults of ima2-gen: the classic model (the only one that supports every verb), 5 s, `480p`, sound.
    fn default() -> Self {
        Self {
            model: VideoModel::CLASSIC,
            duration: Duration::from_secs(5),
            resolution: Resolution::P480,
            audio: true,
        }
    }
}

/// Compares a request with the model table and collects the warnings.
struct TableCheck<'a> {
    table: &'a ModelTable,
    validation: Validation,
    warnings: Vec<String>,
}

impl<'a> TableCheck<'a> {
    const fn new(table: &'a ModelTable, validation: Validation) -> Self {
        Self {
            table,
            validation,
            warnings: Vec::new(),
        }
    }

    /// Reports something that the service would refuse according to the table.
    fn refuse(&mut self, message: String) -> Result<()> {
        refuse(self.validation, &mut self.warnings, message)
    }

    /// Adds a warning about something that the table does not cover.
    fn warn(&mut self, message: String) {
        if self.validation != Validation::Off {
            self.warnings.push(message);
        }
    }

    /// Checks the length of a prompt.
    fn check_length(&mut self, prompt: &str) -> Result<()> {
        let length = prompt.chars().count();
        let max = self.table.max_prompt_chars;
        if length <= max as usize {
            return Ok(());
        }
        self.refuse(format!(
            "the prompt has {length} characters: the service accepts at most {max}"
        ))
    }

    /// Returns the limits of a model in a mode, or `None` if the model is unknown or does not support the mode.
    fn find_limits(&mut self, model: &VideoModel, mode: Mode) -> Result<Option<&'a ModeLimits>> {
        let table = self.table;
        let Some(entry) = table.get(model) else {
            self.warn(format!(
                "model {model} is not in the table of {}: its limits and price are unknown",
                table.date
            ));
            return Ok(None);
        };
        let limits = entry.mode(mode);
        if limits.is_none() {
            let others = list(table.models_with(mode).map(VideoModel::as_str));
            self.refuse(format!(
                "model {model} does not support {}: use {others}",
                describe(mode)
            ))?;
        }
        Ok(limits)
    }
}

/// Reports something that the service would refuse: as an error, as a warning or not at all.
fn refuse(validation: Validation, warnings: &mut Vec<String>, message: String) -> Result<()> {
    match validation {
        Validation::Strict => return Err(Error::invalid(message)),
        Validation::Warn => warnings.push(message),
        Validation::Off => {}
    }
    Ok(())
}

/// Returns a duration as a whole number of seconds, as the service expects it.
fn whole_seconds(field: &str, duration: Duration) -> Result<u32> {
    let seconds = duration.as_secs_f64();
    if duration.subsec_nanos() != 0 || duration.is_zero() {
        return Err(Error::invalid(format!(
            "{field} {seconds} s is not a positive whole number of seconds: use a value such as 5 s"
        )));
    }
    u32::try_from(duration.as_secs())
        .map_err(|_| Error::invalid(format!("{field} {seconds} s is out of range: use 1 to 15 s")))
}

/// Checks the options for keeping a result in the service's Files API.
fn check_storage(storage: &StorageOptions) -> Result<()> {
    if storage.filename.trim().is_empty() {
        return Err(Error::invalid(
            "storage filename is blank: give the stored clip a name",
        ));
    }
    let check_life = |field: &str, life: Option<Duration>| match life {
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
    check_life("storage expires_after", storage.expires_after)?;
    match storage.public_url {
        Some(PublicUrl::ExpiresAfter(life)) => check_life("storage public_url expires_after", Some(life)),
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

/// Joins words as in `a, b or c`.
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
