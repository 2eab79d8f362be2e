//! Sends one request and reads its reply.
//!
//! Performs the steps of a request: the rate limit, the token, the checks before a paid request, and the exchange with a
//! deadline. Every error states whether the request may have reached the service. Retries nothing, except that a
//! request without a body is sent once more if the service rejected a token from a token source.

use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};

use super::body_gate::BodyGate;
use super::send_error::{SendError, network_error};
use super::timeouts::run_with_timeout;
use super::{Body, Credential, Http, RequestKind, auth};
use crate::error::{Error, Result, redact_url};
use crate::stop::{BeforeSend, InFlightGuard, StopSignal};

/// Maximum bytes of a reply that are read. Replies of the service are small JSON documents.
const MAX_REPLY: usize = 1 << 20;
/// Maximum time that is taken from `Retry-After`. The service's own client has the same limit.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);

/// A reply of the service, read completely.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) retry_after: Option<Duration>,
}

impl Http {
    /// Sends a GET request.
    pub(crate) async fn get(&self, segments: &[&str]) -> Result<Reply, SendError> {
        self.send_without_body(Method::GET, segments).await
    }

    /// Sends a DELETE request.
    pub(crate) async fn delete(&self, segments: &[&str]) -> Result<Reply, SendError> {
        self.send_without_body(Method::DELETE, segments).await
    }

    /// Sends a create: a paid POST of JSON, on a new connection.
    pub(crate) async fn post_create(
        &self,
        segments: &[&str],
        body: impl Into<Body>,
        before: BeforeSend<'_>,
    ) -> Result<Reply, SendError> {
        let _in_flight = self.begin_paid_request(RequestKind::Create, before.stop).await?;
        let body = body.into();
        let timeout = self.0.timeouts.upload(body.len());
        self.send(
            Method::POST,
            segments,
            Some((json(), body)),
            timeout,
            Some(before),
        )
        .await
    }

    /// Sends a paid POST of JSON that is not a create request, on a new connection. The caller sets the timeout.
    pub(crate) async fn post_with_timeout(
        &self,
        segments: &[&str],
        body: Bytes,
        timeout: Duration,
        before: BeforeSend<'_>,
    ) -> Result<Reply, SendError> {
        // The kind is `Other`, because the rate limit of create requests applies only to the video models.
        let _in_flight = self.begin_paid_request(RequestKind::Other, before.stop).await?;
        let body = Some((json(), body.into()));
        self.send(Method::POST, segments, body, timeout, Some(before))
            .await
    }

    /// Sends a POST of a multipart form, on a new connection.
    pub(crate) async fn post_form(
        &self,
        segments: &[&str],
        boundary: &str,
        body: Body,
    ) -> Result<Reply, SendError> {
        let content_type = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"))
            .map_err(|_| {
                SendError::NotSent(Error::invalid("send a form: its boundary is not a header value"))
            })?;
        self.0.limiter.acquire(RequestKind::Other).await;
        let timeout = self.0.timeouts.upload(body.len());
        self.send(Method::POST, segments, Some((content_type, body)), timeout, None)
            .await
    }

    /// Delays every request of the client by at least `pause` from now.
    pub(crate) fn pause(&self, pause: Duration) {
        self.0.limiter.pause(pause);
    }

    /// Waits for the rate limit, then counts a paid request as in flight.
    async fn begin_paid_request(
        &self,
        kind: RequestKind,
        stop: &StopSignal,
    ) -> Result<InFlightGuard, SendError> {
        let acquire = async {
            self.0.limiter.acquire(kind).await;
            Ok(())
        };
        stop.run_before_send(acquire)
            .await
            .and_then(|()| stop.begin_sending())
            .map_err(SendError::NotSent)
    }

    /// Sends a request without a body. If the service rejects a token from a token source, sends it once more with a
    /// new token.
    async fn send_without_body(&self, method: Method, segments: &[&str]) -> Result<Reply, SendError> {
        let send = || async {
            self.0.limiter.acquire(RequestKind::Other).await;
            self.send(method.clone(), segments, None, self.0.timeouts.read, None)
                .await
        };
        let reply = send().await?;
        match (reply.status, &self.0.credential) {
            (401, Credential::Source(_)) => send().await,
            _ => Ok(reply),
        }
    }

