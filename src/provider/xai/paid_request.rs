//! The rules for paid requests: when one is sent again, and what an error reply to one means.
//!
//! A paid request is sent again only if it provably never left this machine, or if the service refused it because
//! of a rate limit. A request that may have arrived is never repeated, because the second one would cost money too.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::error_reply::ErrorReply;
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Reply, SendError};
use crate::stop::StopSignal;

/// Attempts in total. The service's own client retries twice.
const ATTEMPTS: u32 = 3;

/// Sends a paid request, and retries it if that is safe.
///
/// `send` makes one attempt and reads the reply. `outcome_unknown` makes the error for a request that may have
/// arrived, from its cause. `on_rate_limit` receives the pause after a refusal because of a rate limit. No attempt
/// begins after `stop`, nor after a pause that would pass the `deadline`.
pub(super) async fn send_paid<T, F>(
    stop: &StopSignal,
    deadline: Option<Instant>,
    mut send: impl FnMut() -> F,
    outcome_unknown: impl Fn(&Error) -> Error,
    on_rate_limit: impl Fn(Duration),
) -> Result<T>
where
    F: Future<Output = Result<Result<T>, SendError>>,
{
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    let mut attempt = 1;
    loop {
        let error = match send().await {
            Ok(Err(error)) if error.kind() == ErrorKind::RateLimited && error.is_retryable() => error,
            Ok(result) => return result.map_err(|error| error.with_attempts(attempt)),
            // A failing token source or an invalid setting would fail again.
            Err(SendError::NotSent(error)) if error.kind() != ErrorKind::Network => return Err(error),
            Err(SendError::NotSent(error)) => error,
            Err(SendError::Unknown(error)) => return Err(outcome_unknown(&error).with_attempts(attempt)),
        };
        let pause = backoff.next(error.retry_after());
        if attempt == ATTEMPTS || deadline.is_some_and(|deadline| Instant::now() + pause >= deadline) {
            return Err(error.with_attempts(attempt));
        }
        if error.kind() == ErrorKind::RateLimited {
            on_rate_limit(pause);
        }
        // Without the text of the service, which can quote the prompt.
        tracing::debug!(
            attempt,
            error = error.kind().code(),
            status = error.status(),
            "the request was not accepted, retrying"
        );
        let paused = async {
            tokio::time::sleep(pause).await;
            Ok(())
        };
        stop.run_before_send(paused).await?;
        attempt += 1;
    }
}

/// Returns the error for a reply to a paid request that is not a success.
///
/// `outcome_unknown` makes the error for a request that may have been accepted all the same, from its cause.
pub(super) fn error_for(reply: &Reply, action: &str, outcome_unknown: impl Fn(&Error) -> Error) -> Error {
    match reply.status {
        // The service may have accepted the request before it failed, timed out, or pointed to the result.
        ..=199 | 300 | 303 | 304 | 408 | 499.. => {
            let cause = Error::network(ErrorReply::parse(reply).summary());
            outcome_unknown(&cause.with_status(reply.status))
        }
        300..=399 => Error::config(format!(
            "{action}: the base URL redirects; use the target of the redirect as the base URL"
        ))
        .with_status(reply.status),
        _ => ErrorReply::parse(reply).into_error(action),
    }
}
