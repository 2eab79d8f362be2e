//! Setting up a client. Mistakes are kept and returned by `build`.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::VideoClient;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Credential, DownloadPolicy, Http, HttpConfig, RateLimit, Timeouts, TokenSource};
use crate::job::PollPolicy;
use crate::library::Library;
use crate::model::{ModelTable, Validation};
use crate::money::Budget;
use crate::request::{Defaults, PlannerSettings};

/// The service.
const BASE_URL: &str = "https://api.x.ai/v1";
/// Where the key is looked for.
const KEY_VARIABLE: &str = "XAI_API_KEY";

/// Sets up a [`VideoClient`].
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct VideoClientBuilder {
    credential: Option<Result<Credential>>,
    base_url: Option<String>,
    library: Option<Place>,
    models: Option<ModelTable>,
    defaults: Defaults,
    validation: Validation,
    poll: PollPolicy,
    http: HttpConfig,
    planner: PlannerSettings,
    budget: Budget,
    telemetry_content: bool,
}

enum Place {
    Folder(PathBuf),
    Opened(Library),
}

/// What the client keeps of the builder.
pub(crate) struct Settings {
    pub(crate) models: ModelTable,
    pub(crate) defaults: Defaults,
    pub(crate) validation: Validation,
    pub(crate) poll: PollPolicy,
    pub(crate) planner: PlannerSettings,
    pub(crate) budget: Budget,
    pub(crate) telemetry_content: bool,
}

impl std::fmt::Debug for VideoClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VideoClientBuilder").finish_non_exhaustive()
    }
}

