//! Faults at bytes, fired at a sandbox many at a time, and what came of them.

#![cfg(feature = "cli")]
#![expect(clippy::print_stdout, reason = "figures, for whoever asks with --nocapture")]

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reelkin::sandbox::{ClipChecksum, Sandbox};
use reelkin::{Charge, Clip, Error, GenerateRequest, Timeouts, VideoClient, secs};

use crate::support::bench::{Bench, clips_in, ms, quick_creates, quick_downloads, quick_polls};
use crate::support::reply_sizes::{Reply, measure};

/// How many go wrong at a time: most of them wait for something.
pub(crate) const AT_ONCE: usize = 48;

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
pub(crate) struct Shot {
    pub(crate) number: usize,
    pub(crate) kind: Kind,
    pub(crate) at: usize,
}

impl Shot {
    pub(crate) fn fault(self, operation: &str, prompt: Option<&str>) -> reelkin::sandbox::Fault {
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
    pub(crate) const fn is_silent(self) -> bool {
        matches!(self.kind, Kind::Stall | Kind::Corrupt(_))
    }
}

pub(crate) fn is_long() -> bool {
    std::env::var_os("REELKIN_LONG").is_some()
}

/// Two kinds in turn at every byte before `dense`, one at each of the `sparse` bytes; in the long run all kinds at all.
pub(crate) fn shots(dense: usize, sparse: impl Iterator<Item = usize>) -> Vec<Shot> {
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
pub(crate) fn ends_and_some(from: usize, to: usize) -> impl Iterator<Item = usize> {
    (from..=to).filter(move |at| is_long() || at - from < 256 || to - at <= 256 || at.is_multiple_of(149))
}

/// What came of a shot, in a word; or what is wrong.
pub(crate) type Verdict = Result<String, String>;

/// Fires all shots, each from a free place, and prints what came of them.
pub(crate) async fn volley<P, F, W>(name: &str, places: Vec<P>, shots: Vec<Shot>, fire: F)
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
pub(crate) struct Rig {
    pub(crate) bench: Bench,
    /// Waits as long as it takes on a busy machine.
    pub(crate) patient: VideoClient,
    /// For lines that fall silent.
    hasty: VideoClient,
}

impl Rig {
    pub(crate) async fn start(checksum: ClipChecksum, faults: &[&str]) -> Self {
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

    pub(crate) fn client(&self, shot: Shot) -> &VideoClient {
        if shot.is_silent() {
            &self.hasty
        } else {
            &self.patient
        }
    }

    /// The replies of what a client does, by the words of their requests.
    pub(crate) async fn replies<O>(&self, drive: impl AsyncFnOnce(VideoClient) -> O) -> Vec<Reply> {
        let library = self.bench.folder.path().join("measured");
        measure(self.bench.sandbox.address(), &library, drive).await
    }

    /// Takes a clip out again, so that the job can be picked up anew; its bytes.
    pub(crate) fn take(clip: &Clip) -> Vec<u8> {
        let path = clip.path.clone().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        std::fs::remove_file(path.with_file_name(format!("{name}.json"))).unwrap();
        bytes
    }

    /// Nothing half done may be left, except what a sweep takes away.
    pub(crate) async fn is_clean(&self) {
        self.patient.library().sweep(ms(0)).await.unwrap();
        assert_eq!(clips_in(&self.bench.library()).len(), 0);
    }
}

pub(crate) fn described(error: &Error) -> String {
    let (kind, advice) = (error.kind(), error.retry_advice());
    format!("{kind}, {advice}, charge {}", error.may_have_been_charged())
}

pub(crate) fn tiny(words: &str) -> GenerateRequest {
    GenerateRequest::text(words).duration(secs(1)).aspect_ratio("1:1")
}

pub(crate) fn reply<'a>(replies: &'a [Reply], words: &str) -> &'a Reply {
    let found = replies.iter().find(|reply| reply.request.starts_with(words));
    found.unwrap_or_else(|| panic!("{words}: {replies:?}"))
}

/// A finished job with a prompt of its own, and the bytes of its clip.
pub(crate) struct Finished {
    pub(crate) rig: Arc<Rig>,
    pub(crate) id: String,
    pub(crate) prompt: String,
    pub(crate) bytes: Vec<u8>,
}

impl Finished {
    pub(crate) async fn some(rig: &Arc<Rig>) -> Vec<Self> {
        let make = (0..AT_ONCE).map(|number| {
            let rig = Arc::clone(rig);
            async move {
                let prompt = format!("place {number:03}");
                let clip = rig.patient.generate(tiny(&prompt)).await.unwrap();
                let id = clip
                    .record
                    .as_ref()
                    .unwrap()
                    .reelkin
                    .as_ref()
                    .unwrap()
                    .job_id
                    .clone();
                let bytes = Rig::take(&clip);
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

    /// The replies that picking it up gets.
    pub(crate) async fn replies(&self) -> Vec<Reply> {
        let replies = self
            .rig
            .replies(async |client| client.job(&self.id).unwrap().wait().await.unwrap());
        replies.await
    }

    /// Picks them up with all these shots at an operation; whether the clip may have other bytes then.
    pub(crate) async fn pick_all_up(
        name: &str,
        rig: &Rig,
        places: Vec<Self>,
        shots: Vec<Shot>,
        (operation, may_differ): (&'static str, bool),
    ) {
        volley(name, places, shots, move |place, shot| async move {
            place.pick_up(operation, shot, may_differ).await
        })
        .await;
        assert_eq!(rig.bench.state().creates, AT_ONCE as u64);
        rig.is_clean().await;
    }

    /// Picks the job up with a fault in the way; when that fails, once more without.
    pub(crate) async fn pick_up(&self, operation: &str, shot: Shot, may_differ: bool) -> Verdict {
        let rig = &self.rig;
        rig.bench
            .sandbox
            .add_fault(shot.fault(operation, Some(&self.prompt)));
        let outcome = rig.client(shot).job(&self.id).unwrap().wait().await;
        let (clip, word) = match outcome {
            Ok(clip) => (clip, "saved".to_owned()),
            Err(error) if error.job_id() != Some(&self.id) => return Err(format!("no job id: {error}")),
            Err(error) if error.may_have_been_charged() == Charge::No => {
                return Err(format!("no charge: {error}"));
            }
            // What only loses or holds up bytes is made good by itself.
            Err(error) if !matches!(shot.kind, Kind::Corrupt(_)) => {
                return Err(format!("{}: {error}", described(&error)));
            }
            Err(error) => match rig.patient.job(&self.id).unwrap().wait().await {
                Ok(clip) => (clip, format!("{}, then saved", described(&error))),
                Err(again) => return Err(format!("{error}; picked up: {again}")),
            },
        };
        let bytes = Rig::take(&clip);
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
