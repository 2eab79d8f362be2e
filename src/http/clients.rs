//! Builds the reqwest clients.
//!
//! Configures connection pools, name resolution, certificates and proxies for each kind of request.

use reqwest::{ClientBuilder, redirect, retry};
use url::Url;

use super::HttpConfig;
use super::proxy::{self, Proxies};
use super::root_certificates::RootCertificates;
use super::ssrf_guard::PublicResolver;
use crate::error::{Error, Result};

/// Maximum idle connections per host. Many concurrent polls can open more connections, which are closed after use.
const MAX_IDLE_CONNECTIONS: usize = 64;

/// One reqwest client for each kind of request.
pub(super) struct Clients {
    /// For requests without a body, such as polls. Keeps connections alive.
    pub(super) read: reqwest::Client,
    /// For requests with a body. Opens a new connection for each: if the server closes an idle connection while a paid
    /// request is written to it, it is unknown whether the request arrived.
    pub(super) post: reqwest::Client,
    /// For downloads without a proxy. Resolves names to public addresses only, except for the host of the API.
    pub(super) download: reqwest::Client,
    /// For downloads through the proxy. Resolves only the name of the proxy, whose address may be private.
    pub(super) proxied_download: Option<reqwest::Client>,
}

impl Clients {
    /// Builds all clients.
    ///
    /// # Errors
    /// `Config` if the proxy cannot be used, or if `base` is https and the machine has no CA certificates.
    pub(super) fn new(
        base: &Url,
        config: &HttpConfig,
        roots: &RootCertificates,
        proxies: &Proxies,
    ) -> Result<Self> {
        // Fails if another part of the program has installed a crypto provider, which is then used instead.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // `no_proxy` keeps reqwest from choosing a proxy by itself. `proxy.rs` chooses it.
        let builder = || {
            reqwest::Client::builder()
                // The CDN rejects the default user agents of HTTP libraries.
                .user_agent(concat!(
                    "Mozilla/5.0 (compatible; reelkin/",
                    env!("CARGO_PKG_VERSION"),
                    ")"
                ))
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .referer(false)
                .no_proxy()
                .connect_timeout(config.timeouts.connect)
        };
        // A service without TLS needs no CAs. Loading none saves time, and works on a machine that has none.
        let is_plain = base.scheme() == "http";
        let api_proxy = proxies.for_url(base)?;
        let api = |client: ClientBuilder| {
            let client = match api_proxy {
                Some(proxy) => proxy::apply(client, proxy)?,
                None => client,
            };
            build(if is_plain {
                client.tls_certs_only([])
            } else {
                roots.apply(client)
            })
        };
        // A clip can be on another server, which needs TLS. If the service uses no TLS, missing CAs are not an error.
        let download = |client: &dyn Fn() -> Result<ClientBuilder>| match build(roots.apply(client()?)) {
            Err(_) if is_plain => build(roots.apply_extra_only(client()?)),
            built => built,
        };
        let downloads = || builder().read_timeout(config.download.stall_timeout);
        Ok(Self {
            read: api(builder()
                .timeout(config.timeouts.read)
                .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS))?,
            post: api(builder().pool_max_idle_per_host(0))?,
            download: download(&|| Ok(downloads().dns_resolver(PublicResolver::new(base.host_str()))))?,
            // An invalid proxy in the environment is an error only when a download needs it.
            proxied_download: match proxies.any() {
                Ok(Some(proxy)) => Some(download(&|| proxy::apply(downloads(), proxy))?),
                Ok(None) | Err(_) => None,
            },
        })
    }
}

fn build(client: ClientBuilder) -> Result<reqwest::Client> {
    client.build().map_err(|error| {
        Error::config("set up HTTP")
            .with_guidance(
                "if this machine has no CA certificates, install them: on Debian the package ca-certificates",
            )
            .with_source(error.without_url())
    })
}