impl VideoClientBuilder {
    /// The key of your account. It is zeroed when the client goes, and never printed.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.credential = Some(checked_key(&SecretString::from(key.into())));
        self
    }

    /// The key from the environment variable `XAI_API_KEY`.
    pub fn api_key_from_env(mut self) -> Self {
        self.credential = Some(match variable(KEY_VARIABLE) {
            Some(key) => checked_key(&SecretString::from(key)),
            None => Err(no_key()),
        });
        self
    }

    /// A source of tokens instead of a key: for OAuth, and for programs that must not hold the key, such as
    /// mobile apps. [`TokenSource`] tells when it is asked; [`Timeouts::token`] bounds each call.
    pub fn bearer(mut self, source: impl TokenSource) -> Self {
        self.credential = Some(Ok(Credential::from_source(source)));
        self
    }

    /// Another place that speaks the service's protocol, such as the sandbox. `https`, or `http` on
    /// loopback.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// The folder that keeps the clips, made when missing; or, with the feature `s3`, the URL of a bucket:
    /// see [`Library::open_url`].
    pub fn library(mut self, folder: impl AsRef<Path>) -> Self {
        self.library = Some(Place::Folder(folder.as_ref().to_owned()));
        self
    }

    /// A library that is open already, on a folder or on any object store.
    pub fn library_at(mut self, library: Library) -> Self {
        self.library = Some(Place::Opened(library));
        self
    }

    /// A model table of your own.
    pub fn models(mut self, table: ModelTable) -> Self {
        self.models = Some(table);
        self
    }

    /// What is put where a request leaves something open.
    pub fn defaults(mut self, defaults: Defaults) -> Self {
        self.defaults = defaults;
        self
    }

    /// What to do with a request that the model table speaks against.
    pub const fn validation(mut self, validation: Validation) -> Self {
        self.validation = validation;
        self
    }

    /// How jobs are waited for.
    pub const fn poll(mut self, policy: PollPolicy) -> Self {
        self.poll = policy;
        self
    }

    /// The bounds of a download.
    pub const fn download(mut self, policy: DownloadPolicy) -> Self {
        self.http.download = policy;
        self
    }

    /// How fast the client may talk to the service.
    pub const fn rate_limit(mut self, rate: RateLimit) -> Self {
        self.http.rate_limit = rate;
        self
    }

    /// How long one exchange with the service may take.
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.http.timeouts = timeouts;
        self
    }

    /// Sends calls of the API and downloads through a proxy, such as `http://proxy.example:3128` or
    /// `http://user:password@10.0.0.5:3128`. Defaults to what the environment names, `HTTPS_PROXY` or `ALL_PROXY`, in
    /// capitals or not, and where neither is set to the settings of macOS or Windows.
    ///
    /// The proxy is asked for a tunnel (`CONNECT`) and sees names and ports, neither the key nor the content. Only https goes
    /// through it; requests to this machine never do. It may have any address. It resolves the names of the clips'
    /// links, so of a link only literal addresses and names that are local by their form are refused. Proxies are
    /// http or https; SOCKS is not supported. [`build`](Self::build) fails with `Config` for a URL that is neither.
    ///
    /// A library in a bucket has connections of its own, which this does not change.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.http.proxy = Some(url.into());
        self
    }

    /// Exempts targets from the proxy, whichever named it: hosts (`example.com`, with everything below it),
    /// addresses and networks (`10.0.0.0/8`), separated by commas; `*` is everything. It takes the place of `NO_PROXY`.
    ///
    /// [`build`](Self::build) fails with `Config` for an entry that is none of those.
    pub fn no_proxy(mut self, hosts: impl Into<String>) -> Self {
        self.http.no_proxy = Some(hosts.into());
        self
    }

    /// Trusts more certificate authorities, besides those of the system: the text of a PEM file with one or more
    /// certificates. Called again, it adds to what was given before.
    ///
    /// On Linux the environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` take the place of the system's. On Android,
    /// where the library cannot read those of the system, Mozilla's are built in.
    ///
    /// [`build`](Self::build) fails with `Config` for what is no certificate.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.root_certificates.push(pem.into());
        self
    }

    /// How prompts are planned, and which are.
    pub fn planner(mut self, settings: PlannerSettings) -> Self {
        self.planner = settings;
        self
    }

    /// How much may be spent. A request that does not fit ends in an error of kind `budget`, before anything
    /// is sent.
    pub const fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Whether the spans that `tracing` listeners get may hold what people wrote: prompts and names of
    /// stored files. Without this they hold models, lengths, sizes, tokens, costs, job ids and kinds of
    /// errors. Keys and signed links are in neither.
    pub const fn telemetry_content(mut self, on: bool) -> Self {
        self.telemetry_content = on;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// `Config` when there is no key, the base URL would leak it, no library was named, or a limit, a timeout, a
    /// proxy or a root certificate cannot be used; `Library`
    /// when its folder cannot be made or written; `InvalidRequest` for settings of the planner that no
    /// call can be made with.
    pub fn build(self) -> Result<VideoClient> {
        self.planner.check()?;
        let credential = self.credential.unwrap_or_else(|| Err(no_key()))?;
        let base_url = self.base_url.as_deref().unwrap_or(BASE_URL);
        let http = Http::new(base_url, credential, self.http, &variable)?;
        let library = match self.library {
            Some(Place::Folder(folder)) => Library::open(folder)?,
            Some(Place::Opened(library)) => library,
            None => {
                return Err(Error::new(
                    ErrorKind::Config,
                    "set up the client: no library; name the folder that keeps the clips with .library(..)",
                ));
            }
        };
        let models = match self.models {
            Some(models) => models,
            None => ModelTable::built_in()?.clone(),
        };
        let settings = Settings {
            models,
            defaults: self.defaults,
            validation: self.validation,
            poll: self.poll.clamped(),
            planner: self.planner,
            budget: self.budget,
            telemetry_content: self.telemetry_content,
        };
        Ok(VideoClient::new(http, library, settings))
    }
}

/// The value of an environment variable.
fn variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the library reads the environment"
    )]
    std::env::var(name).ok()
}

fn checked_key(key: &SecretString) -> Result<Credential> {
    let text = key.expose_secret().trim();
    if text.is_empty() {
        return Err(no_key());
    }
    // Keys are pasted, and a line break comes along.
    Ok(Credential::Key(SecretString::from(text.to_owned())))
}

fn no_key() -> Error {
    Error::new(ErrorKind::Config, "set up the client: no key").with_guidance(
        "set XAI_API_KEY to a key from https://console.x.ai, or use the sandbox, which needs none and costs nothing",
    )
}
