//! The check of an edit or extend request: once before the clip is read, and once when its length is known.

use std::time::Duration;

use super::{Defaults, PROMPT_GUIDANCE, TableCheck, check_storage, refuse, whole_seconds};
use crate::error::{Error, Result};
use crate::model::{Mode, ModelTable, PriceUnit, Resolution, Validation, VideoModel};
use crate::money::UsdTicks;
use crate::request::{EditRequest, Estimate, ExtendRequest, StorageOptions};

/// Tolerance for the length of a clip in seconds: the service and this crate may measure lengths that differ by a frame.
const TOLERANCE: f64 = 0.042;
/// Default length of the part that an extension adds, as in ima2-gen and in the service.
const DEFAULT_ADDED: Duration = Duration::from_secs(6);

/// A checked edit or extend request with all defaults filled in.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CheckedVideo {
    /// [`Mode::Edit`] or [`Mode::Extend`].
    pub mode: Mode,
    /// The prompt.
    pub prompt: String,
    /// The requested model.
    pub model: VideoModel,
    /// The number of seconds that an extension adds.
    pub added_seconds: Option<u32>,
    /// Violations of the table that the client's [`Validation`] permits, and what the table does not cover.
    pub warnings: Vec<String>,
    validation: Validation,
    /// The minimum and maximum length of the clip.
    input_seconds: Option<[f64; 2]>,
}

impl EditRequest {
    /// Checks the request against a model table and fills in the defaults. Does not read the clip.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) with one line that names the field.
    pub fn check(
        &self,
        table: &ModelTable,
        defaults: &Defaults,
        validation: Validation,
    ) -> Result<CheckedVideo> {
        let model = self.model.as_ref().unwrap_or(&defaults.model).clone();
        CheckedVideo::new(Mode::Edit, &self.prompt, model, None, validation)
            .check(table, self.storage.as_ref())
    }
}

impl ExtendRequest {
    /// Checks the request against a model table and fills in the defaults. Does not read the clip.
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
        let model = self.model.as_ref().unwrap_or(&defaults.model).clone();
        CheckedVideo::new(Mode::Extend, &self.prompt, model, Some(added), validation)
            .check(table, self.storage.as_ref())
    }
}

impl CheckedVideo {
    fn new(
        mode: Mode,
        prompt: &str,
        model: VideoModel,
        added_seconds: Option<u32>,
        validation: Validation,
    ) -> Self {
        Self {
            mode,
            prompt: prompt.to_owned(),
            model,
            added_seconds,
            warnings: Vec::new(),
            validation,
            input_seconds: None,
        }
    }

    /// Checks the fields and takes over the limits and warnings of the table.
    fn check(mut self, table: &ModelTable, storage: Option<&StorageOptions>) -> Result<Self> {
        let mut check = TableCheck::new(table, self.validation);
        if self.prompt.trim().is_empty() {
            return Err(Error::invalid(
                "the prompt is blank: describe the change, or how the clip continues",
            )
            .with_guidance(PROMPT_GUIDANCE));
        }
        check.check_length(&self.prompt)?;
        if let Some(storage) = storage {
            check_storage(storage)?;
        }
        let limits = check.find_limits(&self.model, self.mode)?;
        if let (Some(added), Some([min, max])) =
            (self.added_seconds, limits.and_then(|limits| limits.seconds))
            && !(min..=max).contains(&added)
        {
            check.refuse(format!(
                "duration {added} s is out of range: an extension adds {min} to {max} s"
            ))?;
        }
        self.input_seconds = limits.and_then(|limits| limits.input_seconds);
        self.warnings = check.warnings;
        Ok(self)
    }

