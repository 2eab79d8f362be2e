//! Every byte of every exchange: the reply is cut, reset, held up, delayed or corrupted there, and the
//! promises hold. A create is sent once; what comes of a job is a whole clip, bit for bit, or an error that
//! names the job; picking it up saves the clip and creates nothing.
//!
//! By default every byte of the small replies meets every kind of fault, and the long ones meet one kind
//! a byte at their heads and ends and one in some hundred bytes between. `REELKIN_LONG=1` takes all bytes.
//! Figures are printed with `--nocapture`.

#![expect(clippy::print_stdout, reason = "figures, for whoever asks with --nocapture")]

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use reelkin::sandbox::{ClipChecksum, Sandbox};
use reelkin::{
    Charge, Clip, EditRequest, Error, ErrorKind, ExtendRequest, GenerateRequest, MediaInput, PlannerSettings,
    RetryAdvice, TransportChoice, VideoClient, secs,
};

use super::client_bench::{Bench, clips_in, ms, quick_downloads, quick_polls, quick_timeouts, request};
use super::every_byte_tap::{Reply, measure};

/// How many go wrong at a time: most of them wait for something.
const AT_ONCE: usize = 48;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Cut,
    Reset,
    Stall,
    Corrupt(u8),
    Delay,
}

/// One fault at one byte.
#[derive(Debug, Clone, Copy)]
struct Shot {
    number: usize,
    kind: Kind,
    at: usize,
}

impl Shot {
    fn fault(self, operation: &str, prompt: Option<&str>) -> reelkin::sandbox::Fault {
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
    const fn is_silent(self) -> bool {
        matches!(self.kind, Kind::Stall | Kind::Corrupt(_))
    }
}

fn is_long() -> bool {
    std::env::var_os("REELKIN_LONG").is_some()
}

/// Every kind at every byte before `dense`, one kind at each of the `sparse` bytes, in turn.
fn shots(dense: usize, sparse: impl Iterator<Item = usize>) -> Vec<Shot> {
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
    // A delay changes nothing of what arrives, so fewer will do.
    let all = |at: usize| {
        let few = !is_long() && !at.is_multiple_of(8);
        kinds(at).into_iter().take(if few { 4 } else { 5 })
    };
    let mut pairs: Vec<(Kind, usize)> = (0..dense)
        .flat_map(|at| all(at).map(move |kind| (kind, at)))
        .collect();
    for (turn, at) in sparse.enumerate() {
        if is_long() {
            pairs.extend(all(at).map(|kind| (kind, at)));
        } else {
            pairs.push((kinds(at)[turn % 5], at));
        }
    }
    let numbered = pairs.into_iter().enumerate();
    numbered
        .map(|(number, (kind, at))| Shot { number, kind, at })
        .collect()
}

/// All bytes of a long reply in the long run; else its ends and some between.
fn ends_and_some(from: usize, to: usize) -> impl Iterator<Item = usize> {
    (from..=to).filter(move |at| is_long() || at - from < 256 || to - at <= 256 || at.is_multiple_of(149))
}

/// What came of a shot, in a word; or what is wrong.
type Verdict = Result<String, String>;

/// Fires all shots, each from a free place, and prints what came of them.
async fn volley<P, F, W>(name: &str, places: Vec<P>, shots: Vec<Shot>, fire: F)
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
struct Rig {
    bench: Bench,
    /// Waits as long as it takes on a busy machine.
    patient: VideoClient,
    /// For lines that fall silent.
    hasty: VideoClient,
}

impl Rig {
    async fn start(checksum: ClipChecksum, faults: &[&str]) -> Self {
        let builder = Sandbox::builder().seconds_per_job(0.0).clip_checksum(checksum);
        let faults: Vec<&str> = ["render-size=16x16"].iter().chain(faults).copied().collect();
        let mut bench = Bench::with(builder, &faults).await;
        // Every save syncs twice: on a disk that would be most of the time.
        if Path::new("/dev/shm").is_dir() {
            bench.folder = tempfile::tempdir_in("/dev/shm").unwrap();
        }
        let client = |time: u64, deadline: u64| {
            let mut polls = quick_polls();
            (polls.first, polls.shortest, polls.longest) = (ms(1), ms(5), ms(20));
            polls.deadline = ms(deadline);
            let mut downloads = quick_downloads();
            downloads.stall_timeout = ms(time);
            let client = bench.builder().poll(polls).download(downloads);
            client.timeouts(quick_timeouts(ms(time))).build().unwrap()
        };
        let (patient, hasty) = (client(20_000, 60_000), client(1000, 60_000));
        Self {
            bench,
            patient,
            hasty,
        }
    }

