//! What the client makes of every answer in the fixtures.

#![cfg(feature = "cli")]

use std::time::Duration;

use reelkin::{Charge, Clip, Error, ErrorKind, RetryAdvice, secs};
use tempfile::TempDir;

use crate::support::bench::{PATIENCE, builder, clips_in, quick_polls, real_clip, request};
use crate::submit::requests::{fixture, fixture_names};
use crate::support::http_server::{Answer, JOB, Seen, Server};

const CLIP_LINK: &str =
    "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-08609066-3f1c-4d2a-8b77-5c0e9d1a2b3c.mp4";

pub(crate) struct Run {
    pub(crate) outcome: Result<Clip, Error>,
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
}

/// Makes a clip against a server with a script.
pub(crate) async fn run(script: impl Fn(&Seen, usize) -> Option<Answer> + Send + Sync + 'static) -> Run {
    run_within(PATIENCE, script).await
}

async fn run_within(
    deadline: Duration,
    script: impl Fn(&Seen, usize) -> Option<Answer> + Send + Sync + 'static,
) -> Run {
    let server = Server::start(real_clip().await, script).await;
    let folder = tempfile::tempdir().unwrap();
    let mut policy = quick_polls();
    policy.deadline = deadline;
    let client = builder(&server.base_url(), folder.path())
        .poll(policy)
        .build()
        .unwrap();
    let outcome = client.generate(request()).await;
    Run {
        outcome,
        server,
        folder,
    }
}

/// The answer that a fixture holds; the status of an error is the start of its name.
pub(crate) fn answer(name: &str) -> Answer {
    let body = fixture(name);
    let file = name.rsplit('/').next().unwrap_or_default();
    let status = match file {
        file if file.starts_with("poll-pending") => 202,
        file => file
            .get(..3)
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(200),
    };
    Answer::new(status, body)
}

fn is_poll(seen: &Seen) -> bool {
    seen.path.starts_with("/v1/videos/") && seen.method == "GET"
}

