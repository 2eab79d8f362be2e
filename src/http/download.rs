//! Downloads a clip: streaming, size-limited, resumable, and guarded against private addresses.
//!
//! Owns attempts and resumption, redirects, and the checks of what was received: its length, its type and its declared
//! hash. Does not know where the bytes are stored.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderValue, IF_RANGE, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use tokio::time::Instant;
use tracing::Instrument as _;
use tracing::field::Empty;
use url::Url;

use super::exchange::retry_after;
use super::remote_file::RemoteFile;
use super::send_error::network_error;
use super::{Http, ssrf_guard};
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind, Result, redact_url};
use crate::telemetry;

const MAX_REDIRECTS: u32 = 5;
/// Maximum failed attempts of a download, as a multiple of `DownloadPolicy::attempts`. Bounds how long a server can
/// prolong a download by making little progress before each failure.
const MAX_FAILURES_PER_ATTEMPT: u32 = 10;
/// Bytes at the start of a file that distinguish an MP4 from an error page. Bytes 4 to 7 of an MP4 are `ftyp`.
const HEAD_BYTES: usize = 12;

/// Where a download stores its bytes. Dropping one of these futures leaves the sink as it was before the call.
pub(crate) trait Sink: Send {
    /// Returns the number of bytes written so far.
    fn position(&self) -> u64;
    /// Appends bytes.
    fn append(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<()>>;
    /// Discards everything that was written.
    fn restart(&mut self) -> BoxFuture<'_, Result<()>>;
    /// Starts again after a complete file that is not the clip, for the reason `why`.
    fn reject<'a>(&'a mut self, why: &'a Error) -> BoxFuture<'a, Result<()>>;
}

/// Why a download failed.
#[derive(Debug)]
pub(crate) enum DownloadError {
    /// The link has expired. Polling the job may return a new one.
    LinkExpired(Error),
    /// Another failure, after the permitted attempts.
    Failed(Error),
}

impl DownloadError {
    fn with_attempts(self, attempts: u32) -> Self {
        match self {
            Self::LinkExpired(error) => Self::LinkExpired(error.with_attempts(attempts)),
            Self::Failed(error) => Self::Failed(error.with_attempts(attempts)),
        }
    }
}

/// Why one attempt failed, and how the next one starts.
enum AttemptError {
    /// The next attempt can resume the file, after the wait that the server asked for.
    Resume(Error, Option<Duration>),
    /// The next attempt must start from the beginning.
    Restart(Error),
    /// The file was received completely and is not the clip.
    Rejected(Error),
    /// There is no next attempt.
    Final(DownloadError),
}

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        Self::Final(DownloadError::Failed(error))
    }
}

impl Http {
    /// Returns the URL of a clip, which the service sends as an absolute URL or relative to the API.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] if it does not parse, or clips must not be downloaded from there.
    pub(crate) fn clip_url(&self, text: &str) -> Result<Url> {
        let url = self
            .0
            .base
            .join(text)
            .map_err(|_| Error::protocol("read the clip's URL: the service sent an invalid one"))?;
        self.check_url(&url)?;
        Ok(url)
    }

    fn check_url(&self, url: &Url) -> Result<()> {
        ssrf_guard::check_url(url, &self.0.base).map_err(|reason| {
            Error::protocol(format!(
                "download {}: refused, {reason}",
                redact_url(url.as_str())
            ))
        })
    }

