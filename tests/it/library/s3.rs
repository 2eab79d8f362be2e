//! The library in a bucket of a real S3 server. A clip is whole or absent, and nothing is overwritten.

#![cfg(all(feature = "s3", feature = "cli"))]

use std::time::Duration;

use futures_util::StreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path as StorePath;
use reelkin::library::{ClipId, ClipRecord, Condition, Library, ListOptions};
use reelkin::{Clip, ErrorKind, JobState, Result, Settlement};

use crate::support::bench::{Bench, request};
use crate::support::library::at;
use crate::support::s3::S3;

/// More than two parts of a multipart upload.
const LARGE: usize = 20 << 20;

fn id(name: &str) -> ClipId {
    name.parse().unwrap()
}

async fn save(library: &Library, name: &str, bytes: &[u8], created: u64) -> Result<Clip> {
    let mut staged = library.stage(&id(name)).await?;
    staged.append(bytes).await?;
    staged.commit(ClipRecord::new(at(created))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clip_is_published_with_the_expected_requests() {
    let s3 = S3::start();
    let library = s3.library();
    library.writable().await.unwrap();
    assert_eq!(s3.holds(), (vec![], 0));
    // Two small objects, an attempt to overwrite each, an update of one, a stale update, and two deletions.
    let tried =
        serde_json::json!({"PUT": 5, "UPLOAD": 1, "COPY-PART": 1, "COMPLETE": 1, "ABORT": 1, "DELETE": 2});
    assert_eq!(s3.tally()["kinds"], tried);
    library.writable().await.unwrap();
    let small = save(&library, "small", b"clip", 1).await.unwrap();
    // Checks that the name is free before and after the bytes arrive, and two writes.
    assert_eq!(
        s3.tally()["kinds"],
        serde_json::json!({"PUT": 3, "DELETE": 1, "HEAD": 4})
    );
    let bytes: Vec<u8> = (0..LARGE).map(|at| (at / 1000) as u8).collect();
    let large = save(&library, "large", &bytes, 2).await.unwrap();
    let asked = serde_json::json!({"HEAD": 4, "PUT": 1, "UPLOAD": 2, "PART": 3, "COMPLETE": 2, "COPY-PART": 1, "DELETE": 1});
    assert_eq!(s3.tally()["kinds"], asked);
    // Other objects in the bucket are not clips.
    let store = s3.store();
    for other in ["jobs/a.mp4", ".incoming/b.mp4", "chains/c.mp4.json"] {
        let place = StorePath::from(format!("team/{other}"));
        store.put(&place, "other".into()).await.unwrap();
    }
    s3.tally();
    let page = library.list(ListOptions::default()).await.unwrap();
    let listed: Vec<_> = page.clips.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(listed, ["small", "large"]);
    assert_eq!(s3.tally()["kinds"], serde_json::json!({"LIST": 1, "GET": 2}));
    let (mut names, uploads) = s3.holds();
    names.retain(|name| name.matches('/').count() == 1);
    let wanted = ["large.mp4", "large.mp4.json", "small.mp4", "small.mp4.json"];
    assert_eq!(names, wanted.map(|name| format!("team/{name}")));
    assert_eq!(uploads, 0);

    let again = s3.library();
    assert_eq!(again.clip("large").await.unwrap(), large);
    assert_eq!(again.read(&id("large"), 1 << 30).await.unwrap(), bytes);
    assert_eq!(again.digest(&id("large")).await.unwrap().bytes, LARGE as u64);
    let verdicts: Vec<_> = again
        .verify()
        .map(|verdict| verdict.unwrap().condition)
        .collect()
        .await;
    assert_eq!(verdicts, [Condition::Intact, Condition::Intact]);
    let to = tempfile::tempdir().unwrap();
    let copy = again.copy_into(&large, to.path()).await.unwrap();
    assert_eq!(std::fs::read(copy).unwrap(), bytes);
    let changed = again.set_record(&small.id, ClipRecord::new(at(9))).await.unwrap();
    assert_eq!(library.clip("small").await.unwrap(), changed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ignores_if_match_is_refused() {
    let s3 = S3::start();
    s3.fault("PUT", 1, 1, "");
    let library = s3.library();
    let error = library.writable().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Library);
    let line = error.to_string();
    assert!(
        line.contains("the store cannot update on the condition that"),
        "{line}"
    );
    assert_eq!(s3.holds(), (vec![], 0));
    s3.fault("PUT", 0, 0, "");
    library.writable().await.unwrap();
}

/// Tests quarantine and acceptance on a real server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_fail_verification_are_kept_in_the_bucket_and_can_be_accepted() {
    let s3 = S3::start();
    let bench = Bench::start(&["half-clip"]).await;
    let library = s3.library();
    let client = bench.builder().library_at(library.clone()).build().unwrap();
    let error = client.generate(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Media, "{error}");
    let kept = library.quarantined().await.unwrap().remove(0);
    assert!(kept.bytes > 0 && kept.path.is_none(), "{kept:?}");
    assert!(error.to_string().contains(&kept.file_name), "{error}");
    let (names, uploads) = s3.holds();
    assert!(names.contains(&format!("team/{}", kept.file_name)), "{names:?}");
    assert_eq!(uploads, 0);

    let record = library.settle(&kept.record_id, Settlement::Accept).await.unwrap();
    assert_eq!(record.state, JobState::Saved);
    let clip = library.clip(record.clip.unwrap()).await.unwrap();
    let digest = library.digest(&clip.id).await.unwrap();
    assert_eq!((digest.bytes, Some(digest.sha256)), (kept.bytes, kept.sha256));
    let (names, uploads) = s3.holds();
    let left = names
        .iter()
        .filter(|name| name.contains("quarantine") || name.contains("team/jobs/1"));
    assert_eq!((left.count(), uploads), (0, 0), "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_of_one_name_exactly_one_succeeds() {
    let s3 = S3::start();
    for (round, size, same) in [
        (1, 1000, false),
        (2, LARGE, false),
        (3, 1000, true),
        (4, LARGE, true),
    ] {
        let name = format!("clip{round}");
        let save = |value: u8| {
            let library = s3.library();
            let (name, bytes) = (name.clone(), vec![if same { 7 } else { value }; size]);
            async move {
                // Both have found the name free before either of them writes.
                let mut staged = library.stage(&id(&name)).await?;
                staged.append(&bytes).await?;
                staged.commit(ClipRecord::new(at(u64::from(value)))).await
            }
        };
        let both = futures_util::future::join(save(1), save(2)).await;
        let (winner, error) = match both {
            (Ok(clip), Err(error)) => ((clip, 1), error),
            (Err(error), Ok(clip)) => ((clip, 2), error),
            (one, other) => panic!("round {round}: {one:?} {other:?}"),
        };
        assert_eq!(error.kind(), ErrorKind::Library);
        assert!(error.to_string().contains("the name is taken"), "{error}");
        let library = s3.library();
        assert_eq!(library.clip(&name).await.unwrap(), winner.0, "round {round}");
        let bytes = library.read(&id(&name), 1 << 30).await.unwrap();
        assert_eq!(
            bytes,
            vec![if same { 7 } else { winner.1 }; size],
            "round {round}"
        );
        let (names, uploads) = s3.holds();
        assert_eq!((names.len(), uploads), (2 * round, 0), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_upload_leaves_nothing() {
    let s3 = S3::start();
    let library = s3.library();
    let bytes = vec![7; LARGE];
    // In the parts, at their completion, in the copy, and at the completion of the copy.
    for kind in ["PART", "COMPLETE", "COPY-PART"] {
        s3.fault(kind, 100, 400, "<Error><Code>EntityTooSmall</Code></Error>");
        let error = save(&library, "clip", &bytes, 1).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "save clip clip.mp4: the store failed: 400 EntityTooSmall",
            "{kind}"
        );
        assert_eq!(s3.holds(), (vec![], 0), "{kind}");
        s3.fault(kind, 0, 0, "");
        // The paid bytes are still here.
        let staged = library.stage(&id("clip")).await.unwrap();
        assert_eq!(staged.written(), LARGE as u64);
        drop(staged);
    }
    save(&library, "clip", &bytes, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_is_not_mistaken_for_another_writer() {
    let s3 = S3::start();
    let library = s3.library();
    let large = vec![7; LARGE];
    // The write of the clip, or the completion of its upload or copy.
    for (number, (kind, bytes)) in [("PUT", &b"clip"[..]), ("COMPLETE", &large)]
        .into_iter()
        .enumerate()
    {
        let name = format!("clip{number}");
        s3.fault(kind, 1, 0, "");
        let clip = save(&library, &name, bytes, 1).await.unwrap();
        assert_eq!(library.clip(&name).await.unwrap(), clip);
        assert_eq!(library.read(&clip.id, 1 << 30).await.unwrap(), bytes);
    }
    assert_eq!(s3.holds().0.len(), 4);
    // The write of the sidecar.
    let mut staged = library.stage(&id("late")).await.unwrap();
    staged.append(b"clip").await.unwrap();
    s3.fault("PUT", 2, 0, "");
    staged.commit(ClipRecord::new(at(1))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_removes_leftovers_of_a_crash() {
    let s3 = S3::start();
    let library = s3.library();
    save(&library, "clip", b"clip", 1).await.unwrap();
    for name in ["gone.mp4.0123456789abcdef.part", "notes.txt"] {
        let place = StorePath::from(format!("team/.incoming/{name}"));
        s3.store().put(&place, "half".into()).await.unwrap();
    }
    assert_eq!(library.sweep(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(library.sweep(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(
        s3.holds().0,
        ["team/.incoming/notes.txt", "team/clip.mp4", "team/clip.mp4.json"]
    );
}
