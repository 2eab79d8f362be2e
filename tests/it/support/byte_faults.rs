//! Faults at single bytes of an exchange, many at a time, and their results.

#![cfg(feature = "cli")]
#![expect(clippy::print_stdout, reason = "prints measurements with --nocapture")]

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reelkin::sandbox::{ClipChecksum, Sandbox};
use reelkin::{Charge, Clip, Error, GenerateRequest, Timeouts, VideoClient, secs};

use crate::support::bench::{Bench, clips_in, ms, quick_creates, quick_downloads, quick_polls};
use crate::support::reply_sizes::{Reply, measure};

/// Number of faults at a time. Most of them wait for something.
pub(crate) const CONCURRENCY: usize = 48;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Cut,
    Reset,
    Stall,
    Corrupt(u8),
    Delay,
}

/// One fault at one byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteFault {
    pub(crate) number: usize,
    pub(crate) kind: Kind,
    pub(crate) at: usize,
}

impl ByteFault {
    /// Returns the fault for an operation, limited to one prompt.
    pub(crate) fn during(self, operation: &str, prompt: Option<&str>) -> reelkin::sandbox::Fault {
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

    /// Returns whether the connection may stay open without a complete reply.
    pub(crate) const fn is_silent(self) -> bool {
        matches!(self.kind, Kind::Stall | Kind::Corrupt(_))
    }
}

/// Returns whether `REELKIN_LONG` requests every kind of fault at every byte.
pub(crate) fn is_long() -> bool {
    std::env::var_os("REELKIN_LONG").is_some()
}

/// Returns two kinds of fault in turn for every byte before `dense`, and one for each of the `sparse` bytes. A long
/// run gets all kinds for all bytes.
pub(crate) fn byte_faults(dense: usize, sparse: impl Iterator<Item = usize>) -> Vec<ByteFault> {
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
        .map(|(number, (kind, at))| ByteFault { number, kind, at })
        .collect()
}

/// Returns both ends of a long reply and some bytes between. A long run gets all bytes.
pub(crate) fn sampled_bytes(from: usize, to: usize) -> impl Iterator<Item = usize> {
    (from..=to).filter(move |at| is_long() || at - from < 256 || to - at <= 256 || at.is_multiple_of(149))
}

/// The result of a fault in a few words, or what is wrong with it.
pub(crate) type Verdict = Result<String, String>;

/// Runs all faults, each in a free place, and prints a summary of the results.
pub(crate) async fn run_faults<P, F, W>(name: &str, places: Vec<P>, byte_faults: Vec<ByteFault>, check: F)
where
    P: Send + Sync + 'static,
    F: Fn(Arc<P>, ByteFault) -> W + Clone + Send + 'static,
    W: Future<Output = Verdict> + Send,
{
    let begun = std::time::Instant::now();
    let count = byte_faults.len();
    let queue: Arc<Mutex<VecDeque<ByteFault>>> = Arc::new(Mutex::new(byte_faults.into()));
    let mut tasks = tokio::task::JoinSet::new();
    for place in places {
        let (queue, check, place) = (Arc::clone(&queue), check.clone(), Arc::new(place));
        tasks.spawn(async move {
            let mut verdicts = Vec::new();
            loop {
                let next = queue.lock().unwrap().pop_front();
                let Some(fault) = next else { return verdicts };
                let kind = format!("{:?}", fault.kind);
                let kind = kind.split('(').next().unwrap().to_lowercase();
                let verdict = check(Arc::clone(&place), fault).await;
                verdicts.push((kind, verdict.map_err(|wrong| format!("{fault:?}: {wrong}"))));
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

/// A sandbox with tiny clips, a library in memory if possible, and two clients.
pub(crate) struct ByteFaultRig {
    pub(crate) bench: Bench,
    /// A client with long timeouts, for a loaded machine.
    pub(crate) with_long_timeouts: VideoClient,
    /// A client with short timeouts, for connections that stall.
    with_short_timeouts: VideoClient,
}

impl ByteFaultRig {
    pub(crate) async fn start(checksum: ClipChecksum, faults: &[&str]) -> Self {
        let builder = Sandbox::builder()
            .min_job_duration(Duration::ZERO)
            .clip_checksum(checksum);
        let faults: Vec<&str> = ["render-size=16x16"].iter().chain(faults).copied().collect();
        let mut bench = Bench::with(builder, &faults).await;
        // Every save syncs twice, which would take most of the time on a disk.
        if Path::new("/dev/shm").is_dir() {
            bench.folder = tempfile::tempdir_in("/dev/shm").unwrap();
        }
        let client = |silence: Duration, timeouts: Timeouts| {
            let mut polls = quick_polls();
            (polls.first, polls.shortest, polls.longest) = (ms(1), ms(5), ms(20));
            let mut downloads = quick_downloads();
            // Each fault applies once. More attempts allow for delays on a loaded machine.
            (downloads.stall_timeout, downloads.attempts) = (silence, 6);
            let client = bench.builder().poll(polls).download(downloads);
            client.timeouts(timeouts).build().unwrap()
        };
        // Polls and downloads are repeated. A create is not, so it needs the time to arrive.
        let mut short = quick_creates();
        short.read = secs(1);
        let (with_long_timeouts, with_short_timeouts) =
            (client(secs(30), Timeouts::default()), client(secs(1), short));
        Self {
            bench,
            with_long_timeouts,
            with_short_timeouts,
        }
    }

    /// Returns the client whose timeouts fit a fault.
    pub(crate) fn client(&self, fault: ByteFault) -> &VideoClient {
        if fault.is_silent() {
            &self.with_short_timeouts
        } else {
            &self.with_long_timeouts
        }
    }

    /// Measures the replies that a client gets.
    pub(crate) async fn replies<O>(&self, drive: impl AsyncFnOnce(VideoClient) -> O) -> Vec<Reply> {
        let library = self.bench.folder.path().join("measured");
        measure(self.bench.sandbox.address(), &library, drive).await
    }

    /// Removes a clip so that its job can be picked up again, and returns its bytes.
    pub(crate) fn take_clip(clip: &Clip) -> Vec<u8> {
        let path = clip.path.clone().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        std::fs::remove_file(path.with_file_name(format!("{name}.json"))).unwrap();
        bytes
    }

    /// Checks that a sweep leaves an empty library.
    pub(crate) async fn assert_clean(&self) {
        self.with_long_timeouts.library().sweep(ms(0)).await.unwrap();
        assert_eq!(clips_in(&self.bench.library()).len(), 0);
    }
}

/// Describes the kind of an error, its advice and its charge.
pub(crate) fn describe(error: &Error) -> String {
    let (kind, advice) = (error.kind(), error.retry_advice());
    format!("{kind}, {advice}, charge {}", error.may_have_been_charged())
}

/// Returns a request for a clip that is as small as possible.
pub(crate) fn small_request(words: &str) -> GenerateRequest {
    GenerateRequest::text(words).duration(secs(1)).aspect_ratio("1:1")
}

/// Returns the size of the reply to the first request that starts with these words.
pub(crate) fn reply<'a>(replies: &'a [Reply], words: &str) -> &'a Reply {
    let found = replies.iter().find(|reply| reply.request.starts_with(words));
    found.unwrap_or_else(|| panic!("{words}: {replies:?}"))
}

/// A finished job with a unique prompt, and the bytes of its clip.
pub(crate) struct FinishedJob {
    pub(crate) rig: Arc<ByteFaultRig>,
    pub(crate) id: String,
    pub(crate) prompt: String,
    pub(crate) bytes: Vec<u8>,
}

impl FinishedJob {
    /// Makes a finished job for each concurrent fault.
    pub(crate) async fn make(rig: &Arc<ByteFaultRig>) -> Vec<Self> {
        let make = (0..CONCURRENCY).map(|number| {
            let rig = Arc::clone(rig);
            async move {
                let prompt = format!("place {number:03}");
                let clip = rig
                    .with_long_timeouts
                    .generate(small_request(&prompt))
                    .await
                    .unwrap();
                let id = clip
                    .record
                    .as_ref()
                    .unwrap()
                    .reelkin
                    .as_ref()
                    .unwrap()
                    .job_id
                    .clone();
                let bytes = ByteFaultRig::take_clip(&clip);
                Self {
                    rig,
                    id: id.unwrap(),
                    prompt,
                    bytes,
                }
            }
        });
        futures_util::future::join_all(make).await
    }

    /// Measures the replies to picking up the job.
    pub(crate) async fn replies(&self) -> Vec<Reply> {
        let replies = self
            .rig
            .replies(async |client| client.job(&self.id).unwrap().wait().await.unwrap());
        replies.await
    }

    /// Picks the jobs up with all these faults of an operation. The flag says whether the saved clip may have other bytes.
    pub(crate) async fn pick_all_up(
        name: &str,
        rig: &ByteFaultRig,
        places: Vec<Self>,
        byte_faults: Vec<ByteFault>,
        (operation, may_differ): (&'static str, bool),
    ) {
        run_faults(name, places, byte_faults, move |place, fault| async move {
            place.pick_up(operation, fault, may_differ).await
        })
        .await;
        assert_eq!(rig.bench.state().creates, CONCURRENCY as u64);
        rig.assert_clean().await;
    }

    /// Picks the job up with a fault, and once more without if that fails.
    pub(crate) async fn pick_up(&self, operation: &str, fault: ByteFault, may_differ: bool) -> Verdict {
        let rig = &self.rig;
        rig.bench
            .sandbox
            .add_fault(fault.during(operation, Some(&self.prompt)));
        let outcome = rig.client(fault).job(&self.id).unwrap().wait().await;
        let (clip, word) = match outcome {
            Ok(clip) => (clip, "saved".to_owned()),
            Err(error) if error.job_id() != Some(&self.id) => return Err(format!("no job id: {error}")),
            Err(error) if error.may_have_been_charged() == Charge::No => {
                return Err(format!("no charge: {error}"));
            }
            // A fault that only loses or delays bytes is retried automatically.
            Err(error) if !matches!(fault.kind, Kind::Corrupt(_)) => {
                return Err(format!("{}: {error}", describe(&error)));
            }
            Err(error) => match rig.with_long_timeouts.job(&self.id).unwrap().wait().await {
                Ok(clip) => (clip, format!("{}, then saved", describe(&error))),
                Err(again) => return Err(format!("{error}; picked up: {again}")),
            },
        };
        let bytes = ByteFaultRig::take_clip(&clip);
        if bytes == self.bytes {
            Ok(word)
        } else if may_differ && bytes.len() == self.bytes.len() {
            Ok("saved with a flipped bit that nothing shows".to_owned())
        } else {
            Err(format!(
                "{word}, but other bytes: {} of {}",
                bytes.len(),
                self.bytes.len()
            ))
        }
    }
}
