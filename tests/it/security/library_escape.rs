//! Random names from servers, sidecars and callers never lead out of the library.
//!
//! The names are composed of the parts that path tricks are made of. Files around the library must stay as they were.

#![cfg(feature = "media")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use reelkin::JobId;
use reelkin::library::{ClipId, ClipRecord, Library, ListOptions};
use serde_json::json;

use crate::support::library::at;
use crate::support::random::Rng;

/// A word in every file outside, which shows that one of them was read.
const CANARY: &str = "CANARY-83f1";
const CASES: usize = 400;

/// Returns the seed. `NAMES_SEED=2 cargo test …` builds in another one.
fn seed() -> u64 {
    option_env!("NAMES_SEED").map_or(1, |text| text.parse().expect("NAMES_SEED is a number"))
}

/// Parts of path tricks, and names of files outside.
const PARTS: &[&str] = &[
    "..",
    ".",
    "/",
    "//",
    "\\",
    "../",
    "..\\",
    "\0",
    "secret",
    "secret.mp4",
    "secret.mp4.json",
    "clips",
    "a",
    "a.mp4",
    ".mp4",
    ".json",
    ".part",
    ".incoming",
    ".incoming/",
    "chains",
    "chains/",
    "C:",
    "C:\\",
    "\\\\?\\",
    "//server/share/",
    "CON",
    "nul",
    "COM1.mp4",
    "~",
    "~/",
    "%2e%2e%2f",
    "%2f",
    "%00",
    "\u{2024}\u{2024}",
    "\u{ff0e}\u{ff0e}\u{ff0f}",
    "\u{2215}",
    "\u{202e}",
    "\r\n",
    "\u{1b}[2J",
    " ",
    "file:",
    "file:///",
    "link",
    "way/",
    "way/secret",
    "1763812000000_",
    "0a1b2c3d",
    "$HOME",
    "*",
    "-rf",
];

/// Returns a name that tries to lead out of the library.
fn name(rng: &mut Rng, outer: &Path) -> String {
    let mut out = String::new();
    match rng.below(12) {
        0 => out.push_str(outer.to_str().unwrap()),
        1 => write!(out, "{}/", outer.display()).unwrap(),
        2 => out.push_str(&"x".repeat(rng.below(6000) as usize)),
        _ => {}
    }
    for _ in 0..=rng.below(6) {
        let part = rng.pick(PARTS);
        out.push_str(part);
    }
    out
}

/// Returns every file outside the library with its kind, its content and its modification time.
fn list_outside(outer: &Path, library: &Path) -> BTreeMap<PathBuf, (String, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut open = vec![outer.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path == library {
                continue;
            }
            let about = fs::symlink_metadata(&path).unwrap();
            let what = if about.is_file() {
                fs::read_to_string(&path).unwrap()
            } else {
                format!("{:?}", about.file_type())
            };
            if about.is_dir() {
                open.push(path.clone());
            }
            found.insert(path, (what, about.modified().unwrap()));
        }
    }
    found
}

/// Makes a library among foreign files.
fn make_library(outer: &Path) -> PathBuf {
    let clips = outer.join("clips");
    fs::create_dir_all(outer.join("elsewhere/chains")).unwrap();
    fs::create_dir(&clips).unwrap();
    let secret =
        json!({ "prompt": CANARY, "revisedPrompt": CANARY, "videoSeries": { "topic": "t" } }).to_string();
    for folder in [outer.to_owned(), outer.join("elsewhere")] {
        for name in [
            "secret",
            "secret.mp4",
            "secret.mp4.json",
            "a.mp4",
            "a.mp4.json",
            ".json",
            ".mp4",
        ] {
            fs::write(folder.join(name), &secret).unwrap();
        }
    }
    let chain = json!({ "schema": 1, "id": CANARY, "created_at": 1, "start": "generated", "steps": [] });
    for id in ["a", "secret", "0a1b2c3d"] {
        fs::write(
            outer.join(format!("elsewhere/chains/{id}.json")),
            chain.to_string(),
        )
        .unwrap();
    }
    fs::write(clips.join("a.mp4"), "inside").unwrap();
    clips
}

