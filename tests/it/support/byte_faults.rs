//! Faults at bytes, fired at a sandbox many at a time, and what came of them.

#![cfg(feature = "cli")]
#![expect(clippy::print_stdout, reason = "figures, for whoever asks with --nocapture")]

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reelkin::sandbox::{ClipChecksum, Sandbox};
use reelkin::{Clip, Error, GenerateRequest, Timeouts, VideoClient, secs};

use crate::support::bench::{Bench, clips_in, ms, quick_creates, quick_downloads, quick_polls};
use crate::support::reply_sizes::{Reply, measure};

/// How many go wrong at a time: most of them wait for something.
pub(super) const AT_ONCE: usize = 48;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Cut,
    Reset,
    Stall,
    Corrupt(u8),
    Delay,
}

/// One fault at one byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shot {
    pub(super) number: usize,
    pub(super) kind: Kind,
    pub(super) at: usize,
}

impl Shot {
    pub(super) fn fault(self, operation: &str, prompt: Option<&str>) -> reelkin::sandbox::Fault {
        let at = self.at;
        let what = match self.kind {
            Kind::Cut => format!("cut@{at}"),
            Kind::Reset => format!("reset@{at}"),
            Kind::Stall => format!("stall@{at}"),
            Kind::Corrupt(bit) => format!("corrupt@{at}:{bit}"),
            Kind::Delay => format!("delay@{at}:3"),
        };
        let prompt = prompt.map_or_else(String::new, |prompt| format!(",prompt={prompt}"));
        format!("{operation}:{what}{prompt},times=1").parse().unwrap()
    }

    /// Whether the client can be left without an answer by a line that stays open.
    pub(super) const fn is_silent(self) -> bool {
        matches!(self.kind, Kind::Stall | Kind::Corrupt(_))
    }
}

pub(super) fn is_long() -> bool {
    std::env::var_os("REELKIN_LONG").is_some()
}

/// Two kinds in turn at every byte before `dense`, one at each of the `sparse` bytes; in the long run all kinds at all.
pub(super) fn shots(dense: usize, sparse: impl Iterator<Item = usize>) -> Vec<Shot> {
    let kinds = |at: usize| {
        let bit = (at % 8) as u8;
        [
            Kind::Cut,
            Kind::Reset,
            Kind::Stall,
            Kind::Corrupt(bit),
            Kind::Delay,
        ]
    };
    let mut pairs: Vec<(Kind, usize)> = Vec::new();
    let dense = (0..dense).map(|at| (at, 2));
    for (turn, (at, some)) in dense.chain(sparse.map(|at| (at, 1))).enumerate() {
        let some = if is_long() { 5 } else { some };
        let kinds = kinds(at).into_iter().cycle().skip(turn * some % 5);
        pairs.extend(kinds.take(some).map(|kind| (kind, at)));
    }
    let numbered = pairs.into_iter().enumerate();
    numbered
        .map(|(number, (kind, at))| Shot { number, kind, at })
        .collect()
}

/// All bytes of a long reply in the long run; else its ends and some between.
pub(super) fn ends_and_some(from: usize, to: usize) -> impl Iterator<Item = usize> {
    (from..=to).filter(move |at| is_long() || at - from < 256 || to - at <= 256 || at.is_multiple_of(149))
}

/// What came of a shot, in a word; or what is wrong.
pub(super) type Verdict = Result<String, String>;

