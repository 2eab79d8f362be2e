//! HTTP to the service and to the servers that store clips. The only user of reqwest.
//!
//! Owns the connections, deadlines, rate limit and proxies, the origins that receive the API key, and the addresses that
//! a download may reach. Does not know what a request means: it sends and returns bytes, and says of each failure
//! whether the request may have reached the service.

mod auth;
mod base_url;
mod body;
mod body_gate;
mod checksum;
mod clients;
mod download;
mod exchange;
mod limits;
mod proxy;
mod rate_limiter;
mod remote_file;
mod root_certificates;
mod send_error;
mod ssrf_guard;
mod timeouts;

use std::sync::Arc;

use url::Url;

pub(crate) use auth::Credential;
pub use auth::{AccessToken, TokenError, TokenSource};
pub(crate) use body::{Body, Content, Piece};
pub(crate) use download::{DownloadError, Sink};
pub(crate) use exchange::Reply;
pub use limits::{DownloadPolicy, RateLimit};
pub(crate) use rate_limiter::{RateLimiter, RequestKind};
pub(crate) use send_error::SendError;
pub use timeouts::Timeouts;

use clients::Clients;
use proxy::Proxies;
use root_certificates::RootCertificates;

use crate::error::{Result, redact_url};

/// The HTTP settings of a client. Not `Debug`, because the URL of a proxy can contain a password.
#[derive(Clone, Default)]
pub(crate) struct HttpConfig {
    pub(crate) rate_limit: RateLimit,
    pub(crate) download: DownloadPolicy,
    pub(crate) timeouts: Timeouts,
    /// URL of a proxy. Defaults to the proxy that the environment names.
    pub(crate) proxy: Option<String>,
    /// Targets that bypass the proxy, separated by commas. Defaults to the list in the environment.
    pub(crate) no_proxy: Option<String>,
    /// PEM files of certificate authorities to trust besides those of the system.
    pub(crate) root_certificates: Vec<Vec<u8>>,
}

/// The connections of one client. Clones share them.
#[derive(Clone)]
pub(crate) struct Http(Arc<Inner>);

struct Inner {
    base: Url,
    credential: Credential,
    clients: Clients,
    proxies: Proxies,
    /// Names the proxy to the API in messages. Empty without one.
    via_proxy: String,
    policy: DownloadPolicy,
    timeouts: Timeouts,
    limiter: RateLimiter,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("base", &redact_url(self.0.base.as_str()))
            .finish_non_exhaustive()
    }
}

impl Http {
    /// Prepares connections to a service. `environment` looks up an environment variable.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for an invalid URL, limit, proxy or certificate.
    pub(crate) fn new(
        base_url: &str,
        credential: Credential,
        config: HttpConfig,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let base = base_url::parse(base_url)?;
        config.rate_limit.check()?;
        config.download.check()?;
        config.timeouts.check()?;
        let proxies = Proxies::new(&config, environment)?;
        let api_proxy = proxies.for_url(&base)?;
        let roots = RootCertificates::new(&config.root_certificates)?;
        Ok(Self(Arc::new(Inner {
            clients: Clients::new(&base, &config, &roots, &proxies)?,
            via_proxy: api_proxy.map_or_else(String::new, |proxy| {
                format!(" through the proxy {}", proxy::host_and_port(proxy))
            }),
            limiter: RateLimiter::new(config.rate_limit),
            base,
            credential,
            policy: config.download,
            timeouts: config.timeouts,
            proxies,
        })))
    }

    /// Returns scheme, host and port of the service, for messages.
    pub(crate) fn origin(&self) -> String {
        self.0.base.origin().ascii_serialization()
    }

    /// Returns the host name of the service, for telemetry.
    pub(crate) fn host(&self) -> Option<&str> {
        self.0.base.host_str()
    }

    /// Returns the URL of a resource of the service.
    pub(crate) fn api_url(&self, segments: &[&str]) -> Url {
        let mut url = self.0.base.clone();
        // Never an error: `base_url::parse` accepts only URLs with a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}