    /// Downloads a clip into a sink. Calls `progress` after each chunk with the bytes so far and the total, if known.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the sink after the last complete chunk.
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
        let result = self
            .download_with_retries(url, sink, progress)
            .instrument(span.clone())
            .await;
        span.record("reelkin.bytes", telemetry::to_signed(sink.position()));
        if let Err(DownloadError::LinkExpired(error) | DownloadError::Failed(error)) = &result {
            telemetry::mark_failed(&span, error);
        }
        result
    }

    async fn download_with_retries(
        &self,
        url: &Url,
        sink: &mut dyn Sink,
        mut progress: impl FnMut(u64, Option<u64>) + Send,
    ) -> Result<(), DownloadError> {
        let policy = &self.0.policy;
        let new_backoff = || Backoff::new(Duration::from_millis(500), Duration::from_secs(15));
        let mut backoff = new_backoff();
        // What a connection delivers at the minimum speed before it counts as stalled.
        let min_progress = bytes_in(policy.stall_timeout, policy.min_bytes_per_second);
        let mut file = RemoteFile::default();
        let mut without_progress = 1;
        let mut failures = 0_u32;
        // The highest position after an attempt that counted as progress. Restarts do not reset it.
        let mut furthest = 0_u64;
        loop {
            let before = sink.position();
            let (error, pause) = match self.attempt_download(url, sink, &mut file, &mut progress).await {
                Ok(()) => return Ok(()),
                Err(AttemptError::Final(error)) => return Err(error.with_attempts(failures + 1)),
                Err(AttemptError::Resume(error, retry_after)) => (error, backoff.next(retry_after)),
                Err(AttemptError::Restart(error)) => {
                    file = RemoteFile::default();
                    sink.restart().await.map_err(DownloadError::Failed)?;
                    (error, backoff.next(None))
                }
                Err(AttemptError::Rejected(error)) => {
                    file = RemoteFile::default();
                    sink.reject(&error).await.map_err(DownloadError::Failed)?;
                    (error, backoff.next(None))
                }
            };
            // A connection that is often interrupted but makes progress is usable, so only attempts without progress
            // count. One byte is not enough: a server could prolong a download for days that way.
            if sink.position() > before.saturating_add(min_progress) {
                backoff = new_backoff();
                // A server that interrupts and restarts the download again and again must not prolong it forever, so
                // only bytes that were never received before allow more attempts.
                if sink.position() > furthest.saturating_add(min_progress) {
                    furthest = sink.position();
                    without_progress = 1;
                }
            } else {
                without_progress += 1;
            }
            failures += 1;
            if without_progress > policy.attempts
                || failures >= policy.attempts.saturating_mul(MAX_FAILURES_PER_ATTEMPT)
            {
                return Err(DownloadError::Failed(error.with_attempts(failures)));
            }
            tracing::debug!(failures, error = %error, "download interrupted, retrying");
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt_download(
        &self,
        url: &Url,
        sink: &mut dyn Sink,
        file: &mut RemoteFile,
        progress: &mut (impl FnMut(u64, Option<u64>) + Send),
    ) -> Result<(), AttemptError> {
        let doing = format!("download {}", redact_url(url.as_str()));
        if sink.position() > 0 && file.validator.is_none() {
            // Without a validator the rest could be that of another file.
            sink.restart().await?;
        }
        let response = self
            .request_clip(&doing, url, sink.position(), file.validator.as_ref())
            .await?;
        check_status(&doing, &response, sink.position(), file)?;
        let is_whole = response.status() == StatusCode::OK;
        if is_whole && sink.position() > 0 {
            sink.restart().await?;
        }
        file.update(response.headers(), is_whole);
        self.receive(&doing, response, sink, file, progress).await
    }

    /// Writes the body of a response to the sink and checks what was received.
    async fn receive(
        &self,
        doing: &str,
        mut response: Response,
        sink: &mut dyn Sink,
        file: &mut RemoteFile,
        progress: &mut (impl FnMut(u64, Option<u64>) + Send),
    ) -> Result<(), AttemptError> {
        let policy = &self.0.policy;
        let status = response.status().as_u16();
        let failed = |kind, what: &str| Error::new(kind, format!("{doing}: {what}")).with_status(status);
        let interrupted = |what: &str| AttemptError::Resume(failed(ErrorKind::Network, what), None);
        let not_mp4 = || failed(ErrorKind::Protocol, "the file is not an MP4");
        let too_large = || {
            failed(
                ErrorKind::Protocol,
                &format!("the clip is larger than the limit of {} bytes", policy.max_bytes),
            )
        };
        let total = response.content_length().map(|rest| sink.position() + rest);
        if total.is_some_and(|total| total > policy.max_bytes) {
            return Err(too_large().into());
        }
        let is_from_start = sink.position() == 0;
        let mut head: Vec<u8> = Vec::with_capacity(HEAD_BYTES);
        let (mut window_start, mut window_bytes) = (Instant::now(), 0);
        loop {
            let chunk = match tokio::time::timeout(policy.stall_timeout, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(AttemptError::Resume(network_error(doing, error), None)),
                Err(_) => return Err(interrupted("the connection stalled")),
            };
            if is_from_start && head.len() < HEAD_BYTES {
                head.extend(chunk.iter().take(HEAD_BYTES - head.len()));
                if head.len() >= 8 {
                    file.is_not_mp4 = head[4..8] != *b"ftyp";
                    // Binary data is received completely: it may be a paid clip in an unexpected container.
                    if file.is_not_mp4 && is_text(&head) {
                        return Err(AttemptError::Restart(not_mp4()));
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
                    return Err(interrupted(&format!(
                        "slower than {} bytes a second",
                        policy.min_bytes_per_second
                    )));
                }
                (window_start, window_bytes) = (Instant::now(), 0);
            }
        }
        match total {
            Some(total) if sink.position() < total => Err(interrupted(&format!(
                "the connection closed at {} of {total} bytes",
                sink.position()
            ))),
            _ if sink.position() < HEAD_BYTES as u64 => Err(AttemptError::Restart(failed(
                ErrorKind::Protocol,
                &format!(
                    "the server sent {} of at least {HEAD_BYTES} bytes",
                    sink.position()
                ),
            ))),
            _ if file.is_not_mp4 => Err(AttemptError::Rejected(not_mp4())),
            _ if !file.checksum.is_match() => Err(AttemptError::Rejected(failed(
                ErrorKind::Network,
                "the file does not match the checksum that the server declares",
            ))),
            _ => Ok(()),
        }
    }

    /// Requests a clip from byte `from` on, and follows redirects.
    ///
    /// Checks the URL of every redirect, and sends the token only to the origin of the API and never after a redirect.
    async fn request_clip(
        &self,
        doing: &str,
        url: &Url,
        from: u64,
        validator: Option<&HeaderValue>,
    ) -> Result<Response, AttemptError> {
        let mut url = url.clone();
        for hop in 0..=MAX_REDIRECTS {
            // With a proxy this is the only check of the target, because the proxy resolves the name.
            self.check_url(&url)?;
            let clients = &self.0.clients;
            let client = match (self.0.proxies.for_url(&url)?, &clients.proxied_download) {
                (Some(_), Some(proxied)) => proxied,
                _ => &clients.download,
            };
            // With compression, lengths and ranges would not be those of the file.
            let mut request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            let mut sent_token = None;
            if hop == 0 && url.origin() == self.0.base.origin() {
                // A token source that fails now may succeed at the next attempt.
                let token = self.token().await.map_err(|error| match error.kind() {
                    ErrorKind::Auth => AttemptError::Resume(error, None),
                    _ => error.into(),
                })?;
                request = request.header(AUTHORIZATION, token.clone());
                sent_token = Some(token);
            }
            if let (1.., Some(validator)) = (from, validator) {
                request = request
                    .header(RANGE, format!("bytes={from}-"))
                    .header(IF_RANGE, validator);
            }
            let response = request
                .send()
                .await
                .map_err(|error| AttemptError::Resume(network_error(doing, error), None))?;
            if response.status() == StatusCode::UNAUTHORIZED
                && sent_token.is_some_and(|token| self.0.credential.invalidate(&token))
            {
                let what = format!("{doing}: the service rejected the token (http 401)");
                let error = Error::new(ErrorKind::Auth, what).with_status(401);
                return Err(AttemptError::Resume(error, None));
            }
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            url = location
                .and_then(|to| url.join(to).ok())
                .ok_or_else(|| Error::protocol(format!("{doing}: the redirect has no valid location")))?;
        }
        Err(Error::protocol(format!("{doing}: more than {MAX_REDIRECTS} redirects")).into())
    }
}

/// Checks that a response contains the file, from its start or from `position` on.
fn check_status(
    doing: &str,
    response: &Response,
    position: u64,
    file: &RemoteFile,
) -> Result<(), AttemptError> {
    let (headers, status) = (response.headers(), response.status().as_u16());
    let failed = |kind, what: &str| Error::new(kind, format!("{doing}: {what}")).with_status(status);
    let replied = format!("the server answered http {status}");
    match status {
        200 => Ok(()),
        // A server that ignores `If-Range` could send the rest of another file.
        206 if file.is_continued_by(headers, position) => Ok(()),
        206 | 416 => Err(AttemptError::Restart(failed(
            ErrorKind::Network,
            "the server could not resume the download",
        ))),
        401 | 403 | 404 | 410 => Err(AttemptError::Final(DownloadError::LinkExpired(failed(
            ErrorKind::JobExpired,
            &format!("the link has expired (http {status})"),
        )))),
        429 | 500.. => Err(AttemptError::Resume(
            failed(ErrorKind::Network, &replied),
            retry_after(headers.get(RETRY_AFTER)),
        )),
        _ => Err(failed(ErrorKind::Protocol, &replied).into()),
    }
}

/// Returns whether a file starts like a page or a message instead of media.
fn is_text(head: &[u8]) -> bool {
    head.iter()
        .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

/// Returns how many bytes arrive in a time at a speed.
fn bytes_in(time: Duration, bytes_per_second: u64) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    bytes_per_second.saturating_mul(millis) / 1000
}
