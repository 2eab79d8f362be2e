//! The only use of reqwest.
//!
//! Owns the connections, the deadlines, the rate limiter, who may see the key and which addresses a
//! download may reach. Refuses to know what a request means: it sends bytes and returns bytes, and
//! says of a failure whether the request can have left this machine.

mod ask;
mod auth;
mod body;
mod checksum;
mod connect;
mod download;
mod guard;
mod limiter;
mod proxy;
mod retry;
mod timeouts;
mod trust;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use url::Url;

pub(crate) use auth::Token;
pub use auth::{AccessToken, TokenError, TokenSource};
pub(crate) use body::{Body, Content, Piece};
pub use download::DownloadPolicy;
pub(crate) use download::{DownloadError, Sink};
pub use limiter::RateLimit;
pub(crate) use limiter::{Lane, Limiter};
pub(crate) use proxy::ProxySettings;
pub(crate) use retry::retry_after;
pub use timeouts::Timeouts;
use timeouts::within;

use connect::Clients;
use proxy::Proxies;
use trust::Trust;

use crate::error::{Error, ErrorKind, Result, redact_url};
use crate::stop::{BeforeSend, Sending, StopSignal};

/// Replies are small JSON; more than this is not read.
const MAX_REPLY: usize = 1 << 20;

/// A cheap clone over the connections of one client.
#[derive(Clone)]
pub(crate) struct Http(Arc<Inner>);

struct Inner {
    base: Url,
    token: Token,
    clients: Clients,
    proxies: Proxies,
    /// What messages say of the proxy to the API.
    through: String,
    policy: DownloadPolicy,
    timeouts: Timeouts,
    limiter: Limiter,
    stop: StopSignal,
}

/// What came back, whole and bounded.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) retry_after: Option<Duration>,
}

/// Why there is no reply.
#[derive(Debug)]
pub(crate) enum SendFailure {
    /// The request provably never left: no address, no connection, no TLS.
    NotSent(Error),
    /// It may have arrived.
    Unknown(Error),
}

impl SendFailure {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::NotSent(error) | Self::Unknown(error) => error,
        }
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("base", &redact_url(self.0.base.as_str()))
            .finish_non_exhaustive()
    }
}

impl Http {
    /// The connections to a service. `environment` looks up an environment variable.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a URL, a limit, a proxy or a certificate that cannot be used.
    pub(crate) fn new(
        base_url: &str,
        token: Token,
        (rate, policy, timeouts): (RateLimit, DownloadPolicy, Timeouts),
        proxy: &ProxySettings,
        root_certificates: &[Vec<u8>],
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let base = parse_base(base_url)?;
        rate.check()?;
        policy.check()?;
        timeouts.check()?;
        let proxies = Proxies::new(proxy, environment)?;
        let api_proxy = proxies.of(&base)?;
        let trust = Trust::new(root_certificates)?;
        Ok(Self(Arc::new(Inner {
            clients: Clients::new(&base, &policy, &timeouts, &trust, &proxies)?,
            through: api_proxy.map_or_else(String::new, |proxy| {
                format!(" through the proxy {}", proxy::name(proxy))
            }),
            limiter: Limiter::new(rate),
            stop: StopSignal::default(),
            base,
            token,
            policy,
            timeouts,
            proxies,
        })))
    }

    /// Scheme, host and port of the service, for messages.
    pub(crate) fn origin(&self) -> String {
        self.0.base.origin().ascii_serialization()
    }

    /// The name of the service's host, for telemetry.
    pub(crate) fn host(&self) -> Option<&str> {
        self.0.base.host_str()
    }

    /// Returns the signal that stops all work of the client. After it nothing paid is sent.
    pub(crate) fn stop_signal(&self) -> &StopSignal {
        &self.0.stop
    }

