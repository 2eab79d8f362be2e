//! What grows or repeats, and what it is bounded by. A day of work must not fill the memory or try for ever, so
//! everything that could is in this table with its bound, and a place that is not in it fails the test.
//!
//! The table is read by people: whoever adds a line to it states the bound, and a reviewer holds it against the
//! code. What the test itself sees to is that nothing is left out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A kind of thing that can be without a bound, and the words by which it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// Maps, sets, queues, and lists that are shared.
    Collection,
    /// Loops whose head says nothing of their end.
    Loop,
    /// Ways between tasks.
    Channel,
    /// What is read whole into memory.
    Body,
}
use What::{Body, Channel, Collection, Loop};

const WORDS: &[(What, &[&str])] = &[
    (
        Collection,
        &[
            "HashMap",
            "HashSet",
            "BTreeMap",
            "BTreeSet",
            "VecDeque",
            "BinaryHeap",
            "Mutex<Vec",
        ],
    ),
    (Loop, &["loop {", " in 0.. {", " in 1.. {", "while true"]),
    (
        Channel,
        &[
            "::channel(",
            "::channel::<",
            "unbounded_channel",
            "watch::Sender::new",
        ],
    ),
    (
        Body,
        &[
            "read_to_end(",
            "read_to_string(",
            ".bytes().await",
            ".text().await",
            "to_bytes(body",
            "fs::read(",
        ],
    ),
];

