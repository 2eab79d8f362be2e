//! Builds a client. Invalid settings are returned as an error by `build`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::VideoClient;
use super::pipeline::verify::Verification;
use crate::error::{Error, Result};
use crate::http::{Credential, DownloadPolicy, Http, HttpConfig, RateLimit, Timeouts, TokenSource};
use crate::job::PollPolicy;
use crate::library::Library;
use crate::model::{ModelTable, Validation};
use crate::money::Budget;
use crate::provider::xai::Xai;
use crate::request::{Defaults, PlannerSettings};

/// Default base URL: the service of xAI.
const BASE_URL: &str = "https://api.x.ai/v1";
/// The environment variable with the key.
const KEY_VARIABLE: &str = "XAI_API_KEY";

/// Builds a [`VideoClient`].
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct VideoClientBuilder {
    credential: Option<Result<Credential>>,
    base_url: Option<String>,
    library: Option<LibrarySource>,
    pub(super) models: Option<ModelTable>,
    pub(super) defaults: Defaults,
    pub(super) validation: Validation,
    pub(super) poll: PollPolicy,
    http: HttpConfig,
    pub(super) planner: PlannerSettings,
    pub(super) budget: Budget,
    telemetry_content: bool,
}

enum LibrarySource {
    Location(PathBuf),
    Opened(Library),
}

impl std::fmt::Debug for VideoClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VideoClientBuilder").finish_non_exhaustive()
    }
}

