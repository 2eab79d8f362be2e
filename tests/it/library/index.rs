//! The index of a folder is ignored wherever it could be wrong.
//!
//! Its results are compared with those of the same folder opened as a bucket, which has no index.

#![cfg(all(target_os = "linux", feature = "cli"))]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::local::LocalFileSystem;
use reelkin::library::{ClipRecord, Library, ListOptions};
use reelkin::{ClipId, ErrorKind};
use serde_json::{Value, json};

use crate::support::disk::Disk;
use crate::support::library::at;
use crate::support::random::{Rng, env_number};

const START: u64 = 1_763_812_000_000;

/// Returns a folder with a place for an index. Otherwise only large libraries get one.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::create_dir(folder.path().join(".index")).unwrap();
    folder
}

/// Opens the same folder without an index.
fn without_index(root: &Path) -> Library {
    let store = LocalFileSystem::new_with_prefix(root).unwrap();
    Library::on_store(Arc::new(store), "").unwrap()
}

async fn ids(library: &Library, limit: usize) -> Vec<String> {
    let (mut ids, mut before) = (Vec::new(), None);
    loop {
        let page = library.list(ListOptions { limit, before }).await.unwrap();
        ids.extend(page.clips.into_iter().map(|entry| entry.id.to_string()));
        before = page.next;
        if before.is_none() {
            return ids;
        }
    }
}

/// Adds enough clips that the changes of the library itself are recorded.
fn fill(root: &Path, clips: u64) {
    let (clip, sidecar) = (root.join("clip"), root.join("sidecar"));
    fs::write(&clip, b"clip").unwrap();
    fs::write(&sidecar, b"{}").unwrap();
    for number in 0..clips {
        let stem = root.join(format!("{}_{number:08x}", START + number * 7));
        fs::hard_link(&clip, stem.with_extension("mp4")).unwrap();
        fs::hard_link(&sidecar, stem.with_extension("mp4.json")).unwrap();
    }
}

fn names(root: &Path) -> std::path::PathBuf {
    root.join(".index/names")
}

/// Returns the inode of a file. Every scan writes a new file.
fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|about| about.ino())
}

async fn commit(library: &Library, stem: &str) {
    let mut staged = library.stage(&stem.parse().unwrap()).await.unwrap();
    staged.append(stem.as_bytes()).await.unwrap();
    staged.commit(ClipRecord::new(at(1))).await.unwrap();
}

#[tokio::test]
async fn pages_and_own_commits_need_no_second_scan() {
    let folder = folder();
    let root = folder.path();
    fill(root, 3000);
    fs::remove_dir(root.join(".index")).unwrap();
    let all = ids(&without_index(root), 1000).await;
    assert_eq!(ids(&Library::open_to_read(root).unwrap(), 1000).await, all);
    assert!(!root.join(".index").exists(), "made by who only reads");
    let library = Library::open(root).unwrap();
    for _ in 0..2 {
        assert_eq!(ids(&library, 1000).await, all);
    }
    let scanned = inode(&names(root)).expect("an index");
    // Another process opens and lists it.
    assert_eq!(ids(&Library::open(root).unwrap(), 97).await, all);
    assert_eq!(ids(&Library::open_to_read(root).unwrap(), 1).await, all);
    for number in 0..5 {
        library.writable().await.unwrap();
        commit(&library, &format!("{}_own", START + 7 * number)).await;
        let now = ids(&Library::open_to_read(root).unwrap(), 500).await;
        assert_eq!(now, ids(&without_index(root), 500).await);
        assert_eq!(now.len(), all.len() + usize::try_from(number).unwrap() + 1);
    }
    let id: ClipId = format!("{START}_own").parse().unwrap();
    library.set_record(&id, ClipRecord::new(at(2))).await.unwrap();
    let clip = library
        .list(ListOptions {
            limit: 1,
            before: None,
        })
        .await
        .unwrap();
    assert_eq!(clip.clips.len(), 1);
    assert_eq!(inode(&names(root)), Some(scanned), "all names were read again");
    // Changes by others are found by name as well.
    fs::write(root.join("theirs.mp4"), b"clip").unwrap();
    commit(&library, "ours").await;
    let now = ids(&library, 1000).await;
    assert!(now.iter().any(|id| id == "theirs") && now.iter().any(|id| id == "ours"));
    assert_eq!(now, ids(&without_index(root), 1000).await);
    assert_eq!(inode(&names(root)), Some(scanned), "all names were read again");
    // Without a change by the library itself, all names are read again.
    fs::remove_file(root.join("theirs.mp4")).unwrap();
    assert_eq!(ids(&library, 1000).await, ids(&without_index(root), 1000).await);
    assert_ne!(inode(&names(root)), Some(scanned));
}

