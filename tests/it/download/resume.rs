//! Interrupted downloads.
//!
//! They are resumed where that is safe and restarted where it is not, with limits on stalls, rate, size and attempts.

#![cfg(feature = "cli")]

use bytes::Bytes;
use reelkin::{Charge, Clip, DownloadPolicy, Error, ErrorKind, secs};
use tempfile::TempDir;

use crate::support::bench::{builder, clips_in, quick_downloads, real_clip, request};
use crate::support::http_server::{Answer, JOB, ReceivedRequest, Server, file};

struct Run {
    outcome: Result<Clip, Error>,
    server: Server,
    folder: TempDir,
}

impl Run {
    /// Returns the offset and the `If-Range` of each request for the clip.
    fn ranges(&self) -> Vec<(Option<usize>, Option<String>)> {
        let seen = self.server.requests_to("/clip.mp4");
        seen.iter()
            .map(|seen| (seen.range_start(), seen.header("if-range").map(str::to_owned)))
            .collect()
    }

    fn saved(&self) -> Vec<u8> {
        let clip = self.outcome.as_ref().unwrap();
        assert_eq!(clips_in(self.folder.path()).len(), 1);
        std::fs::read(clip.path.as_ref().unwrap()).unwrap()
    }

    fn failed(&self) -> &Error {
        let error = self.outcome.as_ref().unwrap_err();
        assert!(clips_in(self.folder.path()).is_empty());
        assert_eq!(
            (error.job_id(), error.may_have_been_charged()),
            (Some(JOB), Charge::Yes),
            "{error}"
        );
        error
    }
}