/// The first so many polls are answered with a fixture, whose link is made to point to the server.
async fn polled(name: &str, times: usize) -> Run {
    let told = answer(name);
    // A refusal that never ends may be waited for until the deadline.
    let deadline = if times == usize::MAX { secs(3) } else { PATIENCE };
    run_within(deadline, move |seen, before| {
        if !is_poll(seen) || before >= times {
            return None;
        }
        let here = format!("http://{}/clip.mp4", seen.header("host").unwrap_or_default());
        let body = String::from_utf8_lossy(&told.body).replace(CLIP_LINK, &here);
        Some(Answer::new(told.status, body))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_to_a_poll_has_its_outcome() {
    use ErrorKind::{JobExpired, JobFailed, Moderated};
    let rows: [(&str, Option<ErrorKind>); 24] = [
        ("poll-done.json", None),
        ("poll-done-no-duration.json", None),
        ("poll-done-no-status.json", None),
        ("poll-done-public-url-error.json", None),
        ("poll-done-signed.json", None),
        ("poll-done-storage-error.json", None),
        ("poll-done-stored.json", None),
        ("poll-done-tokens.json", None),
        ("poll-pending.json", None),
        ("poll-pending-bare.json", None),
        ("poll-pending-empty.txt", None),
        ("poll-done-withheld-empty.json", Some(Moderated)),
        ("poll-done-withheld-missing.json", Some(Moderated)),
        ("poll-done-withheld-no-video.json", Some(Moderated)),
        ("poll-done-withheld-null.json", Some(Moderated)),
        ("poll-expired.json", Some(JobExpired)),
        ("poll-failed-bare.json", Some(JobFailed)),
        ("poll-failed-extension-range.json", Some(JobFailed)),
        ("poll-failed-failed-precondition.json", Some(JobFailed)),
        ("poll-failed-internal-error.json", Some(JobFailed)),
        ("poll-failed-invalid-argument.json", Some(JobFailed)),
        ("poll-failed-moderated.json", Some(Moderated)),
        ("poll-failed-permission-denied.json", Some(JobFailed)),
        ("poll-failed-service-unavailable.json", Some(JobFailed)),
    ];
    let mut names = fixture_names("responses");
    names.remove("create.json");
    for (name, want) in rows {
        assert!(names.remove(name), "{name}");
        let Run {
            outcome,
            server,
            folder,
        } = polled(&format!("responses/{name}"), 1).await;
        let have = outcome.as_ref().err().map(Error::kind);
        assert_eq!(have, want, "{name}: {outcome:?}");
        let polls = server.seen_at("/v1/videos/c3b8").len();
        let pending = name.starts_with("poll-pending");
        assert_eq!(polls, if pending { 2 } else { 1 }, "{name}: an end is an end");
        assert_eq!(
            clips_in(folder.path()).len(),
            usize::from(want.is_none()),
            "{name}"
        );
        if let Err(error) = outcome {
            assert_eq!(error.job_id(), Some(JOB), "{name}");
        }
    }
    assert!(names.is_empty(), "no row for {names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_of_a_create_has_its_outcome() {
    use ErrorKind::{Auth, InvalidRequest, Moderated, NotFound, SubmissionUnknown};
    let kind = |name: &str| match name {
        "400-wrong-key.json" | "401-missing-key.json" | "403-permission.json" => Auth,
        "400-moderated.json" | "400-moderated-billed.json" | "400-moderated-old.json" => Moderated,
        "429-credits.json" => ErrorKind::RateLimited,
        name if name.starts_with("404-") => NotFound,
        // What says neither yes nor no may have been a yes.
        name if name.starts_with("200-") || name.starts_with('5') => SubmissionUnknown,
        _ => InvalidRequest,
    };
    for name in fixture_names("errors") {
        // These two are sent again, which takes its time; the fault table has them.
        if name == "429-rate.json" || name == "429-capacity.json" {
            continue;
        }
        let path = format!("errors/{name}");
        let Run {
            outcome,
            server,
            folder,
        } = run(move |seen, _| (seen.method == "POST").then(|| answer(&path))).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), kind(&name), "{name}: {error}");
        assert_eq!(error.job_id(), None, "{name}");
        assert!(!error.is_retryable(), "{name}: {:?}", error.retry_advice());
        let charge = match error.kind() {
            SubmissionUnknown | Moderated => Charge::Unknown,
            _ => Charge::No,
        };
        assert_eq!(error.may_have_been_charged(), charge, "{name}");
        assert_eq!(server.seen().len(), 1, "{name}: sent once");
        assert!(clips_in(folder.path()).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_id_that_cannot_be_used_is_told() {
    let made =
        run(|seen, _| (seen.method == "POST").then(|| Answer::new(200, r#"{"request_id":"a b\n../c"}"#)));
    let error = made.await.outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SubmissionUnknown, "{error}");
    assert!(error.to_string().contains(r#""a b ../c""#), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_of_a_poll_has_its_outcome() {
    use ErrorKind::{Auth, InvalidRequest, Moderated, Timeout};
    // Once, and for ever: many refusals were seen to pass.
    let rows: [(&str, Option<ErrorKind>, ErrorKind); 9] = [
        ("400-malformed-id.json", None, InvalidRequest),
        ("400-zdr.json", None, InvalidRequest),
        ("400-moderated.json", Some(Moderated), Moderated),
        ("400-moderated-billed.json", Some(Moderated), Moderated),
        ("400-moderated-old.json", Some(Moderated), Moderated),
        ("400-wrong-key.json", None, Auth),
        ("401-missing-key.json", None, Auth),
        ("403-permission.json", None, Auth),
        ("404-unknown-job.json", None, Timeout),
    ];
    for (name, once, always) in rows {
        let path = format!("errors/{name}");
        let Run { outcome, .. } = polled(&path, 1).await;
        assert_eq!(
            outcome.as_ref().err().map(Error::kind),
            once,
            "{name}: {outcome:?}"
        );
        let Run { outcome, server, .. } = polled(&path, usize::MAX).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), always, "{name}: {error}");
        assert_eq!(error.job_id(), Some(JOB), "{name}");
        assert_ne!(error.may_have_been_charged(), Charge::No, "{name}");
        assert_ne!(error.retry_advice(), RetryAdvice::Retry, "{name}");
        assert_eq!(server.seen_at("/v1/videos/generations").len(), 1, "{name}");
    }
    for name in [
        "429-rate.json",
        "429-capacity.json",
        "429-credits.json",
        "503-unavailable.json",
        "522.html",
        "405-method.txt",
        "404-unknown-route.json",
    ] {
        let Run { outcome, .. } = polled(&format!("errors/{name}"), 2).await;
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
    }
}
