//! Tests that every backend must pass, run on a folder and on a bucket in memory. `tests/it` tests the same through the
//! public API on a server that implements S3.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use tempfile::TempDir;

use super::*;

/// A backend, and the temporary folder that it needs.
struct TestBackend {
    backend: Arc<dyn Backend>,
    _folder: Option<TempDir>,
}

fn backends() -> [TestBackend; 2] {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Bucket::new(Arc::new(InMemory::new()), "team".into(), None);
    [
        TestBackend {
            backend: Arc::new(Folder::create(folder.path()).unwrap()),
            _folder: Some(folder),
        },
        TestBackend {
            backend: Arc::new(bucket),
            _folder: None,
        },
    ]
}

fn id(name: &str) -> ClipId {
    name.parse().unwrap()
}

/// Writes the bytes of a clip to its unfinished file.
async fn staged(
    backend: &dyn Backend,
    id: &ClipId,
    bytes: &[u8],
) -> Result<(FinishedPart, Option<LockedFile>)> {
    let Part { mut file, path, lock } = backend.stage(id).await?;
    file.write_all(bytes).unwrap();
    let digest = ClipDigest::of_file(&path)?;
    Ok((FinishedPart { path, file, digest }, lock))
}

async fn save(backend: &dyn Backend, name: &str, bytes: &[u8]) -> Result<()> {
    let (part, _lock) = staged(backend, &id(name), bytes).await?;
    backend
        .commit(&id(name), part, b"{}".to_vec(), ExistingSidecar::Refuse)
        .await
}

#[tokio::test]
async fn a_new_library_is_empty_and_can_be_written() {
    for test in backends() {
        let backend = &*test.backend;
        backend.check_writable().await.unwrap();
        assert!(backend.clips(None, 10).await.unwrap().is_empty());
        assert!(backend.sidecars().await.unwrap().is_empty());
        assert!(backend.contents().await.unwrap().is_empty());
        assert_eq!(backend.documents(JOBS).await.unwrap(), [""; 0]);
        assert_eq!(backend.folders(LEDGER).await.unwrap(), [""; 0]);
        assert_eq!(backend.size("a.mp4").await.unwrap(), None);
        assert!(backend.open("a.mp4", "read").await.unwrap().is_none());
        assert_eq!(backend.digest("a.mp4", "read").await.unwrap(), None);
        assert_eq!(backend.sweep(Duration::ZERO).await.unwrap(), 0, "{backend}");
    }
}

#[tokio::test]
async fn a_committed_clip_is_complete_and_listed() {
    for test in backends() {
        let backend = &*test.backend;
        for name in ["1763812000000_a", "named", "1763812000001_b"] {
            save(backend, name, name.as_bytes()).await.unwrap();
        }
        let newest = [id("1763812000001_b"), id("1763812000000_a"), id("named")];
        assert_eq!(backend.clips(None, 10).await.unwrap(), newest);
        assert_eq!(backend.clips(None, 1).await.unwrap(), newest[..1]);
        let before = Some(newest[0].clone());
        assert_eq!(backend.clips(before, 10).await.unwrap(), newest[1..]);
        assert_eq!(backend.sidecars().await.unwrap(), newest);
        let both = FilePresence {
            clip: true,
            sidecar: true,
        };
        let oldest: Vec<_> = newest.iter().rev().map(|id| (id.clone(), both)).collect();
        assert_eq!(backend.contents().await.unwrap(), oldest);

        let name = "named.mp4";
        assert_eq!(backend.size(name).await.unwrap(), Some(5));
        let object = backend.open(name, "read").await.unwrap().unwrap();
        assert_eq!(object.size, 5);
        assert_eq!(object.range(1..3, "read").await.unwrap(), "am");
        assert_eq!(object.clone().read_all("read").await.unwrap(), "named");
        let digest = object.digest("read").await.unwrap();
        assert_eq!(backend.digest(name, "read").await.unwrap(), Some(digest));
    }
}