#[cfg(unix)]
fn make_links(outer: &Path, clips: &Path) {
    use std::os::unix::fs::symlink;

    symlink(outer.join("elsewhere"), clips.join("way")).unwrap();
    symlink(outer.join("elsewhere/chains"), clips.join("chains")).unwrap();
    symlink(outer.join("secret.mp4"), clips.join("link.mp4")).unwrap();
    symlink(outer.join("secret.mp4.json"), clips.join("link.mp4.json")).unwrap();
    symlink(outer.join("elsewhere/new.json"), clips.join("dangling.mp4.json")).unwrap();
}

/// Passes a name to every function that takes one, and returns the results as text.
async fn try_name(library: &Library, name: &str) -> String {
    let mut results = String::new();
    let mut log = |what: &dyn std::fmt::Debug| write!(results, "{what:?} ").unwrap();
    log(&library.clip(name).await);
    log(&library.resolve(name).await);
    log(&library.chain(name).await);
    log(&library.series(name, 3).await);
    log(&JobId::parse(name));
    for id in [ClipId::parse(name), ClipId::from_file_name(name)]
        .into_iter()
        .flatten()
    {
        log(&library.read(&id, 1 << 20).await);
        log(&library.digest(&id).await);
        log(&library.set_record(&id, ClipRecord::new(at(1))).await);
        match library.stage(&id).await {
            Ok(mut staged) => {
                log(&staged.append(b"new").await);
                assert!(
                    staged.path().starts_with(library.folder().unwrap()),
                    "{}",
                    staged.path().display()
                );
                log(&staged.commit(ClipRecord::new(at(1))).await);
            }
            Err(error) => log(&error),
        }
    }
    results
}

/// Returns a sidecar with this name in every field that names something.
fn sidecar(name: &str) -> String {
    let entry = json!({ "videoUrl": name, "filename": name, "sourceVideoFilename": name, "role": name,
        "revisedPrompt": "p", "userPrompt": "p" });
    json!({
        "prompt": "p", "revisedPrompt": "p",
        "video": { "sourceImageFilename": name, "source": { "kind": "generated-file", "filename": name },
            "sourceUrl": { "kind": "generated-file", "filename": name } },
        "videoContinuity": { "lineageId": name, "parentFilename": name, "sourceVideoFilename": name,
            "entries": [entry.clone(), entry] },
        "videoLineage": { "parent": name, "parentFilename": name, "root": name, "rootFilename": name },
        "reelkin": { "schema": 1, "job_id": name,
            "parents": [{ "id": name, "sha256": name, "relation": name }] },
    })
    .to_string()
}

async fn check_random_names(with_links: bool) {
    let seed = seed();
    let mut rng = Rng::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let outer = fs::canonicalize(folder.path()).unwrap();
    let clips = make_library(&outer);
    #[cfg(unix)]
    if with_links {
        make_links(&outer, &clips);
    }
    let before = list_outside(&outer, &clips);
    let library = Library::open(&clips).unwrap();
    let inner = library.new_name().await.unwrap();
    for case in 0..CASES {
        // Each part alone first.
        let name = PARTS
            .get(case)
            .map_or_else(|| name(&mut rng, &outer), |part| (*part).to_owned());
        let mut told = try_name(&library, &name).await;
        fs::write(clips.join(inner.file_name()), "clip").unwrap();
        fs::write(clips.join(inner.sidecar_name()), sidecar(&name)).unwrap();
        if let Ok(clip) = library.clip(&inner).await {
            write!(told, "{:?} ", library.parent(&clip).await).unwrap();
            let family = library.family(&clip).await;
            write!(told, "{family:?} ").unwrap();
            if let Ok(family) = family {
                let verdicts: Vec<_> = library.verify_family(&family).collect().await;
                write!(told, "{verdicts:?}").unwrap();
            }
        }
        assert!(
            !told.contains(CANARY),
            "seed {seed}, case {case}, {name:?}: {told}"
        );
    }
    let page = library.list(ListOptions::default()).await.unwrap();
    let verdicts: Vec<_> = library.verify().collect().await;
    let told = format!("{page:?} {verdicts:?}");
    assert!(!told.contains(CANARY), "seed {seed}: {told}");
    library.sweep(Duration::ZERO).await.unwrap();
    assert_eq!(list_outside(&outer, &clips), before, "seed {seed}");
}

#[tokio::test]
async fn random_names_never_leave_the_library() {
    check_random_names(false).await;
}

#[cfg(unix)]
#[tokio::test]
async fn random_names_never_leave_the_library_through_links() {
    check_random_names(true).await;
}