/// Fires all shots, each from a free place, and prints what came of them.
pub(super) async fn volley<P, F, W>(name: &str, places: Vec<P>, shots: Vec<Shot>, fire: F)
where
    P: Send + Sync + 'static,
    F: Fn(Arc<P>, Shot) -> W + Clone + Send + 'static,
    W: Future<Output = Verdict> + Send,
{
    let begun = std::time::Instant::now();
    let count = shots.len();
    let queue: Arc<Mutex<VecDeque<Shot>>> = Arc::new(Mutex::new(shots.into()));
    let mut tasks = tokio::task::JoinSet::new();
    for place in places {
        let (queue, fire, place) = (Arc::clone(&queue), fire.clone(), Arc::new(place));
        tasks.spawn(async move {
            let mut verdicts = Vec::new();
            loop {
                let next = queue.lock().unwrap().pop_front();
                let Some(shot) = next else { return verdicts };
                let kind = format!("{:?}", shot.kind);
                let kind = kind.split('(').next().unwrap().to_lowercase();
                let verdict = fire(Arc::clone(&place), shot).await;
                verdicts.push((kind, verdict.map_err(|wrong| format!("{shot:?}: {wrong}"))));
            }
        });
    }
    let (mut tally, mut wrong) = (BTreeMap::<_, usize>::new(), Vec::new());
    while let Some(verdicts) = tasks.join_next().await {
        for (kind, verdict) in verdicts.unwrap() {
            match verdict {
                Ok(word) => *tally.entry((kind, word)).or_default() += 1,
                Err(line) => wrong.push(line),
            }
        }
    }
    println!("{name}: {count} faults in {:.1} s", begun.elapsed().as_secs_f64());
    for ((kind, word), count) in tally {
        println!("  {kind:8} {word:50} {count}");
    }
    wrong.sort();
    let shown = wrong.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{name}: {} wrong\n{shown}", wrong.len());
}

/// A sandbox with tiny clips, a library in memory where there is such a place, and two clients of it.
pub(super) struct Rig {
    pub(super) bench: Bench,
    /// Waits as long as it takes on a busy machine.
    pub(super) patient: VideoClient,
    /// For lines that fall silent.
    hasty: VideoClient,
}

impl Rig {
    pub(super) async fn start(checksum: ClipChecksum, faults: &[&str]) -> Self {
        let builder = Sandbox::builder().seconds_per_job(0.0).clip_checksum(checksum);
        let faults: Vec<&str> = ["render-size=16x16"].iter().chain(faults).copied().collect();
        let mut bench = Bench::with(builder, &faults).await;
        // Every save syncs twice: on a disk that would be most of the time.
        if Path::new("/dev/shm").is_dir() {
            bench.folder = tempfile::tempdir_in("/dev/shm").unwrap();
        }
        let client = |silence: Duration, timeouts: Timeouts| {
            let mut polls = quick_polls();
            (polls.first, polls.shortest, polls.longest) = (ms(1), ms(5), ms(20));
            let mut downloads = quick_downloads();
            // Each fault strikes once. More attempts leave room for delays of a loaded machine.
            (downloads.stall_timeout, downloads.attempts) = (silence, 6);
            let client = bench.builder().poll(polls).download(downloads);
            client.timeouts(timeouts).build().unwrap()
        };
        // Polls and downloads are repeated. A create is not, so it needs the time to arrive.
        let mut short = quick_creates();
        short.read = secs(1);
        let (patient, hasty) = (client(secs(30), Timeouts::default()), client(secs(1), short));
        Self {
            bench,
            patient,
            hasty,
        }
    }

    pub(super) fn client(&self, shot: Shot) -> &VideoClient {
        if shot.is_silent() {
            &self.hasty
        } else {
            &self.patient
        }
    }

    /// The replies of what a client does, by the words of their requests.
    pub(super) async fn replies<O>(&self, drive: impl AsyncFnOnce(VideoClient) -> O) -> Vec<Reply> {
        let library = self.bench.folder.path().join("measured");
        measure(self.bench.sandbox.address(), &library, drive).await
    }

    /// Takes a clip out again, so that the job can be picked up anew; its bytes.
    pub(super) fn take(clip: &Clip) -> Vec<u8> {
        let path = clip.path.clone().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        std::fs::remove_file(path.with_file_name(format!("{name}.json"))).unwrap();
        bytes
    }

    /// Nothing half done may be left, except what a sweep takes away.
    pub(super) async fn is_clean(&self) {
        self.patient.library().sweep(ms(0)).await.unwrap();
        assert_eq!(clips_in(&self.bench.library()).len(), 0);
    }
}

pub(super) fn described(error: &Error) -> String {
    let (kind, advice) = (error.kind(), error.retry_advice());
    format!("{kind}, {advice}, charge {}", error.may_have_been_charged())
}

pub(super) fn tiny(words: &str) -> GenerateRequest {
    GenerateRequest::text(words).duration(secs(1)).aspect_ratio("1:1")
}

pub(super) fn reply<'a>(replies: &'a [Reply], words: &str) -> &'a Reply {
    let found = replies.iter().find(|reply| reply.request.starts_with(words));
    found.unwrap_or_else(|| panic!("{words}: {replies:?}"))
}
