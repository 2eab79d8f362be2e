//! Every byte of the exchanges of a create and an upload is broken once.

#![cfg(feature = "cli")]

use std::path::PathBuf;
use std::sync::Arc;

use reelkin::sandbox::ClipChecksum;
use reelkin::{
    Charge, Clip, EditRequest, Error, ErrorKind, ExtendRequest, MediaInput, RetryAdvice, TransportChoice,
    secs,
};

use crate::support::bench::request;
use crate::support::byte_faults::{AT_ONCE, Kind, Rig, Shot, Verdict, described, reply, shots, tiny, volley};

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
async fn a_fault_at_any_byte_of_a_create_reply_sends_it_once() {
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
async fn a_fault_at_any_byte_of_an_edit_or_extend_reply_sends_it_once() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_byte_of_an_upload_reply_is_retried_or_costs_nothing() {
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
async fn a_create_request_cut_at_any_byte_is_sent_once() {
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
