//! Libraries of ten thousand clips, and two processes that save children of one clip.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use object_store::ObjectStoreExt as _;
use object_store::path::Path as StorePath;
use reelkin::library::{Library, ListOptions};
use serde_json::json;

use crate::lineage::library::child;
use crate::support::child::child_process;
use crate::support::counting_store::CountingStore;
use crate::support::library::empty_library;

/// Returns a clip of a family that is a line with a branch at every tenth clip.
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

async fn count_reads(clips: usize) -> (u64, u64) {
    let store = Arc::new(CountingStore::default());
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
async fn reading_a_family_takes_linear_requests() {
    for clips in [10, 100, 1000] {
        assert_eq!(count_reads(clips).await, (2 * clips as u64, 2), "{clips} clips");
    }
}

/// Makes a library of clips, each given by its name, its bytes and its sidecar. Returns a family of it and the
/// number of requests that reading the family takes.
async fn count_requests(
    clips: &[(&str, &str, Option<serde_json::Value>)],
    of: &str,
) -> (reelkin::Family, u64) {
    let store = Arc::new(CountingStore::default());
    for (name, bytes, sidecar) in clips {
        let clip = StorePath::from(format!("{name}.mp4"));
        if !bytes.is_empty() {
            store.inner.put(&clip, (*bytes).to_owned().into()).await.unwrap();
        }
        if let Some(json) = sidecar {
            let sidecar = StorePath::from(format!("{name}.mp4.json"));
            store.inner.put(&sidecar, json.to_string().into()).await.unwrap();
        }
    }
    let library = Library::on_store(Arc::clone(&store) as _, "").unwrap();
    let clip = library.clip(of).await.unwrap();
    store.asked.store(0, Ordering::Relaxed);
    let family = library.family(&clip).await.unwrap();
    (family, store.asked.load(Ordering::Relaxed))
}

fn sha256(bytes: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes.as_bytes())
        .iter()
        .fold(String::new(), |mut text, byte| {
            use std::fmt::Write as _;
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

fn made_from(bytes: &str, parent: Option<(&str, &str, Option<usize>)>) -> serde_json::Value {
    let parents: Vec<_> = parent
        .iter()
        .map(|(id, bytes, size)| json!({"id": id, "sha256": sha256(bytes), "bytes": size, "relation": "continue"}))
        .collect();
    json!({"kind": "video", "prompt": "p", "reelkin": {"schema": 1, "sha256": sha256(bytes),
           "bytes": bytes.len(), "parents": parents}})
}

#[tokio::test]
async fn missing_parents_of_other_families_cost_no_search() {
    let names: Vec<String> = (0..50).map(|number| format!("bare{number:02}")).collect();
    let bytes: Vec<String> = (0..50).map(|number| format!("content {number:02}")).collect();
    // Fifty clips without a hash on record, and a family of two.
    let mut clips: Vec<(&str, &str, Option<serde_json::Value>)> = Vec::new();
    for (name, bytes) in names.iter().zip(&bytes) {
        clips.push((name, bytes, None));
    }
    clips.push(("parent", "the parent", Some(made_from("the parent", None))));
    clips.push((
        "child",
        "the child",
        Some(made_from("the child", Some(("parent", "the parent", Some(10))))),
    ));
    let (family, before) = count_requests(&clips, "child").await;
    assert_eq!(family.members().len(), 2);
    assert_eq!(before, 4, "each sidecar of the family is read twice");

    // An unrelated clip lacks its parent, whose size is unknown, or that of all others, or another one.
    for size in [None, Some(10), Some(99)] {
        let mut clips = clips.clone();
        clips.push((
            "stranger",
            "stranger",
            Some(made_from("stranger", Some(("gone", "no clip", size)))),
        ));
        let (family, after) = count_requests(&clips, "child").await;
        assert_eq!(family.members().len(), 2);
        assert_eq!(after, before + 1, "one more sidecar, and no clip: {size:?}");
    }

    // For the family of the unrelated clip, any clip of that size may be the parent.
    clips.push((
        "stranger",
        "stranger",
        Some(made_from("stranger", Some(("gone", "content 07", Some(10))))),
    ));
    let (family, _) = count_requests(&clips, "stranger").await;
    let parent = family.parents("stranger").next().unwrap();
    assert_eq!((parent.id.as_str(), family.missing().count()), ("bare07", 0));
    // In the other direction, a clip without a recorded hash may be the missing parent of another one.
    let (family, looked_at) = count_requests(&clips, "bare07").await;
    assert_eq!(family.children("bare07").next().unwrap().id, "stranger");
    assert!(looked_at < 12, "{looked_at} requests for one clip");
    let (family, _) = count_requests(&clips, "bare08").await;
    assert_eq!(family.members().len(), 1);
}

#[tokio::test]
async fn a_parent_found_by_hash_leads_to_further_parents() {
    // c lacks its parent b, which was renamed without its sidecar. The sidecar of b lacks its parent a.
    let clips = [
        ("a2", "the first", None),
        ("b2", "the second", None),
        (
            "b",
            "",
            Some(made_from("the second", Some(("a", "the first", Some(9))))),
        ),
        (
            "c",
            "the third",
            Some(made_from("the third", Some(("b", "the second", Some(10))))),
        ),
        ("unrelated", "0123456789", None),
    ];
    for of in ["c", "b2", "a2"] {
        let (family, _) = count_requests(&clips, of).await;
        let ids: Vec<_> = family.members().iter().map(|member| member.id.as_str()).collect();
        assert_eq!(ids, ["a2", "b2", "c"], "{of}");
    }
}

#[tokio::test]
#[ignore = "a measurement: run it alone"]
#[expect(clippy::print_stderr, reason = "prints a measurement")]
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
#[ignore = "run by another test as a child process"]
async fn child_continues_one_clip() {
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
        // Both processes use this name: the first one gets it, and the other one an error.
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

fn start_child(folder: &Path) -> std::process::Child {
    child_process("lineage::scale::child_continues_one_clip")
        .env("REELKIN_TEST_LIBRARY", folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn two_processes_save_children_of_one_clip_concurrently() {
    let (folder, library) = empty_library();
    fs::write(folder.path().join("start.mp4"), "start").unwrap();
    let theirs = json!({"prompt": "the start", "note": "of another program"}).to_string();
    fs::write(folder.path().join("start.mp4.json"), &theirs).unwrap();
    let mut children = [start_child(folder.path()), start_child(folder.path())];
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
