//! Concurrent processes, crashes, full disks and read-only disks.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use reelkin::ErrorKind;
use reelkin::library::{ClipId, ClipRecord, Library, ListOptions};

use crate::support::child::child_process;
use crate::support::disk::Disk;
use crate::support::library::at;
use crate::support::library::empty_library;

const SIZE: usize = 300_000;

/// Starts one of the ignored tests below as a second process.
fn start_child(test: &str, folder: &Path, byte: u8) -> Child {
    child_process(&format!("library::crash::{test}"))
        .env("REELKIN_TEST_LIBRARY", folder)
        .env("REELKIN_TEST_BYTE", byte.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("start a second process")
}

fn child_settings() -> Option<(Library, u8)> {
    let folder = std::env::var_os("REELKIN_TEST_LIBRARY")?;
    let byte = std::env::var_os("REELKIN_TEST_BYTE")?
        .into_string()
        .ok()?
        .parse()
        .ok()?;
    Some((Library::open(folder).ok()?, byte))
}

async fn commit(library: &Library, id: &ClipId, byte: u8) -> reelkin::Result<()> {
    let mut staged = library.stage(id).await?;
    for chunk in vec![byte; SIZE].chunks(20_000) {
        staged.append(chunk).await?;
    }
    staged
        .commit(ClipRecord::new(at(u64::from(byte))))
        .await
        .map(drop)
}

/// Checks that every clip is whole, and that every sidecar is whole and belongs to its clip.
async fn check_clips(library: &Library) -> (usize, usize) {
    let (mut clips, mut sidecars, mut before) = (0, 0, None);
    loop {
        let page = library
            .list(ListOptions { limit: 1000, before })
            .await
            .expect("list");
        for entry in page.clips {
            let clip = entry.clip.expect("a whole sidecar");
            let bytes = library.read(&clip.id, u64::MAX).await.expect("read");
            assert_eq!(bytes.len(), SIZE, "{} is cut", clip.id);
            assert!(bytes.iter().all(|byte| *byte == bytes[0]), "{} is mixed", clip.id);
            clips += 1;
            if let Some(record) = clip.record {
                sidecars += 1;
                assert_eq!(record.created_at, Some(at(u64::from(bytes[0]))));
                assert_eq!(record.reelkin.and_then(|ours| ours.bytes), Some(SIZE as u64));
            }
        }
        before = page.next;
        if before.is_none() {
            return (clips, sidecars);
        }
    }
}

#[tokio::test]
#[ignore = "run by other tests as a child process"]
async fn child_commits_many() {
    let Some((library, byte)) = child_settings() else {
        return;
    };
    for _ in 0..20 {
        let id = library.new_name().await.unwrap();
        commit(&library, &id, byte).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "run by other tests as a child process"]
async fn child_commits_the_same() {
    let Some((library, byte)) = child_settings() else {
        return;
    };
    for number in 0..40 {
        let id: ClipId = format!("same {number}").parse().unwrap();
        if let Err(error) = commit(&library, &id, byte).await {
            assert_eq!(error.kind(), ErrorKind::Library, "{error}");
        }
    }
}

#[tokio::test]
#[ignore = "run by other tests as a child process"]
async fn child_commits_until_killed() {
    let Some((library, byte)) = child_settings() else {
        return;
    };
    loop {
        let id = library.new_name().await.unwrap();
        commit(&library, &id, byte).await.unwrap();
    }
}

#[tokio::test]
async fn two_processes_commit_concurrently() {
    let (folder, library) = empty_library();
    for (test, expected) in [("child_commits_many", 40), ("child_commits_the_same", 80)] {
        let children = [
            start_child(test, folder.path(), 1),
            start_child(test, folder.path(), 2),
        ];
        for mut child in children {
            assert!(child.wait().unwrap().success(), "{test}");
        }
        assert_eq!(check_clips(&library).await, (expected, expected));
    }
    assert_eq!(fs::read_dir(folder.path().join(".incoming")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_killed_process_leaves_only_whole_clips() {
    let (folder, library) = empty_library();
    let mut last = 0;
    for round in 0..12_u8 {
        let mut child = start_child("child_commits_until_killed", folder.path(), round);
        // Waits until the child is working, and then for an arbitrary time. The moment of the kill is what is
        // tested here.
        while fs::read_dir(folder.path()).unwrap().count() < last + 4 {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_micros(u64::from(round) * 457));
        child.kill().unwrap();
        child.wait().unwrap();
        let (clips, sidecars) = check_clips(&library).await;
        assert!(
            clips > 0 && sidecars + usize::from(round) + 1 >= clips,
            "{clips} clips, {sidecars} sidecars"
        );
        last = fs::read_dir(folder.path()).unwrap().count();
    }
    library.sweep(Duration::ZERO).await.unwrap();
    assert_eq!(fs::read_dir(folder.path().join(".incoming")).unwrap().count(), 0);
    check_clips(&library).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_reported_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path()) else {
        return;
    };
    let library = Library::open(folder.path()).unwrap();
    commit(&library, &"before".parse().unwrap(), 1).await.unwrap();

    // The disk is full in the middle of a download.
    let id: ClipId = "large".parse().unwrap();
    let mut staged = library.stage(&id).await.unwrap();
    staged.keep_for_resume(true);
    let mut failure = None;
    for _ in 0..200 {
        if let Err(error) = staged.append(&[2; 10_000]).await {
            failure = Some(error);
            break;
        }
    }
    let error = failure.expect("the disk is full");
    assert_eq!(error.kind(), ErrorKind::Library);
    assert!(
        error
            .to_string()
            .starts_with("write clip large.mp4: no space is left on the disk"),
        "{error}"
    );
    assert!(error.guidance().is_some());
    assert!(
        library
            .writable()
            .await
            .unwrap_err()
            .to_string()
            .contains("no space is left")
    );
    // Space is freed: the download continues where the file ends.
    fs::remove_file(folder.path().join("before.mp4")).unwrap();
    fs::remove_file(folder.path().join("before.mp4.json")).unwrap();
    let held = staged.settle().await.unwrap();
    assert!(held > 0 && held == fs::metadata(staged.path()).unwrap().len());
    staged.append(&[2; 100]).await.unwrap();
    let clip = staged.commit(ClipRecord::new(at(2))).await.unwrap();
    let bytes = library.read(&clip.id, u64::MAX).await.unwrap();
    assert_eq!(bytes, vec![2; usize::try_from(held).unwrap() + 100]);
    fs::remove_file(clip.sidecar_path().unwrap()).unwrap();
    fs::remove_file(clip.path.unwrap()).unwrap();

    // The disk is full between clip and sidecar: the clip is whole, and the sidecar can be written later.
    let id: ClipId = "edge".parse().unwrap();
    let mut staged = library.stage(&id).await.unwrap();
    staged.append(&vec![3; SIZE]).await.unwrap();
    staged.flush().await.unwrap();
    let filler = folder.path().join("filler");
    let mut free = vec![0; 2 << 20];
    while !free.is_empty() && fs::write(&filler, &free).is_err() {
        free.truncate(free.len() - 4096);
    }
    let error = staged.commit(ClipRecord::new(at(3))).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the clip is in the library, but its sidecar could not be written"),
        "{error}"
    );
    assert!(
        error.to_string().contains("no space is left on the disk"),
        "{error}"
    );
    fs::remove_file(filler).unwrap();
    assert_eq!(library.clip(&id).await.unwrap().record, None);
    assert_eq!(check_clips(&library).await, (1, 0));
    library.set_record(&id, ClipRecord::new(at(3))).await.unwrap();
    assert_eq!(fs::read_dir(folder.path().join(".incoming")).unwrap().count(), 0);
    drop(disk);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_read_only_disk_is_readable_and_writes_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path()) else {
        return;
    };
    let library = Library::open(folder.path()).unwrap();
    commit(&library, &"a".parse().unwrap(), 1).await.unwrap();
    disk.set_read_only(true);
    let read_only = [
        library.writable().await.unwrap_err(),
        library.stage(&"b".parse().unwrap()).await.unwrap_err(),
        library
            .set_record(&"a".parse().unwrap(), ClipRecord::new(at(1)))
            .await
            .unwrap_err(),
        Library::open(folder.path()).unwrap_err(),
        Library::open(folder.path().join("new")).unwrap_err(),
    ];
    for error in read_only {
        assert_eq!(error.kind(), ErrorKind::Library);
        assert!(error.to_string().contains("the disk is read-only"), "{error}");
    }
    let library = Library::open_to_read(folder.path()).unwrap();
    assert_eq!(check_clips(&library).await, (1, 1));
    disk.set_read_only(false);
    library.writable().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_without_write_permission_is_reported() {
    use std::os::unix::fs::PermissionsExt as _;

    let (folder, library) = empty_library();
    fs::remove_dir(folder.path().join(".incoming")).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser may write anyway. For it, the read-only disk above covers this.
    if let Err(error) = library.writable().await {
        assert!(error.to_string().contains("permission is denied"), "{error}");
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
}
