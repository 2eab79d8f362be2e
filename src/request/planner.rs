//! Whether and how a prompt is planned: the settings of a client and the choice of a request.

use std::time::Duration;

use crate::error::{Error, Result};

/// Longest topic, in characters.
const MAX_TOPIC: usize = 200;
/// Longest deadline of one call of a language model.
const MAX_DEADLINE: Duration = Duration::from_secs(3600);

/// How prompts are planned: a language model rewrites the user's words for the video model.
///
/// The planner improves a prompt. It never tries to get around anybody's moderation, and what it
/// declines is an error whatever [`on_failure`](Self::on_failure) says.
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
    /// Which requests are planned that do not say so themselves.
    pub when: PlanWhen,
    /// The language model: `grok-4.3`.
    pub model: String,
    /// Whether the model may search the web on the service's side. Off: searches cost extra.
    pub web_search: bool,
    /// How long the model thinks: `none`, `low`, `medium`, `high`, `xhigh`, as far as it takes the
    /// word. Left out the model decides.
    pub reasoning_effort: Option<String>,
    /// The longest that planning may take, with every repetition: 120 s.
    pub deadline: Duration,
    /// What happens when there is no plan.
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

/// Which requests are planned that leave it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum PlanWhen {
    /// Clips that go on from another one: there the planner knows what the words alone do not say.
    #[default]
    Continuing,
    /// Every clip.
    Always,
    /// None.
    Never,
}

/// What happens when a planner fails, is too late or answers nonsense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum PlannerFailure {
    /// The request fails, and no clip is asked for.
    #[default]
    Error,
    /// The user's own words are sent, and the clip's record says so.
    OwnWords,
}

/// Whether one request is planned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum PlanChoice {
    /// As the client's settings say.
    #[default]
    Default,
    /// The words are sent as they are.
    Off,
    /// The words are planned: with these settings, or with the client's.
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
    /// Which requests are planned that leave it open.
    pub const fn when(mut self, when: PlanWhen) -> Self {
        self.when = when;
        self
    }

    /// The language model.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Whether the model may search the web.
    pub const fn web_search(mut self, on: bool) -> Self {
        self.web_search = on;
        self
    }

    /// How long the model thinks.
    pub fn reasoning_effort(mut self, effort: impl Into<String>) -> Self {
        self.reasoning_effort = Some(effort.into());
        self
    }

    /// The longest that planning may take.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What happens when there is no plan.
    pub const fn on_failure(mut self, then: PlannerFailure) -> Self {
        self.on_failure = then;
        self
    }

    /// # Errors
    /// `InvalidRequest` for settings that no call can be made with.
    pub(crate) fn check(&self) -> Result<()> {
        check_call(
            "planner",
            &self.model,
            self.reasoning_effort.as_deref(),
            self.deadline,
        )
    }
}

/// What every call of a language model has to name.
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

/// A topic is a name in one line.
pub(super) fn check_topic(topic: Option<&str>) -> Result<()> {
    let Some(topic) = topic else { return Ok(()) };
    if topic.trim().is_empty() {
        return Err(Error::invalid(
            "the topic is blank: leave it out, or name the series",
        ));
    }
    if topic.chars().count() > MAX_TOPIC || topic.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "the topic is no name of a series: use one line of at most {MAX_TOPIC} characters"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_defaults() {
        let settings = PlannerSettings::default();
        assert_eq!(settings.model, "grok-4.3");
        assert!(!settings.web_search);
        assert_eq!(settings.deadline, Duration::from_secs(120));
        assert_eq!(settings.on_failure, PlannerFailure::Error);
        assert_eq!(settings.when, PlanWhen::Continuing);
        assert!(settings.check().is_ok());
    }

    #[test]
    fn settings_that_cannot_be_sent_are_refused() {
        let refused = |settings: PlannerSettings| settings.check().unwrap_err().to_string();
        assert!(refused(PlannerSettings::default().model(" ")).contains("model is blank"));
        assert!(refused(PlannerSettings::default().reasoning_effort("")).contains("effort is blank"));
        assert!(refused(PlannerSettings::default().deadline(Duration::ZERO)).contains("deadline of 0 s"));
        assert!(refused(PlannerSettings::default().deadline(Duration::MAX)).contains("at most 3600 s"));
    }

    #[test]
    fn a_topic_is_a_name() {
        assert!(check_topic(None).is_ok());
        assert!(check_topic(Some("Leuchtturm, Folge")).is_ok());
        for bad in ["", "  ", "two\nlines", &"x".repeat(201)] {
            assert!(check_topic(Some(bad)).is_err(), "{bad:?}");
        }
    }
}
