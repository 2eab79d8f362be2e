//! Ten thousand clips, and two processes at once.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use object_store::ObjectStoreExt as _;
use object_store::path::Path as StorePath;
use reelkin::library::{Library, ListOptions};
use serde_json::json;

use crate::lineage_continuity::child;
use crate::metered_store::Metered;

/// Sidecars of one family: a line with a branch at every tenth clip.
fn sidecar(number: usize) -> (String, String) {
    let hash = |number: usize| format!("{number:064x}");
    let name = |number: usize| format!("{}_{number:08x}", 1_763_812_000_000 + number);
    let parent = number.checked_sub(if number.is_multiple_of(10) { 10 } else { 1 });
    let parents: Vec<_> = parent
        .iter()
        .map(|parent| json!({"id": name(*parent), "sha256": hash(*parent), "bytes": 5, "relation": "continue"}))
        .collect();
    let words = "a lighthouse at dusk, ".repeat(40);
    let json = json!({"kind": "video", "prompt": words, "revisedPrompt": words, "createdAt": 1_763_812_000_000_usize + number,
        "reelkin": {"schema": 1, "sha256": hash(number), "bytes": 5, "parents": parents}});
    (name(number), json.to_string())
}

async fn reads(clips: usize) -> (u64, u64) {
    let store = Arc::new(Metered::default());
    for number in 0..clips {
        let (name, json) = sidecar(number);
        store
            .inner
            .put(&StorePath::from(format!("{name}.mp4")), "bytes".into())
            .await
            .unwrap();
        store
            .inner
            .put(&StorePath::from(format!("{name}.mp4.json")), json.into())
            .await
            .unwrap();
    }
    let library = Library::on_store(Arc::clone(&store) as _, "").unwrap();
    let clip = library.clip(sidecar(clips / 2).0).await.unwrap();
    store.asked.store(0, Ordering::Relaxed);
    store.lists.store(0, Ordering::Relaxed);
    let family = library.family(&clip).await.unwrap();
    assert_eq!((family.members().len(), family.missing().count()), (clips, 0));
    (
        store.asked.load(Ordering::Relaxed),
        store.lists.load(Ordering::Relaxed),
    )
}

#[tokio::test]
async fn reading_a_family_grows_with_its_size_and_no_faster() {
    for clips in [10, 100, 1000] {
        assert_eq!(reads(clips).await, (2 * clips as u64, 2), "{clips} clips");
    }
}

#[tokio::test]
#[ignore = "a measurement: run it alone"]
#[expect(clippy::print_stderr, reason = "the figure is what it is for")]
async fn a_family_of_ten_thousand_in_a_folder_takes_seconds() {
    for clips in [2500, 5000, 10_000] {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..clips {
            let (name, json) = sidecar(number);
            fs::write(folder.path().join(format!("{name}.mp4")), "bytes").unwrap();
            fs::write(folder.path().join(format!("{name}.mp4.json")), json).unwrap();
        }
        let library = Library::open(folder.path()).unwrap();
        let clip = library.clip(sidecar(clips - 1).0).await.unwrap();
        let start = Instant::now();
        let family = library.family(&clip).await.unwrap();
        eprintln!("{clips} clips: {:?}", start.elapsed());
        assert_eq!(family.members().len(), clips);
    }
}

#[tokio::test]
#[ignore = "run by another test, as a second process"]
async fn process_continues() {
    let Some(folder) = std::env::var_os("REELKIN_TEST_LIBRARY") else {
        return;
    };
    let library = Library::open(folder).unwrap();
    let parent = library.clip("start").await.unwrap();
    for _ in 0..20 {
        let id = library.new_name().await.unwrap();
        child(
            &library,
            &parent,
            id.as_str(),
            "continue",
            &format!("by {}", std::process::id()),
        )
        .await
        .unwrap();
        // Both draw this one: who comes first has it, whole, and the other is told.
        let _ = child(
            &library,
            &parent,
            "contested",
            "edit",
            &format!("by {}", std::process::id()),
        )
        .await;
    }
}

fn process(folder: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lineage_scale::process_continues", "--ignored"])
        .env("REELKIN_TEST_LIBRARY", folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn two_processes_make_children_of_one_clip_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::open(folder.path()).unwrap();
    fs::write(folder.path().join("start.mp4"), "start").unwrap();
    let theirs = json!({"prompt": "the start", "note": "of another program"}).to_string();
    fs::write(folder.path().join("start.mp4.json"), &theirs).unwrap();
    let mut children = [process(folder.path()), process(folder.path())];
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(
        fs::read_to_string(folder.path().join("start.mp4.json")).unwrap(),
        theirs
    );
    let family = library
        .family(&library.clip("start").await.unwrap())
        .await
        .unwrap();
    assert_eq!(family.children("start").count(), 41);
    assert!(family.notes().is_empty(), "{:?}", family.notes());
    let page = library
        .list(ListOptions {
            limit: 100,
            before: None,
        })
        .await
        .unwrap();
    for entry in page.clips {
        let clip = entry.clip.unwrap();
        let Some(block) = clip.record.unwrap().video_continuity else {
            continue;
        };
        let words = block.entries[1].user_prompt.as_deref().unwrap();
        assert_eq!(
            (block.entries.len(), block.lineage_id.as_str()),
            (2, "lineage:start")
        );
        assert!(
            children.iter().any(|child| words == format!("by {}", child.id())),
            "{words}"
        );
    }
}