    fn client(&self, shot: Shot) -> &VideoClient {
        if shot.is_silent() {
            &self.hasty
        } else {
            &self.patient
        }
    }

    /// The replies of what a client does, by the words of their requests.
    async fn replies<O>(&self, drive: impl AsyncFnOnce(VideoClient) -> O) -> Vec<Reply> {
        let library = self.bench.folder.path().join("measured");
        measure(self.bench.sandbox.address(), &library, drive).await
    }

    /// Takes a clip out again, so that the job can be picked up anew; its bytes.
    fn take(clip: &Clip) -> Vec<u8> {
        let path = clip.path.clone().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        std::fs::remove_file(path.with_file_name(format!("{name}.json"))).unwrap();
        bytes
    }

    /// Nothing half done may be left, except what a sweep takes away.
    async fn is_clean(&self) {
        self.patient.library().sweep(ms(0)).await.unwrap();
        assert_eq!(clips_in(&self.bench.library()).len(), 0);
    }
}

fn described(error: &Error) -> String {
    let (kind, advice) = (error.kind(), error.retry_advice());
    format!("{kind}, {advice}, charge {}", error.may_have_been_charged())
}

fn tiny(words: &str) -> GenerateRequest {
    GenerateRequest::text(words).duration(secs(1)).aspect_ratio("1:1")
}

fn reply<'a>(replies: &'a [Reply], words: &str) -> &'a Reply {
    let found = replies.iter().find(|reply| reply.request.starts_with(words));
    found.unwrap_or_else(|| panic!("{words}: {replies:?}"))
}

