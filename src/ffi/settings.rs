//! How a client is set up, and the values that stand where nothing was said.

use std::fmt;

use super::error::{Result, VideoError};
use super::token::Callback;
use crate::{
    AnalyzeOptions, Budget, Defaults, DownloadPolicy, ErrorKind, ModelTable, PlannerSettings, PollPolicy,
    RateLimit, Timeouts, Validation, VideoClient,
};

/// How a client is to be. Only the library has to be named.
#[derive(Clone, uniffi::Record)]
pub struct ClientOptions {
    /// The folder that keeps the clips, made when missing.
    pub library: String,
    /// The key of your account. Without it, and without a source of tokens: the environment variable `XAI_API_KEY`.
    #[uniffi(default = None)]
    pub api_key: Option<String>,
    /// Another place that speaks the service's protocol, such as the sandbox.
    #[uniffi(default = None)]
    pub base_url: Option<String>,
    /// How much may be spent.
    #[uniffi(default = None)]
    pub budget: Option<Budget>,
    /// What is put where a request leaves something open.
    #[uniffi(default = None)]
    pub defaults: Option<Defaults>,
    /// What to do with a request that the model table speaks against.
    #[uniffi(default = None)]
    pub validation: Option<Validation>,
    /// How jobs are waited for.
    #[uniffi(default = None)]
    pub poll: Option<PollPolicy>,
    /// The bounds of a download.
    #[uniffi(default = None)]
    pub download: Option<DownloadPolicy>,
    /// How fast the client may talk to the service.
    #[uniffi(default = None)]
    pub rate_limit: Option<RateLimit>,
    /// How long one exchange with the service may take.
    #[uniffi(default = None)]
    pub timeouts: Option<Timeouts>,
    /// How prompts are planned, and which are.
    #[uniffi(default = None)]
    pub planner: Option<PlannerSettings>,
    /// A model table of your own, as the text of its TOML file.
    #[uniffi(default = None)]
    pub models: Option<String>,
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("library", &self.library)
            .finish_non_exhaustive()
    }
}

impl ClientOptions {
    pub(super) fn build(self, tokens: Option<Callback>) -> Result<VideoClient> {
        let mut builder = VideoClient::builder().library(self.library);
        builder = match (self.api_key, tokens) {
            (Some(_), Some(_)) => {
                return Err(VideoError::here(
                    ErrorKind::Config,
                    "set up the client: both a key and a source of tokens; give one of them",
                ));
            }
            (Some(key), None) => builder.api_key(key),
            (None, Some(tokens)) => builder.bearer(tokens),
            (None, None) => builder.api_key_from_env(),
        };
        if let Some(url) = self.base_url {
            builder = builder.base_url(url);
        }
        if let Some(table) = self.models {
            builder = builder.models(ModelTable::from_toml(&table)?);
        }
        let client = builder
            .budget(self.budget.unwrap_or_default())
            .defaults(self.defaults.unwrap_or_default())
            .validation(self.validation.unwrap_or_default())
            .poll(self.poll.unwrap_or_default())
            .download(self.download.unwrap_or_default())
            .rate_limit(self.rate_limit.unwrap_or_default())
            .timeouts(self.timeouts.unwrap_or_default())
            .planner(self.planner.unwrap_or_default())
            .build()?;
        Ok(client)
    }
}

/// The version of the crate.
#[uniffi::export]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The table of models, limits and prices that this version was built with.
///
/// # Errors
/// `Config` if it does not parse.
#[uniffi::export]
pub fn built_in_models() -> Result<ModelTable> {
    Ok(ModelTable::built_in()?.clone())
}

/// How jobs are waited for unless something else is said.
#[uniffi::export]
pub fn default_poll_policy() -> PollPolicy {
    PollPolicy::default()
}

/// The bounds of a download unless something else is said.
#[uniffi::export]
pub fn default_download_policy() -> DownloadPolicy {
    DownloadPolicy::default()
}

/// How fast a client may talk to the service unless something else is said.
#[uniffi::export]
pub fn default_rate_limit() -> RateLimit {
    RateLimit::default()
}

/// How long one exchange with the service may take unless something else is said.
#[uniffi::export]
pub fn default_timeouts() -> Timeouts {
    Timeouts::default()
}

/// How prompts are planned unless something else is said.
#[uniffi::export]
pub fn default_planner_settings() -> PlannerSettings {
    PlannerSettings::default()
}

/// What is put where a request leaves something open, unless something else is said.
#[uniffi::export]
pub fn default_request_values() -> Defaults {
    Defaults::default()
}

/// How a clip is looked at unless something else is said.
#[uniffi::export]
pub fn default_analyze_options() -> AnalyzeOptions {
    AnalyzeOptions::default()
}