#[tokio::test]
async fn a_change_within_the_same_timestamp_is_seen() {
    let folder = folder();
    let library = Library::open(folder.path()).unwrap();
    for number in 0..300_u64 {
        let stem = format!("{}_x", START + number);
        let path = folder.path().join(format!("{stem}.mp4"));
        fs::write(&path, b"clip").unwrap();
        let newest = ids(&library, 1000).await;
        assert_eq!((newest.len(), &newest[0]), (1, &stem), "{number}: added");
        fs::rename(&path, folder.path().join("renamed.mp4")).unwrap();
        assert_eq!(ids(&library, 1000).await, ["renamed"], "{number}: renamed");
        fs::remove_file(folder.path().join("renamed.mp4")).unwrap();
        assert!(ids(&library, 1000).await.is_empty(), "{number}: removed");
    }
}

#[tokio::test]
async fn invalid_and_foreign_indexes_are_ignored() {
    let folder = folder();
    let root = folder.path();
    fill(root, 1200);
    let library = Library::open(root).unwrap();
    let all = ids(&library, 1000).await;
    let sound = fs::read_to_string(names(root)).expect("an index");
    let (head, lines) = sound.split_once('\n').unwrap();
    let sealed = |lines: &str, change: &dyn Fn(&mut Value)| {
        let mut head: Value = serde_json::from_str(head).unwrap();
        head["bytes"] = json!(lines.len());
        head["crc32"] = json!(crc32fast::hash(lines.as_bytes()));
        change(&mut head);
        format!("{head}\n{lines}").into_bytes()
    };
    let keep = |_: &mut Value| {};
    assert_eq!(sealed(lines, &keep).len(), sound.len());
    let newest = lines.lines().last().unwrap();
    let mut zeros = sound.clone().into_bytes();
    let end = zeros.len();
    zeros[end - 4096..].fill(0);
    let hostile = [
        Vec::new(),
        b"\n".to_vec(),
        zeros,
        sound.as_bytes()[..end - 5].to_vec(),
        [sound.as_bytes(), b"cmore\n"].concat(),
        sealed(lines, &|head| head["version"] = json!(0)),
        sealed(lines, &|head| head["version"] = json!("one")),
        sealed(lines, &|head| head["bytes"] = json!(u64::MAX)),
        sealed(lines, &|head| head["folder"]["ctime"] = json!([0, 0])),
        sealed(lines, &|head| head["more"] = json!(1)),
        sealed(&format!("{lines}b../../etc/passwd\n"), &keep),
        sealed(&format!("{lines}b/etc/passwd\n"), &keep),
        sealed(&format!("{lines}b.hidden\n"), &keep),
        sealed(&format!("{lines}x{}\n", &newest[1..]), &keep),
        sealed(&format!("{lines}{newest}\n"), &keep),
        sealed(&format!("{lines}c9763812000000_not_there\n"), &keep),
        sealed(&format!("{lines}b{}\n", "9".repeat(70_000)), &keep),
        sealed(&lines.replace('\n', ""), &keep),
        sealed(&lines.lines().rev().collect::<Vec<_>>().join("\n"), &keep),
        sealed("b\u{7f}\n", &keep),
    ];
    for (number, text) in hostile.iter().enumerate() {
        for limit in [50, 1000] {
            fs::write(names(root), text).unwrap();
            let page = library.list(ListOptions { limit, before: None }).await.unwrap();
            let found: Vec<String> = page.clips.iter().map(|entry| entry.id.to_string()).collect();
            assert_eq!(
                found,
                all[..limit],
                "{number}: {:?}",
                String::from_utf8_lossy(&text[..text.len().min(200)])
            );
        }
        fs::write(names(root), text).unwrap();
        let family = library
            .family(&library.clip(&all[0]).await.unwrap())
            .await
            .unwrap();
        assert_eq!(family.members().len(), 1, "{number}");
    }
    // The files of changes and of cached sidecars.
    assert_eq!(ids(&library, 1000).await, all);
    let stamp: Value = serde_json::from_str::<Value>(head).unwrap()["folder"].clone();
    for text in [
        sealed("b../up\n", &|head| head["since"] = stamp.clone()),
        sealed("c9763812000000_no\n", &|head| head["since"] = stamp.clone()),
        vec![0; 64],
        vec![255; 64],
        [[1, 0, 0, 0], crc32fast::hash(&[255; 16]).to_le_bytes()]
            .concat()
            .into_iter()
            .chain([255; 16])
            .collect(),
    ] {
        for file in ["changes", "kin"] {
            fs::write(root.join(".index").join(file), &text).unwrap();
        }
        assert_eq!(ids(&library, 1000).await, all);
        let family = library
            .family(&library.clip(&all[0]).await.unwrap())
            .await
            .unwrap();
        assert_eq!(family.members().len(), 1);
    }
    // Links instead of files, and a link and a file instead of the folder.
    for file in ["names", "changes", "kin"] {
        let path = root.join(".index").join(file);
        let _ = fs::remove_file(&path);
        symlink("/dev/zero", &path).unwrap();
    }
    assert_eq!(ids(&library, 1000).await, all);
    fs::remove_dir_all(root.join(".index")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), root.join(".index")).unwrap();
    assert_eq!(ids(&library, 1000).await, all);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    fs::remove_file(root.join(".index")).unwrap();
    fs::write(root.join(".index"), b"a file").unwrap();
    assert_eq!(ids(&library, 1000).await, all);
    assert_eq!(fs::read(root.join(".index")).unwrap(), b"a file");
}

