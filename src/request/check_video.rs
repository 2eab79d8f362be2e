//! The check of an edit or an extension against the model table: once before the clip is read, and once
//! when its length is known.

use std::time::Duration;

use super::check::{Findings, check_storage, whole_seconds};
use super::{Defaults, EditRequest, ExtendRequest, StorageOptions};
use crate::error::{Error, Result};
use crate::model::{Mode, ModelTable, PriceUnit, Resolution, Validation, VideoModel};
use crate::money::UsdTicks;

/// The service's measure of a length and ours may differ by a frame: 1/24 s.
const SLACK: f64 = 0.042;
/// Added when an extension leaves it open; ima2-gen's value, and the service's.
const DEFAULT_ADDED: Duration = Duration::from_secs(6);

/// An edit or extension that passed the check, with every default filled in.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CheckedVideo {
    /// [`Mode::Edit`] or [`Mode::Extend`].
    pub mode: Mode,
    /// The prompt.
    pub prompt: String,
    /// The model that is asked for.
    pub model: VideoModel,
    /// Seconds that an extension adds.
    pub added_seconds: Option<u32>,
    /// What the table warns of and the client lets through.
    pub warnings: Vec<String>,
    validation: Validation,
    input_seconds: Option<[f64; 2]>,
}

impl EditRequest {
    /// Checks the request against a table and fills in the defaults. The clip is not looked at.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) with one line that names the field.
    pub fn check(
        &self,
        table: &ModelTable,
        defaults: &Defaults,
        validation: Validation,
    ) -> Result<CheckedVideo> {
        check(
            table,
            defaults,
            validation,
            Mode::Edit,
            &self.prompt,
            self.model.as_ref(),
            None,
            self.storage.as_ref(),
        )
    }
}

impl ExtendRequest {
    /// Checks the request against a table and fills in the defaults. The clip is not looked at.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) with one line that names the field.
    pub fn check(
        &self,
        table: &ModelTable,
        defaults: &Defaults,
        validation: Validation,
    ) -> Result<CheckedVideo> {
        let added = whole_seconds("duration", self.duration.unwrap_or(DEFAULT_ADDED))?;
        check(
            table,
            defaults,
            validation,
            Mode::Extend,
            &self.prompt,
            self.model.as_ref(),
            Some(added),
            self.storage.as_ref(),
        )
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "the fields that two requests share, and nothing else"
)]
fn check(
    table: &ModelTable,
    defaults: &Defaults,
    validation: Validation,
    mode: Mode,
    prompt: &str,
    model: Option<&VideoModel>,
    added_seconds: Option<u32>,
    storage: Option<&StorageOptions>,
) -> Result<CheckedVideo> {
    let model = model.unwrap_or(&defaults.model).clone();
    let mut findings = Findings::new(validation);
    if prompt.trim().is_empty() {
        return Err(
            Error::invalid("the prompt is blank: say what is to change, or how the clip goes on")
                .with_guidance(super::check::PROMPT_GUIDANCE),
        );
    }
    findings.check_length(prompt, table)?;
    if let Some(storage) = storage {
        check_storage(storage)?;
    }
    let limits = findings.limits(table, &model, mode)?;
    if let (Some(added), Some([least, most])) = (added_seconds, limits.and_then(|limits| limits.seconds))
        && !(least..=most).contains(&added)
    {
        findings.refuse(format!(
            "duration {added} s is out of range: an extension adds {least} to {most} s"
        ))?;
    }
    Ok(CheckedVideo {
        mode,
        prompt: prompt.to_owned(),
        model,
        added_seconds,
        warnings: findings.into_warnings(),
        validation,
        input_seconds: limits.and_then(|limits| limits.input_seconds),
    })
}

impl CheckedVideo {
    /// Checks the length of the clip, once it is known. The service refuses some of this only later, and
    /// is paid for the try.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming the clip, its length and the limits.
    pub fn check_input(&mut self, name: &str, length: Duration) -> Result<()> {
        let Some([least, most]) = self.input_seconds else {
            return Ok(());
        };
        let seconds = length.as_secs_f64();
        let mut findings = Findings::new(self.validation);
        if seconds > most + SLACK || seconds < least - SLACK {
            let what = if self.mode == Mode::Edit {
                "an edit"
            } else {
                "an extension"
            };
            let right = if least > 0.0 {
                format!("{least} to {most} s")
            } else {
                format!("at most {most} s")
            };
            findings.refuse(format!(
                "{name} has {} s: {what} takes a clip of {right}; trim it first",
                (seconds * 100.0).round() / 100.0
            ))?;
        }
        self.warnings.extend(findings.into_warnings());
        Ok(())
    }

