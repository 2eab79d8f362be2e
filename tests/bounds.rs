//! States the bound of every collection, loop, channel, body and wait in `src`.
//!
//! A long run must not exhaust the memory, retry forever or hang. Each of these is in a table with its bound, and one that
//! is missing from the table fails the test. A reviewer compares a stated bound with the code. The test itself only checks
//! that the table is complete.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A kind of construct that can be unbounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// Maps, sets, queues, and lists that are shared.
    Collection,
    /// Loops whose head does not state their end.
    Loop,
    /// Channels between tasks.
    Channel,
    /// Bodies and files that are read into memory as a whole.
    Body,
    /// Waits for the network, a store, the disk, another task or thread, or the clock. Found by the name of the call,
    /// and by `.await` on a variable, which is how tasks and channel ends are awaited.
    Wait,
}
use What::{Body, Channel, Collection, Loop, Wait};

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
    (
        Wait,
        &[
            ".recv()",
            ".recv_timeout(",
            ".changed()",
            ".wait_for(",
            ".wait_timeout(",
            ".wait_timeout_while(",
            ".wait()",
            ".join()",
            ".acquire()",
            ".acquire_owned()",
            ".notified()",
            ".lock().await",
            ".next().await",
            ".tick()",
            ".shutdown_timeout(",
            "ctrl_c()",
            "sleep(",
            "sleep_until(",
            "pending::<",
            "block_on(",
            "blocking(",
            "::accept(",
            ".send().await",
            ".chunk()",
            "store.get(",
            "store.put(",
            "store.head(",
            "store.list(",
            "store.delete(",
            ".get_opts(",
            ".put_opts(",
            ".put_multipart(",
            ".put_part(",
            ".complete()",
            ".delete_stream(",
            ".list_with_delimiter(",
            ".copy_if_not_exists(",
            "server).await",
        ],
    ),
];

/// Returns whether a variable or field is awaited: `work.await`, but not `work().await`.
fn awaits_a_name(code: &str) -> bool {
    let named = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    code.match_indices(".await").any(|(at, _)| named(&code[..at]))
}