    /// Waits for a turn to send what is paid, and counts it as on its way.
    async fn turn_to_pay(&self, lane: Lane) -> Result<Sending, SendFailure> {
        let stop = &self.0.stop;
        let turn = async {
            self.0.limiter.turn(lane).await;
            Ok(())
        };
        let given = stop.run_before_send(turn).await;
        given
            .and_then(|()| stop.begin_sending())
            .map_err(SendFailure::NotSent)
    }

    /// One GET, not repeated here.
    pub(crate) async fn get(&self, segments: &[&str]) -> Result<Reply, SendFailure> {
        self.read(Method::GET, segments).await
    }

    /// One POST of JSON on a connection of its own, sent once, if `before` allows it when its turn has come.
    pub(crate) async fn post_once(
        &self,
        segments: &[&str],
        body: impl Into<Body>,
        before: Option<BeforeSend<'_>>,
    ) -> Result<Reply, SendFailure> {
        let _sending = self.turn_to_pay(Lane::Create).await?;
        let json = HeaderValue::from_static("application/json");
        let body = body.into();
        let timeout = self.0.timeouts.upload(body.len());
        self.post(segments, json, body, timeout, before).await
    }

    /// One POST of a multipart form, sent once.
    pub(crate) async fn post_form(
        &self,
        segments: &[&str],
        boundary: &str,
        body: Body,
    ) -> Result<Reply, SendFailure> {
        let kind = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"));
        let kind =
            kind.map_err(|_| SendFailure::NotSent(Error::invalid("send a form: its boundary is no word")))?;
        self.0.limiter.turn(Lane::Read).await;
        let timeout = self.0.timeouts.upload(body.len());
        self.post(segments, kind, body, timeout, None).await
    }

    /// One DELETE, not repeated here.
    pub(crate) async fn delete(&self, segments: &[&str]) -> Result<Reply, SendFailure> {
        self.read(Method::DELETE, segments).await
    }

    /// A request without a body. One whose token was refused is made once more, with a new token.
    async fn read(&self, method: Method, segments: &[&str]) -> Result<Reply, SendFailure> {
        let send = || async {
            self.0.limiter.turn(Lane::Read).await;
            let timeout = self.0.timeouts.read;
            let client = &self.0.clients.read;
            self.send(client, method.clone(), segments, None, timeout, None)
                .await
        };
        let reply = send().await?;
        match (reply.status, &self.0.token) {
            (401, Token::Source(_)) => send().await,
            _ => Ok(reply),
        }
    }

    async fn post(
        &self,
        segments: &[&str],
        kind: HeaderValue,
        body: Body,
        timeout: Duration,
        before: Option<BeforeSend<'_>>,
    ) -> Result<Reply, SendFailure> {
        let body = Some((kind, body));
        self.send(
            &self.0.clients.create,
            Method::POST,
            segments,
            body,
            timeout,
            before,
        )
        .await
    }

    /// Nobody sends before this has passed.
    pub(crate) fn pause(&self, pause: Duration) {
        self.0.limiter.pause(pause);
    }