#[tokio::test]
async fn a_read_only_library_is_listed_without_an_index() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 10);
    let library = Library::open_to_read(folder.path()).unwrap();
    assert_eq!(ids(&library, 4).await.len(), 10);
    assert!(!folder.path().join(".index").exists());

    let disk_folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(disk_folder.path()) else {
        return;
    };
    fs::create_dir(disk_folder.path().join(".index")).unwrap();
    fill(disk_folder.path(), 10);
    let library = Library::open(disk_folder.path()).unwrap();
    fs::write(disk_folder.path().join("new.mp4"), b"clip").unwrap();
    disk.set_read_only(true);
    for limit in [4, 1000] {
        assert_eq!(ids(&library, limit).await.len(), 11);
    }
    let clip = library.clip("new").await.unwrap();
    assert_eq!(library.family(&clip).await.unwrap().members().len(), 1);
    assert_eq!(
        fs::read_dir(disk_folder.path().join(".index")).unwrap().count(),
        0
    );
    disk.set_read_only(false);
}

#[tokio::test]
async fn a_sweep_removes_a_partial_index() {
    let folder = folder();
    fill(folder.path(), 10);
    let library = Library::open(folder.path()).unwrap();
    assert_eq!(ids(&library, 4).await.len(), 10);
    let left = folder.path().join(".index/index.0badcafe.part");
    fs::write(&left, b"half of an ind").unwrap();
    assert_eq!(ids(&library, 4).await.len(), 10);
    assert_eq!(library.sweep(std::time::Duration::ZERO).await.unwrap(), 1);
    assert!(!left.exists() && names(folder.path()).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn concurrent_commits_and_foreign_changes_are_all_listed() {
    let folder = folder();
    let root = folder.path().to_owned();
    fill(&root, 3000);
    let done = Arc::new(AtomicBool::new(false));
    let ours = |name: &'static str| {
        let (root, done) = (root.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                let library = Library::open(&root).unwrap();
                for _ in 0..10 {
                    let stem = format!("{}_{name}", START + number);
                    commit(&library, &stem).await;
                    number += 1;
                    let found = library.list(ListOptions {
                        limit: 1,
                        before: Some(format!("{}_0", START + number).parse().unwrap()),
                    });
                    let found = found.await.unwrap();
                    assert!(found.clips[0].id >= stem.parse().unwrap(), "{stem} is missing");
                }
            }
            number
        })
    };
    let writers = [ours("a"), ours("b")];
    let library = Library::open_to_read(&root).unwrap();
    for number in 0..100_u64 {
        let stem = format!("{}_foreign", START + 1_000_000 + number);
        let path = root.join(format!("{stem}.mp4"));
        fs::write(&path, b"clip").unwrap();
        let page = library.list(ListOptions::default()).await.unwrap();
        assert_eq!(page.clips[0].id.as_str(), stem, "added");
        if number % 2 == 0 {
            fs::remove_file(&path).unwrap();
            let page = library.list(ListOptions::default()).await.unwrap();
            assert_ne!(page.clips[0].id.as_str(), stem, "removed");
        }
    }
    done.store(true, Ordering::Relaxed);
    let mut saved = 0;
    for writer in writers {
        saved += writer.await.unwrap();
    }
    let all = ids(&library, 1000).await;
    assert_eq!(all, ids(&without_index(&root), 1000).await);
    assert_eq!(all.len() as u64, 3000 + 50 + saved);
}

