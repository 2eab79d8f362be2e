//! Whether and how a language model rewrites a prompt: the settings of a client and the choice of a request.

use std::time::Duration;

use crate::error::{Error, Result};

/// Maximum deadline of a language model call.
const MAX_DEADLINE: Duration = Duration::from_secs(3600);

/// Settings for planning prompts: a language model rewrites the user's prompt for the video model.
///
/// The planner improves a prompt and never tries to evade moderation. If it declines a prompt, the request fails
/// regardless of [`on_failure`](Self::on_failure).
///
/// ```
/// use reelkin::{PlanWhen, PlannerFailure, PlannerSettings};
/// let settings = PlannerSettings::default()
///     .when(PlanWhen::Always)
///     .web_search(true)
///     .on_failure(PlannerFailure::OwnWords);
/// # let _ = settings;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct PlannerSettings {
    /// Which requests are planned by default.
    pub when: PlanWhen,
    /// The language model; defaults to `grok-4.3`.
    pub model: String,
    /// Whether the model may search the web on the service's side. Off by default, because searches cost extra.
    pub web_search: bool,
    /// How much the model reasons: `none`, `low`, `medium`, `high` or `xhigh`, as far as the model supports it. With
    /// `None`, the model decides.
    pub reasoning_effort: Option<String>,
    /// The deadline of planning, retries included; defaults to 120 s.
    pub deadline: Duration,
    /// What happens if planning fails.
    pub on_failure: PlannerFailure,
}

impl Default for PlannerSettings {
    fn default() -> Self {
        Self {
            when: PlanWhen::default(),
            model: "grok-4.3".to_owned(),
            web_search: false,
            reasoning_effort: None,
            deadline: Duration::from_secs(120),
            on_failure: PlannerFailure::default(),
        }
    }
}

/// Which requests are planned if they use [`PlanChoice::Default`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum PlanWhen {
    /// Clips that continue another clip, about which the planner knows more than the prompt says.
    #[default]
    Continuing,
    /// All clips.
    Always,
    /// No clips.
    Never,
}

/// What happens if the planner fails, exceeds its deadline or returns an invalid plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum PlannerFailure {
    /// The request fails, and no clip is requested.
    #[default]
    Error,
    /// The user's prompt is sent unchanged, and the clip's record says so.
    OwnWords,
}

/// Whether the prompt of a request is planned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum PlanChoice {
    /// Follows the client's settings.
    #[default]
    Default,
    /// Sends the prompt unchanged.
    Off,
    /// Plans the prompt with these settings, or with the client's.
    On(Option<PlannerSettings>),
}

impl From<bool> for PlanChoice {
    fn from(on: bool) -> Self {
        if on { Self::On(None) } else { Self::Off }
    }
}

impl From<PlannerSettings> for PlanChoice {
    fn from(settings: PlannerSettings) -> Self {
        Self::On(Some(settings))
    }
}

impl PlannerSettings {
    /// Sets which requests are planned by default.
    pub const fn when(mut self, when: PlanWhen) -> Self {
        self.when = when;
        self
    }

    /// Sets the language model.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Sets whether the model may search the web.
    pub const fn web_search(mut self, on: bool) -> Self {
        self.web_search = on;
        self
    }

    /// Sets how much the model reasons.
    pub fn reasoning_effort(mut self, effort: impl Into<String>) -> Self {
        self.reasoning_effort = Some(effort.into());
        self
    }

    /// Sets the deadline of planning.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets what happens if planning fails.
    pub const fn on_failure(mut self, then: PlannerFailure) -> Self {
        self.on_failure = then;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// `InvalidRequest` for settings that cannot be used in a call.
    pub(crate) fn check(&self) -> Result<()> {
        check_call(
            "planner",
            &self.model,
            self.reasoning_effort.as_deref(),
            self.deadline,
        )
    }
}

/// Checks the settings that every call of a language model needs. `what` names the call in errors.
pub(super) fn check_call(what: &str, model: &str, effort: Option<&str>, deadline: Duration) -> Result<()> {
    if model.trim().is_empty() {
        return Err(Error::invalid(format!(
            "the {what}'s model is blank: name a language model such as grok-4.3"
        )));
    }
    if effort.is_some_and(|effort| effort.trim().is_empty()) {
        return Err(Error::invalid(format!(
            "the {what}'s reasoning effort is blank: leave it out, or use a word such as low"
        )));
    }
    if deadline.is_zero() || deadline > MAX_DEADLINE {
        return Err(Error::invalid(format!(
            "the {what}'s deadline of {} s is out of range: use more than 0 and at most {} s",
            deadline.as_secs_f64(),
            MAX_DEADLINE.as_secs()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_as_documented() {
        let settings = PlannerSettings::default();
        assert_eq!(settings.model, "grok-4.3");
        assert!(!settings.web_search);
        assert_eq!(settings.deadline, Duration::from_secs(120));
        assert_eq!(settings.on_failure, PlannerFailure::Error);
        assert_eq!(settings.when, PlanWhen::Continuing);
        assert!(settings.check().is_ok());
    }

    #[test]
    fn unusable_settings_are_refused() {
        let refused = |settings: PlannerSettings| settings.check().unwrap_err().to_string();
        assert!(refused(PlannerSettings::default().model(" ")).contains("model is blank"));
        assert!(refused(PlannerSettings::default().reasoning_effort("")).contains("effort is blank"));
        assert!(refused(PlannerSettings::default().deadline(Duration::ZERO)).contains("deadline of 0 s"));
        assert!(refused(PlannerSettings::default().deadline(Duration::MAX)).contains("at most 3600 s"));
    }
}
