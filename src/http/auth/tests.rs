//! Tests when a token source is called and how its tokens are used. The clock is paused: it moves by `advance`, and to
//! the next timer when all tasks wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::advance;

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);
const LIFE: Duration = Duration::from_secs(1000);

/// A credential with a source that returns `token-0`, `token-1`, ... or errors. Each call returns after the test adds a
/// permit to `answers`.
struct Bench {
    credential: Credential,
    asked: Arc<AtomicUsize>,
    answers: Arc<Semaphore>,
}

impl Bench {
    fn new(life: Option<Duration>, fails: impl Fn(usize) -> bool + Send + Sync + 'static) -> Self {
        let (asked, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (count, leave) = (Arc::clone(&asked), Arc::clone(&answers));
        let credential = Credential::from_source(move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let (leave, fails) = (Arc::clone(&leave), fails(number));
            async move {
                leave.acquire().await.map_err(TokenError::new)?.forget();
                if fails {
                    return Err(TokenError::new("no server\nis there"));
                }
                let token = AccessToken::new(format!("token-{number}"));
                Ok(match life {
                    Some(life) => token.expires_in(life),
                    None => token,
                })
            }
        });
        Self {
            credential,
            asked,
            answers,
        }
    }

    /// Returns the token of a request, without the `Bearer` prefix.
    async fn get(&self) -> Result<String> {
        let header = self.credential.header(DEADLINE).await?;
        assert!(header.is_sensitive());
        Ok(header.to_str().unwrap().replacen("Bearer ", "", 1))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Runs all tasks that are ready.
    async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_share_a_call() {
    for life in [None, Some(LIFE)] {
        let bench = Bench::new(life, |_| false);
        bench.answers.add_permits(1);
        let all = join_all((0..50).map(|_| bench.get())).await;
        assert!(all.into_iter().all(|token| token.unwrap() == "token-0"));
        assert_eq!(bench.asked(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_and_the_next_request_calls_again() {
    let bench = Bench::new(Some(LIFE), |number| number == 0);
    bench.answers.add_permits(2);
    for failed in join_all((0..50).map(|_| bench.get())).await {
        let error = failed.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert_eq!(error.to_string(), "get a token: no server is there");
        assert!(error.is_retryable(), "nothing was sent");
    }
    assert_eq!(
        (bench.asked(), bench.get().await.unwrap().as_str()),
        (1, "token-1")
    );
}

#[tokio::test(start_paused = true)]
async fn without_an_expiry_a_token_is_used_once() {
    let bench = Bench::new(None, |_| false);
    bench.answers.add_permits(3);
    for number in 0..3 {
        assert_eq!(bench.get().await.unwrap(), format!("token-{number}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_refreshed_in_the_background_before_it_expires() {
    let bench = Bench::new(Some(LIFE), |_| false);
    bench.answers.add_permits(1);
    assert_eq!(bench.get().await.unwrap(), "token-0");
    advance(LIFE.saturating_sub(REFRESH_BEFORE + Duration::from_secs(1))).await;
    assert_eq!(bench.get().await.unwrap(), "token-0");
    assert_eq!(bench.asked(), 1);
    advance(Duration::from_secs(2)).await;
    // The refresh calls the source, which does not return before the next permit.
    for _ in 0..3 {
        assert_eq!(bench.get().await.unwrap(), "token-0");
        bench.settle().await;
        assert_eq!(bench.asked(), 2);
    }
    bench.answers.add_permits(1);
    bench.settle().await;
    assert_eq!(bench.get().await.unwrap(), "token-1");
    assert_eq!(bench.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_refresh_the_old_token_is_used_until_it_expires() {
    let bench = Bench::new(Some(LIFE), |number| number > 0);
    bench.answers.add_permits(10);
    assert_eq!(bench.get().await.unwrap(), "token-0");
    advance(LIFE.saturating_sub(REFRESH_BEFORE) + Duration::from_secs(1)).await;
    for asked in [2, 2, 2] {
        assert_eq!(bench.get().await.unwrap(), "token-0");
        bench.settle().await;
        assert_eq!(bench.asked(), asked, "not at every request");
    }
    advance(REFRESH_RETRY_PAUSE).await;
    assert_eq!(bench.get().await.unwrap(), "token-0");
    bench.settle().await;
    assert_eq!(bench.asked(), 3);
    advance(REFRESH_BEFORE).await;
    assert_eq!(bench.get().await.unwrap_err().kind(), ErrorKind::Auth);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_fails_at_the_deadline_for_all() {
    let bench = Bench::new(Some(LIFE), |_| false);
    let started = Instant::now();
    for failed in join_all((0..5).map(|_| bench.get())).await {
        let error = failed.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(error.to_string().contains("within 30 s"), "{error}");
    }
    let elapsed = started.elapsed();
    assert!(
        elapsed >= DEADLINE && elapsed < DEADLINE + Duration::from_secs(1),
        "{elapsed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn dropping_a_request_does_not_cancel_the_call() {
    let bench = Bench::new(Some(LIFE), |_| false);
    let first = tokio::time::timeout(Duration::from_secs(1), bench.get());
    assert!(first.await.is_err());
    bench.answers.add_permits(1);
    assert_eq!(bench.get().await.unwrap(), "token-0");
    assert_eq!(bench.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error() {
    fn panics(name: &str) -> String {
        panic!("on purpose: {name}")
    }
    let credential = Credential::from_source(|| async { Ok(panics("token")) });
    for _ in 0..2 {
        let error = credential.header(DEADLINE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert_eq!(error.to_string(), "get a token: the token source panicked");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_discarded_unless_it_was_replaced() {
    let bench = Bench::new(Some(LIFE), |_| false);
    bench.answers.add_permits(2);
    let old = bench.credential.header(DEADLINE).await.unwrap();
    assert!(bench.credential.invalidate(&old));
    assert_eq!(bench.get().await.unwrap(), "token-1");
    // The service rejects the old token again, in the reply to a slow request that was sent with it.
    assert!(bench.credential.invalidate(&old));
    assert_eq!(bench.get().await.unwrap(), "token-1");
    assert_eq!(bench.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_a_header_value_is_an_error() {
    let credential = Credential::from_source(|| async { Ok("two\nlines".to_owned()) });
    let error = credential.header(DEADLINE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(
        error.to_string().contains("line break") && !error.to_string().contains("two"),
        "{error}"
    );
}
