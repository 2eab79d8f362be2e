//! The clients of reqwest: one for each way in which connections are kept, found and trusted.

use reqwest::{ClientBuilder, redirect, retry};
use url::Url;

use super::proxy::{self, Proxies};
use super::trust::Trust;
use super::{DownloadPolicy, Timeouts, guard};
use crate::error::{Error, ErrorKind, Result};

/// Connections that wait for the next poll. A burst may open more; they go when it is over.
const KEPT_CONNECTIONS: usize = 64;

pub(super) struct Clients {
    /// For polls and other reads: keeps connections alive.
    pub(super) read: reqwest::Client,
    /// For paid requests: a new connection each, because a request written to a kept connection that
    /// the server is closing leaves nobody able to say whether it arrived.
    pub(super) create: reqwest::Client,
    /// For downloads that go through no proxy: resolves public addresses only.
    pub(super) download: reqwest::Client,
    /// For downloads that go through the proxy. Resolves the name of the proxy and no other, so any address will do.
    pub(super) proxied_download: Option<reqwest::Client>,
}

impl Clients {
    /// # Errors
    /// [`ErrorKind::Config`] on a machine without CA certificates, and for a proxy that cannot be used.
    pub(super) fn new(
        base: &Url,
        policy: &DownloadPolicy,
        timeouts: &Timeouts,
        trust: &Trust,
        proxies: &Proxies,
    ) -> Result<Self> {
        // Another part of the program may have chosen a provider already; then theirs is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // `no_proxy`: reqwest reads no proxy by itself. Each is decided on in `proxy`.
        let builder = || {
            reqwest::Client::builder()
                // The CDN is known to refuse the default agents of HTTP libraries.
                .user_agent(concat!(
                    "Mozilla/5.0 (compatible; reelkin/",
                    env!("CARGO_PKG_VERSION"),
                    ")"
                ))
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .referer(false)
                .no_proxy()
                .connect_timeout(timeouts.connect)
        };
        // Without TLS to the service nothing has to know whom to trust: neither the time to read the system's
        // certificates is spent, nor is a machine refused that has none.
        let is_plain = base.scheme() == "http";
        let api_proxy = proxies.of(base)?;
        let api = |client: ClientBuilder| {
            let client = match api_proxy {
                Some(proxy) => proxy::through(client, proxy)?,
                None => client,
            };
            build(if is_plain {
                client.tls_certs_only([])
            } else {
                trust.apply(client)
            })
        };
        // A clip may lie elsewhere, behind TLS; on this machine alone it can do without.
        let download = |client: &dyn Fn() -> Result<ClientBuilder>| match build(trust.apply(client()?)) {
            Err(_) if is_plain => build(trust.apply_extra(client()?)),
            built => built,
        };
        let downloads = || builder().read_timeout(policy.stall_timeout);
        Ok(Self {
            read: api(builder()
                .timeout(timeouts.read)
                .pool_max_idle_per_host(KEPT_CONNECTIONS))?,
            create: api(builder().pool_max_idle_per_host(0))?,
            download: download(&|| {
                Ok(downloads().dns_resolver(guard::PublicResolver::allowing(base.host_str())))
            })?,
            // A proxy of the environment that cannot be used is an error when a download needs it.
            proxied_download: match proxies.any() {
                Ok(Some(proxy)) => Some(download(&|| proxy::through(downloads(), proxy))?),
                Ok(None) | Err(_) => None,
            },
        })
    }
}

fn build(client: ClientBuilder) -> Result<reqwest::Client> {
    client.build().map_err(|error| {
        Error::new(ErrorKind::Config, "set up HTTP")
            .with_guidance(
                "if this machine has no CA certificates, install them: on Debian the package ca-certificates",
            )
            .with_source(error.without_url())
    })
}