/// Where, what, in how many lines, and what bounds it.
#[rustfmt::skip]
const TABLE: &[(&str, What, usize, &str)] = &[
    ("src/bin/reelkin/models.rs", Body, 1, "one file of the user's own, whom nobody else hands it to"),
    ("src/client/inputs.rs", Body, 1, "MAX_PICTURE_BYTES, and one byte to see that it is more"),
    ("src/client/mod.rs", Loop, 1, "a beat every 5 s for as long as the client lives"),
    ("src/client/recover.rs", Collection, 1, "the open records of the library that others work on"),
    ("src/client/recover.rs", Loop, 2, "the deadline of the poll policy; LEASE, after which nobody is watched"),
    ("src/client/save.rs", Loop, 1, "FRESH_LINKS"),
    ("src/client/source.rs", Loop, 1, "the end of the file, which has at most MOST_CLIP bytes"),
    ("src/client/ticket.rs", Loop, 1, "BOOKINGS"),
    ("src/ffi/client.rs", Collection, 1, "the clients of the process; dead ones go with the next"),
    ("src/ffi/token.rs", Channel, 1, "one value, once"),
    ("src/ffi/works.rs", Collection, 1, "the works in flight; finished ones go with the next"),
    ("src/ffi/works.rs", Channel, 4, "one value at most, or none ever"),
    ("src/http/body.rs", Body, 1, "CHUNK bytes of the file that is sent"),
    ("src/http/download.rs", Loop, 2, "the attempts of the download policy; its most bytes, stall time and slowest rate"),
    ("src/http/limiter.rs", Collection, 4, "the requests that wait for their turn, one entry each"),
    ("src/http/limiter.rs", Loop, 2, "ends when nobody waits; gives a turn or stops in each round"),
    ("src/http/limiter.rs", Channel, 1, "one value, once"),
    ("src/job/event.rs", Collection, 2, "KEPT, beyond which only events stay that a job has a handful of"),
    ("src/job/event.rs", Loop, 1, "ends with the job that it watches, which has a deadline"),
    ("src/job/event.rs", Channel, 1, "one value, the newest"),
    ("src/job/handle.rs", Channel, 3, "one value, the newest"),
    ("src/job/poll.rs", Loop, 1, "the deadline of the poll policy"),
    ("src/job/times.rs", Collection, 1, "KINDS, of which the one seen least goes"),
    ("src/library/bucket.rs", Loop, 1, "the end of the clip's file, PARTS_AT_ONCE parts in flight"),
    ("src/library/bucket.rs", Body, 4, "the caller's limit; PART of a file that is sent; the range that was asked for"),
    ("src/library/documents.rs", Loop, 1, "LOCK_WAIT"),
    ("src/library/documents.rs", Body, 2, "MOST_BYTES, on a folder and in a store"),
    ("src/library/family/join.rs", Collection, 18, "the clips of the library and the parents that their sidecars name"),
    ("src/library/family/mod.rs", Collection, 6, "the clips of the library and the parents that their sidecars name"),
    ("src/library/folder.rs", Collection, 1, "the page that was asked for, and one more"),
    ("src/library/folder.rs", Body, 1, "MAX_SIDECAR_BYTES, and one byte to see that it is more"),
    ("src/library/index/file.rs", Body, 2, "HEAD; the size of the file, LARGEST at most"),
    ("src/library/index/mod.rs", Collection, 2, "a file of 512 KiB of changes, and watch::MOST in each that is written"),
    ("src/library/index/stamp.rs", Loop, 1, "TICK, 20 ms of waiting for the clock"),
    ("src/library/index/watch.rs", Collection, 1, "the MOST ids that are followed, and one more"),
    ("src/library/journal/ledger.rs", Collection, 2, "the records of the days in question, dropped with the sum, of which there are two at most"),
    ("src/library/journal/mod.rs", Collection, 3, "the records this client works on; the records of the days with something open; the open records, twice"),
    ("src/library/journal/owner.rs", Collection, 1, "the owners looked at in the last two LEASEs"),
    ("src/library/list.rs", Collection, 1, "the names of the library"),
    ("src/library/range.rs", Collection, 1, "MOST_KEPT, of which the one used longest ago goes"),
    ("src/library/range.rs", Channel, 2, "one value, the newest"),
    ("src/library/staged.rs", Loop, 1, "the end of the clip's file"),
    ("src/library/verify.rs", Collection, 2, "the clips of the library or the family"),
    ("src/lineage/family.rs", Collection, 6, "the members of the family"),
    ("src/media/admit.rs", Loop, 1, "the bytes to search, STEP in each round"),
    ("src/media/admit.rs", Body, 1, "STEP, and the tail of the round before"),
    ("src/media/clip.rs", Collection, 2, "the 64 packets that are read to learn where the tracks start"),
    ("src/media/clip.rs", Loop, 1, "the watch: packets, bytes and time; 1000 damaged packets"),
    ("src/media/container.rs", Body, 2, "12 bytes; 32 bytes"),
    ("src/media/decoder.rs", Loop, 1, "10,000 errors, under the watch of the reader"),
    ("src/media/many.rs", Collection, 2, "twice as many clips as the machine has cores"),
    ("src/media/picture.rs", Loop, 1, "the bytes in memory, of which each round takes at least four"),
    ("src/media/probe.rs", Loop, 1, "the packets of the clip, under the watch of the reader"),
    ("src/media/source.rs", Body, 2, "the length that was measured and checked before; 64 bytes"),
    ("src/media/unreferenced.rs", Loop, 1, "the bytes of one packet, of which each round takes at least two"),
    ("src/media/walk.rs", Loop, 1, "the packets of the clip, under the watch of the reader"),
    ("src/media/worker.rs", Loop, 1, "the watch of the reader, and GRACE"),
    ("src/planner/brief.rs", Collection, 2, "the words of one prompt, which has a longest length"),
    ("src/provider/xai/files.rs", Loop, 1, "the attempts of an upload"),
    ("src/provider/xai/once.rs", Loop, 1, "the attempts of what is paid and was not sent or was refused for its rate"),
    ("src/sandbox/answers/check.rs", Collection, 1, "the fields of one request body, which is bounded"),
    ("src/sandbox/answers/look.rs", Collection, 1, "the names of colours"),
    ("src/sandbox/answers/mod.rs", Collection, 2, "MOST_KEPT"),
    ("src/sandbox/answers/rules.rs", Collection, 1, "the items of one request body, which is bounded"),
    ("src/sandbox/answers/schema.rs", Loop, 1, "MOST_STEPS"),
    ("src/sandbox/faults/mod.rs", Collection, 1, "the script that whoever runs the sandbox wrote; a fault goes when it is used up"),
    ("src/sandbox/files.rs", Collection, 1, "MAX_FILES and MAX_BYTES; the oldest goes"),
    ("src/sandbox/files.rs", Body, 2, "MAX_FILE, under the body limit of the server"),
    ("src/sandbox/gate.rs", Collection, 1, "the open connections; closed ones go with the next"),
    ("src/sandbox/gate.rs", Loop, 2, "a connection or an order to restart in each round; the bytes of the socket"),
    ("src/sandbox/gate.rs", Channel, 2, "four orders; one value, once"),
    ("src/sandbox/inputs.rs", Body, 1, "MAX_FILE, checked when the file was stored"),
    ("src/sandbox/jobs.rs", Collection, 3, "most_jobs and most_clip_bytes; the oldest finished one goes"),
    ("src/sandbox/work.rs", Collection, 1, "MOST; the one rendered longest ago goes"),
    ("src/sandbox/server.rs", Body, 3, "most_body_bytes; 16 MiB of an answer of ours"),
];

fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
}

/// The lines of a file in which each kind of thing stands: code that is shipped, without signatures.
fn found_in(text: &str) -> BTreeMap<What, usize> {
    let shipped = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let mut found = BTreeMap::new();
    for line in shipped.lines().map(str::trim) {
        let code = line.split("// ").next().unwrap();
        let names_only = code.starts_with("use ") || code.contains("fn ") || code.starts_with("//");
        for (what, words) in WORDS {
            let stands = words.iter().any(|word| {
                let whole = |at: usize| {
                    !word.starts_with(char::is_alphanumeric) || !code[..at].ends_with(char::is_alphanumeric)
                };
                code.match_indices(word).any(|(at, _)| whole(at))
            });
            if stands && !names_only {
                *found.entry(*what).or_default() += 1;
            }
        }
    }
    found
}

#[test]
fn everything_that_grows_or_repeats_has_its_bound() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    sources(&root.join("src"), &mut paths);
    let mut found = BTreeMap::new();
    for path in paths {
        let name = path
            .strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap()
            .replace('\\', "/");
        if name.ends_with("tests.rs") {
            continue;
        }
        for (what, lines) in found_in(&fs::read_to_string(path).unwrap()) {
            found.insert((name.clone(), what), lines);
        }
    }
    let mut wrong = Vec::new();
    for ((path, what), lines) in &found {
        let row = TABLE
            .iter()
            .find(|(place, kind, ..)| place == path && kind == what);
        match row {
            None => wrong.push(format!(
                "{path}: {what:?} in {lines} lines, and no bound is stated"
            )),
            Some((.., stated, _)) if stated != lines => {
                wrong.push(format!(
                    "{path}: {what:?} in {lines} lines, and {stated} are stated"
                ));
            }
            Some(_) => {}
        }
    }
    for (path, what, ..) in TABLE {
        if !found.contains_key(&((*path).to_owned(), *what)) {
            wrong.push(format!("{path}: {what:?} is stated and not there any more"));
        }
    }
    assert!(
        wrong.is_empty(),
        "state the bound in tests/bounds.rs:\n{}",
        wrong.join("\n")
    );
    let mut rows: Vec<_> = TABLE.iter().map(|(path, what, ..)| (path, what)).collect();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), TABLE.len(), "a place is stated twice");
    assert!(
        TABLE.iter().all(|(.., bound)| bound.len() >= 8),
        "a bound in words"
    );
}

#[test]
fn what_has_no_bound_is_found() {
    for (line, what) in [
        ("    seen: HashMap<String, u8>,", Collection),
        ("let queue = std::collections::VecDeque::new();", Collection),
        ("static ALL: Mutex<Vec<u8>> = Mutex::new(Vec::new());", Collection),
        ("loop {", Loop),
        ("for attempt in 1.. {", Loop),
        ("let (to, from) = mpsc::unbounded_channel();", Channel),
        ("let body = response.bytes().await?;", Body),
        ("file.read_to_end(&mut bytes)?;", Body),
    ] {
        assert_eq!(found_in(line), BTreeMap::from([(what, 1)]), "{line}");
    }
    for line in [
        "use std::collections::HashMap;",
        "// a HashMap",
        "fn index() -> HashMap<u8, u8> {",
        "MyHashMap",
    ] {
        assert!(found_in(line).is_empty(), "{line}");
    }
}
