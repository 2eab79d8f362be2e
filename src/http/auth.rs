//! API keys and bearer tokens.
//!
//! Owns the credential of a client and the `Authorization` header made from it. Caches the token of a source, refreshes
//! it before it expires, and makes one bounded call to the source at a time. Does not know what a token grants.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout};

use crate::error::{Error, ErrorKind, Result};
use crate::sync::lock;

/// How long before its expiry a token is refreshed, unless four fifths of its lifetime end later.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);
/// Minimum time between two attempts to refresh a token that is still valid.
const REFRESH_RETRY_PAUSE: Duration = Duration::from_secs(5);
/// Maximum characters of the message of a [`TokenError`].
const MAX_REASON: usize = 300;
/// Minimum bytes of a secret that is redacted. A shorter one could be an ordinary word of the text.
const MIN_REDACTED_SECRET: usize = 8;
/// Why a secret cannot be sent.
const NOT_A_HEADER_VALUE: &str = "it has a line break or another character that a header cannot contain";

/// A bearer token and the time at which it expires.
///
/// A [`SecretString`] or a `String` converts into a token without an expiry. Such a token is used for one request, and
/// its source is called before every request.
#[derive(Clone)]
pub struct AccessToken {
    secret: SecretString,
    expires_at: Option<SystemTime>,
}

impl AccessToken {
    /// Creates a token without an expiry. It is used for one request.
    pub fn new(secret: impl Into<SecretString>) -> Self {
        Self {
            secret: secret.into(),
            expires_at: None,
        }
    }

    /// Sets the lifetime of the token, counted from now. This is `expires_in` in an OAuth response.
    pub fn expires_in(self, lifetime: Duration) -> Self {
        Self {
            expires_at: SystemTime::now().checked_add(lifetime),
            ..self
        }
    }

    /// Sets the time at which the token expires.
    pub fn expires_at(self, time: SystemTime) -> Self {
        Self {
            expires_at: Some(time),
            ..self
        }
    }
}

impl From<SecretString> for AccessToken {
    fn from(secret: SecretString) -> Self {
        Self::new(secret)
    }
}

impl From<String> for AccessToken {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The error of a [`TokenSource`].
///
/// Every [`std::error::Error`] converts into a `TokenError`, so `?` works in a source. Its message becomes part of the
/// error that the caller sees, so it must not contain a secret.
#[derive(Debug, Clone)]
pub struct TokenError(String);

impl TokenError {
    /// Creates an error from a message. Replaces control characters by spaces, and cuts a message over 300 characters.
    pub fn new(reason: impl fmt::Display) -> Self {
        let one_line = reason.to_string().replace(char::is_control, " ");
        Self(one_line.chars().take(MAX_REASON).collect())
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// `TokenError` itself is not a `std::error::Error`. This conversion would overlap with `impl From<T> for T` otherwise.
impl<E: std::error::Error> From<E> for TokenError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Supplies bearer tokens, for OAuth and for programs that must not contain the account's API key.
///
/// Every async closure that returns `Ok` with a [`SecretString`], a `String` or an [`AccessToken`] implements this trait.
///
/// A token with an expiry is cached, and refreshed before it expires. Without an expiry, the source is called before
/// every request. Concurrent requests share one call.
///
/// A call that fails, panics, or exceeds [`Timeouts::token`](crate::Timeouts::token) is an error of kind
/// [`Auth`](ErrorKind::Auth), and the request is not sent. Polls of a job continue after such an error.
pub trait TokenSource: Send + Sync + 'static {
    /// Requests a new token.
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>>;
}

impl<F, R, T> TokenSource for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<T, TokenError>> + Send + 'static,
    T: Into<AccessToken>,
{
    fn token(&self) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        let token = self();
        Box::pin(async move { Ok(token.await?.into()) })
    }
}

/// What authorizes requests: a fixed API key or a source of tokens.
#[derive(Clone)]
pub(crate) enum Credential {
    Key(SecretString),
    Source(Arc<TokenCache>),
}

impl Credential {
    /// Creates a credential that takes its tokens from a source.
    pub(crate) fn from_source(source: impl TokenSource) -> Self {
        Self::Source(Arc::new(TokenCache {
            source: Box::new(source),
            cached: Mutex::new(None),
            completed_calls: AtomicU64::new(0),
            last_result: Arc::default(),
        }))
    }

    /// Returns the `Authorization` header. It is marked as sensitive, so that it is never printed.
    ///
    /// # Errors
    /// `Config` for a key that is not a valid header value, `Auth` if the source returns no token before the deadline.
    pub(super) async fn header(&self, deadline: Duration) -> Result<HeaderValue> {
        match self {
            Self::Key(key) => bearer_header(key)
                .ok_or_else(|| Error::config(format!("use the API key: {NOT_A_HEADER_VALUE}"))),
            Self::Source(cache) => Arc::clone(cache).header(deadline).await,
        }
    }