/// The file, the kind, the number of lines, and the bound.
#[rustfmt::skip]
const TABLE: &[(&str, What, usize, &str)] = &[
    ("src/bin/reelkin/commands/lineage.rs", Collection, 1, "the members of the family"),
    ("src/bin/reelkin/commands/models.rs", Body, 1, "one file of the user's own, whom nobody else hands it to"),
    ("src/bin/reelkin/signals.rs", Channel, 1, "one value, once"),
    ("src/client/pipeline/finish.rs", Loop, 1, "MAX_FRESH_LINKS"),
    ("src/client/pipeline/images.rs", Body, 1, "MAX_PICTURE_BYTES, and one byte to see that it is more"),
    ("src/client/pipeline/recover.rs", Collection, 3, "the open records of the library"),
    ("src/client/pipeline/recover.rs", Loop, 2, "the deadline of the poll policy; LEASE_DURATION, after which nobody is watched"),
    ("src/client/pipeline/submit.rs", Loop, 1, "MAX_RESERVATION_ATTEMPTS"),
    ("src/ffi/client.rs", Collection, 1, "the clients of the process; dead ones go with the next"),
    ("src/ffi/logging.rs", Collection, 1, "MAX_RECORDS, and the oldest one goes"),
    ("src/ffi/tasks.rs", Collection, 1, "the jobs in flight; finished ones are removed by the next"),
    ("src/ffi/tasks.rs", Channel, 1, "one value, once"),
    ("src/ffi/token.rs", Channel, 1, "one value, once"),
    ("src/http/body.rs", Body, 1, "CHUNK bytes of the file that is sent"),
    ("src/http/body_gate.rs", Channel, 2, "one value each, once"),
    ("src/http/download.rs", Loop, 2, "ten times the attempts of the download policy; its maximum bytes, stall timeout and minimum speed"),
    ("src/http/rate_limiter.rs", Collection, 4, "the requests that wait, one entry each"),
    ("src/http/rate_limiter.rs", Loop, 1, "ends when the request is admitted, which a timer checks"),
    ("src/job/duration_stats.rs", Collection, 1, "MAX_KINDS kinds of jobs"),
    ("src/job/event.rs", Collection, 2, "KEPT, beyond which only events stay that a job has a handful of"),
    ("src/job/event.rs", Channel, 1, "one value, the newest"),
    ("src/job/handle.rs", Channel, 2, "one value, the newest"),
    ("src/job/poll.rs", Loop, 1, "the deadline of the poll policy"),
    ("src/journal/lease.rs", Collection, 2, "the owners checked within the last hour; the names of leases in a folder"),
    ("src/journal/lease.rs", Loop, 2, "a renewal every 5 s as long as the library is open; checks of a lease, for its length and one more"),
    ("src/journal/ledger.rs", Collection, 2, "the records of the days in question, dropped with the sum, of which there are two at most"),
    ("src/journal/mod.rs", Collection, 4, "the records this client works on; those that it owned in the last two minutes or cannot release; the open records of a listing; the records of the days with an open record"),
    ("src/library/family/mod.rs", Collection, 15, "the clips of the library and the parents that their sidecars name"),
    ("src/library/family/mod.rs", Loop, 1, "the clips without a hash on record: each round but the last finds one"),
    ("src/library/verify.rs", Collection, 2, "the clips of the library or the family"),
    ("src/lineage/family.rs", Collection, 6, "the members of the family"),
    ("src/lineage/resolver.rs", Collection, 19, "the clips of the library and the parents in their sidecars"),
    ("src/media/container/clip.rs", Collection, 2, "the 64 packets that are read to learn where the tracks start"),
    ("src/media/container/clip.rs", Loop, 1, "the limits of the call: packets, bytes and time; 1000 damaged packets"),
    ("src/media/container/container_limits.rs", Loop, 1, "the bytes to search, CHUNK in each round"),
    ("src/media/container/container_limits.rs", Body, 1, "CHUNK, and the end of the round before"),
    ("src/media/container/outline.rs", Body, 2, "12 bytes; 32 bytes"),
    ("src/media/frames/batch.rs", Collection, 2, "twice as many clips as the machine has cores"),
    ("src/media/frames/decoder.rs", Loop, 1, "10,000 errors, under the limits of the call"),
    ("src/media/frames/disposable_frames.rs", Loop, 1, "the bytes of one packet, of which each round takes at least two"),
    ("src/media/frames/scan.rs", Loop, 1, "the packets of the clip, under the limits of the call"),
    ("src/media/probe.rs", Loop, 1, "the packets of the clip, under the limits of the call"),
    ("src/media/source.rs", Body, 2, "the length that was measured and checked before; 64 bytes"),
    ("src/media/worker.rs", Loop, 1, "the limits of the call, and GRACE"),
    ("src/planner/input.rs", Collection, 2, "the words of one prompt, whose length is limited"),
    ("src/provider/xai/files.rs", Loop, 1, "the attempts of an upload"),
    ("src/provider/xai/lenient_json.rs", Collection, 1, "the fields of one reply, whose size is limited"),
    ("src/provider/xai/paid_request.rs", Loop, 1, "the attempts of a paid request that was not sent or was refused for its rate"),
    ("src/sandbox/faults/effects.rs", Body, 2, "MAX_REPLY_BYTES"),
    ("src/sandbox/faults/script.rs", Collection, 1, "the faults that the user of the sandbox scripted; each is removed when it is used up"),
    ("src/sandbox/llm/picture_stats.rs", Collection, 1, "the names of colors"),
    ("src/sandbox/llm/question.rs", Collection, 1, "the items of one request body, which is bounded"),
    ("src/sandbox/llm/schema_check.rs", Collection, 1, "the items of one request body, which is bounded"),
    ("src/sandbox/llm/schema_values.rs", Loop, 1, "MAX_STEPS"),
    ("src/sandbox/render/inputs.rs", Body, 1, "MAX_FILE_BYTES, checked when the file was stored"),
    ("src/sandbox/routes/files.rs", Body, 2, "MAX_FILE_BYTES, under the body limit of the server"),
    ("src/sandbox/routes/middleware.rs", Body, 1, "max_body_bytes"),
    ("src/sandbox/state/files.rs", Collection, 1, "MAX_FILES and MAX_TOTAL_BYTES; the oldest is removed"),
    ("src/sandbox/state/jobs.rs", Collection, 3, "max_jobs and max_clip_bytes; the oldest finished one is removed"),
    ("src/sandbox/state/recent_table.rs", Collection, 2, "the maximum that it is created with: MAX_ANSWERS, MAX_RENDERED"),
    ("src/sandbox/transport/connection.rs", Collection, 1, "the open connections; closed ones are removed with the next one"),
    ("src/sandbox/transport/connection.rs", Loop, 1, "the bytes of the socket"),
    ("src/sandbox/transport/listener.rs", Loop, 1, "a connection or a restart in each round"),
    ("src/sandbox/transport/listener.rs", Channel, 2, "four requests to restart; one value, once"),
    ("src/storage/bucket/mod.rs", Body, 3, "MAX_SIDECAR_BYTES; MAX_DOCUMENT_BYTES; the size of the sidecar that was written"),
    ("src/storage/bucket/upload.rs", Loop, 1, "the end of the clip's file, with CONCURRENT_PARTS uploads at a time"),
    ("src/storage/bucket/upload.rs", Body, 2, "PART_BYTES of a file that is sent"),
    ("src/storage/clip_reader.rs", Collection, 1, "MAX_CACHED blocks, of which the least recently used is removed"),
    ("src/storage/clip_reader.rs", Channel, 2, "one value, the newest"),
    ("src/storage/digest.rs", Loop, 1, "the end of the file: a clip, or an input of at most MAX_CLIP_BYTES"),
    ("src/storage/folder/clips.rs", Collection, 1, "the requested page, and one more"),
    ("src/storage/folder/clips.rs", Body, 1, "MAX_SIDECAR_BYTES, and one byte to see that it is more"),
    ("src/storage/folder/documents.rs", Body, 1, "MAX_DOCUMENT_BYTES, and one byte to see that it is more"),
    ("src/storage/folder/index/file.rs", Body, 2, "MAX_HEADER_BYTES; the size of the file, at most MAX_FILE_BYTES"),
    ("src/storage/folder/index/mod.rs", Collection, 2, "a file of 512 KiB of changes, and watch::MAX_CHANGED in each that is written"),
    ("src/storage/folder/index/stamp.rs", Loop, 1, "TICK_TIMEOUT, 20 ms of waiting for the clock"),
    ("src/storage/folder/index/watch.rs", Collection, 1, "MAX_CHANGED ids, and one more"),
    ("src/storage/lock.rs", Loop, 1, "the time that the caller names"),
    ("src/storage/object.rs", Body, 1, "the requested range"),
    ("src/bin/reelkin/commands/analyze.rs", Wait, 1, "the deadline of the question, around what the command does"),
    ("src/bin/reelkin/commands/doctor.rs", Wait, 1, "the command: the timeouts of two requests, and one write to the library"),
    ("src/bin/reelkin/commands/lineage.rs", Wait, 1, "the command: it reads the library"),
    ("src/bin/reelkin/commands/ls.rs", Wait, 2, "the command: it reads the library"),
    ("src/bin/reelkin/commands/recover.rs", Wait, 1, "the command: each job has the deadline of the poll policy"),
    ("src/bin/reelkin/commands/sandbox.rs", Wait, 2, "a server runs until a signal: that is what the command is for"),
    ("src/bin/reelkin/commands/settle.rs", Wait, 2, "the command: one change of one record"),
    ("src/bin/reelkin/inputs.rs", Wait, 1, "one clip is opened: the disk, or the timeouts of the store"),
    ("src/bin/reelkin/output/progress.rs", Wait, 1, "the events end with the work that they report"),
    ("src/bin/reelkin/session.rs", Wait, 7, "the work, whose jobs have deadlines; 2 s for the end of the runtime; a signal, watched beside the work"),
    ("src/bin/reelkin/signals.rs", Wait, 9, "the work of the command; after a signal 10 s, or the next signal"),
    ("src/client/outcome.rs", Wait, 1, "the work, which has the deadline of its job"),
    ("src/client/pipeline/clip_source.rs", Wait, 4, "a clip is copied, read or hashed"),
    ("src/client/pipeline/finish.rs", Wait, 3, "writes to the journal; the turn of those before, whose downloads have a least speed, and it can be stopped"),
    ("src/client/pipeline/images.rs", Wait, 2, "a file of the caller's is read"),
    ("src/client/pipeline/input_context.rs", Wait, 1, "the system is asked of one file"),
    ("src/client/pipeline/recover.rs", Wait, 3, "each job has the deadline of the poll policy; the turn of those before, whose downloads have a least speed"),
    ("src/client/pipeline/submit.rs", Wait, 2, "writes to the journal"),
    ("src/client/pipeline/verify.rs", Wait, 1, "the boxes of a file of a bounded size are read"),
    ("src/client/verbs/analyze.rs", Wait, 1, "a write to the journal"),
    ("src/client/verbs/chain/run.rs", Wait, 5, "the chain's own record: the lock is held for one write of it"),
    ("src/client/verbs/generate.rs", Wait, 1, "the inputs are prepared"),
    ("src/client/verbs/mod.rs", Wait, 1, "the work in its own task, which has the deadline of its job; for a chain, of each step"),
    ("src/ffi/client.rs", Wait, 2, "the deadline of the media options; CLOSE_TIMEOUT for each client that is closed"),
    ("src/ffi/job.rs", Wait, 2, "the work, which has the deadline of its job; its next event"),
    ("src/ffi/logging.rs", Wait, 1, "the wait that it is given, at most MAX_WAIT"),
    ("src/ffi/runtime.rs", Wait, 1, "the deadline that it is given"),
    ("src/ffi/tasks.rs", Wait, 5, "the job, which has a deadline; a signal to stop, beside it; ABANDON_TIMEOUT or the deadline of closing"),
    ("src/ffi/token.rs", Wait, 2, "Timeouts::token, around the call of the source"),
    ("src/host.rs", Wait, 1, "nothing: it begins work, and whoever has the handle waits"),
    ("src/http/auth.rs", Wait, 2, "Timeouts::token, around the call of the source"),
    ("src/http/body.rs", Wait, 1, "CHUNK bytes of a file"),
    ("src/http/body_gate.rs", Wait, 1, "the timeout of the exchange, which also limits the check"),
    ("src/http/download.rs", Wait, 2, "the backoff of the policy's attempts; its stall time"),
    ("src/http/exchange.rs", Wait, 3, "the timeout of the exchange, which covers the body"),
    ("src/http/rate_limiter.rs", Wait, 1, "the turns of those before, at the rate that was set, or a pause that the service asked for"),
    ("src/job/event.rs", Wait, 2, "the work that it watches, which has a deadline"),
    ("src/job/handle.rs", Wait, 2, "the work, which has the deadline of its job; an order to stop, beside it"),
    ("src/job/poll.rs", Wait, 1, "the deadline of the poll policy"),
    ("src/job/schedule.rs", Wait, 1, "the pause that the caller counts"),
    ("src/journal/lease.rs", Wait, 3, "the disk, for one small file; the next renewal; half a second between two checks"),
    ("src/journal/ledger.rs", Wait, 1, "the records of two sums are listed"),
    ("src/journal/abandoned.rs", Wait, 1, "the release before this one, for at most RENEWAL_TIMEOUT"),
    ("src/journal/mod.rs", Wait, 2, "the reservations before this one: the lock is held for a write and a count; one release, for at most RENEWAL_TIMEOUT"),
    ("src/journal/owned.rs", Wait, 1, "one change of one record"),
    ("src/library/chain.rs", Wait, 2, "the version of one document: the lock is held for one write of it"),
    ("src/library/copy.rs", Wait, 8, "the disk, for a piece of a clip at a time"),
    ("src/library/family/cache.rs", Wait, 9, "the disk, for one small file and the stamps of the sidecars"),
    ("src/library/family/mod.rs", Wait, 3, "the sidecars and clips of the library are read"),
    ("src/library/list.rs", Wait, 2, "the sidecars of a page are read and parsed"),
    ("src/library/mod.rs", Wait, 1, "the disk, for one path"),
    ("src/library/series.rs", Wait, 1, "the sidecars of the library are read"),
    ("src/library/staged.rs", Wait, 3, "the disk, for one clip"),
    ("src/media/frames/batch.rs", Wait, 1, "stop was raised: GRACE after the next packet"),
    ("src/media/nonblocking.rs", Wait, 2, "the deadline of the media options, which the thread keeps"),
    ("src/media/worker.rs", Wait, 3, "CHECK_INTERVAL and GRACE; a result that was already sent"),
    ("src/provider/xai/files.rs", Wait, 1, "the backoff of the attempts of an upload"),
    ("src/provider/xai/paid_request.rs", Wait, 1, "the backoff of the attempts, or the deadline of a query"),
    ("src/sandbox/faults/effects.rs", Wait, 3, "the seconds of a fault, an hour at most; LINGER"),
    ("src/sandbox/mod.rs", Wait, 2, "the server was told to end; or it serves until its task is ended from outside"),
    ("src/sandbox/render/inputs.rs", Wait, 7, "the timeouts of its client; the deadline of the media options; the turn of earlier jobs"),
    ("src/sandbox/render/job.rs", Wait, 3, "the turn of earlier jobs; one rendering, of which lengths are bounded"),
    ("src/sandbox/routes/files.rs", Wait, 1, "the bytes of one file are written"),
    ("src/sandbox/routes/language.rs", Wait, 2, "the deadline of the media options"),
    ("src/sandbox/state/checksum.rs", Wait, 1, "the next piece of a clip in memory or in a file"),
    ("src/sandbox/transport/byte_faults.rs", Wait, 1, "the milliseconds of a fault"),
    ("src/sandbox/transport/listener.rs", Wait, 5, "the requested downtime; MAX_BIND_ATTEMPTS times BIND_PAUSE; a server waits for connections"),
    ("src/storage/bucket/capability_check.rs", Wait, 4, "the timeouts of the store"),
    ("src/storage/bucket/mod.rs", Wait, 13, "the timeouts of the store: 60 s and three retries if it is opened by URL, otherwise the caller's own; the disk, for one file"),
    ("src/storage/bucket/upload.rs", Wait, 15, "the timeouts of the store; the disk, for one clip"),
    ("src/storage/clip_reader.rs", Wait, 2, "DEADLINE; an order to stop, beside it"),
    ("src/storage/folder/index/stamp.rs", Wait, 1, "TICK_TIMEOUT, 20 ms of waiting for the clock"),
    ("src/storage/folder/locks.rs", Wait, 5, "the disk, and INHERITED for a lock"),
    ("src/storage/folder/mod.rs", Wait, 4, "the disk, for one file or one listing; LOCK_TIMEOUT for a document; MAX_WRITERS writers before this one"),
    ("src/storage/hashing_writer.rs", Wait, 2, "one write to the disk"),
    ("src/storage/object.rs", Wait, 4, "the timeouts of the store"),
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

/// Counts the lines of a file with each kind of construct, without tests and signatures.
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
            let stands = stands || (*what == Wait && awaits_a_name(code));
            if stands && !names_only {
                *found.entry(*what).or_default() += 1;
            }
        }
    }
    found
}

