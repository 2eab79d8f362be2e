//! Fetching a clip: streamed, bounded, resumed, guarded.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED,
    LOCATION, RANGE,
};
use tokio::time::Instant;
use tracing::Instrument as _;
use tracing::field::Empty;
use url::Url;

use super::checksum::Checksum;
use super::{Http, guard, network, retry_after};
use crate::backoff::{Backoff, check_wait};
use crate::error::{Error, ErrorKind, Result, redact_url};
use crate::telemetry;

const MAX_REDIRECTS: u32 = 5;
/// An MP4 names its type in bytes 4 to 8, so this much tells a clip from an error page.
const SNIFF: usize = 12;

/// The speed beyond which a limit from below could never be kept.
const FASTEST: u64 = 1 << 30;

/// The bounds of a download.
///
/// A limit of 0 bytes, a least speed of more than 1 GiB/s, and a `stall_timeout` of zero or of more than a year are
/// errors of kind `Config` when the client is built.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct DownloadPolicy {
    /// Most bytes of a clip. 15 s at 1080p are some 30 MB.
    pub max_bytes: u64,
    /// Least bytes a second, measured over `stall_timeout`.
    pub min_bytes_per_second: u64,
    /// How long the line may be silent, and the window of the least speed.
    pub stall_timeout: Duration,
    /// How many times a broken download is taken up again.
    pub attempts: u32,
}

impl Default for DownloadPolicy {
    /// 2 GiB, 1 KiB/s over 30 s, 6 attempts.
    fn default() -> Self {
        Self {
            max_bytes: 2 << 30,
            min_bytes_per_second: 1024,
            stall_timeout: Duration::from_secs(30),
            attempts: 6,
        }
    }
}

impl DownloadPolicy {
    /// Returns an error for limits under which no clip could be downloaded.
    pub(super) fn check(&self) -> Result<()> {
        let bad = |why: String| Error::new(ErrorKind::Config, format!("set up downloads: {why}"));
        if self.max_bytes == 0 {
            return Err(bad(
                "max_bytes is 0; use the size of the largest clip to accept".to_owned()
            ));
        }
        if self.min_bytes_per_second > FASTEST {
            return Err(bad(format!(
                "min_bytes_per_second is {}; use at most {FASTEST}",
                self.min_bytes_per_second
            )));
        }
        check_wait(self.stall_timeout).map_err(|why| bad(format!("stall_timeout {why}")))
    }
}

/// Where the bytes go. Dropping a future of these leaves the sink as after the last finished call.
pub(crate) trait Sink: Send {
    /// Bytes written so far.
    fn position(&self) -> u64;
    /// Adds bytes at the end.
    fn append(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<()>>;
    /// Throws away what was written.
    fn restart(&mut self) -> BoxFuture<'_, Result<()>>;
    /// Begins anew after a file that came whole and is not the clip, for this reason.
    fn reject<'a>(&'a mut self, why: &'a Error) -> BoxFuture<'a, Result<()>>;
}

/// Why a download ended without a clip.
#[derive(Debug)]
pub(crate) enum DownloadError {
    /// The link is no longer good; the job may give a fresh one.
    LinkExpired(Error),
    /// Anything else; trying again here did not help.
    Failed(Error),
}

/// One try's outcome when it did not finish the clip.
enum Broken {
    /// Another try may go on where this one stopped.
    Retry(Error, Option<Duration>),
    /// What was written is of no use to another try.
    Restart(Error),
    /// All of the file came, and it is not the clip.
    Rejected(Error),
    Final(DownloadError),
}

/// What earlier tries learned of the file.
#[derive(Default)]
struct KnownFile {
    validator: Option<HeaderValue>,
    checksum: Checksum,
    /// Whether it was seen to begin in another way than an MP4.
    is_other: bool,
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Final(DownloadError::Failed(error))
    }
}

impl Http {
    /// The URL of a clip, from what the service wrote: absolute, or relative to the API.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] when it is no URL, or points where a clip must not be fetched from.
    pub(crate) fn clip_url(&self, text: &str) -> Result<Url> {
        let base = &self.0.base;
        let url = base.join(text).map_err(|_| {
            Error::new(
                ErrorKind::Protocol,
                "read the clip's URL: the service sent none that parses",
            )
        })?;
        self.check_url(&url)?;
        Ok(url)
    }

    /// The URL of one of the service's own resources.
    pub(crate) fn api_url(&self, segments: &[&str]) -> Url {
        self.url(segments)
    }

    fn check_url(&self, url: &Url) -> Result<()> {
        guard::check_url(url, &self.0.base).map_err(|why| {
            Error::new(
                ErrorKind::Protocol,
                format!("download {}: refused, {why}", redact_url(url.as_str())),
            )
        })
    }

