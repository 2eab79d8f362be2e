//! Listing reads the sidecars of its page and nothing else.

use std::fs;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use reelkin::library::{Entry, Library, ListOptions};

use crate::support::library::empty_library;

fn stems(clips: &[Entry]) -> Vec<&str> {
    clips.iter().map(|entry| entry.id.as_str()).collect()
}

#[tokio::test]
async fn clips_are_listed_newest_first_then_by_name() {
    let (folder, library) = empty_library();
    for stem in [
        "1763812000000_aaaaaaaa",
        "1763812000001_00000000",
        "1763812000000_bbbbbbbb",
        "my clip",
        "zebra",
        "0007_x",
    ] {
        fs::write(folder.path().join(format!("{stem}.mp4")), b"clip").unwrap();
    }
    for other in [
        "1763812000009_x.png",
        "1763812000009_x.mp4.json",
        "1763812000009_x.mp4.part",
        ".hidden.mp4",
        "x.MP4",
        "x.mp4.mp4",
    ] {
        fs::write(folder.path().join(other), b"{}").unwrap();
    }
    let expected = [
        "1763812000001_00000000",
        "1763812000000_bbbbbbbb",
        "1763812000000_aaaaaaaa",
        "zebra",
        "my clip",
        "0007_x",
    ];
    let page = library.list(ListOptions::default()).await.unwrap();
    assert_eq!((stems(&page.clips), page.next), (expected.to_vec(), None));

    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = library.list(ListOptions { limit: 2, before }).await.unwrap();
        assert!(page.clips.len() <= 2);
        seen.extend(page.clips.into_iter().map(|entry| entry.id.to_string()));
        before = page.next;
        match &before {
            // The last clip of a page may be deleted before the next page is read.
            Some(last) => fs::remove_file(folder.path().join(last.file_name())).unwrap(),
            None => break,
        }
    }
    assert_eq!(seen, expected);
    let page = library
        .list(ListOptions {
            limit: 0,
            before: None,
        })
        .await
        .unwrap();
    assert_eq!(page.clips.len(), 1);
}

#[tokio::test]
async fn a_damaged_sidecar_affects_only_its_entry() {
    let (folder, library) = empty_library();
    for (stem, sidecar) in [("a", "{\"prompt\": \"p\"}"), ("b", "no"), ("c", "")] {
        fs::write(folder.path().join(format!("{stem}.mp4")), b"clip").unwrap();
        if stem != "c" {
            fs::write(folder.path().join(format!("{stem}.mp4.json")), sidecar).unwrap();
        }
    }
    let entries: Vec<Entry> = library.entries().try_collect().await.unwrap();
    assert_eq!(stems(&entries), ["c", "b", "a"]);
    assert_eq!(entries[0].clip.as_ref().unwrap().record, None);
    assert!(
        entries[1]
            .clip
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("b.mp4.json")
    );
    assert_eq!(
        entries[2]
            .clip
            .as_ref()
            .unwrap()
            .record
            .as_ref()
            .unwrap()
            .prompt
            .as_deref(),
        Some("p")
    );

    fs::remove_dir_all(folder.path()).unwrap();
    assert!(library.list(ListOptions::default()).await.is_err());
    assert!(library.entries().try_collect::<Vec<_>>().await.is_err());
}

/// Lists a page of a hundred thousand clips. The sidecars outside the page are damaged, so that a listing that
/// reads one fails. `--nocapture` prints the measurements.
#[tokio::test]
#[expect(clippy::print_stderr, reason = "prints measurements")]
async fn a_page_of_many_reads_only_its_own_sidecars() {
    const CLIPS: u64 = 100_000;
    const START: u64 = 1_763_812_000_000;
    // In memory if possible: two hundred thousand names in the journal of a file system would delay the
    // syncs of every other test.
    let folder = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let library = Library::open(folder.path()).unwrap();
    let began = Instant::now();
    let at = |name: String| folder.path().join(name);
    for number in 0..CLIPS {
        let hash = number.wrapping_mul(2_654_435_761) & 0xffff_ffff;
        let stem = format!("{}_{hash:08x}", START + number);
        // Links to one file are faster to make than files. Ext4 allows 65,000 for each file.
        let (clip, damaged) = (
            at(format!("clip {}", number / 50_000)),
            at(format!("damaged {}", number / 50_000)),
        );
        if number % 50_000 == 0 {
            fs::write(&clip, b"clip").unwrap();
            fs::write(&damaged, b"damaged").unwrap();
        }
        fs::hard_link(&clip, at(format!("{stem}.mp4"))).unwrap();
        let sidecar = at(format!("{stem}.mp4.json"));
        if number >= CLIPS - 100 {
            fs::write(sidecar, format!("{{\"createdAt\": {number}}}")).unwrap();
        } else {
            fs::hard_link(&damaged, sidecar).unwrap();
        }
    }
    eprintln!("made {CLIPS} clips in {:?}", began.elapsed());

    let (mut best, mut best_of_reading) = (Duration::MAX, Duration::MAX);
    let mut before = None;
    for _ in 0..5 {
        let began = Instant::now();
        let page = library.list(ListOptions::default()).await.unwrap();
        best = best.min(began.elapsed());
        // For comparison: reading as many small files, on the same machine at the same time.
        let began = Instant::now();
        let small = at("damaged 0".to_owned());
        for _ in 0..CLIPS {
            assert_eq!(fs::read(&small).unwrap(), b"damaged");
        }
        best_of_reading = best_of_reading.min(began.elapsed());
        assert_eq!(page.clips.len(), 50);
        for (number, entry) in (0..).zip(&page.clips) {
            let record = entry
                .clip
                .as_ref()
                .expect("a whole sidecar")
                .record
                .as_ref()
                .expect("a sidecar");
            assert_eq!(
                record.created_at,
                Some(reelkin::Timestamp::from_millis(CLIPS - 1 - number))
            );
        }
        before = page.next;
    }
    eprintln!("first page of 50 among {CLIPS} clips: {best:?}");
    let page = library.list(ListOptions { limit: 50, before }).await.unwrap();
    assert!(page.clips.iter().all(|entry| entry.clip.is_ok()));
    let page = library
        .list(ListOptions {
            limit: 50,
            before: page.next,
        })
        .await
        .unwrap();
    assert!(
        page.clips.iter().all(|entry| entry.clip.is_err()),
        "these are the damaged ones"
    );
    eprintln!("reading so many sidecars: {best_of_reading:?}");
    assert!(best < best_of_reading, "{best:?} and {best_of_reading:?}");
}
