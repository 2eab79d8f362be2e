//! The key, bearer tokens and signatures of links are never printed or stored, under every fault and with all logs
//! on.
//!
//! The fault tables look for them in errors and records as well.

#![cfg(feature = "cli")]

use futures_util::StreamExt as _;
use reelkin::{MediaInput, UploadTarget, VideoClient};

use crate::support::bench::{Bench, KEY, builder, real_clip, request};
use crate::support::fault_table::all_faults;
use crate::support::http_server::{Answer, Server};
use crate::support::leaks::{assert_clean, assert_files_clean};
use crate::support::program::Program;

/// Limits a fault to one time. Endless faults would end only with the longer waits of the program.
fn limit_to_once(fault: &str) -> String {
    let over_soon = fault.contains("times=") || fault.starts_with("create:");
    if over_soon {
        fault.to_owned()
    } else {
        format!("{fault},times=1")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_shows_no_secret_under_any_fault() {
    // One fault of each kind and operation: the log does not depend on how often a fault applies.
    let kind = |fault: &str| fault.split(['=', ',', '@']).next().unwrap_or_default().to_owned();
    // The program waits a minute for a create. A stalled poll logs the same.
    let mut faults: Vec<&str> = all_faults()
        .filter(|fault| !fault.starts_with("create:stall"))
        .collect();
    faults.sort_by_key(|fault| kind(fault));
    faults.dedup_by_key(|fault| kind(fault));
    let faults: Vec<String> = faults.into_iter().map(limit_to_once).collect();
    futures_util::stream::iter(faults)
        .map(|fault| async move {
            let bench = Bench::start(&[&fault]).await;
            let ran = Program::at(&bench)
                .args(["generate", "a boat", "--duration", "1", "-vvv", "--timeout", "2"])
                .run()
                .await;
            assert!(ran.stderr.contains("TRACE"), "no trace was logged: {fault}");
            assert!(ran.code <= 4, "{fault}: {ran:?}");
            assert_clean(&fault, &ran.stderr);
            assert_clean(&fault, &ran.stdout);
            assert_files_clean(&fault, bench.folder.path());
        })
        .buffer_unordered(6)
        .collect::<Vec<()>>()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_not_quoted() {
    let bench = Bench::start(&[]).await;
    let wrong = "xai-WRONGCANARY99887766";
    let ran = Program::at(&bench)
        .env("XAI_API_KEY", wrong)
        .args(["generate", "a boat", "-vvv"])
        .run()
        .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let text = format!("{}{}", ran.stdout, ran.stderr).to_lowercase();
    assert!(
        !text.contains("wrongcanary") && !text.contains("bearer "),
        "{text}"
    );
    let client = bench.builder().api_key(wrong).build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert!(
        !format!("{error} {error:?}")
            .to_lowercase()
            .contains("wrongcanary")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_server_echoes_is_not_shown() {
    // The key of a gateway, which does not look like a key of the service.
    let key = "gateway-CANARY.42";
    for refused in ["POST", "GET"] {
        let server = Server::start(real_clip().await, move |seen, _| {
            let body = format!(r#"{{"code":"permission-denied","error":"no rights for key={key}, team 7"}}"#);
            (seen.method == refused).then(|| Answer::new(403, body))
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let client = builder(&server.base_url(), folder.path())
            .api_key(key)
            .build()
            .unwrap();
        let error = client.generate(request()).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("key=[key], team 7"), "{text}");
        assert!(!text.contains("CANARY"), "{text}");
        let jobs = client.library().jobs().await.unwrap();
        assert!(!format!("{jobs:?}").contains("CANARY"), "{jobs:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_not_a_valid_header_is_not_quoted() {
    let bench = Bench::start(&[]).await;
    for key in ["xai-CANARY\nsecond", "xai-CANARY\u{0}x", "xai-CANARY\u{7f}"] {
        let client = bench.builder().api_key(key).build();
        let error = match client {
            Ok(client) => client.generate(request()).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind(), reelkin::ErrorKind::Config, "{error}");
        assert!(!format!("{error} {error:?}").contains("CANARY"), "{error:?}");
    }
    assert_eq!(bench.state().create_requests, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debug_output_shows_no_secret() {
    let bench = Bench::start(&[]).await;
    let client = bench.client();
    let job = client.generate(request()).start().await.unwrap();
    let target = UploadTarget::new("https://u:p@bucket.example/a?sig=SECRET")
        .fetch_url("https://b.example/?sig=SECRET");
    let url = MediaInput::Url("https://u:p@b.example/a.png?sig=SECRET".into());
    let request = request().output(target);
    let text = format!(
        "{client:?} {:?} {job:?} {:?} {request:?} {url:?} {:?}",
        VideoClient::builder().api_key(KEY),
        job.events(),
        client.generate(request.clone()),
    );
    assert_clean("Debug", &text);
    assert!(!text.contains("SECRET") && !text.contains("u:p"), "{text}");
    job.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_links_of_the_caller_are_not_recorded() {
    let bucket = Server::start(real_clip().await, |_, _| None).await;
    let bench = Bench::start(&[]).await;
    std::fs::write(
        bench.folder.path().join("dot.png"),
        include_bytes!("../../fixtures/dot.png"),
    )
    .unwrap();
    let picture = bucket.url("/dot.png?sig=CANARYLINK");
    let ran = Program::at(&bench)
        .args(["generate", "a boat", "--duration", "1", "-vvv", "--ref", &picture])
        .run()
        .await;
    let upload = bucket.url("/clip.mp4?sig=CANARYUP");
    let fetch = bucket.url("/clip.mp4?sig=CANARYDOWN");
    let stored = Program::at(&bench)
        .args([
            "generate",
            "a boat",
            "--duration",
            "1",
            "-vvv",
            "--upload-url",
            &upload,
            "--fetch-url",
            &fetch,
        ])
        .run()
        .await;
    for ran in [ran, stored] {
        assert_clean("the program", &format!("{} {}", ran.stdout, ran.stderr));
        assert!(!ran.stderr.contains("CANARY"), "{ran:?}");
    }
    assert_files_clean("the library", bench.folder.path());
}
