//! Exports the client's settings and their defaults.

use std::fmt;

use super::error::{Result, VideoError};
use super::token::Callback;
use crate::model::Validation;
use crate::request::Defaults;
use crate::{
    AnalyzeOptions, Budget, DownloadPolicy, ErrorKind, ModelTable, PlannerSettings, PollPolicy, RateLimit,
    Timeouts, VideoClient,
};

/// The settings of a client. Only `library` is required.
#[derive(Clone, uniffi::Record)]
pub struct ClientOptions {
    /// The folder that stores the clips. Created if it does not exist.
    pub library: String,
    /// The API key. Without it and without a token source, the environment variable `XAI_API_KEY` is read.
    #[uniffi(default = None)]
    pub api_key: Option<String>,
    /// The base URL of another server that speaks the service's protocol, such as a sandbox.
    #[uniffi(default = None)]
    pub base_url: Option<String>,
    /// The spending limits.
    #[uniffi(default = None)]
    pub budget: Option<Budget>,
    /// The values for request fields that are not set.
    #[uniffi(default = None)]
    pub defaults: Option<Defaults>,
    /// What to do with a request that violates the model table.
    #[uniffi(default = None)]
    pub validation: Option<Validation>,
    /// How jobs are polled.
    #[uniffi(default = None)]
    pub poll: Option<PollPolicy>,
    /// The limits of downloads.
    #[uniffi(default = None)]
    pub download: Option<DownloadPolicy>,
    /// The maximum request rate.
    #[uniffi(default = None)]
    pub rate_limit: Option<RateLimit>,
    /// The timeouts of single requests to the service.
    #[uniffi(default = None)]
    pub timeouts: Option<Timeouts>,
    /// How and when prompts are planned.
    #[uniffi(default = None)]
    pub planner: Option<PlannerSettings>,
    /// A custom model table as TOML text.
    #[uniffi(default = None)]
    pub models: Option<String>,
    /// The http or https proxy for calls of the API and downloads, instead of the one in the environment.
    #[uniffi(default = None)]
    pub proxy: Option<String>,
    /// The targets that are reached without the proxy, separated by commas: hosts, addresses and networks.
    #[uniffi(default = None)]
    pub no_proxy: Option<String>,
    /// Certificate authorities to trust besides those of the system, as PEM text.
    #[uniffi(default = None)]
    pub root_certificates: Option<String>,
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
                return Err(VideoError::local(
                    ErrorKind::Config,
                    "configure the client: both a key and a token source are set; give one of them",
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
        if let Some(url) = self.proxy {
            builder = builder.proxy(url);
        }
        if let Some(hosts) = self.no_proxy {
            builder = builder.no_proxy(hosts);
        }
        if let Some(pem) = self.root_certificates {
            builder = builder.root_certificates(pem);
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

/// Returns the version of the crate.
#[uniffi::export]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Returns the built-in table of models, limits and prices.
///
/// # Errors
/// `Config` if the table does not parse.
#[uniffi::export]
pub fn built_in_models() -> Result<ModelTable> {
    Ok(ModelTable::built_in()?.clone())
}

/// Returns the default poll policy.
#[uniffi::export]
pub fn default_poll_policy() -> PollPolicy {
    PollPolicy::default()
}

/// Returns the default limits of downloads.
#[uniffi::export]
pub fn default_download_policy() -> DownloadPolicy {
    DownloadPolicy::default()
}

/// Returns the default request rate limit.
#[uniffi::export]
pub fn default_rate_limit() -> RateLimit {
    RateLimit::default()
}

/// Returns the default timeouts of single requests.
#[uniffi::export]
pub fn default_timeouts() -> Timeouts {
    Timeouts::default()
}

/// Returns the default planner settings.
#[uniffi::export]
pub fn default_planner_settings() -> PlannerSettings {
    PlannerSettings::default()
}

/// Returns the default values for request fields that are not set.
#[uniffi::export]
pub fn default_request_values() -> Defaults {
    Defaults::default()
}

/// Returns the default options for analyzing a clip.

#[uniffi::export]
pub fn default_analyze_options() -> AnalyzeOptions {
    AnalyzeOptions::default()
}