    async fn send(
        &self,
        client: &reqwest::Client,
        method: Method,
        segments: &[&str],
        body: Option<(HeaderValue, Body)>,
        timeout: Duration,
        before: Option<BeforeSend<'_>>,
    ) -> Result<Reply, SendFailure> {
        let url = self.url(segments);
        let doing = format!(
            "{} {}{}",
            method.as_str().to_ascii_lowercase(),
            redact_url(url.as_str()),
            self.0.through
        );
        let token = self.token().await.map_err(SendFailure::NotSent)?;
        if let Some(before) = before {
            before().await.map_err(SendFailure::NotSent)?;
        }
        let mut request = client
            .request(method, url)
            .header(AUTHORIZATION, token.clone())
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        let mut broken = None;
        if let Some((kind, body)) = body {
            let length = body.len();
            let (stream, reason) = body.stream();
            broken = Some(reason);
            request = request
                .header(CONTENT_TYPE, kind)
                .header(CONTENT_LENGTH, length)
                .body(reqwest::Body::wrap_stream(stream));
        }
        let exchange = async {
            let response = request.send().await.map_err(|error| {
                let reason =
                    broken.and_then(|broken| broken.lock().unwrap_or_else(PoisonError::into_inner).take());
                match reason {
                    // The request was never complete, so nobody can have taken it.
                    Some(reason) => SendFailure::NotSent(reason),
                    None => classify(&doing, error),
                }
            })?;
            let status = response.status().as_u16();
            if status == 401 {
                self.0.token.refused(&token);
            }
            let retry_after = retry_after(response.headers().get(RETRY_AFTER));
            let body = read_bounded(response)
                .await
                .map_err(|error| SendFailure::Unknown(network(&doing, error).with_status(status)))?;
            tracing::debug!(request = doing, status, bytes = body.len(), "reply");
            Ok(Reply {
                status,
                // What a reply gives is data; what it refuses with is words, which are shown and kept.
                body: if status < 400 {
                    body
                } else {
                    auth::without(&token, body)
                },
                retry_after,
            })
        };
        within(timeout, exchange).await.unwrap_or_else(|| {
            let late = format!("{doing}: no answer in time");
            Err(SendFailure::Unknown(Error::new(ErrorKind::Network, late)))
        })
    }

    /// The bearer of a request. Nothing was sent when there is none.
    async fn token(&self) -> Result<HeaderValue> {
        self.0.token.header(self.0.timeouts.token).await
    }

    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.0.base.clone();
        // `parse_base` let only URLs through that can be a base.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

/// A base URL that is safe to send a key to.
fn parse_base(text: &str) -> Result<Url> {
    let bad = |why: &str| {
        Error::new(
            ErrorKind::Config,
            format!("read the base URL {}: {why}", redact_url(text)),
        )
    };
    let url = Url::parse(text).map_err(|_| bad("it is not a URL; write it as https://api.x.ai/v1"))?;
    let host = url
        .host()
        .ok_or_else(|| bad("it has no host; write it as https://api.x.ai/v1"))?;
    match url.scheme() {
        "https" => {}
        "http" if guard::is_loopback(&host) => {}
        "http" => {
            return Err(bad(
                "http would show the key to the network; use https (http is for loopback only)",
            ));
        }
        _ => return Err(bad("only https is taken (and http on loopback)")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it holds a user name; give the key to the client instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad(
            "it has a query or a fragment; it ends in the version, as in https://api.x.ai/v1",
        ));
    }
    Ok(url)
}

/// Whether the request can have left.
fn classify(doing: &str, error: reqwest::Error) -> SendFailure {
    if error.is_connect() || error.is_builder() {
        SendFailure::NotSent(network(doing, error))
    } else {
        SendFailure::Unknown(network(doing, error))
    }
}

/// One line for a failure of the network: the last cause says most, the ones above it repeat.
fn network(doing: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let what = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        cause.to_string().to_lowercase()
    };
    Error::new(ErrorKind::Network, format!("{doing}: {what}"))
}

async fn read_bounded(mut response: reqwest::Response) -> Result<Bytes, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        let room = MAX_REPLY - body.len();
        if chunk.len() >= room {
            body.extend_from_slice(&chunk[..room]);
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_that_would_leak_the_key_is_refused() {
        for (url, word) in [
            ("api.x.ai/v1", "not a URL"),
            ("http://api.x.ai/v1", "http would show the key"),
            ("ftp://api.x.ai/v1", "only https"),
            ("https://me:pw@api.x.ai/v1", "user name"),
            ("https://api.x.ai/v1?key=SECRET", "query"),
        ] {
            let error = parse_base(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let line = error.to_string();
            assert!(
                line.contains(word) && !line.contains("SECRET") && !line.contains("pw@"),
                "{line}"
            );
        }
        assert!(parse_base("https://api.x.ai/v1").is_ok());
        assert!(parse_base("http://127.0.0.1:1/v1").is_ok());
        assert!(parse_base("http://localhost:1/v1").is_ok());
        assert!(parse_base("http://[::1]:1/v1").is_ok());
    }
}