#[tokio::test]
async fn a_name_is_never_overwritten() {
    for test in backends() {
        let backend = &*test.backend;
        let clip = id("a");
        assert!(backend.is_free(&clip).await.unwrap());
        // It is staged before the name is taken, and committed afterwards.
        let (late, _lock) = staged(backend, &id("late"), b"late").await.unwrap();
        save(backend, "a", b"first").await.unwrap();
        assert!(!backend.is_free(&clip).await.unwrap());
        let taken = save(backend, "a", b"second").await.unwrap_err();
        assert!(taken.to_string().contains("the name is taken"), "{taken}");
        let taken = backend
            .commit(&clip, late, b"{}".to_vec(), ExistingSidecar::Refuse)
            .await
            .unwrap_err();
        assert!(taken.to_string().contains("the name is taken"), "{taken}");
        let digest = backend.digest("a.mp4", "read").await.unwrap().unwrap();
        let taken = backend.publish(&clip, "a.mp4", &digest).await.unwrap_err();
        assert!(taken.to_string().contains("the name is taken"), "{taken}");
        let object = backend.open("a.mp4", "read").await.unwrap().unwrap();
        assert_eq!(object.read_all("read").await.unwrap(), "first");
    }
}

#[tokio::test]
async fn a_sidecar_without_a_clip_is_replaced_only_on_request() {
    for test in backends() {
        let backend = &*test.backend;
        let clip = id("a");
        backend
            .write_sidecar(&clip, b"{\"old\":1}".to_vec())
            .await
            .unwrap();
        let read = async || {
            backend
                .read_sidecars(&[id("a")])
                .await
                .remove(0)
                .unwrap()
                .unwrap()
        };

        let (part, _lock) = staged(backend, &id("b"), b"clip").await.unwrap();
        let refused = backend
            .commit(&clip, part, b"{}".to_vec(), ExistingSidecar::Refuse)
            .await;
        assert!(refused.unwrap_err().to_string().contains("the name is taken"));
        assert_eq!(backend.size("a.mp4").await.unwrap(), None);
        assert_eq!(read().await, "{\"old\":1}");

        let (part, _lock) = staged(backend, &id("c"), b"clip").await.unwrap();
        let replaced = backend
            .commit(&clip, part, b"{}".to_vec(), ExistingSidecar::Replace)
            .await;
        replaced.unwrap();
        assert_eq!(backend.size("a.mp4").await.unwrap(), Some(4));
        assert_eq!(read().await, "{}");
    }
}

#[tokio::test]
async fn sidecars_are_read_in_the_order_of_their_ids() {
    for test in backends() {
        let backend = &*test.backend;
        for name in ["a", "b"] {
            save(backend, name, b"clip").await.unwrap();
            backend
                .write_sidecar(&id(name), name.as_bytes().to_vec())
                .await
                .unwrap();
        }
        backend.remove("a.mp4.json").await.unwrap();
        backend
            .write_sidecar(&id("large"), vec![b' '; MAX_SIDECAR_BYTES + 1])
            .await
            .unwrap();
        let read = backend.read_sidecars(&["b", "a", "none", "large"].map(id)).await;
        assert_eq!(read[0].as_ref().unwrap().as_deref(), Some(&b"b"[..]));
        assert_eq!(read[1].as_ref().unwrap(), &None);
        assert_eq!(read[2].as_ref().unwrap(), &None);
        let error = read[3].as_ref().unwrap_err().to_string();
        assert!(error.contains("larger than 4 MiB"), "{error}");
        let presence = backend.contents().await.unwrap();
        let of = |name| presence.iter().find(|(found, _)| *found == id(name)).unwrap().1;
        assert!(of("a").clip && !of("a").sidecar);
        assert!(of("large").sidecar && !of("large").clip);
        // Removing it again is not an error.
        backend.remove("a.mp4.json").await.unwrap();
    }
}