    /// Fetches a clip into a sink. Progress is told after every chunk: bytes so far, bytes in all.
    ///
    /// # Cancel safety
    /// Dropping it leaves the sink at the last finished chunk.
    pub(crate) async fn download(
        &self,
        url: &Url,
        sink: &mut dyn Sink,
        progress: impl FnMut(u64, Option<u64>) + Send,
    ) -> Result<(), DownloadError> {
        let span = tracing::info_span!(
            "download",
            otel.name = "video.download",
            otel.kind = "client",
            otel.status_code = Empty,
            "error.type" = Empty,
            server.address = url.host_str(),
            reelkin.bytes = Empty,
        );
        let done = self
            .download_in_tries(url, sink, progress)
            .instrument(span.clone())
            .await;
        span.record("reelkin.bytes", telemetry::to_signed(sink.position()));
        if let Err(DownloadError::LinkExpired(error) | DownloadError::Failed(error)) = &done {
            telemetry::mark_failed(&span, error);
        }
        done
    }

    async fn download_in_tries(
        &self,
        url: &Url,
        sink: &mut dyn Sink,
        mut progress: impl FnMut(u64, Option<u64>) + Send,
    ) -> Result<(), DownloadError> {
        let policy = &self.0.policy;
        let fresh_backoff = || Backoff::new(Duration::from_millis(500), Duration::from_secs(15));
        let mut backoff = fresh_backoff();
        // What the slowest line that counts as alive brings in the time it may be silent.
        let worth = bytes_in(policy.stall_timeout, policy.min_bytes_per_second);
        let mut file = KnownFile::default();
        let mut attempt = 1;
        loop {
            let before = sink.position();
            let (error, pause) = match self.try_download(url, sink, &mut file, &mut progress).await {
                Ok(()) => return Ok(()),
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Retry(error, asked)) => (error, backoff.next(asked)),
                Err(Broken::Restart(error)) => {
                    file = KnownFile::default();
                    sink.restart().await.map_err(DownloadError::Failed)?;
                    (error, backoff.next(None))
                }
                Err(Broken::Rejected(error)) => {
                    file = KnownFile::default();
                    sink.reject(&error).await.map_err(DownloadError::Failed)?;
                    (error, backoff.next(None))
                }
            };
            // A line that is cut often but moves is not a broken one: only tries that brought next to
            // nothing count. Were one byte enough, a server could keep us for days.
            if sink.position() > before.saturating_add(worth) {
                backoff = fresh_backoff();
            } else {
                attempt += 1;
            }
            if attempt > policy.attempts {
                return Err(DownloadError::Failed(error.with_attempts(policy.attempts)));
            }
            tracing::debug!(attempt, error = %error, "download broken off, trying again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_download(
        &self,
        url: &Url,
        sink: &mut dyn Sink,
        file: &mut KnownFile,
        progress: &mut (impl FnMut(u64, Option<u64>) + Send),
    ) -> Result<(), Broken> {
        let doing = format!("download {}", redact_url(url.as_str()));
        if sink.position() > 0 && file.validator.is_none() {
            // Without a validator nobody can say that the rest belongs to the same file.
            sink.restart().await?;
        }
        let mut response = self
            .follow(&doing, url, sink.position(), file.validator.as_ref())
            .await?;
        let status = response.status().as_u16();
        let failed = |kind, what: &str| Error::new(kind, format!("{doing}: {what}")).with_status(status);
        match status {
            200 => {
                if sink.position() > 0 {
                    sink.restart().await?;
                }
                file.checksum = Checksum::declared_by(response.headers());
                file.is_other = false;
            }
            // A server that ignores the condition would have us glue two files together.
            206 if content_range_start(response.headers()) == Some(sink.position())
                && is_same(file.validator.as_ref(), response.headers()) => {}
            206 | 416 => {
                return Err(Broken::Restart(failed(
                    ErrorKind::Network,
                    "the server could not go on where the download broke off",
                )));
            }
            401 | 403 | 404 | 410 => {
                return Err(Broken::Final(DownloadError::LinkExpired(failed(
                    ErrorKind::JobExpired,
                    &format!("the link is no longer good (http {status})"),
                ))));
            }
            429 | 500.. => {
                let asked = retry_after(response.headers().get(reqwest::header::RETRY_AFTER));
                return Err(Broken::Retry(
                    failed(ErrorKind::Network, &format!("the server answered http {status}")),
                    asked,
                ));
            }
            _ => {
                return Err(
                    failed(ErrorKind::Protocol, &format!("the server answered http {status}")).into(),
                );
            }
        }
        file.validator = strong_validator(response.headers());
        let total = response.content_length().map(|rest| sink.position() + rest);
        let policy = &self.0.policy;
        let too_large = || {
            failed(
                ErrorKind::Protocol,
                &format!("the clip is larger than the limit of {} bytes", policy.max_bytes),
            )
        };
        if total.is_some_and(|total| total > policy.max_bytes) {
            return Err(too_large().into());
        }

        // Only a try that starts at the beginning sees the beginning.
        let sniffs = sink.position() == 0;
        let mut head: Vec<u8> = Vec::with_capacity(SNIFF);
        let no_mp4 = || failed(ErrorKind::Protocol, "what the server sent is not an MP4");
        let (mut window_start, mut window_bytes) = (Instant::now(), 0);
        loop {
            let chunk = match tokio::time::timeout(policy.stall_timeout, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(Broken::Retry(network(&doing, error), None)),
                Err(_) => {
                    return Err(Broken::Retry(
                        failed(ErrorKind::Network, "the line fell silent"),
                        None,
                    ));
                }
            };
            if sniffs && head.len() < SNIFF {
                head.extend(chunk.iter().take(SNIFF - head.len()));
                if head.len() >= 8 {
                    file.is_other = head[4..8] != *b"ftyp";
                    // What is no text may be a clip in a container that was not expected, and is paid for.
                    if file.is_other && is_text(&head) {
                        return Err(Broken::Restart(no_mp4()));
                    }
                }
            }
            window_bytes += chunk.len() as u64;
            file.checksum.update(&chunk);
            sink.append(chunk).await?;
            progress(sink.position(), total);
            if sink.position() > policy.max_bytes {
                return Err(too_large().into());
            }
            let window = window_start.elapsed();
            if window >= policy.stall_timeout {
                if window_bytes < bytes_in(window, policy.min_bytes_per_second) {
                    let what = format!("slower than {} bytes a second", policy.min_bytes_per_second);
                    return Err(Broken::Retry(failed(ErrorKind::Network, &what), None));
                }
                (window_start, window_bytes) = (Instant::now(), 0);
            }
        }
        match total {
            Some(total) if sink.position() < total => {
                let what = format!("the line closed at {} of {total} bytes", sink.position());
                Err(Broken::Retry(failed(ErrorKind::Network, &what), None))
            }
            _ if sink.position() < SNIFF as u64 => Err(Broken::Restart(failed(
                ErrorKind::Protocol,
                "the server sent an empty file",
            ))),
            _ if file.is_other => Err(Broken::Rejected(no_mp4())),
            _ if !file.checksum.holds() => Err(Broken::Rejected(failed(
                ErrorKind::Network,
                "the bytes are not those that the server has, by its own checksum",
            ))),
            _ => Ok(()),
        }
    }

    /// Sends the request and follows redirects by hand: each place is checked, and the key goes to
    /// the API's own origin and never across a redirect.
    async fn follow(
        &self,
        doing: &str,
        url: &Url,
        from: u64,
        validator: Option<&HeaderValue>,
    ) -> Result<reqwest::Response, Broken> {
        let mut url = url.clone();
        for hop in 0..=MAX_REDIRECTS {
            // Behind a proxy this is the whole guard: the proxy resolves the name.
            self.check_url(&url)?;
            let clients = &self.0.clients;
            let client = match (self.0.proxies.of(&url)?, &clients.proxied_download) {
                (Some(_), Some(proxied)) => proxied,
                _ => &clients.download,
            };
            // Compressed transfer would make lengths and ranges mean something else.
            let mut request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            let mut sent = None;
            if hop == 0 && url.origin() == self.0.base.origin() {
                // A source that has no token now may have one for the next try.
                let token = self.token().await.map_err(|error| match error.kind() {
                    ErrorKind::Auth => Broken::Retry(error, None),
                    _ => error.into(),
                })?;
                request = request.header(AUTHORIZATION, token.clone());
                sent = Some(token);
            }
            if let (1.., Some(validator)) = (from, validator) {
                request = request
                    .header(RANGE, format!("bytes={from}-"))
                    .header(IF_RANGE, validator);
            }
            let response = request
                .send()
                .await
                .map_err(|error| Broken::Retry(network(doing, error), None))?;
            if response.status() == StatusCode::UNAUTHORIZED
                && sent.is_some_and(|token| self.0.token.refused(&token))
            {
                let what = format!("{doing}: the service refused the token (http 401)");
                let error = Error::new(ErrorKind::Auth, what).with_status(401);
                return Err(Broken::Retry(error, None));
            }
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let next = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            url = next
                .and_then(|to| url.join(to).ok())
                .ok_or_else(|| Error::new(ErrorKind::Protocol, format!("{doing}: redirected to nowhere")))?;
        }
        Err(Error::new(
            ErrorKind::Protocol,
            format!("{doing}: more than {MAX_REDIRECTS} redirects"),
        )
        .into())
    }
}

/// Whether a file begins as a page or a message does, and not as media.
fn is_text(head: &[u8]) -> bool {
    head.iter()
        .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

/// What a line of that speed brings in a time.
fn bytes_in(time: Duration, bytes_per_second: u64) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    bytes_per_second.saturating_mul(millis) / 1000
}

/// What proves that two answers are of the same file: a strong `ETag`, else `Last-Modified`.
fn strong_validator(headers: &HeaderMap) -> Option<HeaderValue> {
    let etag = headers
        .get(ETAG)
        .filter(|etag| !etag.as_bytes().starts_with(b"W/"));
    etag.or_else(|| headers.get(LAST_MODIFIED)).cloned()
}

/// Whether an answer does not contradict what the earlier part was of.
fn is_same(validator: Option<&HeaderValue>, headers: &HeaderMap) -> bool {
    strong_validator(headers).is_none_or(|now| Some(&now) == validator)
}

/// `7` from `bytes 7-99/100`.
fn content_range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range
        .strip_prefix("bytes ")?
        .split_once('-')?
        .0
        .trim()
        .parse()
        .ok()
}
