//! A client sends nothing if its record was taken over or removed while it prepared the request.

#![cfg(feature = "cli")]

use std::path::PathBuf;
use std::sync::Arc;

use reelkin::{Charge, Clip, Error, ErrorKind, PlanChoice, RecoveryEvent};
use secrecy::SecretString;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::support::bench::{Bench, KEY, builder, request};
use crate::support::journal::{ledger, open_records};

/// A relay to a sandbox that holds planner questions until they are released.
struct Gate {
    base_url: String,
    arrived: Arc<Notify>,
    release: Arc<Notify>,
}

impl Gate {
    async fn before(bench: &Bench) -> Self {
        let target = bench.sandbox.base_url();
        let target = target
            .trim_start_matches("http://")
            .trim_end_matches("/v1")
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self {
            base_url: format!("http://{}/v1", listener.local_addr().unwrap()),
            arrived: Arc::default(),
            release: Arc::default(),
        };
        let (arrived, release) = (Arc::clone(&gate.arrived), Arc::clone(&gate.release));
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let (target, arrived, release) = (target.clone(), Arc::clone(&arrived), Arc::clone(&release));
                tokio::spawn(async move {
                    let mut start = [0; 18];
                    from.read_exact(&mut start).await.unwrap();
                    if start.starts_with(b"POST /v1/responses") {
                        arrived.notify_one();
                        release.notified().await;
                    }
                    let mut to = TcpStream::connect(target).await.unwrap();
                    to.write_all(&start).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                });
            }
        });
        gate
    }
}

type Work = JoinHandle<Result<Clip, Error>>;

/// Starts a clip whose planner does not answer until it is released. Returns the path of its record as well.
async fn held_up(bench: &Bench) -> (Gate, Work, PathBuf) {
    let gate = Gate::before(bench).await;
    let client = builder(&gate.base_url, &bench.library()).build().unwrap();
    let request = request().plan(PlanChoice::On(None));
    let work = tokio::spawn(async move { client.generate(request).await });
    gate.arrived.notified().await;
    let record = open_records(&bench.library()).remove(0);
    (gate, work, record)
}

async fn assert_nothing_is_sent(bench: &Bench, gate: &Gate, work: Work) {
    gate.release.notify_one();
    assert_refused(bench, work).await;
}

async fn assert_refused(bench: &Bench, work: Work) {
    let error = work.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Library, "{error}");
    assert_eq!(error.may_have_been_charged(), Charge::No, "{error}");
    assert!(error.to_string().contains("nothing was sent"), "{error}");
    assert_eq!(bench.state().create_requests, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_record_prevents_the_create() {
    let bench = Bench::start(&[]).await;
    let (gate, work, record) = held_up(&bench).await;
    std::fs::remove_file(record).unwrap();
    assert_nothing_is_sent(&bench, &gate, work).await;
    assert_eq!(open_records(&bench.library()).len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_taken_by_another_process_prevents_the_create() {
    let bench = Bench::start(&[]).await;
    let (gate, work, path) = held_up(&bench).await;
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record["owner"] = "0123456789abcdef".into();
    std::fs::write(&path, record.to_string()).unwrap();
    assert_nothing_is_sent(&bench, &gate, work).await;
}

/// A removed lease file says nothing about its owner, so a recovery waits before it takes over a record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_lease_file_does_not_end_its_owner() {
    let bench = Bench::start(&[]).await;
    let (gate, work, record) = held_up(&bench).await;
    for lease in std::fs::read_dir(bench.library().join("jobs/owners")).unwrap() {
        std::fs::remove_file(lease.unwrap().path()).unwrap();
    }
    let other = builder(&gate.base_url, &bench.library()).build().unwrap();
    let recovery = other.recover().start();
    let first = recovery.events().next().await;
    assert_eq!(first, Some(RecoveryEvent::Found { jobs: 1 }));
    gate.release.notify_one();
    work.await.unwrap().unwrap();
    assert!(!record.exists(), "its owner has finished it");
    let found = recovery.wait().await.unwrap();
    assert_eq!(found.dropped, 0, "{found:?}");
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
    assert_eq!(ledger(&bench.library()).len(), 1);
}

/// The journal is checked for the last time when the token has arrived, immediately before the create is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_removed_while_waiting_for_a_token_prevents_the_create() {
    let bench = Bench::start(&[]).await;
    let (asked, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&asked), Arc::clone(&release));
    let source = move || {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            tell.notify_one();
            wait.notified().await;
            Ok(SecretString::from(KEY))
        }
    };
    let client = bench.builder().bearer(source).build().unwrap();
    let work = tokio::spawn(async move { client.generate(request()).await });
    asked.notified().await;
    std::fs::remove_file(open_records(&bench.library()).remove(0)).unwrap();
    for lease in std::fs::read_dir(bench.library().join("jobs/owners")).unwrap() {
        std::fs::remove_file(lease.unwrap().path()).unwrap();
    }
    release.notify_one();
    assert_refused(&bench, work).await;
}