#[tokio::test]
async fn only_one_of_two_writers_replaces_a_version() {
    for test in backends() {
        let backend = &*test.backend;
        let write =
            |text: &str, condition| backend.write_document(JOBS, "job", text.as_bytes().to_vec(), condition);
        let missing = backend.read_document(JOBS, "job").await.unwrap();
        assert!(missing.is_none());
        let first = write("1", WriteCondition::Absent).await.unwrap().unwrap();
        assert_eq!(write("2", WriteCondition::Absent).await.unwrap(), None);
        let second = write("2", WriteCondition::Unchanged(first.clone()))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            write("3", WriteCondition::Unchanged(first)).await.unwrap(),
            None,
            "{backend}"
        );
        let read = backend.read_document(JOBS, "job").await.unwrap().unwrap();
        assert_eq!((&read.json[..], &read.version), (&b"2"[..], &second));
        write("4", WriteCondition::None).await.unwrap().unwrap();
        assert_eq!(
            write("5", WriteCondition::Unchanged(second.clone()))
                .await
                .unwrap(),
            None
        );
        backend.remove_document(JOBS, "job").await.unwrap();
        backend.remove_document(JOBS, "job").await.unwrap();
        assert_eq!(write("6", WriteCondition::Unchanged(second)).await.unwrap(), None);
        assert!(backend.read_document(JOBS, "job").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn documents_are_listed_by_folder() {
    for test in backends() {
        let backend = &*test.backend;
        for (folder, name) in [
            (JOBS, "one"),
            (JOBS, "two"),
            (OWNERS, "lease"),
            ("ledger/2026-01-02", "x"),
        ] {
            let written = backend.write_document(folder, name, b"{}".to_vec(), WriteCondition::Absent);
            assert!(written.await.unwrap().is_some());
        }
        let mut jobs = backend.documents(JOBS).await.unwrap();
        jobs.sort();
        assert_eq!(jobs, ["one", "two"]);
        assert_eq!(backend.folders(LEDGER).await.unwrap(), ["2026-01-02"]);
        let too_large = vec![b' '; usize::try_from(MAX_DOCUMENT_BYTES).unwrap() + 1];
        let refused = backend.write_document(JOBS, "large", too_large, WriteCondition::None);
        let error = refused.await.unwrap_err().to_string();
        assert!(error.contains("more than 8388608 bytes"), "{error}");
        backend
            .remove_old_documents(JOBS, Duration::from_secs(3600))
            .await
            .unwrap();
        assert_eq!(backend.documents(JOBS).await.unwrap().len(), 2);
        backend
            .remove_old_documents(OWNERS, Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(backend.documents(OWNERS).await.unwrap(), [""; 0], "{backend}");
        // Documents are not clips.
        assert!(backend.contents().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn bytes_in_quarantine_are_replaced_and_published() {
    for test in backends() {
        let backend = &*test.backend;
        let note = backend.write_document(QUARANTINE, "r", b"{}".to_vec(), WriteCondition::None);
        note.await.unwrap();
        let name = "quarantine/r.mp4";
        for bytes in [&b"first"[..], b"second"] {
            let (part, _lock) = staged(backend, &id("a"), bytes).await.unwrap();
            backend.replace(name, part).await.unwrap();
            // A bucket does not remove the file, and the next attempt begins with it.
            let part = backend.stage(&id("a")).await.unwrap();
            part.file.set_len(0).unwrap();
        }
        let digest = backend.digest(name, "read").await.unwrap().unwrap();
        assert_eq!(digest.bytes, 6);
        backend.publish(&id("a"), name, &digest).await.unwrap();
        let object = backend.open("a.mp4", "read").await.unwrap().unwrap();
        assert_eq!(object.read_all("read").await.unwrap(), "second");
    }
}

#[tokio::test]
async fn an_unfinished_file_has_one_writer() {
    for test in backends() {
        let backend = &*test.backend;
        let part = backend.stage(&id("a")).await.unwrap();
        let error = backend.stage(&id("a")).await.err().unwrap().to_string();
        assert!(error.contains("being written already"), "{error}");
        drop(part);
        backend.stage(&id("a")).await.unwrap();
        assert!(backend.contents().await.unwrap().is_empty(), "it is not listed");
    }
}
