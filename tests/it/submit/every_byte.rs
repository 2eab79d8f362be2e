//! Every byte of every exchange: the reply is cut, reset, held up, delayed or corrupted there, and the
//! promises hold. A create is sent once; what comes of a job is a whole clip, bit for bit, or an error that
//! names the job; picking it up saves the clip and creates nothing.
//!
//! By default every byte of the small replies meets two kinds of fault, in turn, and the long ones meet one kind
//! a byte at their heads and ends and one in some hundred bytes between. `REELKIN_LONG=1`, as in `make torture`,
//! takes every kind at every byte.
//! Figures are printed with `--nocapture`.

#![cfg(feature = "cli")]

use std::path::PathBuf;
use std::sync::Arc;

use reelkin::sandbox::ClipChecksum;
use reelkin::{
    Charge, Clip, EditRequest, Error, ErrorKind, ExtendRequest, JobEvent, MediaInput, PlannerSettings,
    RetryAdvice, TransportChoice, secs,
};

use crate::support::bench::{ms, quick_polls, quick_reads, request};
use crate::support::reply_sizes::Reply;
use crate::support::byte_faults::{
    AT_ONCE, Kind, Rig, Shot, Verdict, described, ends_and_some, reply, shots, tiny, volley,
};

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

    /// The replies that picking it up gets.
    async fn replies(&self) -> Vec<Reply> {
        let replies = self
            .rig
            .replies(async |client| client.job(&self.id).unwrap().wait().await.unwrap());
        replies.await
    }

    /// Picks them up with all these shots at an operation; whether the clip may have other bytes then.
    async fn pick_all_up(
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
    let replies = places[0].replies().await;
    let whole = reply(&replies, "GET /v1/videos/").whole;
    let shots = shots(whole + 2, std::iter::empty());
    Finished::pick_all_up("poll, done", &rig, places, shots, ("poll", false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_download() {
    let rig = Arc::new(Rig::start(ClipChecksum::Sha256, &[]).await);
    let places = Finished::some(&rig).await;
    let replies = places[0].replies().await;
    let reply = reply(&replies, "GET /vidgen/");
    let shots = shots(reply.head, ends_and_some(reply.head, reply.whole));
    Finished::pick_all_up(
        "download, with a checksum",
        &rig,
        places,
        shots,
        ("download", false),
    )
    .await;
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
    Finished::pick_all_up("download, no checksum", &rig, places, shots, ("download", true)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_reply_to_a_poll_that_says_pending() {
    let rig = Arc::new(Rig::start(ClipChecksum::None, &["stalled"]).await);
    let mut polls = quick_polls();
    (polls.first, polls.deadline) = (ms(1), ms(150));
    let builder = rig.bench.builder().poll(polls);
    let client = builder.timeouts(quick_reads(ms(400))).build().unwrap();
    let mut places = Vec::new();
    for number in 0..AT_ONCE {
        let prompt = format!("place {number:03}");
        let job = client.generate(tiny(&prompt)).start().await.unwrap();
        places.push((Arc::clone(&rig), client.clone(), job.id().to_string(), prompt));
    }
    let id = places[0].2.clone();
    let replies = rig.replies(async |client| {
        let job = client.job(&id).unwrap();
        let mut events = job.events();
        while !matches!(events.next().await.unwrap(), JobEvent::Progress { .. }) {}
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
            // The question has to arrive before the deadline, also on a loaded machine.
            PlannerSettings::default().deadline(secs(5))
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
    for _ in 0..AT_ONCE {
        places.push(Rig::start(ClipChecksum::None, &faults).await);
    }
    let rig = &places[0];
    let clip = crate::support::bench::real_clip().await;
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