    /// Discards a token that the service rejected. Returns whether the next request can get a different one.
    pub(super) fn invalidate(&self, header: &HeaderValue) -> bool {
        match self {
            Self::Key(_) => false,
            Self::Source(cache) => {
                let mut cached = cache.cached();
                // Another request may have replaced the token already.
                if cached.as_ref().is_some_and(|token| token.header == *header) {
                    *cached = None;
                }
                true
            }
        }
    }
}

/// Returns the header for a secret, or `None` if the secret is not a valid header value.
fn bearer_header(secret: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Removes the secret of a request from the text of its reply, in which a server may repeat it.
pub(super) fn redact(header: &HeaderValue, text: Bytes) -> Bytes {
    let secret = header
        .to_str()
        .ok()
        .and_then(|value| value.strip_prefix("Bearer "));
    match (secret, std::str::from_utf8(&text)) {
        (Some(secret), Ok(found)) if secret.len() >= MIN_REDACTED_SECRET && found.contains(secret) => {
            found.replace(secret, "[key]").into()
        }
        _ => text,
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// Calls one token source and caches its token.
pub(crate) struct TokenCache {
    source: Box<dyn TokenSource>,
    /// A token with an expiry, which can be used for more than one request.
    cached: Mutex<Option<CachedToken>>,
    /// Number of completed calls of the source.
    completed_calls: AtomicU64,
    /// The result of the last call. Locked during a call.
    last_result: Arc<tokio::sync::Mutex<Option<Result<HeaderValue>>>>,
}

/// A token with an expiry.
///
/// Times are kept on both clocks, and the earlier one counts: the wall clock can be set, and the monotonic clock can
/// stop while the machine sleeps.
struct CachedToken {
    header: HeaderValue,
    refresh: (SystemTime, Instant),
    expiry: (SystemTime, Instant),
}

fn is_past((wall, monotonic): (SystemTime, Instant)) -> bool {
    SystemTime::now() >= wall || Instant::now() >= monotonic
}

impl CachedToken {
    /// Returns the token to cache, or `None` if it has no expiry or has expired.
    fn new(header: &HeaderValue, expires_at: Option<SystemTime>) -> Option<Self> {
        let (wall, monotonic) = (SystemTime::now(), Instant::now());
        let lifetime = expires_at?.duration_since(wall).ok()?;
        let fresh = lifetime.saturating_sub(REFRESH_BEFORE).max(lifetime / 5 * 4);
        let after = |time| Some((wall.checked_add(time)?, monotonic.checked_add(time)?));
        Some(Self {
            header: header.clone(),
            refresh: after(fresh)?,
            expiry: after(lifetime)?,
        })
    }
}

impl TokenCache {
    fn cached(&self) -> MutexGuard<'_, Option<CachedToken>> {
        // Every critical section leaves the value consistent, so a poisoned lock can be used.
        lock(&self.cached)
    }

    async fn header(self: Arc<Self>, deadline: Duration) -> Result<HeaderValue> {
        let completed_before = self.completed_calls.load(Ordering::Acquire);
        let valid = self.cached().as_ref().and_then(|token| {
            (!is_past(token.expiry)).then(|| (token.header.clone(), is_past(token.refresh)))
        });
        if let Some((header, needs_refresh)) = valid {
            // Refreshed in the background: the old token is valid until the new one arrives.
            if needs_refresh && let Ok(result) = Arc::clone(&self.last_result).try_lock_owned() {
                tokio::spawn(Arc::clone(&self).call_source(result, deadline));
            }
            return Ok(header);
        }
        let lock = timeout(deadline, Arc::clone(&self.last_result).lock_owned());
        let result = lock.await.map_err(|_| timed_out(deadline))?;
        // A call that completed during the wait for the lock serves this request too.
        if self.completed_calls.load(Ordering::Acquire) != completed_before
            && let Some(result) = &*result
        {
            return result.clone();
        }
        // In a separate task, so that dropping this request does not cancel a call that others wait for.
        let call = tokio::spawn(self.call_source(result, deadline)).await;
        call.unwrap_or_else(|_| Err(token_error("the runtime ended before there was one")))
    }

    /// Calls the source, caches its token and stores the result for concurrent requests.
    async fn call_source(
        self: Arc<Self>,
        mut last_result: OwnedMutexGuard<Option<Result<HeaderValue>>>,
        deadline: Duration,
    ) -> Result<HeaderValue> {
        let call = AssertUnwindSafe(async { self.source.token().await }).catch_unwind();
        let result = match timeout(deadline, call).await {
            Err(_) => Err(timed_out(deadline)),
            Ok(Err(_panic)) => Err(token_error("the token source panicked")),
            Ok(Ok(Err(error))) => Err(token_error(&error.0)),
            Ok(Ok(Ok(token))) => match bearer_header(&token.secret) {
                Some(header) => {
                    *self.cached() = CachedToken::new(&header, token.expires_at);
                    Ok(header)
                }
                None => Err(token_error(NOT_A_HEADER_VALUE)),
            },
        };
        if let (Err(error), Some(token)) = (&result, self.cached().as_mut()) {
            tracing::debug!(error = %error, "token refresh failed, using the old token until it expires");
            token.refresh = (
                SystemTime::now() + REFRESH_RETRY_PAUSE,
                Instant::now() + REFRESH_RETRY_PAUSE,
            );
        }
        *last_result = Some(result.clone());
        self.completed_calls.fetch_add(1, Ordering::Release);
        result
    }
}

fn timed_out(deadline: Duration) -> Error {
    let seconds = deadline.as_secs_f64();
    token_error(&format!("the token source returned none within {seconds} s"))
}

fn token_error(reason: &str) -> Error {
    Error::new(ErrorKind::Auth, format!("get a token: {reason}"))
}

#[cfg(test)]
mod tests;
