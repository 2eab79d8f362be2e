//! Links to clips: relative, expired, missing, on another host.

#![cfg(feature = "cli")]

use bytes::Bytes;
use reelkin::{Charge, RetryAdvice};

use crate::support::bench::{Bench, KEY, builder, clips_in, real_clip, request};
use crate::support::http_server::{Answer, JOB, Run, Server, done, file, run};
use crate::support::journal::open_records;
use crate::support::outcomes::{counts, generate, summary};

/// Answers as the service does, below any path.
fn at_any_path(seen: &crate::support::http_server::ReceivedRequest, link: &str, clip: &Bytes) -> Answer {
    match seen.path.split('?').next().unwrap_or_default() {
        path if path.ends_with("/v1/videos/generations") => {
            Answer::new(200, format!(r#"{{"request_id":"{JOB}"}}"#))
        }
        path if path.ends_with(&format!("/v1/videos/{JOB}")) => done(link),
        path if path.ends_with("/clip.mp4") => file(seen, clip, "\"one\""),
        _ => Answer::new(404, ""),
    }
}

// Requirement: field study of other clients, report 28.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_expires_after_the_download_does_not_affect_the_clip() {
    let bench = Bench::start(&[]).await;
    assert_eq!(generate(&bench).await.code(), "done");
    bench.sandbox.expire_links();
    bench.sandbox.add_fault("link-expired=403".parse().unwrap());
    let id = bench.state().jobs[0].id.clone();
    let downloads = bench.state().downloads;
    let clip = bench.client().job(&id).unwrap().wait().await.unwrap();
    assert_eq!(bench.state().downloads, downloads, "the bytes are here");
    assert_eq!(clip.path.unwrap(), bench.clips()[0].path.canonicalize().unwrap());
    // A link that expires before the download is requested again.
    bench.sandbox.clear_faults();
    bench
        .sandbox
        .add_fault("link-expired=403,times=1".parse().unwrap());
    assert_eq!(generate(&bench).await.code(), "done");
    assert_eq!(counts(&bench), (2, 2, 2));
}

// Requirement: field study of other clients, report 30.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_link_is_polled_for_and_a_failed_download_keeps_the_reply() {
    let bench = Bench::start(&["no-url,times=1"]).await;
    assert_eq!(generate(&bench).await.code(), "done");
    assert_eq!(counts(&bench), (1, 1, 1));

    let bench = Bench::start(&["download:reset"]).await;
    let outcome = generate(&bench).await;
    let want = ("interrupted", Charge::Yes, Some(RetryAdvice::Resume));
    assert_eq!(summary(&outcome), want, "{outcome:?}");
    let [open] = &open_records(&bench.library())[..] else {
        panic!("nothing is kept")
    };
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(open).unwrap()).unwrap();
    assert_eq!(record["state"], "done");
    assert!(record["reply"].to_string().contains(".mp4"), "{record}");
    // The service forgets the job. The recorded reply is enough.
    bench.sandbox.clear_faults();
    bench.sandbox.add_fault("poll:status=404".parse().unwrap());
    assert_eq!(bench.client().recover().await.unwrap().saved.len(), 1);
    assert_eq!(counts(&bench), (1, 1, 1));
}

// Requirement: field study of other clients, report 31.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_links_work_behind_a_gateway_with_a_path() {
    for link in ["http://HOST/files/clip.mp4", "/gateway/files/clip.mp4"] {
        let clip = real_clip().await;
        let whole = clip.clone();
        let gateway = Server::start(clip, move |seen, _| {
            let link = link.replace("HOST", seen.header("host")?);
            Some(at_any_path(seen, &link, &whole))
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let base = gateway.url("/gateway/xai/v1/");
        let client = builder(&base, folder.path()).build().unwrap();
        client.generate(request()).await.unwrap();
        assert_eq!(clips_in(folder.path()).len(), 1, "{link}");
        let seen = gateway.requests();
        let (last, api) = seen.split_last().unwrap();
        let prefix = "/gateway/xai/v1/videos/";
        assert!(api.iter().all(|seen| seen.path.starts_with(prefix)), "{api:?}");
        assert!(link.ends_with(&last.path), "{link}: {last:?}");
    }
}

// Requirement: field study of other clients, report 23.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relative_link_works_and_a_cdn_does_not_get_the_key() {
    let bench = Bench::start(&["relative-url"]).await;
    assert_eq!(generate(&bench).await.code(), "done");
    assert_eq!(counts(&bench), (1, 1, 1));

    let cdn = Server::start(real_clip().await, |_, _| None).await;
    let link = cdn.url("/clip.mp4?sig=SIGNED");
    let api = Server::start(real_clip().await, move |seen, _| {
        seen.path.starts_with("/v1/videos/c").then(|| done(&link))
    })
    .await;
    let library = bench.folder.path().join("other");
    let client = builder(&api.base_url(), &library).build().unwrap();
    client.generate(request()).await.unwrap();
    let has_key = |seen: &crate::support::http_server::ReceivedRequest| format!("{seen:?}").contains(KEY);
    assert!(api.requests().iter().all(has_key));
    assert_eq!(
        (
            cdn.requests().len(),
            cdn.requests().iter().filter(|seen| has_key(seen)).count()
        ),
        (1, 0)
    );
}

// Requirement: wire contract, trap 18.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_link_is_renewed_and_a_cdn_gets_a_browser_user_agent_without_the_key() {
    let cdn = Server::start(real_clip().await, |_, _| None).await;
    let link = cdn.url("/clip.mp4?sig=");
    let Run { outcome, .. } = run(move |seen, before| {
        let link = format!("{link}{before}");
        seen.path.starts_with("/v1/videos/c").then(|| done(&link))
    })
    .await;
    outcome.unwrap();
    let seen = cdn.requests();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("authorization"), None);
    assert!(!format!("{seen:?}").contains(KEY));
    assert!(seen[0].header("user-agent").unwrap().starts_with("Mozilla/5.0"));
    // An expired link is requested again.
    let bench = Bench::start(&["link-expired=403,times=1"]).await;
    bench.client().generate(request()).await.unwrap();
    assert_eq!((bench.state().creates, bench.clips().len()), (1, 1));
}
