//! Measures a library of many clips: opening it, listing a page, resolving a family.
//!
//! The peer is one `read_dir` of the folder, which every listing without an index needs. Smaller libraries show what grows
//! with the number of clips.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stderr, reason = "progress, which is not a row")]
#![allow(unreachable_pub, reason = "rows.rs is a module of several programs")]

#[path = "rows.rs"]
mod rows;

use std::fs;
use std::path::Path;

use reelkin::library::{Clip, ClipRecord, Library, ListOptions, Page};
use rows::{Row, is_short, timed};
use serde_json::json;
use tokio::runtime::Runtime;

const GROUP: &str = "library";
const START: usize = 1_763_812_000_000;
const FAMILY: usize = 1000;
const LARGEST: usize = 100_000;

fn name(number: usize) -> String {
    let digits = (number as u64).wrapping_mul(2_654_435_761) & 0xffff_ffff;
    format!("{}_{digits:08x}", START + number * 60_000)
}

/// Returns the parent of a clip. [`FAMILY`] clips, spread evenly, form one family: a chain with a branch at every tenth
/// clip. The others form families of four.
fn parent(number: usize, clips: usize) -> Option<usize> {
    let distance = clips / FAMILY.min(clips);
    if number.is_multiple_of(distance) {
        let at = number / distance;
        let back = if at.is_multiple_of(10) { 10 } else { 1 };
        return (at < FAMILY)
            .then_some(())
            .and_then(|()| at.checked_sub(back))
            .map(|at| at * distance);
    }
    (!number.is_multiple_of(4) && !(number - 1).is_multiple_of(distance)).then(|| number - 1)
}

fn make_library(root: &Path, clips: usize) {
    let words = "a lighthouse at dusk, the lamp turns on, ".repeat(8);
    for number in 0..clips {
        let parents: Vec<_> = parent(number, clips)
            .iter()
            .map(|parent| json!({ "id": name(*parent), "sha256": format!("{parent:064x}"), "bytes": 5, "relation": "continue" }))
            .collect();
        let sidecar = json!({
            "kind": "video", "mediaType": "video", "provider": "grok", "model": "grok-imagine-video",
            "prompt": words, "userPrompt": words, "revisedPrompt": words, "createdAt": START + number * 60_000,
            "usage": { "grok_cost_usd_ticks": 3_000_000_000_u64 },
            "video": { "duration": 6, "resolution": "480p", "aspectRatio": "16:9" },
            "reelkin": { "schema": 1, "sha256": format!("{number:064x}"), "bytes": 5, "operation": "generate", "parents": parents },
        });
        fs::write(root.join(format!("{}.mp4", name(number))), b"bytes").unwrap();
        fs::write(
            root.join(format!("{}.mp4.json", name(number))),
            serde_json::to_vec_pretty(&sidecar).unwrap(),
        )
        .unwrap();
    }
}

/// Reads all names of a folder once.
fn read_names(root: &Path) -> usize {
    fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().len())
        .sum()
}

/// Times `ours` and the peer in turns, `times` times after a warm-up. `before` is not timed.
fn pairs(times: usize, root: &Path, mut before: impl FnMut(), mut ours: impl FnMut()) -> Vec<(f64, f64)> {
    (0..=times)
        .map(|_| {
            before();
            let ((), wall, _) = timed(&mut ours);
            let (_, names, _) = timed(|| read_names(root));
            (wall, names)
        })
        .skip(1)
        .collect()
}

/// Prints the wall time of a case and its ratio to the peer. The limit is for the largest library.
fn print_rows(what: &str, clips: usize, limit: f64, pairs: &[(f64, f64)]) {
    let case = format!("{what}, {clips} clips");
    let ours = rows::median(pairs.iter().map(|pair| pair.0).collect());
    let row = Row::new(GROUP, &case, "wall", "ms", ours);
    if clips == LARGEST { row.at_most(limit) } else { row }.print();
    print_ratio(&case, pairs);
}

fn print_ratio(case: &str, pairs: &[(f64, f64)]) {
    let peer = "one read_dir of the folder";
    Row::of_pairs(GROUP, case, "beside all names", "ms", peer, pairs).print();
}

fn measure(clips: usize, times: usize) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let root = folder.path();
    make_library(root, clips);
    eprintln!("{clips} clips: created");
    let runtime = Runtime::new().unwrap();
    let run = &runtime;
    let page = |library: &Library, before| -> Page {
        let page = run
            .block_on(library.list(ListOptions { limit: 50, before }))
            .unwrap();
        assert!(
            page.clips
                .iter()
                .all(|entry| entry.clip.as_ref().unwrap().record.is_some())
        );
        page
    };
    let library = Library::open(root).unwrap();
    let ((), first, _) = timed(|| drop(page(&library, None)));
    eprintln!("{clips} clips: the first page without an index took {first:.1} ms");

    let open = pairs(times, root, || (), || drop(Library::open(root).unwrap()));
    print_rows("open", clips, 50.0, &open);
    let pages = pairs(
        times,
        root,
        || (),
        || assert_eq!(page(&library, None).clips.len(), 50),
    );
    print_rows("first page of 50", clips, 50.0, &pages);
    let next = page(&library, None).next;
    let pages = pairs(times, root, || (), || drop(page(&library, next.clone())));
    print_rows("next page of 50", clips, 50.0, &pages);

    let mut number = clips;
    let save = || {
        number += 1;
        run.block_on(async {
            let mut staged = library.stage(&name(number).parse().unwrap()).await.unwrap();
            staged.append(b"bytes").await.unwrap();
            staged
                .commit(ClipRecord::new(reelkin::Timestamp::from_millis(1)))
                .await
                .unwrap();
        });
    };
    let pages = pairs(times, root, save, || {
        assert_eq!(page(&library, None).clips.len(), 50);
    });
    print_rows("first page after a save of ours", clips, 50.0, &pages);
    let mut number = 0;
    let foreign = || {
        number += 1;
        fs::write(root.join(format!("foreign {number}.mp4")), b"bytes").unwrap();
    };
    let pages = pairs(times, root, foreign, || {
        assert_eq!(page(&library, None).clips.len(), 50);
    });
    print_ratio(
        &format!("first page after a foreign change, {clips} clips"),
        &pages,
    );

    let focus: Clip = run.block_on(library.clip(name(0))).unwrap();
    let ((), first, _) = timed(|| drop(run.block_on(library.family(&focus)).unwrap()));
    eprintln!("{clips} clips: the first family without a cache took {first:.1} ms");
    let (_, peak) = rows::resident();
    let families = pairs(
        times.min(9),
        root,
        || (),
        || {
            let family = run.block_on(library.family(&focus)).unwrap();
            assert_eq!(family.members().len(), FAMILY.min(clips));
        },
    );
    print_rows(
        &format!("family of {}", FAMILY.min(clips)),
        clips,
        500.0,
        &families,
    );
    eprintln!("{clips} clips: peak memory {peak:.0} KiB");
}

fn main() {
    let (sizes, times): (&[usize], usize) = if is_short() {
        (&[10_000], 9)
    } else {
        (&[1000, 10_000, LARGEST], 15)
    };
    for clips in sizes {
        measure(*clips, times);
    }
}