    /// What it will cost, for a clip of that length and height; `None` when the table has no price.
    ///
    /// Which seconds of an extension are billed as output is not documented: the added ones are taken.
    pub fn estimate(&self, table: &ModelTable, length: Duration, lines: u32) -> Option<UsdTicks> {
        let entry = table.get(&self.model)?;
        // The result is as large as the clip, and 720p at the most.
        let resolution = if lines < 600 {
            Resolution::P480
        } else {
            Resolution::P720
        };
        let second = entry.price(PriceUnit::OutputSecond, Some(&resolution))?;
        let input = entry.price(PriceUnit::InputVideoSecond, None)?;
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let made = self.added_seconds.map_or(millis, |added| u64::from(added) * 1000);
        Some(second.prorate(made, 1000) + input.prorate(millis, 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::usd;
    use crate::request::{MediaInput, secs};

    fn clip() -> MediaInput {
        MediaInput::clip("a")
    }

    fn edit(request: &EditRequest) -> Result<CheckedVideo> {
        request.check(ModelTable::built_in()?, &Defaults::default(), Validation::Strict)
    }

    fn extend(request: &ExtendRequest) -> Result<CheckedVideo> {
        request.check(ModelTable::built_in()?, &Defaults::default(), Validation::Strict)
    }

    #[test]
    fn only_the_classic_model_edits_and_extends() {
        assert!(edit(&EditRequest::new(clip(), "night")).is_ok());
        for model in [VideoModel::V1_5, VideoModel::V1_5_LITE] {
            let error = edit(&EditRequest::new(clip(), "night").model(model.clone())).unwrap_err();
            assert!(error.to_string().contains("grok-imagine-video does"), "{error}");
            assert!(extend(&ExtendRequest::new(clip(), "on").model(model)).is_err());
        }
    }

    #[test]
    fn an_extension_adds_two_to_ten_whole_seconds() {
        let added = |seconds| extend(&ExtendRequest::new(clip(), "on").duration(seconds));
        assert_eq!(
            extend(&ExtendRequest::new(clip(), "on")).unwrap().added_seconds,
            Some(6)
        );
        for good in [2, 10] {
            assert!(added(secs(good)).is_ok());
        }
        for bad in [0, 1, 11] {
            assert!(added(secs(bad)).is_err());
        }
        assert!(added(Duration::from_millis(2500)).is_err());
    }

    #[test]
    fn lengths_of_the_clip_are_checked_when_known() {
        let mut checked = edit(&EditRequest::new(clip(), "night")).unwrap();
        assert!(checked.check_input("a.mp4", Duration::from_millis(8_700)).is_ok());
        let error = checked.check_input("a.mp4", secs(9)).unwrap_err().to_string();
        assert!(
            error.contains("a.mp4 has 9 s") && error.contains("8.7 s"),
            "{error}"
        );
        let mut checked = extend(&ExtendRequest::new(clip(), "on")).unwrap();
        for (millis, good) in [(1_000, false), (2_000, true), (15_000, true), (16_000, false)] {
            let result = checked.check_input("a.mp4", Duration::from_millis(millis));
            assert_eq!(result.is_ok(), good, "{millis}");
        }
    }

    #[test]
    fn estimates_count_what_goes_in_and_what_comes_out() {
        let table = ModelTable::built_in().unwrap();
        let checked = edit(&EditRequest::new(clip(), "night")).unwrap();
        // 6 s out at $0.07 and 6 s in at $0.01.
        assert_eq!(
            checked.estimate(table, secs(6), 720).unwrap().to_string(),
            "$0.48"
        );
        let checked = extend(&ExtendRequest::new(clip(), "on").duration(secs(4))).unwrap();
        // 4 s out at $0.05 and 6 s in at $0.01.
        assert_eq!(
            checked.estimate(table, secs(6), 480).unwrap().to_string(),
            "$0.26"
        );
    }

    #[test]
    fn an_estimate_never_wraps() {
        // A price of 1.8 billion dollars a second; twice that, for both kinds of seconds, does not fit.
        let extreme = include_str!("../model/models.toml").replace("\"0.07\"", "\"1844674407.0\"");
        let table = ModelTable::from_toml(&extreme).unwrap();
        let checked = edit(&EditRequest::new(clip(), "night")).unwrap();
        let most = UsdTicks::new(u64::MAX);
        for length in [
            secs(1),
            secs(2),
            secs(8),
            Duration::from_millis(1001),
            Duration::MAX,
        ] {
            let estimate = checked.estimate(&table, length, 720).unwrap();
            assert!(estimate >= usd("1844674407.0").unwrap(), "{length:?}: {estimate}");
            let twice = checked.estimate(&table, length.saturating_mul(2), 720).unwrap();
            assert!(twice >= estimate, "{length:?}: {twice} < {estimate}");
        }
        assert_eq!(checked.estimate(&table, secs(2), 720), Some(most));
        let checked = extend(&ExtendRequest::new(clip(), "on").duration(secs(10))).unwrap();
        assert_eq!(checked.estimate(&table, secs(15), 720), Some(most));
        // The budget refuses what does not fit, whatever its limit.
        let refused =
            crate::money::Budget::per_request(usd("1844674407.0").unwrap()).check_request(Some(most));
        assert!(refused.is_err());
    }

    #[test]
    fn a_blank_prompt_is_refused() {
        assert!(
            edit(&EditRequest::new(clip(), " "))
                .unwrap_err()
                .guidance()
                .is_some()
        );
    }
}
