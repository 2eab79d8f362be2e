//! The rule of everything that is paid: it is sent once.
//!
//! It is sent again only when it provably never left, or was refused for its rate in words. What may have
//! arrived is never repeated: a second one would be paid, too.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind, Result};
use crate::http::SendError;
use crate::stop::StopSignal;

/// Tries in all. The service's own client waits twice at the most.
const ATTEMPTS: u32 = 3;

/// Sends what is paid. `send` sends it one time and reads the answer. `unknown` makes the error of one that may
/// have arrived, out of what went wrong; `refused` is told how long a refusal for the rate asks to wait. After
/// `stop` it is not sent again.
pub(super) async fn sent_once<T, F>(
    stop: &StopSignal,
    until: Option<Instant>,
    mut send: impl FnMut() -> F,
    unknown: impl Fn(&Error) -> Error,
    refused: impl Fn(Duration),
) -> Result<T>
where
    F: Future<Output = Result<Result<T>, SendError>>,
{
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    let mut attempt = 1;
    loop {
        let error = match send().await {
            Ok(Err(error)) if error.kind() == ErrorKind::RateLimited && error.is_retryable() => error,
            Ok(answered) => return answered.map_err(|error| error.with_attempts(attempt)),
            // A source of tokens or a setting that fails will fail again.
            Err(SendError::NotSent(error)) if error.kind() != ErrorKind::Network => return Err(error),
            Err(SendError::NotSent(error)) => error,
            Err(SendError::Unknown(error)) => return Err(unknown(&error).with_attempts(attempt)),
        };
        let pause = backoff.next(error.retry_after());
        if attempt == ATTEMPTS || until.is_some_and(|until| Instant::now() + pause >= until) {
            return Err(error.with_attempts(attempt));
        }
        if error.kind() == ErrorKind::RateLimited {
            refused(pause);
        }
        tracing::debug!(attempt, error = %error, "not taken, sending it again");
        let paused = async {
            tokio::time::sleep(pause).await;
            Ok(())
        };
        stop.run_before_send(paused).await?;
        attempt += 1;
    }
}