    /// Checks the length of the clip once it is known. The service would refuse some lengths only after charging.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming the clip, its length and the limits.
    pub fn check_input(&mut self, name: &str, length: Duration) -> Result<()> {
        let Some([min, max]) = self.input_seconds else {
            return Ok(());
        };
        let seconds = length.as_secs_f64();
        if (min - TOLERANCE..=max + TOLERANCE).contains(&seconds) {
            return Ok(());
        }
        let what = if self.mode == Mode::Edit {
            "an edit"
        } else {
            "an extension"
        };
        let range = if min > 0.0 {
            format!("{min} to {max} s")
        } else {
            format!("at most {max} s")
        };
        let message = format!(
            "{name} is {} s long: {what} accepts a clip of {range}; trim it first",
            (seconds * 100.0).round() / 100.0
        );
        refuse(self.validation, &mut self.warnings, message)
    }

    /// Estimates the cost for a clip of the given length and height, or returns `None` if the table has no price.
    ///
    /// The service does not document which seconds of an extension are billed as output; this counts the added ones.
    pub fn estimate(&self, table: &ModelTable, length: Duration, lines: u32) -> Option<UsdTicks> {
        let entry = table.get(&self.model)?;
        let second = entry.price(PriceUnit::OutputSecond, Some(&resolution_of(lines)))?;
        let input = entry.price(PriceUnit::InputVideoSecond, None)?;
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let output = self.added_seconds.map_or(millis, |added| u64::from(added) * 1000);
        Some(second.prorate(output, 1000) + input.prorate(millis, 1000))
    }

    /// Returns the estimate for a clip of the given length and height, as far as both are known.
    pub(crate) fn to_estimate(
        &self,
        table: &ModelTable,
        length: Option<Duration>,
        lines: Option<u32>,
    ) -> Estimate {
        let added = Duration::from_secs(self.added_seconds.unwrap_or_default().into());
        Estimate {
            cost: length
                .zip(lines)
                .and_then(|(length, lines)| self.estimate(table, length, lines)),
            clips: 1,
            model: Some(self.model.clone()),
            duration: length.map(|length| length.saturating_add(added)),
            resolution: lines.map(resolution_of),
            aspect_ratio: None,
            audio: None,
            warnings: self.warnings.clone(),
        }
    }
}

/// Returns the resolution of a clip that is made from one with this height: the same, up to 720p.
const fn resolution_of(lines: u32) -> Resolution {
    if lines < 600 {
        Resolution::P480
    } else {
        Resolution::P720
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
    fn only_the_classic_model_supports_edits_and_extensions() {
        assert!(edit(&EditRequest::new(clip(), "night")).is_ok());
        for model in [VideoModel::V1_5, VideoModel::V1_5_LITE] {
            let error = edit(&EditRequest::new(clip(), "night").model(model.clone())).unwrap_err();
            assert!(error.to_string().contains("use grok-imagine-video"), "{error}");
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
    fn the_length_of_the_clip_is_checked() {
        let mut checked = edit(&EditRequest::new(clip(), "night")).unwrap();
        assert!(checked.check_input("a.mp4", Duration::from_millis(8_700)).is_ok());
        let error = checked.check_input("a.mp4", secs(9)).unwrap_err().to_string();
        assert!(
            error.contains("a.mp4 is 9 s long") && error.contains("8.7 s"),
            "{error}"
        );
        let mut checked = extend(&ExtendRequest::new(clip(), "on")).unwrap();
        for (millis, good) in [(1_000, false), (2_000, true), (15_000, true), (16_000, false)] {
            let result = checked.check_input("a.mp4", Duration::from_millis(millis));
            assert_eq!(result.is_ok(), good, "{millis}");
        }
    }

    #[test]
    fn estimates_count_input_and_output_seconds() {
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
        // At 1.8 billion dollars a second, the cost of two seconds does not fit into ticks.
        let extreme = include_str!("../../model/models.toml").replace("\"0.07\"", "\"1844674407.0\"");
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
        // A budget refuses an estimate that does not fit, regardless of its limit.
        let refused = crate::money::Budget::new()
            .per_request(usd("1844674407.0").unwrap())
            .check_request(Some(most));
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