/// Generates a clip against a server with scripted downloads.
async fn run(
    policy: DownloadPolicy,
    script: impl Fn(&ReceivedRequest, usize, &Bytes) -> Option<Answer> + Send + Sync + 'static,
) -> Run {
    let clip = real_clip().await;
    let whole = clip.clone();
    let server = Server::start(clip, move |seen, before| {
        seen.path
            .starts_with("/clip.mp4")
            .then(|| script(seen, before, &whole))
            .flatten()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = builder(&server.base_url(), folder.path())
        .download(policy)
        .build()
        .unwrap();
    let outcome = client.generate(request()).await;
    Run {
        outcome,
        server,
        folder,
    }
}

/// Detects a silent connection soon, but not so soon that a loaded machine looks silent.
fn stall_policy() -> DownloadPolicy {
    let mut policy = quick_downloads();
    policy.stall_timeout = secs(3);
    policy
}

/// Returns the same clip as another file, with a box at its end that players skip.
fn other_file(clip: &Bytes) -> Bytes {
    let mut other = clip.to_vec();
    other.extend([0, 0, 0, 16]);
    other.extend(b"free12345678");
    other.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_cut_only_the_rest_is_fetched() {
    let run = run(quick_downloads(), |seen, before, clip| {
        (before == 0).then(|| file(seen, clip, "\"one\"").cut(10_000))
    })
    .await;
    assert_eq!(run.saved(), real_clip().await);
    assert_eq!(
        run.ranges(),
        [(None, None), (Some(10_000), Some("\"one\"".to_owned()))]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_within_the_first_bytes_is_resumed() {
    for at in [1, 7, 11] {
        let run = run(quick_downloads(), move |seen, before, clip| {
            (before == 0).then(|| file(seen, clip, "\"one\"").cut(at))
        })
        .await;
        assert_eq!(run.saved(), real_clip().await);
        assert_eq!(run.ranges()[1].0, Some(at));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_cuts_with_progress_are_not_a_failure() {
    // Four cuts with two attempts: a download with progress is not broken.
    let run = run(quick_downloads(), |seen, before, clip| {
        (before < 4).then(|| file(seen, clip, "\"one\"").cut(clip.len() / 6))
    })
    .await;
    assert_eq!(run.saved(), real_clip().await);
    assert_eq!(run.ranges().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_attempts_in_a_row_without_progress_are_limited() {
    // Two attempts without progress are the limit, but there is progress between these.
    let run = run(quick_downloads(), |seen, before, clip| {
        let answer = file(seen, clip, "\"one\"");
        Some(match before {
            0 | 2 => answer.cut(0),
            1 => answer.cut(clip.len() / 3),
            _ => answer,
        })
    })
    .await;
    assert_eq!(run.saved(), real_clip().await);
    assert_eq!(run.ranges().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_the_download_does_not_prolong_it() {
    // Without a validator, each attempt starts again. Every second one gets further than the one before.
    let run = run(quick_downloads(), |_, before, clip| {
        let third = clip.len() / 3;
        let cut = if before.is_multiple_of(2) {
            third
        } else {
            2 * third
        };
        Some(Answer::new(200, clip.clone()).cut(cut))
    })
    .await;
    assert_eq!(run.failed().kind(), ErrorKind::Network, "{}", run.failed());
    // The first two get further than any before. After them, two attempts make no progress.
    assert_eq!((run.ranges().len(), run.failed().attempts()), (5, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_is_fetched_from_the_start() {
    let run = run(quick_downloads(), |seen, before, clip| {
        Some(match before {
            0 => file(seen, clip, "\"one\"").cut(10_000),
            _ => file(seen, &other_file(clip), "\"two\""),
        })
    })
    .await;
    assert_eq!(run.saved(), other_file(&real_clip().await));
    assert_eq!(run.ranges().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rest_of_another_file_is_not_appended() {
    // A server that ignores If-Range and sends the rest of what it has now.
    let run = run(quick_downloads(), |seen, before, clip| {
        let other = other_file(clip);
        Some(match before {
            0 => file(seen, clip, "\"one\"").cut(10_000),
            1 => Answer::new(206, other.slice(10_000..))
                .header(
                    "content-range",
                    format!("bytes 10000-{}/{}", other.len() - 1, other.len()),
                )
                .header("etag", "\"two\""),
            _ => file(seen, &other, "\"two\""),
        })
    })
    .await;
    assert_eq!(run.saved(), other_file(&real_clip().await));
    assert_eq!(run.ranges().len(), 3);
    assert_eq!(run.ranges()[2], (None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_strong_validator_the_download_restarts() {
    for etag in [None, Some("W/\"weak\"")] {
        let run = run(quick_downloads(), move |_, before, clip| {
            let answer = Answer::new(200, clip.clone());
            let answer = match etag {
                Some(etag) => answer.header("etag", etag),
                None => answer,
            };
            Some(if before == 0 { answer.cut(10_000) } else { answer })
        })
        .await;
        assert_eq!(run.saved(), real_clip().await);
        assert_eq!(run.ranges(), [(None, None), (None, None)], "{etag:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_modified_serves_as_a_validator() {
    const DATE: &str = "Wed, 07 Oct 2026 07:28:00 GMT";
    let run = run(quick_downloads(), |seen, before, clip| {
        let mut answer = file(seen, clip, DATE).header("last-modified", DATE);
        answer.headers.retain(|(name, _)| name != "etag");
        Some(if before == 0 { answer.cut(10_000) } else { answer })
    })
    .await;
    assert_eq!(run.saved(), real_clip().await);
    assert_eq!(run.ranges()[1], (Some(10_000), Some(DATE.to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_with_another_offset_is_not_appended() {
    let run = run(quick_downloads(), |seen, before, clip| {
        Some(match before {
            0 => file(seen, clip, "\"one\"").cut(10_000),
            1 => Answer::new(206, clip.slice(9_000..))
                .header(
                    "content-range",
                    format!("bytes 9000-{}/{}", clip.len() - 1, clip.len()),
                )
                .header("etag", "\"one\""),
            _ => file(seen, clip, "\"one\""),
        })
    })
    .await;
    assert_eq!(run.saved(), real_clip().await);
    assert_eq!(run.ranges().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_connection_is_replaced_and_the_rest_fetched() {
    let run = run(stall_policy(), |seen, before, clip| {
        (before == 0).then(|| file(seen, clip, "\"one\"").cut(10_000).silent())
    })
    .await;
    assert_eq!(run.saved(), real_clip().await);
    assert_eq!(run.ranges()[1].0, Some(10_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_stalls_on_every_attempt_fails() {
    let run = run(stall_policy(), |seen, _, clip| {
        Some(file(seen, clip, "\"one\"").cut(0).silent())
    })
    .await;
    assert_eq!(run.failed().kind(), ErrorKind::Network, "{}", run.failed());
    assert_eq!(run.ranges().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_below_the_minimum_rate_fails() {
    let mut policy = stall_policy();
    policy.min_bytes_per_second = 100_000;
    let run = run(policy, |seen, _, clip| {
        Some(file(seen, clip, "\"one\"").rate(400))
    })
    .await;
    let error = run.failed();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains("100000 bytes a second"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_above_the_minimum_rate_continues() {
    let mut policy = quick_downloads();
    policy.min_bytes_per_second = 1000;
    let run = run(policy, |seen, _, clip| {
        Some(file(seen, clip, "\"one\"").rate(clip.len()))
    })
    .await;
    assert_eq!(run.saved(), real_clip().await);
    assert_eq!(run.ranges().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clip_above_the_size_limit_is_refused_with_and_without_a_length() {
    for told in [true, false] {
        let mut policy = quick_downloads();
        policy.max_bytes = 5000;
        let run = run(policy, move |seen, _, clip| {
            let answer = file(seen, clip, "\"one\"");
            Some(if told { answer } else { answer.without_length() })
        })
        .await;
        let error = run.failed();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains("5000 bytes"), "{error}");
        assert_eq!(run.ranges().len(), 1, "a second try would be no smaller");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_clip_without_a_length_is_detected_by_its_content() {
    let run = run(quick_downloads(), |seen, before, clip| {
        (before == 0).then(|| file(seen, clip, "\"one\"").without_length().cut(clip.len() / 2))
    })
    .await;
    assert_eq!(run.saved(), real_clip().await);
    assert_eq!(
        run.server.requests_to("/v1/videos/c").len(),
        2,
        "a fresh link was asked for"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_page_with_status_200_is_not_saved() {
    let run = run(quick_downloads(), |_, _, _| {
        Some(Answer::new(200, "<html>please log in</html>").header("content-type", "video/mp4"))
    })
    .await;
    assert_eq!(run.failed().kind(), ErrorKind::Protocol);
    assert!(
        run.failed().to_string().contains("not an MP4"),
        "{}",
        run.failed()
    );
    // An error page is not paid content.
    assert!(!run.folder.path().join("quarantine").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_status_codes_fail_the_download_at_once() {
    for status in [204, 300, 304, 400, 418] {
        let run = run(quick_downloads(), move |_, _, _| Some(Answer::new(status, ""))).await;
        assert_eq!(
            run.failed().kind(),
            ErrorKind::Protocol,
            "{status}: {}",
            run.failed()
        );
        assert_eq!(run.ranges().len(), 1, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_content_type_is_ignored() {
    let run = run(quick_downloads(), |_, _, clip| {
        Some(Answer::new(200, clip.clone()).header("content-type", "text/html"))
    })
    .await;
    assert_eq!(run.saved(), real_clip().await);
}
