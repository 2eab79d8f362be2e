//! A source of tokens on the other side of the boundary.
//!
//! Owns the question and its answer. A question is a plain call that returns at once; the answer comes later through
//! an object, from whatever thread, event loop or coroutine the language runs its callback on. So nothing here ever
//! waits in the other language, and the deadline of the core bounds a callback that hangs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::error::Result;
use super::runtime::Owned;
use crate::TokenError;

/// A token, and how long it may be used.
#[derive(Clone, PartialEq, Eq, Hash, uniffi::Record)]
pub struct AccessToken {
    /// The token itself.
    pub secret: String,
    /// How long it may be used from now on. Without it, for one request.
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

/// Asks the program for tokens.
#[uniffi::export(callback_interface)]
pub trait TokenCallback: Send + Sync {
    /// Begins to get a token, and returns at once. What comes of it goes to `answer`.
    fn ask(&self, answer: Arc<TokenAnswer>);
}

/// Takes the answer to one question. Dropped without one, it answers that there is no token.
#[derive(uniffi::Object)]
pub struct TokenAnswer(Owned<mpsc::Sender<Answer>>);

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenAnswer")
    }
}

type Answer = std::result::Result<crate::AccessToken, TokenError>;

#[uniffi::export]
impl TokenAnswer {
    /// Gives the token. Only the first answer counts.
    pub fn give(&self, token: AccessToken) -> Result<()> {
        let answer = crate::AccessToken::new(token.secret);
        let answer = match token.expires_in {
            Some(life) => answer.expires_in(life),
            None => answer,
        };
        self.send(Ok(answer))
    }

    /// Says why there is no token. It becomes part of an error, so it must not hold a secret.
    pub fn refuse(&self, reason: &str) -> Result<()> {
        self.send(Err(TokenError::new(reason)))
    }

    /// Waits until nobody waits for the answer any more: it was given, its deadline passed, or the client was closed.
    pub async fn over(&self) -> Result<()> {
        self.0.get()?.closed().await;
        Ok(())
    }
}

impl TokenAnswer {
    fn send(&self, answer: Answer) -> Result<()> {
        // Full or closed: there was an answer before, or nobody waits for one.
        let _ = self.0.get()?.try_send(answer);
        Ok(())
    }
}

/// The callback of one client, until that is closed: a language's runtime may end while something of the client is
/// still there, and must not be called then.
#[derive(Clone)]
pub(super) struct Callback(Arc<Mutex<Option<Arc<dyn TokenCallback>>>>);

impl Callback {
    pub(super) fn new(callback: Box<dyn TokenCallback>) -> Self {
        Self(Arc::new(Mutex::new(Some(callback.into()))))
    }

    /// Forgets the callback. Later questions are answered by an error.
    pub(super) fn close(&self) {
        let callback = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // After the lock: this calls into the other language.
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
            let (sender, mut answer) = mpsc::channel(1);
            let question = Arc::new(TokenAnswer(Owned::new(sender)));
            // Not on a thread that drives connections: entering the other language may wait for a lock of its own.
            tokio::task::spawn_blocking(move || callback.ask(question));
            let none = || Err(TokenError::new("the token source ended without an answer"));
            answer.recv().await.unwrap_or_else(none)
        })
    }
}