    async fn send(
        &self,
        method: Method,
        segments: &[&str],
        body: Option<(HeaderValue, Body)>,
        timeout: Duration,
        before: Option<BeforeSend<'_>>,
    ) -> Result<Reply, SendError> {
        let url = self.api_url(segments);
        let doing = format!(
            "{} {}{}",
            method.as_str().to_ascii_lowercase(),
            redact_url(url.as_str()),
            self.0.via_proxy
        );
        let token = match before {
            Some(before) => before.stop.run_before_send(self.token()).await,
            None => self.token().await,
        };
        let token = token.map_err(SendError::NotSent)?;
        // A paid request already counts as in flight here. So if a stop finds none in flight, none is sent later. The gate
        // of the body repeats the check. It is made here too, so that a slow store does not delay an open request.
        if let Some(before) = before {
            before.check_all().await.map_err(SendError::NotSent)?;
        }
        let client = match body {
            Some(_) => &self.0.clients.post,
            None => &self.0.clients.read,
        };
        let mut request = client
            .request(method, url)
            .header(AUTHORIZATION, token.clone())
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        let (mut body_error, mut gate) = (None, None);
        if let Some((content_type, body)) = body {
            let length = body.len();
            let (stream, error) = body.stream();
            body_error = Some(error);
            let body = if let Some(before) = before {
                let (body_gate, stream) = BodyGate::new(stream);
                gate = Some((body_gate, before));
                reqwest::Body::wrap_stream(stream)
            } else {
                reqwest::Body::wrap_stream(stream)
            };
            request = request
                .header(CONTENT_TYPE, content_type)
                .header(CONTENT_LENGTH, length)
                .body(body);
        }
        let mut head = pin!(async {
            request.send().await.map_err(|error| {
                match body_error.as_ref().and_then(|error| error.get()) {
                    // The request was never complete, so the service cannot have accepted it.
                    Some(error) => SendError::NotSent(error.clone()),
                    None => SendError::from_reqwest(&doing, error),
                }
            })
        });
        // A reply that comes before the body is a reply as any other. It is read while the body waits.
        let mut early = None;
        if let Some((gate, before)) = &mut gate {
            let opened = run_with_timeout(timeout, gate.open(before.check_all(), &mut head)).await;
            let late = || {
                Err(Error::network(format!(
                    "{doing}: the check before it took too long"
                )))
            };
            early = opened.unwrap_or_else(late).map_err(SendError::NotSent)?;
        }
        let exchange = async {
            let response = match early {
                Some(response) => response,
                None => head.await,
            }?;
            let status = response.status().as_u16();
            if status == 401 {
                self.0.credential.invalidate(&token);
            }
            let retry_after = retry_after(response.headers().get(RETRY_AFTER));
            let body = read_bounded(response)
                .await
                .map_err(|error| SendError::Unknown(network_error(&doing, error).with_status(status)))?;
            tracing::debug!(request = doing, status, bytes = body.len(), "reply");
            Ok(Reply {
                status,
                // Text of any reply can be shown and stored, so it must not contain the key.
                body: auth::redact(&token, body),
                retry_after,
            })
        };
        run_with_timeout(timeout, exchange).await.unwrap_or_else(|| {
            let late = format!("{doing}: no answer in time");
            Err(SendError::Unknown(Error::network(late)))
        })
    }

    /// Returns the `Authorization` header of a request.
    pub(super) async fn token(&self) -> Result<HeaderValue> {
        self.0.credential.header(self.0.timeouts.token).await
    }
}

const fn json() -> HeaderValue {
    HeaderValue::from_static("application/json")
}

/// Reads the body of a reply, at most [`MAX_REPLY`] bytes of it.
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

/// Parses `Retry-After` in seconds, up to [`MAX_RETRY_AFTER`]. Ignores dates, which the service does not send.
pub(super) fn retry_after(header: Option<&HeaderValue>) -> Option<Duration> {
    let seconds: f64 = header?.to_str().ok()?.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0)
        .then(|| Duration::from_secs_f64(seconds.min(MAX_RETRY_AFTER.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::http::{AccessToken, HttpConfig};

    #[test]
    fn retry_after_is_parsed_and_limited() {
        let parse = |text: &'static str| retry_after(Some(&HeaderValue::from_static(text)));
        assert_eq!(parse("3"), Some(Duration::from_secs(3)));
        assert_eq!(parse("86400"), Some(Duration::from_secs(120)));
        for text in ["-1", "soon", "NaN", "inf", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    /// Sends a create to a server that replies as soon as it has the head. The last check before the body never ends.
    async fn create_with_early_reply(status: &str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let reply = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\n{{}}");
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                seen.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(reply.as_bytes()).await.unwrap();
            stream.read_to_end(&mut seen).await.unwrap();
            seen
        });
        let token = || async { Ok(AccessToken::new("xai-0123456789")) };
        let credential = Credential::from_source(token);
        let http = Http::new(&base, credential, HttpConfig::default(), &|_| None).unwrap();
        let checks = AtomicUsize::new(0);
        let check = || {
            let is_first = checks.fetch_add(1, Ordering::Relaxed) == 0;
            async move { if is_first { Ok(()) } else { pending().await } }.boxed()
        };
        let before = BeforeSend {
            stop: &StopSignal::default(),
            check: Some(&check),
        };
        let body = Bytes::from_static(b"{\"prompt\":\"a lighthouse\"}");
        let reply = http.post_create(&["videos"], body, before).await;
        let seen = server.await.unwrap();
        assert!(seen.ends_with(b"\r\n\r\n"), "the body was not sent");
        reply.unwrap().status
    }

    #[tokio::test]
    async fn a_reply_before_the_body_is_read_while_the_body_waits() {
        for status in [401, 408, 413, 429, 503] {
            assert_eq!(create_with_early_reply(&status.to_string()).await, status);
        }
    }
}
