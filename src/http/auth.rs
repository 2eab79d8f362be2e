//! The bearer: where it comes from, and the only form it leaves in.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, ErrorKind, Result};

/// Gives the bearer for one request. Asked before every request, so a token may change during a job.
///
/// Any async closure that returns a [`SecretString`] is one.
pub trait TokenSource: Send + Sync + 'static {
    /// The token to send now.
    fn token(&self) -> BoxFuture<'_, Result<SecretString>>;
}

impl<F, R> TokenSource for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<SecretString>> + Send + 'static,
{
    fn token(&self) -> BoxFuture<'_, Result<SecretString>> {
        Box::pin(self())
    }
}

/// A fixed key or a source of tokens.
#[derive(Clone)]
pub(crate) enum Token {
    Key(SecretString),
    Source(Arc<dyn TokenSource>),
}

impl Token {
    /// The `Authorization` header, marked so that nothing prints it.
    pub(crate) async fn header(&self) -> Result<HeaderValue> {
        match self {
            Self::Key(key) => bearer(key),
            Self::Source(source) => bearer(&source.token().await?),
        }
    }
}

fn bearer(key: &SecretString) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret())).map_err(|_| {
        Error::new(
            ErrorKind::Config,
            "use the key: it has a line break or another character that no header can hold",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