/// What a create with a broken reply may come to; the jobs it made are counted at the end.
fn judge_create(shot: Shot, whole: usize, outcome: &Result<Clip, Error>) -> Verdict {
    let must_know = match shot.kind {
        Kind::Cut => Some(shot.at >= whole),
        Kind::Delay => Some(true),
        // The last bytes may be overtaken by the reset.
        Kind::Reset | Kind::Stall => (shot.at < whole).then_some(false),
        Kind::Corrupt(_) => None,
    };
    match outcome {
        Ok(_) if must_know != Some(false) => Ok("saved".to_owned()),
        Ok(_) => Err("saved, although the reply was not whole".to_owned()),
        Err(error) if error.kind() == ErrorKind::SubmissionUnknown && must_know != Some(true) => {
            let right = error.may_have_been_charged() == Charge::Unknown
                && error.retry_advice() == RetryAdvice::CheckAccount;
            if right {
                Ok(described(error))
            } else {
                Err(described(error))
            }
        }
        // A corrupted id is an id that nobody knows: no clip, no charge that could be known.
        Err(error)
            if matches!(shot.kind, Kind::Corrupt(_)) && error.may_have_been_charged() != Charge::No =>
        {
            Ok(described(error))
        }
        Err(error) => Err(format!("{}: {error}", described(error))),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_reply_to_a_create() {
    let rig = Arc::new(Rig::start(ClipChecksum::Sha256, &[]).await);
    let replies = rig
        .replies(async |client| client.generate(tiny("measured")).await.unwrap())
        .await;
    let whole = reply(&replies, "POST /v1/videos/generations").whole;
    let shots = shots(whole + 2, std::iter::empty());
    let count = shots.len();
    let places = vec![Arc::clone(&rig); AT_ONCE];
    volley("create", places, shots, move |rig, shot| async move {
        let words = format!("create {:06}", shot.number);
        rig.bench.sandbox.add_fault(shot.fault("create", Some(&words)));
        let outcome = rig.client(shot).generate(tiny(&words)).await;
        let verdict = judge_create(shot, whole, &outcome);
        if let Ok(clip) = outcome {
            Rig::take(&clip);
        }
        verdict
    })
    .await;
    // Each was carried out, so each must have made one job: none was sent again.
    let state = rig.bench.state();
    assert_eq!(
        (state.creates, state.create_requests),
        (count as u64 + 1, count as u64 + 1)
    );
    rig.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_reply_to_an_edit_and_an_extension() {
    let rig = Arc::new(Rig::start(ClipChecksum::Sha256, &["render-seconds=2"]).await);
    let source = rig.patient.generate(tiny("the source")).await.unwrap();
    let source = write(rig.bench.folder.path().join("source.mp4"), &Rig::take(&source));
    let edit = {
        let source = source.clone();
        move |words: &str| EditRequest::new(MediaInput::from(source.clone()), words)
    };
    let extend =
        move |words: &str| ExtendRequest::new(MediaInput::from(source.clone()), words).duration(secs(2));
    let measured = edit.clone();
    let replies = rig
        .replies(async |client| client.edit(measured("measured")).await.unwrap())
        .await;
    let whole = reply(&replies, "POST /v1/videos/edits").whole;
    let shots = shots(0, 0..whole + 2);
    let count = shots.len() as u64;
    let places = vec![Arc::clone(&rig); AT_ONCE];
    volley("edit, extend", places, shots, move |rig, shot| {
        let (edit, extend) = (edit.clone(), extend.clone());
        async move {
            let words = format!("change {:06}", shot.number);
            rig.bench.sandbox.add_fault(shot.fault("create", Some(&words)));
            let client = rig.client(shot);
            // In turn, and not in step with the kinds.
            let outcome = if (shot.number / 5).is_multiple_of(2) {
                client.edit(edit(&words)).await
            } else {
                client.extend(extend(&words)).await
            };
            let verdict = judge_create(shot, whole, &outcome);
            if let Ok(clip) = outcome {
                Rig::take(&clip);
            }
            verdict
        }
    })
    .await;
    assert_eq!(rig.bench.state().create_requests, count + 2);
    rig.is_clean().await;
}

/// A finished job with a prompt of its own, and the bytes of its clip.
struct Finished {
    rig: Arc<Rig>,
    id: String,
    prompt: String,
    bytes: Vec<u8>,
}

impl Finished {
    async fn some(rig: &Arc<Rig>) -> Vec<Self> {
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

    /// Picks the job up with a fault in the way; when that fails, once more without.
    async fn pick_up(&self, operation: &str, shot: Shot, may_differ: bool) -> Verdict {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_reply_to_a_poll_that_says_done() {
    let rig = Arc::new(Rig::start(ClipChecksum::Sha256, &[]).await);
    let places = Finished::some(&rig).await;
    let id = places[0].id.clone();
    let replies = rig
        .replies(async |client| client.job(&id).unwrap().wait().await.unwrap())
        .await;
    let whole = reply(&replies, "GET /v1/videos/").whole;
    let shots = shots(whole + 2, std::iter::empty());
    volley("poll, done", places, shots, |place, shot| async move {
        place.pick_up("poll", shot, false).await
    })
    .await;
    assert_eq!(rig.bench.state().creates, AT_ONCE as u64);
    rig.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_download() {
    let rig = Arc::new(Rig::start(ClipChecksum::Sha256, &[]).await);
    let places = Finished::some(&rig).await;
    let id = places[0].id.clone();
    let replies = rig
        .replies(async |client| client.job(&id).unwrap().wait().await.unwrap())
        .await;
    let reply = reply(&replies, "GET /vidgen/");
    let shots = shots(reply.head, ends_and_some(reply.head, reply.whole));
    volley(
        "download, with a checksum",
        places,
        shots,
        |place, shot| async move { place.pick_up("download", shot, false).await },
    )
    .await;
    assert_eq!(rig.bench.state().creates, AT_ONCE as u64);
    rig.is_clean().await;
}

/// Without a checksum nobody can tell every flipped bit from one that was meant: the clip still has its
/// length, its container is whole and its first and last frame decode.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_download_that_declares_no_checksum() {
    let rig = Arc::new(Rig::start(ClipChecksum::None, &[]).await);
    let places = Finished::some(&rig).await;
    let whole = places.iter().map(|place| place.bytes.len()).max().unwrap() + 300;
    let mut shots = shots(0, ends_and_some(0, whole));
    for shot in &mut shots {
        shot.kind = Kind::Corrupt((shot.at % 8) as u8);
    }
    volley("download, no checksum", places, shots, |place, shot| async move {
        place.pick_up("download", shot, true).await
    })
    .await;
    assert_eq!(rig.bench.state().creates, AT_ONCE as u64);
    rig.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_reply_to_a_poll_that_says_pending() {
    let rig = Arc::new(Rig::start(ClipChecksum::None, &["stalled"]).await);
    let mut polls = quick_polls();
    (polls.first, polls.deadline) = (ms(1), ms(150));
    let builder = rig.bench.builder().poll(polls);
    let client = builder.timeouts(quick_timeouts(ms(400))).build().unwrap();
    let mut places = Vec::new();
    for number in 0..AT_ONCE {
        let prompt = format!("place {number:03}");
        let job = client.generate(tiny(&prompt)).start().await.unwrap();
        places.push((Arc::clone(&rig), client.clone(), job.id().to_string(), prompt));
    }
    let id = places[0].2.clone();
    let replies = rig.replies(async |client| {
        let job = client.job(&id).unwrap();
        let _ = tokio::time::timeout(ms(200), job.wait()).await;
        job.stop_waiting();
    });
    let whole = reply(&replies.await, "GET /v1/videos/").whole;
    volley(
        "poll, pending",
        places,
        shots(whole + 2, std::iter::empty()),
        |place, shot| async move {
            let (rig, client, id, prompt) = &*place;
            rig.bench.sandbox.add_fault(shot.fault("poll", Some(prompt)));
            let error = client.job(id).unwrap().wait().await.unwrap_err();
            let right = error.job_id() == Some(id)
                && error.retry_advice() == RetryAdvice::Resume
                && error.may_have_been_charged() == Charge::Unknown;
            if right {
                Ok(described(&error))
            } else {
                Err(format!("{}: {error}", described(&error)))
            }
        },
    )
    .await;
    assert_eq!(rig.bench.state().creates, AT_ONCE as u64);
    rig.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_answer_of_a_planner() {
    // No clip is rendered: what matters is whether one is asked for.
    let rig = Arc::new(Rig::start(ClipChecksum::None, &["create:status=400"]).await);
    let planned = |words: &str| tiny(words).plan(PlannerSettings::default());
    let replies = rig
        .replies(async |client| client.generate(planned("measured")).await.unwrap_err())
        .await;
    let reply = reply(&replies, "POST /v1/responses");
    let whole = reply.whole;
    let shots = shots(reply.head, ends_and_some(reply.head, whole + 12));
    let count = shots.len() as u64;
    let places = vec![Arc::clone(&rig); AT_ONCE];
    volley("question", places, shots, move |rig, shot| async move {
        let words = format!("question {:06}", shot.number);
        rig.bench.sandbox.add_fault(shot.fault("answer", Some(&words)));
        let settings = if shot.is_silent() {
            PlannerSettings::default().deadline(ms(1500))
        } else {
            PlannerSettings::default()
        };
        let error = rig
            .patient
            .generate(tiny(&words).plan(settings))
            .await
            .unwrap_err();
        let refused = error.kind() == ErrorKind::InvalidRequest && error.status() == Some(400);
        // The clip's create is refused in words; everything else is about the question.
        if refused {
            Ok("answered".to_owned())
        } else if error.may_have_been_charged() == Charge::No || error.job_id().is_some() {
            Err(format!("{}: {error}", described(&error)))
        } else if shot.kind == Kind::Delay {
            Err(format!("a delay alone: {error}"))
        } else {
            Ok(described(&error))
        }
    })
    .await;
    // Each question was asked once, whatever came back.
    let state = rig.bench.state();
    assert_eq!((state.answers, state.creates), (count + 1, 0));
    assert!(state.create_requests < count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_reply_to_an_upload() {
    // An upload has no prompt to know it by, so each place has a sandbox of its own.
    let faults = ["create:status=400"];
    let mut places = Vec::new();
    for _ in 0..12 {
        places.push(Rig::start(ClipChecksum::None, &faults).await);
    }
    let rig = &places[0];
    let clip = super::client_bench::real_clip().await;
    // It outlasts the place that is done first.
    let folder = tempfile::tempdir().unwrap();
    let source = write(folder.path().join("source.mp4"), &clip);
    let edit = move |words: &str| {
        let mut edit = EditRequest::new(MediaInput::from(source.clone()), words);
        edit.transport = TransportChoice::Upload;
        edit
    };
    let replies = rig
        .replies(async |client| client.edit(edit("measured")).await.unwrap_err())
        .await;
    let shots = shots(0, 0..reply(&replies, "POST /v1/files").whole + 2);
    volley("upload", places, shots, move |rig, shot| {
        let edit = edit("with another sky");
        async move {
            let before = rig.bench.state();
            rig.bench.sandbox.add_fault(shot.fault("upload", None));
            let error = rig.client(shot).edit(edit).await.unwrap_err();
            rig.bench.sandbox.clear_faults();
            rig.bench.sandbox.add_fault("create:status=400".parse().unwrap());
            let after = rig.bench.state();
            let creates = after.create_requests - before.create_requests;
            let free = error.may_have_been_charged() == Charge::No && after.creates == before.creates;
            if !free || creates > 1 {
                return Err(format!("{creates} creates, {}: {error}", described(&error)));
            }
            // What only loses bytes is uploaded again by itself.
            if creates == 0 && !matches!(shot.kind, Kind::Corrupt(_)) {
                return Err(format!("not sent: {error}"));
            }
            let uploads = after.uploads - before.uploads;
            Ok(if creates == 1 {
                format!("uploaded {uploads} times")
            } else {
                described(&error)
            })
        }
    })
    .await;
}

/// A request can be cut anywhere too: then nothing was made, and the client cannot know that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_create_on_its_way_there() {
    let rig = Arc::new(Rig::start(ClipChecksum::None, &[]).await);
    for at in (0..600).step_by(7) {
        let fault = format!("create:cut-request@{at},times=1");
        rig.bench.sandbox.clear_faults();
        rig.bench.sandbox.add_fault(fault.parse().unwrap());
        let before = rig.bench.state().creates;
        let outcome = rig.patient.generate(request()).start().await;
        let made = rig.bench.state().creates - before;
        match outcome {
            Ok(_) => assert_eq!(made, 1, "{fault}"),
            Err(error) => {
                assert!(made <= 1, "{fault}");
                assert_eq!(error.kind(), ErrorKind::SubmissionUnknown, "{fault}: {error}");
            }
        }
    }
}

fn write(path: PathBuf, bytes: &[u8]) -> PathBuf {
    std::fs::write(&path, bytes).unwrap();
    path
}
