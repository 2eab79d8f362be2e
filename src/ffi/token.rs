//! Requests access tokens from a callback in the other language.
//!
//! A request is a plain call that returns at once. The token arrives later through an answer object, from whatever
//! thread, event loop or coroutine the callback runs on. Nothing here blocks on the other language, and the core's
//! deadline bounds a callback that hangs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::error::Result;
use super::runtime::ProcessBound;
use crate::TokenError;

/// An access token and its lifetime.
#[derive(Clone, PartialEq, Eq, Hash, uniffi::Record)]
pub struct AccessToken {
    /// The token.
    pub secret: String,
    /// How long the token stays valid from now on. Without it, the token is used for one request.
    #[uniffi(default = None)]
    pub expires_in: Option<Duration>,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// A callback that supplies access tokens.
#[uniffi::export(callback_interface)]
pub trait TokenCallback: Send + Sync {
    /// Starts fetching a token and returns at once. The outcome goes to `answer`.
    fn request_token(&self, answer: Arc<TokenAnswer>);
}

/// Receives the answer to one token request. Dropping it without an answer fails the request.
#[derive(uniffi::Object)]
pub struct TokenAnswer(ProcessBound<mpsc::Sender<Answer>>);

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenAnswer")
    }
}

type Answer = std::result::Result<crate::AccessToken, TokenError>;

#[uniffi::export]
impl TokenAnswer {
    /// Answers with a token. Only the first answer counts.
    pub fn give(&self, token: AccessToken) -> Result<()> {
        let answer = crate::AccessToken::new(token.secret);
        let answer = match token.expires_in {
            Some(lifetime) => answer.expires_in(lifetime),
            None => answer,
        };
        self.send(Ok(answer))
    }

    /// Answers with the reason why there is no token. It becomes part of an error, so it must not contain a secret.
    pub fn refuse(&self, reason: &str) -> Result<()> {
        self.send(Err(TokenError::new(reason)))
    }

    /// Waits until the answer is no longer needed: it was given, its deadline passed, or the client was closed.
    pub async fn over(&self) -> Result<()> {
        self.0.get()?.closed().await;
        Ok(())
    }
}

impl TokenAnswer {
    fn send(&self, answer: Answer) -> Result<()> {
        // A full channel has an answer already; a closed one no longer has a receiver.
        let _ = self.0.get()?.try_send(answer);
        Ok(())
    }
}

/// The callback of a client. It is released when the client is closed, because the other language's runtime may end
/// while parts of the client are still alive, and must not be called after that.
#[derive(Clone)]
pub(super) struct Callback(Arc<Mutex<Option<Arc<dyn TokenCallback>>>>);

impl Callback {
    pub(super) fn new(callback: Box<dyn TokenCallback>) -> Self {
        Self(Arc::new(Mutex::new(Some(callback.into()))))
    }

    /// Releases the callback. Later token requests fail.
    pub(super) fn close(&self) {
        let callback = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Outside the lock, because this calls into the other language.
        drop(callback);
    }

    fn get(&self) -> Option<Arc<dyn TokenCallback>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl crate::TokenSource for Callback {
    fn token(&self) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let callback = self
                .get()
                .ok_or_else(|| TokenError::new("the client was closed"))?;
            let (sender, mut receiver) = mpsc::channel(1);
            let answer = Arc::new(TokenAnswer(ProcessBound::new(sender)));
            // On a blocking thread, because entering the other language may wait for its interpreter lock.
            tokio::task::spawn_blocking(move || callback.request_token(answer));
            let unanswered = || Err(TokenError::new("the token source ended without an answer"));
            receiver.recv().await.unwrap_or_else(unanswered)
        })
    }
}
