//! A token source instead of a key. Its failures cost nothing and lose no job.

#![cfg(feature = "cli")]

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use reelkin::{AccessToken, Charge, Error, ErrorKind, Timeouts, TokenError, VideoClientBuilder, secs};
use secrecy::SecretString;
use tokio::sync::Notify;

use crate::support::bench::{Bench, KEY, builder, film, ms, real_clip, request, wait_until};
use crate::support::http_server::{Server, answer};

/// Returns a token source that counts its calls and answers by that number.
fn counting_source<F>(answer: F) -> (Arc<AtomicUsize>, impl reelkin::TokenSource)
where
    F: Fn(usize) -> Result<AccessToken, TokenError> + Send + Sync + 'static,
{
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let source = move || {
        let answer = answer(count.fetch_add(1, Ordering::SeqCst));
        async move { answer }
    };
    (asked, source)
}

fn token() -> AccessToken {
    AccessToken::new(SecretString::from(KEY))
}

/// Checks that a paid request fails with an error of the source, and that nothing was sent.
async fn assert_sends_nothing(bench: &Bench, builder: VideoClientBuilder) -> Error {
    let client = builder.build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(error.to_string().starts_with("get a token: "), "{error}");
    assert_eq!(error.may_have_been_charged(), Charge::No);
    assert!(error.is_retryable());
    assert_eq!(bench.state().create_requests, 0);
    assert!(
        client.library().jobs().await.unwrap().is_empty(),
        "a record is open"
    );
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_token_serves_a_whole_job() {
    let bench = Bench::start(&[]).await;
    let (asked, source) = counting_source(|_| Ok(token().expires_in(secs(3600))));
    let client = bench.builder().bearer(source).build().unwrap();
    client.generate(request()).await.unwrap();
    client.visible_models().await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_token_source_fails_the_call() {
    let bench = Bench::start(&[]).await;
    let (asked, source) = counting_source(|_| Err("x".parse::<u8>().unwrap_err().into()));
    let error = assert_sends_nothing(&bench, bench.builder().bearer(source)).await;
    assert!(error.to_string().contains("invalid digit"), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_token_source_ends_at_its_deadline() {
    let bench = Bench::start(&[]).await;
    let mut timeouts = Timeouts::default();
    timeouts.token = ms(200);
    let source = || async {
        pending::<()>().await;
        Ok(token())
    };
    let started = Instant::now();
    let error = assert_sends_nothing(&bench, bench.builder().timeouts(timeouts).bearer(source)).await;
    assert!(error.to_string().contains("within 0.2 s"), "{error}");
    assert!(started.elapsed() < secs(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panicking_token_source_is_an_error() {
    let bench = Bench::start(&[]).await;
    let (_, source) = counting_source(|number| panic!("on purpose: {number}"));
    assert_sends_nothing(&bench, bench.builder().bearer(source)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_outlast_a_temporarily_failing_token_source() {
    let bench = Bench::start(&[]).await;
    let (asked, source) = counting_source(|number| match number {
        1..=6 => Err(TokenError::new("the token server is down")),
        _ => Ok(token()),
    });
    let client = bench.builder().bearer(source).build().unwrap();
    client.generate(request()).await.unwrap();
    assert!(asked.load(Ordering::SeqCst) > 7);
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_polls_never_get_a_token_stays_open() {
    let bench = Bench::start(&[]).await;
    let (_, source) = counting_source(|number| match number {
        0 => Ok(token()),
        _ => Err(TokenError::new("the token server is down")),
    });
    let mut polls = crate::support::bench::quick_polls();
    polls.deadline = secs(1);
    let client = bench.builder().bearer(source).poll(polls).build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains("the token server is down"), "{error}");
    drop(client);
    let recovered = bench.client().recover().await.unwrap();
    assert_eq!((recovered.saved.len(), bench.state().creates), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_is_replaced_at_once() {
    // The service refuses the first token from the first poll on.
    let server = Server::start(real_clip().await, |seen, _| {
        let stale = seen.method == "GET" && seen.header("authorization") == Some("Bearer token-0");
        stale.then(|| answer("errors/401-missing-key.json"))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (asked, source) =
        counting_source(|number| Ok(AccessToken::new(format!("token-{number}")).expires_in(secs(3600))));
    let client = builder(&server.base_url(), folder.path())
        .bearer(source)
        .build()
        .unwrap();
    client.generate(request()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_may_change_during_a_job() {
    let server = Server::start(real_clip().await, |seen, before| {
        let stale = seen.path.starts_with("/v1/videos/c")
            && (before == 0 || seen.header("authorization") == Some("Bearer token-1"));
        stale.then(|| answer("errors/401-missing-key.json"))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let client = builder(&server.base_url(), folder.path())
        .bearer(move || {
            let number = count.fetch_add(1, Ordering::Relaxed);
            async move { Ok(SecretString::from(format!("token-{number}"))) }
        })
        .build()
        .unwrap();
    client.generate(request()).await.unwrap();
    assert!(asked.load(Ordering::Relaxed) >= 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_is_stopped_before_its_token_arrives_sends_nothing() {
    let bench = Bench::start(&[]).await;
    let (asked, arrives) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, arrival) = (Arc::clone(&asked), Arc::clone(&arrives));
    let source = move || {
        count.fetch_add(1, Ordering::SeqCst);
        let arrival = Arc::clone(&arrival);
        async move {
            arrival.notified().await;
            Ok::<_, TokenError>(token())
        }
    };
    let client = bench.builder().bearer(source).build().unwrap();
    let chain = client.chain(film()).start().await.unwrap();
    wait_until(
        || "no token is requested".to_owned(),
        async || asked.load(Ordering::SeqCst) > 0,
    )
    .await;
    chain.stop_waiting();
    arrives.notify_one();
    let error = chain.wait().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_been_charged()),
        (ErrorKind::Stopped, Charge::No),
        "{error}"
    );
    assert_eq!(bench.state().create_requests, 0);
    assert!(
        client.library().jobs().await.unwrap().is_empty(),
        "a record is open"
    );
}