/// Returns a sidecar that names up to two parents, correctly or not.
fn sidecar(rng: &mut Rng, names: &[String]) -> String {
    let hash = |number: u64| format!("{number:064x}");
    let mut parents = Vec::new();
    for _ in 0..rng.below(3) {
        let mut parent = json!({ "id": rng.pick(names), "relation": "continue" });
        if rng.below(2) == 0 {
            parent["sha256"] = json!(hash(rng.below(20)));
            parent["bytes"] = json!(4);
        }
        parents.push(parent);
    }
    let mut record = json!({ "prompt": "p", "reelkin": { "schema": 1, "parents": parents } });
    match rng.below(6) {
        0 => return "no sidecar".to_owned(),
        1 => {}
        2 => {
            record["videoLineage"] = json!({ "id": format!("{}.mp4", rng.pick(names)), "parentId": format!("{}.mp4", rng.pick(names)) });
        }
        _ => record["reelkin"]["sha256"] = json!(hash(rng.below(20))),
    }
    record.to_string()
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "prints the seed that repeats a failure")]
async fn after_random_changes_the_index_matches_a_scan() {
    let seed = env_number("REELKIN_TEST_SEED", u64::from(std::process::id()));
    let steps = env_number("REELKIN_TEST_STEPS", 250);
    eprintln!("REELKIN_TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    let folder = folder();
    let root = folder.path();
    // All fillers share one sidecar. The other clips have few names, so that changes collide.
    fill(root, 3000);
    let names: Vec<String> = (0..12)
        .map(|number| match number % 3 {
            0 => format!("other {number}"),
            _ => format!("{}_{number}", START + number * 50),
        })
        .collect();
    let library = Library::open(root).unwrap();
    let plain = without_index(root);
    let mut followed = 0;
    for step in 0..steps {
        let name = rng.pick(&names).clone();
        let (clip, json) = (
            root.join(format!("{name}.mp4")),
            root.join(format!("{name}.mp4.json")),
        );
        match rng.below(9) {
            0 => drop(fs::write(&clip, b"clip")),
            1 => drop(fs::remove_file(&clip)),
            2 => drop(fs::rename(&clip, root.join(format!("{}.mp4", rng.pick(&names))))),
            // In place, so that the folder does not change.
            3 | 4 => drop(fs::write(&json, sidecar(&mut rng, &names))),
            5 => drop(fs::remove_file(&json)),
            6 => drop(fs::rename(
                &json,
                root.join(format!("{}.mp4.json", rng.pick(&names))),
            )),
            _ => {
                let before = inode(&root.join(".index/changes"));
                if let Ok(mut staged) = library.stage(&name.parse().unwrap()).await {
                    staged.append(b"clip").await.unwrap();
                    let record = serde_json::from_str(&sidecar(&mut rng, &names));
                    staged
                        .commit(record.unwrap_or_else(|_| ClipRecord::new(at(1))))
                        .await
                        .unwrap();
                }
                followed += u32::from(before != inode(&root.join(".index/changes")));
            }
        }
        if rng.below(3) == 0 {
            let limit = *rng.pick(&[1, 7, 50, 999]);
            let before: Option<ClipId> = match rng.below(3) {
                0 => None,
                1 => Some(rng.pick(&names).parse().unwrap()),
                _ => Some(format!("{}_z", START + rng.below(20_000)).parse().unwrap()),
            };
            let options = || ListOptions {
                limit,
                before: before.clone(),
            };
            let (page, plain_page) = (
                library.list(options()).await.unwrap(),
                plain.list(options()).await.unwrap(),
            );
            let found = |page: &reelkin::library::Page| {
                page.clips
                    .iter()
                    .map(|entry| entry.id.to_string())
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                (found(&page), page.next),
                (found(&plain_page), plain_page.next),
                "step {step}"
            );
        }
        if step % 10 == 0 {
            match library.clip(&name).await {
                Ok(clip) => {
                    let (ours, theirs) = (library.family(&clip).await, plain.family(&clip).await);
                    match (ours, theirs) {
                        (Ok(ours), Ok(theirs)) => assert_eq!(ours.to_json(), theirs.to_json(), "step {step}"),
                        (Err(ours), Err(theirs)) => {
                            assert_eq!(ours.to_string(), theirs.to_string(), "step {step}");
                        }
                        (ours, theirs) => panic!("step {step}: {ours:?} and {theirs:?}"),
                    }
                }
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Library),
                    "{error}"
                ),
            }
        }
    }
    assert!(followed > 0, "no change of ours was followed");
    assert_eq!(ids(&library, 1000).await, ids(&plain, 1000).await);
}