#[test]
fn every_collection_loop_and_wait_has_a_stated_bound() {
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
            wrong.push(format!("{path}: {what:?} is stated and no longer there"));
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
fn unbounded_constructs_are_detected() {
    for (line, what) in [
        ("    seen: HashMap<String, u8>,", Collection),
        ("let queue = std::collections::VecDeque::new();", Collection),
        ("static ALL: Mutex<Vec<u8>> = Mutex::new(Vec::new());", Collection),
        ("loop {", Loop),
        ("for attempt in 1.. {", Loop),
        ("let (to, from) = mpsc::unbounded_channel();", Channel),
        ("let body = response.bytes().await?;", Body),
        ("file.read_to_end(&mut bytes)?;", Body),
        ("let done = task.await;", Wait),
        ("match self.answer.await? {", Wait),
        ("let turn = semaphore.acquire().await;", Wait),
        (".acquire_owned()", Wait),
        ("let value = receiver.recv();", Wait),
        ("let held = self.state.lock().await;", Wait),
        ("blocking(move || read(&path)).await", Wait),
        ("tokio::task::spawn_blocking(work)", Wait),
        ("let found = self.store.get(&place).await?;", Wait),
        ("let response = request.send().await?;", Wait),
        ("thread.join().unwrap();", Wait),
        ("tokio::time::sleep(pause).await;", Wait),
    ] {
        assert_eq!(found_in(line), BTreeMap::from([(what, 1)]), "{line}");
    }
    for line in [
        "use std::collections::HashMap;",
        "// a HashMap",
        "fn index() -> HashMap<u8, u8> {",
        "MyHashMap",
        "names.join(\", \")",
        "self.prepare(request).await?;",
        "async fn wait(&self) { self.0.wait() }",
    ] {
        assert!(found_in(line).is_empty(), "{line}");
    }
}
