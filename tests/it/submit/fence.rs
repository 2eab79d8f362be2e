//! A client sends nothing if its record was taken over or removed while it prepared the request.

#![cfg(feature = "cli")]

use std::path::PathBuf;
use std::sync::Arc;

use reelkin::{Charge, Clip, Error, ErrorKind, PlanChoice, RecoveryEvent, VideoClient};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::support::bench::{Bench, KEY, builder, request};
use crate::support::held_replies::HeldReplies;
use crate::support::journal::{ledger, open_records};
use crate::support::tls::{CA, Tls};

type Work = JoinHandle<Result<Clip, Error>>;

/// Starts a clip whose planner does not answer until it is released. Returns the path of its record as well.
async fn start_held(bench: &Bench) -> (HeldReplies, Work, PathBuf) {
    let relay = HeldReplies::start(bench.sandbox.address(), "POST /v1/responses", 0).await;
    let client = builder(&relay.base_url(), &bench.library()).build().unwrap();
    let request = request().plan(PlanChoice::On(None));
    let work = tokio::spawn(async move { client.generate(request).await });
    bench.until("the question", |state| state.answers == 1).await;
    let record = open_records(&bench.library()).remove(0);
    (relay, work, record)
}

async fn assert_nothing_is_sent(bench: &Bench, relay: &HeldReplies, work: Work) {
    relay.release();
    assert_refused(bench, work).await;
    assert_eq!(bench.state().create_requests, 0);
}

async fn assert_refused(bench: &Bench, work: Work) {
    let error = work.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Library, "{error}");
    assert_eq!(error.may_have_been_charged(), Charge::No, "{error}");
    assert!(error.to_string().contains("nothing was sent"), "{error}");
    assert_eq!(bench.state().creates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_record_prevents_the_create() {
    let bench = Bench::start(&[]).await;
    let (relay, work, record) = start_held(&bench).await;
    std::fs::remove_file(record).unwrap();
    assert_nothing_is_sent(&bench, &relay, work).await;
    assert_eq!(open_records(&bench.library()).len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_taken_by_another_process_prevents_the_create() {
    let bench = Bench::start(&[]).await;
    let (relay, work, path) = start_held(&bench).await;
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record["owner"] = "0123456789abcdef".into();
    std::fs::write(&path, record.to_string()).unwrap();
    assert_nothing_is_sent(&bench, &relay, work).await;
}

/// A removed lease file says nothing about its owner, so a recovery waits before it takes over a record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_lease_file_does_not_end_its_owner() {
    let bench = Bench::start(&[]).await;
    let (relay, work, record) = start_held(&bench).await;
    remove_leases(&bench);
    let other = builder(&relay.base_url(), &bench.library()).build().unwrap();
    let recovery = other.recover().start();
    let first = recovery.events().next().await;
    assert_eq!(first, Some(RecoveryEvent::Found { jobs: 1 }));
    relay.release();
    work.await.unwrap().unwrap();
    assert!(!record.exists(), "its owner has finished it");
    let found = recovery.wait().await.unwrap();
    assert_eq!(found.dropped, 0, "{found:?}");
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
    assert_eq!(ledger(&bench.library()).len(), 1);
}

/// The journal is checked when the token has arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_removed_while_waiting_for_a_token_prevents_the_create() {
    let bench = Bench::start(&[]).await;
    let (asked, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (started, wait) = (Arc::clone(&asked), Arc::clone(&release));
    let source = move || {
        let (started, wait) = (Arc::clone(&started), Arc::clone(&wait));
        async move {
            started.notify_one();
            wait.notified().await;
            Ok(SecretString::from(KEY))
        }
    };
    let client = bench.builder().bearer(source).build().unwrap();
    let work = tokio::spawn(async move { client.generate(request()).await });
    asked.notified().await;
    remove_record_and_lease(&bench);
    release.notify_one();
    assert_refused(&bench, work).await;
    assert_eq!(bench.state().create_requests, 0);
}

/// The journal is checked for the last time on the open connection, immediately before the body is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_removed_during_the_tls_handshake_prevents_the_create() {
    for protocol in ["http/1.1", "h2"] {
        let (bench, tls, _, work) = start_in_handshake(protocol).await;
        remove_record_and_lease(&bench);
        tls.release();
        assert_refused(&bench, work).await;
        assert_eq!(open_records(&bench.library()).len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_during_the_tls_handshake_prevents_the_create() {
    for protocol in ["http/1.1", "h2"] {
        let (bench, tls, client, work) = start_in_handshake(protocol).await;
        let record = open_records(&bench.library()).remove(0);
        client.stop();
        tls.release();
        let error = work.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
        assert_eq!(error.may_have_been_charged(), Charge::No, "{error}");
        assert_eq!(bench.state().creates, 0);
        assert!(!record.exists(), "nothing is reserved any longer");
    }
}

/// The body of a create waits for the check, and is then sent as usual.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_tls_handshake_does_not_prevent_the_create() {
    for protocol in ["http/1.1", "h2"] {
        let (bench, tls, _, work) = start_in_handshake(protocol).await;
        tls.release();
        // The sandbox links to its clips without TLS, so the relay refuses the download.
        let error = work.await.unwrap().unwrap_err();
        assert!(error.job_id().is_some(), "{protocol}: {error}");
        assert_eq!(bench.state().creates, 1);
    }
}

/// Starts a clip whose create is connecting: its TLS handshake is held until it is released.
async fn start_in_handshake(protocol: &str) -> (Bench, Tls, VideoClient, Work) {
    let bench = Bench::start(&[]).await;
    let tls = Tls::with_protocol(bench.sandbox.address(), protocol).await;
    tls.hold();
    let base_url = format!("https://localhost:{}/v1", tls.address.port());
    let client = builder(&base_url, &bench.library()).root_certificates(CA);
    let client = client.build().unwrap();
    let sending = client.clone();
    let work = tokio::spawn(async move { sending.generate(request()).await });
    tls.until_connected().await;
    (bench, tls, client, work)
}

fn remove_record_and_lease(bench: &Bench) {
    std::fs::remove_file(open_records(&bench.library()).remove(0)).unwrap();
    remove_leases(bench);
}

fn remove_leases(bench: &Bench) {
    for lease in std::fs::read_dir(bench.library().join("jobs/owners")).unwrap() {
        std::fs::remove_file(lease.unwrap().path()).unwrap();
    }
}
