//! A file becomes a clip in one step, or not at all.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::memory::InMemory;
use reelkin::ErrorKind;
use reelkin::library::{ClipId, ClipRecord, Library, ListOptions};
use sha2::{Digest as _, Sha256};

use crate::support::library::at;
use crate::support::library::empty_library;

/// Returns the sorted names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("read folder")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

fn id(name: &str) -> ClipId {
    name.parse().expect("id")
}

#[tokio::test]
async fn a_clip_is_hidden_until_it_is_committed() {
    let (folder, library) = empty_library();
    let id = library.new_name().await.unwrap();
    let mut staged = library.stage(&id).await.unwrap();
    staged.append(b"hello ").await.unwrap();
    staged.append(b"world").await.unwrap();
    staged.flush().await.unwrap();
    assert_eq!(fs::read(staged.path()).unwrap(), b"hello world");
    assert_eq!(names(folder.path()), [".incoming"]);
    assert!(
        library
            .list(ListOptions::default())
            .await
            .unwrap()
            .clips
            .is_empty()
    );
    assert_eq!(library.clip(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(staged.digest().await.unwrap().bytes, 11);

    let clip = staged.commit(ClipRecord::new(at(7))).await.unwrap();
    assert_eq!(
        names(folder.path()),
        [".incoming".to_owned(), id.file_name(), id.sidecar_name()]
    );
    assert_eq!(names(&folder.path().join(".incoming")), [""; 0]);
    assert_eq!(fs::read(clip.path.as_ref().unwrap()).unwrap(), b"hello world");
    let ours = clip.record.as_ref().unwrap().reelkin.as_ref().unwrap();
    assert_eq!(ours.bytes, Some(11));
    assert_eq!(
        ours.sha256.as_deref(),
        Some("b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9")
    );
    assert_eq!(library.clip(&id).await.unwrap(), clip);
}

#[tokio::test]
async fn a_dropped_staged_clip_is_removed_unless_kept_for_resume() {
    let (folder, library) = empty_library();
    let mut staged = library.stage(&id("a")).await.unwrap();
    staged.append(b"half").await.unwrap();
    drop(staged);
    assert_eq!(names(&folder.path().join(".incoming")), [""; 0]);

    let mut staged = library.stage(&id("a")).await.unwrap();
    assert_eq!(staged.written(), 0);
    staged.append(b"half").await.unwrap();
    staged.keep_for_resume(true);
    staged.flush().await.unwrap();
    drop(staged);
    assert_eq!(names(&folder.path().join(".incoming")), ["a.mp4.part"]);
    let mut staged = Library::open(folder.path())
        .unwrap()
        .stage(&id("a"))
        .await
        .unwrap();
    assert_eq!(staged.settle().await.unwrap(), 4);
    staged.append(b" and half").await.unwrap();
    staged.truncate(8).await.unwrap();
    assert_eq!(
        staged.truncate(9).await.unwrap_err().kind(),
        ErrorKind::InvalidRequest
    );
    staged.append(b" whole").await.unwrap();
    let clip = staged.commit(ClipRecord::new(at(7))).await.unwrap();
    assert_eq!(library.read(&clip.id, 100).await.unwrap(), b"half and whole"[..]);
}

#[tokio::test]
async fn a_commit_overwrites_nothing() {
    let (folder, library) = empty_library();
    let mut staged = library.stage(&id("a")).await.unwrap();
    staged.append(b"new").await.unwrap();
    let again = library.stage(&id("a")).await.unwrap_err();
    assert!(again.to_string().contains("being written already"), "{again}");
    // Another program takes the name during the download.
    fs::write(folder.path().join("a.mp4"), b"old").unwrap();
    let error = staged.commit(ClipRecord::new(at(7))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Library);
    assert!(error.to_string().contains("the name is taken"), "{error}");
    assert_eq!(fs::read(folder.path().join("a.mp4")).unwrap(), b"old");
    assert!(!folder.path().join("a.mp4.json").exists());
    // Paid bytes are not thrown away.
    assert_eq!(
        fs::read(folder.path().join(".incoming/a.mp4.part")).unwrap(),
        b"new"
    );
    assert!(
        library
            .stage(&id("a"))
            .await
            .unwrap_err()
            .to_string()
            .contains("the name is taken")
    );

    fs::write(folder.path().join("b.mp4.json"), b"{}").unwrap();
    assert!(
        library
            .stage(&id("b"))
            .await
            .unwrap_err()
            .to_string()
            .contains("the name is taken")
    );
    let empty = library.stage(&id("c")).await.unwrap();
    assert!(
        empty
            .commit(ClipRecord::new(at(7)))
            .await
            .unwrap_err()
            .to_string()
            .ends_with("it is empty")
    );
    assert_eq!(names(&folder.path().join(".incoming")), ["a.mp4.part"]);
}

#[tokio::test]
async fn a_sweep_removes_abandoned_files() {
    let (folder, library) = empty_library();
    fs::write(folder.path().join(".incoming/crashed.mp4.part"), b"x").unwrap();
    fs::write(folder.path().join(".incoming/notes.txt"), b"x").unwrap();
    let staged = library.stage(&id("live")).await.unwrap();
    assert_eq!(library.sweep(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(library.sweep(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(
        names(&folder.path().join(".incoming")),
        ["live.mp4.part", "notes.txt"]
    );
    drop(staged);
}

/// A process can be killed in two places in the middle of the write check.
#[tokio::test]
async fn a_sweep_removes_leftovers_of_a_killed_write_check() {
    let (folder, library) = empty_library();
    fs::write(folder.path().join(".incoming/.writable.0e97ec37.part"), b"x").unwrap();
    fs::write(folder.path().join(".writable"), b"x").unwrap();
    assert_eq!(library.sweep(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(library.sweep(Duration::ZERO).await.unwrap(), 2);
    assert_eq!(names(folder.path()), [".incoming"]);
    // The next check removes an old file, and leaves none of its own.
    fs::write(folder.path().join(".writable"), b"x").unwrap();
    library.writable().await.unwrap();
    assert_eq!(names(folder.path()), [".incoming"]);
    assert!(names(&folder.path().join(".incoming")).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_tasks_commit_whole_clips() {
    let (_folder, library) = empty_library();
    let tasks: Vec<_> = (0..32_u8)
        .map(|number| {
            let library = library.clone();
            tokio::spawn(async move {
                let id = library.new_name().await.expect("name");
                let mut staged = library.stage(&id).await.expect("stage");
                staged.append(&vec![number; 100_000]).await.expect("append");
                staged
                    .commit(ClipRecord::new(at(u64::from(number))))
                    .await
                    .expect("commit")
            })
        })
        .collect();
    for (number, task) in (0_u8..).zip(tasks) {
        let clip = task.await.unwrap();
        assert_eq!(library.clip(&clip.id).await.unwrap(), clip);
        assert_eq!(
            library.read(&clip.id, 100_000).await.unwrap(),
            vec![number; 100_000]
        );
    }

    // One name for all tasks: one succeeds, and its clip is whole.
    let tasks: Vec<_> = (0..16_u8)
        .map(|number| {
            let library = library.clone();
            tokio::spawn(async move {
                let mut staged = library.stage(&id("one")).await?;
                staged.append(&vec![number; 100_000]).await?;
                staged.commit(ClipRecord::new(at(u64::from(number)))).await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for (number, task) in (0_u8..).zip(tasks) {
        match task.await.unwrap() {
            Ok(_) => winners.push(number),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Library, "{error}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(
        library.read(&id("one"), 100_000).await.unwrap(),
        vec![winners[0]; 100_000]
    );
    let record = library.clip("one").await.unwrap().record.unwrap();
    assert_eq!(record.created_at, Some(at(u64::from(winners[0]))));
}

/// The sidecar has the hash of the content, however the file was written.
#[tokio::test]
async fn the_recorded_hash_matches_the_file() {
    let folder = tempfile::tempdir().unwrap();
    // Bytes before, bytes written, where they are truncated, bytes written then.
    let cases: [(usize, usize, Option<usize>, usize); 8] = [
        (0, 5_000_000, None, 0),
        (0, 20, Some(20), 10),
        (0, 20, Some(0), 30),
        (0, 20, Some(7), 13),
        (10, 20, None, 0),
        // Half of them were not written here, although the number of bytes is the same.
        (10, 20, Some(20), 0),
        (10, 20, Some(0), 15),
        (10, 0, Some(5), 5),
    ];
    for (number, (before, first, cut, second)) in cases.into_iter().enumerate() {
        let library = Library::open(folder.path()).unwrap();
        let id = id(&format!("clip-{number}"));
        let some = |from: usize, length| (from..from + length).map(|n| n as u8).collect::<Vec<_>>();
        let mut expected = some(0, before);
        let mut staged = library.stage(&id).await.unwrap();
        staged.append(&expected).await.unwrap();
        if before > 0 {
            staged.keep_for_resume(true);
            staged.flush().await.unwrap();
            drop(staged);
            staged = library.stage(&id).await.unwrap();
        }
        for piece in some(100, first).chunks(1_000_000) {
            staged.append(piece).await.unwrap();
        }
        expected.extend(some(100, first));
        if let Some(cut) = cut {
            staged.truncate(cut as u64).await.unwrap();
            expected.truncate(cut);
        }
        staged.append(&some(200, second)).await.unwrap();
        expected.extend(some(200, second));
        let clip = staged.commit(ClipRecord::new(at(7))).await.unwrap();
        let ours = clip.record.unwrap().reelkin.unwrap();
        assert_eq!(library.read(&id, 1 << 23).await.unwrap(), expected, "{number}");
        assert_eq!(ours.bytes, Some(expected.len() as u64), "{number}");
        let hash = Sha256::digest(&expected)
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        assert_eq!(ours.sha256, Some(hash), "{number}");
    }
}

#[tokio::test]
async fn a_dropped_commit_still_completes() {
    let (folder, library) = empty_library();
    let mut staged = library.stage(&id("a")).await.unwrap();
    staged.append(b"clip").await.unwrap();
    {
        let mut commit = std::pin::pin!(staged.commit(ClipRecord::new(at(7))));
        assert!(futures_util::poll!(&mut commit).is_pending());
    }
    let began = Instant::now();
    while !folder.path().join("a.mp4.json").exists() && began.elapsed() < Duration::from_secs(60) {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        library.clip("a").await.unwrap().record.unwrap().created_at,
        Some(at(7))
    );
}

#[tokio::test]
async fn a_cancelled_write_is_rolled_back() {
    let (_folder, library) = empty_library();
    let mut staged = library.stage(&id("a")).await.unwrap();
    staged.append(b"begin ").await.unwrap();
    let mut cancelled = 0;
    for _ in 0..50 {
        let large = vec![b'x'; 8 << 20];
        let pending = {
            let mut write = std::pin::pin!(staged.append(&large));
            futures_util::poll!(&mut write).is_pending()
        };
        if pending {
            cancelled += 1;
        } else {
            // The write was complete already. Roll it back explicitly.
            staged.truncate(6).await.unwrap();
        }
    }
    assert!(cancelled > 0);
    staged.append(b"end").await.unwrap();
    staged.commit(ClipRecord::new(at(7))).await.unwrap();
    assert_eq!(library.read(&id("a"), 1 << 20).await.unwrap(), b"begin end"[..]);
}

#[tokio::test]
async fn a_library_in_a_bucket_uses_the_same_names() {
    let store = Arc::new(InMemory::new());
    let library = Library::on_store(Arc::clone(&store) as _, "team/clips").unwrap();
    library.writable().await.unwrap();
    let id = library.new_name().await.unwrap();
    let mut staged = library.stage(&id).await.unwrap();
    // More than one part of a multipart upload.
    let bytes = vec![7_u8; 25 << 20];
    staged.append(&bytes).await.unwrap();
    let scratch = staged.path().parent().unwrap().to_owned();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = scratch.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "only this user may read unfinished clips");
    }
    let clip = staged.commit(ClipRecord::new(at(7))).await.unwrap();
    assert_eq!((clip.path.as_ref(), library.folder()), (None, None));
    assert_eq!(library.clip(&id).await.unwrap(), clip);
    assert_eq!(library.read(&id, 1 << 30).await.unwrap(), bytes);
    assert!(
        library
            .stage(&id)
            .await
            .unwrap_err()
            .to_string()
            .contains("the name is taken")
    );
    assert_eq!(
        library.resolve("/etc/passwd").await.unwrap_err().kind(),
        ErrorKind::InvalidRequest
    );

    let mut staged = library.stage(&"my clip".parse().unwrap()).await.unwrap();
    staged.append(b"half").await.unwrap();
    staged.keep_for_resume(true);
    staged.flush().await.unwrap();
    drop(staged);
    let mut staged = library.stage(&"my clip".parse().unwrap()).await.unwrap();
    staged.append(b" whole").await.unwrap();
    let clip = staged.commit(ClipRecord::new(at(8))).await.unwrap();
    assert_eq!(library.read(&clip.id, 100).await.unwrap(), b"half whole"[..]);
    let to = tempfile::tempdir().unwrap();
    let copy = library.copy_into(&clip, to.path()).await.unwrap();
    assert_eq!(fs::read(copy).unwrap(), b"half whole");

    let page = library
        .list(ListOptions {
            limit: 1,
            before: None,
        })
        .await
        .unwrap();
    assert_eq!(
        (page.clips.len(), &page.clips[0].id, page.next.as_ref()),
        (1, &id, Some(&id))
    );
    let page = library
        .list(ListOptions {
            limit: 1,
            before: page.next,
        })
        .await
        .unwrap();
    assert_eq!((page.clips[0].id.as_str(), page.next), ("my clip", None));
    assert_eq!(names(&scratch), [""; 0]);
    drop(library);
    assert!(!scratch.exists());
}