impl VideoClientBuilder {
    /// Sets the API key. It is zeroed when the client is dropped, and never printed.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.credential = Some(checked_key(&SecretString::from(key.into())));
        self
    }

    /// Reads the API key from the environment variable `XAI_API_KEY`.
    pub fn api_key_from_env(mut self) -> Self {
        self.credential = Some(match variable(KEY_VARIABLE) {
            Some(key) => checked_key(&SecretString::from(key)),
            None => Err(no_key()),
        });
        self
    }

    /// Sets a source of tokens instead of a key, for OAuth and for programs that must not hold the key, such as mobile
    /// apps. [`TokenSource`] documents when it is called; [`Timeouts::token`] limits each call.
    pub fn bearer(mut self, source: impl TokenSource) -> Self {
        self.credential = Some(Ok(Credential::from_source(source)));
        self
    }

    /// Sets the base URL of another server with the same API, such as the sandbox. It must be `https`, or `http` on
    /// loopback.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sets the folder of the library, which is created if it is missing. With the feature `s3` it can be the URL of a
    /// bucket; see [`Library::open_url`].
    pub fn library(mut self, folder: impl AsRef<Path>) -> Self {
        self.library = Some(LibrarySource::Location(folder.as_ref().to_owned()));
        self
    }

    /// Sets a library that is already open, on a folder or on any object store.
    pub fn library_at(mut self, library: Library) -> Self {
        self.library = Some(LibrarySource::Opened(library));
        self
    }

    /// Sets the model table. Defaults to the built-in one.
    pub fn models(mut self, table: ModelTable) -> Self {
        self.models = Some(table);
        self
    }

    /// Sets the defaults for options that a request leaves out.
    pub fn defaults(mut self, defaults: Defaults) -> Self {
        self.defaults = defaults;
        self
    }

    /// Sets what to do with a request that the model table does not allow.
    pub const fn validation(mut self, validation: Validation) -> Self {
        self.validation = validation;
        self
    }

    /// Sets how jobs are polled.
    pub const fn poll(mut self, policy: PollPolicy) -> Self {
        self.poll = policy;
        self
    }

    /// Sets the limits of a download.
    pub const fn download(mut self, policy: DownloadPolicy) -> Self {
        self.http.download = policy;
        self
    }

    /// Limits the rate of requests to the service.
    pub const fn rate_limit(mut self, rate: RateLimit) -> Self {
        self.http.rate_limit = rate;
        self
    }

    /// Limits the time for one exchange with the service.
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.http.timeouts = timeouts;
        self
    }

    /// Sends calls of the API and downloads through a proxy, such as `http://proxy.example:3128` or
    /// `http://user:password@10.0.0.5:3128`. Defaults to the environment variables `HTTPS_PROXY` or `ALL_PROXY`, in upper
    /// or lower case, and if neither is set to the settings of macOS or Windows.
    ///
    /// The client opens a tunnel (`CONNECT`) through the proxy, which sees names and ports but neither the key nor the
    /// content. Only https uses the proxy, and requests to this machine never do. The proxy may have any address. It
    /// resolves the host names in the links to clips, so only literal private addresses and names with a local form are
    /// refused. Proxies are http or https; SOCKS is not supported. [`build`](Self::build) fails with `Config` for any
    /// other URL.
    ///
    /// A library in a bucket has separate connections, which this does not change.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.http.proxy = Some(url.into());
        self
    }

    /// Exempts targets from the proxy, regardless of how the proxy was set: hosts (`example.com`, including subdomains),
    /// addresses and networks (`10.0.0.0/8`), separated by commas; `*` exempts everything. Replaces `NO_PROXY`.
    ///
    /// [`build`](Self::build) fails with `Config` for an invalid entry.
    pub fn no_proxy(mut self, hosts: impl Into<String>) -> Self {
        self.http.no_proxy = Some(hosts.into());
        self
    }

    /// Trusts further certificate authorities besides those of the system. `pem` is the text of a PEM file with one or
    /// more certificates. Further calls add to the earlier ones.
    ///
    /// On Linux the environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the certificates of the system. On
    /// Android, where the library cannot read the certificates of the system, those of Mozilla are built in.
    ///
    /// [`build`](Self::build) fails with `Config` for anything that is not a certificate.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.root_certificates.push(pem.into());
        self
    }

    /// Sets which prompts are planned, and how.
    pub fn planner(mut self, settings: PlannerSettings) -> Self {
        self.planner = settings;
        self
    }

    /// Limits spending. A request that exceeds the budget ends in an error of kind `budget` before anything is sent.
    pub const fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Sets whether `tracing` spans may contain prompts and the names of stored files. Defaults to `false`: then spans
    /// contain models, lengths, sizes, tokens, costs, job ids and error kinds. Keys and signed links are never included.
    pub const fn telemetry_content(mut self, on: bool) -> Self {
        self.telemetry_content = on;
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    /// `Config` if there is no key, the base URL would leak it, no library was set, or a limit, a timeout, a proxy or a
    /// root certificate is invalid; `Library` if its folder cannot be created or written; `InvalidRequest` for invalid
    /// settings of the planner.
    pub fn build(mut self) -> Result<VideoClient> {
        self.planner.check()?;
        let credential = self.credential.take().unwrap_or_else(|| Err(no_key()))?;
        let base_url = self.base_url.as_deref().unwrap_or(BASE_URL);
        let http = Http::new(base_url, credential, std::mem::take(&mut self.http), &variable)?;
        let library = match self.library.take() {
            Some(LibrarySource::Location(location)) => Library::open(location)?,
            Some(LibrarySource::Opened(library)) => library,
            None => {
                return Err(Error::config(
                    "set up the client: no library; set the folder for the clips with .library(..)",
                ));
            }
        };
        let provider = Arc::new(Xai::new(http, self.telemetry_content));
        VideoClient::with_provider(provider, library, self, Verification::available())
    }
}

/// Reads an environment variable.
fn variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "only this function of the library reads the environment"
    )]
    std::env::var(name).ok()
}

/// Checks and trims a key.
fn checked_key(key: &SecretString) -> Result<Credential> {
    let text = key.expose_secret().trim();
    if text.is_empty() {
        return Err(no_key());
    }
    // A pasted key often ends with a line break.
    Ok(Credential::Key(SecretString::from(text.to_owned())))
}

/// Returns the error for a missing key.
fn no_key() -> Error {
    Error::config("set up the client: no key").with_guidance(
        "set XAI_API_KEY to a key from https://console.x.ai, or use the sandbox, which needs none and costs nothing",
    )
}
