//! The bearer: where it comes from, how long it is used, and the only form it leaves in.
//!
//! Owns the token that a source gave: one request for a new one at a time, made before the old one expires and
//! bounded by a deadline. Refuses to know what a token is for.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout};

use crate::error::{Error, ErrorKind, Result};

/// A token is replaced this long before it expires, or after four fifths of its life if that is later.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);
/// After an early refresh that failed, the old token is used for this long before the next attempt.
const REFRESH_PAUSE: Duration = Duration::from_secs(5);
/// Maximum length of a source's own words in an error, in characters.
const MAX_REASON: usize = 300;
/// What is shorter than this, in bytes, is a word and no key: it would be cut out of innocent text.
const SHORTEST_SECRET: usize = 8;

/// A token, and the time until which it may be used.
///
/// A [`SecretString`] or a `String` converts into one without an expiry: its source is then asked before every
/// request.
#[derive(Clone)]
pub struct AccessToken {
    secret: SecretString,
    expires_at: Option<SystemTime>,
}

impl AccessToken {
    /// Creates a token that is used for one request.
    pub fn new(secret: impl Into<SecretString>) -> Self {
        Self {
            secret: secret.into(),
            expires_at: None,
        }
    }

    /// Sets how long the token may be used, counted from now: `expires_in` of an OAuth answer.
    pub fn expires_in(self, life: Duration) -> Self {
        Self {
            expires_at: SystemTime::now().checked_add(life),
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

/// Why a source has no token.
///
/// Every [`std::error::Error`] converts into one, so `?` works in a source. Its text becomes part of the error that
/// the caller sees, so it must not hold a secret.
#[derive(Debug, Clone)]
pub struct TokenError(String);

impl TokenError {
    /// Creates an error with a reason, in one line.
    pub fn new(reason: impl fmt::Display) -> Self {
        // Line breaks and control characters have no place in an error of one line.
        let one_line = reason.to_string().replace(char::is_control, " ");
        Self(one_line.chars().take(MAX_REASON).collect())
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// Not itself a `std::error::Error`, which would make this conversion overlap with that of a type into itself.
impl<E: std::error::Error> From<E> for TokenError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Gives the bearer of requests, for OAuth and for programs that must not hold the key of an account.
///
/// Any async closure that returns a [`SecretString`], a `String` or an [`AccessToken`] is one. A token with an
/// expiry is kept, and replaced before it expires; without one the source is asked before every request. Requests
/// that need a token at the same time share one call. A call that takes longer than
/// [`Timeouts::token`](crate::Timeouts::token), fails or panics is an error of kind
/// [`Auth`](ErrorKind::Auth), and nothing is sent; waiting for a job outlasts it.
pub trait TokenSource: Send + Sync + 'static {
    /// Returns the token to use from now on.
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

/// A fixed key or a source of tokens.
#[derive(Clone)]
pub(crate) enum Token {
    Key(SecretString),
    Source(Arc<Cache>),
}

impl Token {
    /// The tokens of a source.
    pub(crate) fn from_source(source: impl TokenSource) -> Self {
        Self::Source(Arc::new(Cache {
            source: Box::new(source),
            held: Mutex::new(None),
            rounds: AtomicU64::new(0),
            last: Arc::default(),
        }))
    }

    /// Returns the `Authorization` header, marked so that nothing prints it.
    ///
    /// # Errors
    /// `Config` for a key that no header can hold, `Auth` when the source gives no token before the deadline.
    pub(super) async fn header(&self, deadline: Duration) -> Result<HeaderValue> {
        match self {
            Self::Key(key) => bearer(key).ok_or_else(|| {
                Error::new(
                    ErrorKind::Config,
                    "use the key: it has a line break or another character that no header can hold",
                )
            }),
            Self::Source(cache) => Arc::clone(cache).header(deadline).await,
        }
    }

    /// Forgets a token that the service refused. Returns whether the next one may be another.
    pub(super) fn refused(&self, header: &HeaderValue) -> bool {
        match self {
            Self::Key(_) => false,
            Self::Source(cache) => {
                let mut held = cache.held();
                if held.as_ref().is_some_and(|held| held.header == *header) {
                    *held = None;
                }
                true
            }
        }
    }
}

fn bearer(secret: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns a text without the bearer that its request had, which a server may repeat.
pub(super) fn without(header: &HeaderValue, text: Bytes) -> Bytes {
    let secret = header
        .to_str()
        .ok()
        .and_then(|value| value.strip_prefix("Bearer "));
    match (secret, std::str::from_utf8(&text)) {
        (Some(secret), Ok(found)) if secret.len() >= SHORTEST_SECRET && found.contains(secret) => {
            found.replace(secret, "[key]").into()
        }
        _ => text,
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The tokens of one source.
pub(crate) struct Cache {
    source: Box<dyn TokenSource>,
    /// A token that may be used again.
    held: Mutex<Option<Held>>,
    /// How many calls of the source are over.
    rounds: AtomicU64,
    /// What the last call brought. Locked while a call is under way.
    last: Arc<tokio::sync::Mutex<Option<Result<HeaderValue>>>>,
}

/// A token with an expiry, by both clocks: one may be set, and the other may stand still while a machine sleeps.
struct Held {
    header: HeaderValue,
    refresh: (SystemTime, Instant),
    expiry: (SystemTime, Instant),
}

fn is_past((wall, monotonic): (SystemTime, Instant)) -> bool {
    SystemTime::now() >= wall || Instant::now() >= monotonic
}

impl Held {
    /// A token to keep. Nothing when it has no expiry, or one that is past.
    fn new(header: &HeaderValue, expires_at: Option<SystemTime>) -> Option<Self> {
        let (wall, monotonic) = (SystemTime::now(), Instant::now());
        let life = expires_at?.duration_since(wall).ok()?;
        let fresh = life.saturating_sub(REFRESH_BEFORE).max(life / 5 * 4);
        let after = |time| Some((wall.checked_add(time)?, monotonic.checked_add(time)?));
        Some(Self {
            header: header.clone(),
            refresh: after(fresh)?,
            expiry: after(life)?,
        })
    }
}

impl Cache {
    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        // A plain value, whole between any two statements.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn header(self: Arc<Self>, deadline: Duration) -> Result<HeaderValue> {
        let round = self.rounds.load(Ordering::Acquire);
        let usable = self
            .held()
            .as_ref()
            .and_then(|held| (!is_past(held.expiry)).then(|| (held.header.clone(), is_past(held.refresh))));
        if let Some((header, refresh)) = usable {
            // The old token is good until the new one is there, and nobody waits for that.
            if refresh && let Ok(turn) = Arc::clone(&self.last).try_lock_owned() {
                tokio::spawn(Arc::clone(&self).ask(turn, deadline));
            }
            return Ok(header);
        }
        let turn = timeout(deadline, Arc::clone(&self.last).lock_owned());
        let turn = turn.await.map_err(|_| too_late(deadline))?;
        if self.rounds.load(Ordering::Acquire) != round
            && let Some(answer) = &*turn
        {
            return answer.clone();
        }
        // In a task of its own: a caller that goes away must not break off what others wait for.
        let asked = tokio::spawn(self.ask(turn, deadline)).await;
        asked.unwrap_or_else(|_| Err(refusal("the runtime ended before there was one")))
    }

    /// Calls the source, and keeps what it gives.
    async fn ask(
        self: Arc<Self>,
        mut turn: OwnedMutexGuard<Option<Result<HeaderValue>>>,
        deadline: Duration,
    ) -> Result<HeaderValue> {
        let call = AssertUnwindSafe(async { self.source.token().await }).catch_unwind();
        let answer = match timeout(deadline, call).await {
            Err(_) => Err(too_late(deadline)),
            Ok(Err(_panic)) => Err(refusal("the token source panicked")),
            Ok(Ok(Err(error))) => Err(refusal(&error.0)),
            Ok(Ok(Ok(token))) => match bearer(&token.secret) {
                Some(header) => {
                    *self.held() = Held::new(&header, token.expires_at);
                    Ok(header)
                }
                None => Err(refusal(
                    "it has a line break or another character that no header can hold",
                )),
            },
        };
        if let (Err(error), Some(held)) = (&answer, self.held().as_mut()) {
            tracing::debug!(error = %error, "no new token, the old one is used until it expires");
            held.refresh = (SystemTime::now() + REFRESH_PAUSE, Instant::now() + REFRESH_PAUSE);
        }
        *turn = Some(answer.clone());
        self.rounds.fetch_add(1, Ordering::Release);
        answer
    }
}

fn too_late(deadline: Duration) -> Error {
    refusal(&format!(
        "the token source gave none within {} s",
        deadline.as_secs_f64()
    ))
}

fn refusal(reason: &str) -> Error {
    Error::new(ErrorKind::Auth, format!("get a token: {reason}"))
}

#[cfg(test)]
mod tests;
