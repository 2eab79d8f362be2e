//! Breaks every byte of the exchanges of a create and of an upload: it is cut, reset, delayed or corrupted.
//!
//! A create is sent once, whatever happens to its reply.
//! By default every byte of a short reply meets two kinds of fault in turn. A long reply meets one kind at each
//! byte of its start and end, and at one in 149 bytes between. `REELKIN_LONG=1`, as in `make torture`, tries every
//! kind at every byte.
//! `--nocapture` prints the counts.

#![cfg(feature = "cli")]

use std::path::PathBuf;
use std::sync::Arc;

use reelkin::sandbox::ClipChecksum;
use reelkin::{
    Charge, Clip, EditRequest, Error, ErrorKind, ExtendRequest, MediaInput, RetryAdvice, TransportChoice,
    secs,
};

use crate::support::bench::request;
use crate::support::byte_faults::{
    ByteFault, ByteFaultRig, CONCURRENCY, Kind, Verdict, byte_faults, describe, reply, run_faults,
    small_request,
};

/// Checks the result of a create with a broken reply. The jobs that it made are counted at the end.
fn check_create(fault: ByteFault, whole: usize, outcome: &Result<Clip, Error>) -> Verdict {
    let must_know = match fault.kind {
        Kind::Cut => Some(fault.at >= whole),
        Kind::Delay => Some(true),
        // The reset may overtake the last bytes.
        Kind::Reset | Kind::Stall => (fault.at < whole).then_some(false),
        Kind::Corrupt(_) => None,
    };
    match outcome {
        Ok(_) if must_know != Some(false) => Ok("saved".to_owned()),
        Ok(_) => Err("saved, although the reply was not whole".to_owned()),
        Err(error) if error.kind() == ErrorKind::SubmissionUnknown && must_know != Some(true) => {
            let right = error.may_have_been_charged() == Charge::Unknown
                && error.retry_advice() == RetryAdvice::CheckAccount;
            if right {
                Ok(describe(error))
            } else {
                Err(describe(error))
            }
        }
        // A corrupted id is an unknown id: no clip, and an unknown charge.
        Err(error)
            if matches!(fault.kind, Kind::Corrupt(_)) && error.may_have_been_charged() != Charge::No =>
        {
            Ok(describe(error))
        }
        Err(error) => Err(format!("{}: {error}", describe(error))),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_byte_of_a_create_reply_sends_it_once() {
    let rig = Arc::new(ByteFaultRig::start(ClipChecksum::Sha256, &[]).await);
    let replies = rig
        .replies(async |client| client.generate(small_request("measured")).await.unwrap())
        .await;
    let whole = reply(&replies, "POST /v1/videos/generations").whole;
    let byte_faults = byte_faults(whole + 2, std::iter::empty());
    let count = byte_faults.len();
    let places = vec![Arc::clone(&rig); CONCURRENCY];
    run_faults("create", places, byte_faults, move |rig, fault| async move {
        let words = format!("create {:06}", fault.number);
        rig.bench.sandbox.add_fault(fault.during("create", Some(&words)));
        let outcome = rig.client(fault).generate(small_request(&words)).await;
        let verdict = check_create(fault, whole, &outcome);
        if let Ok(clip) = outcome {
            ByteFaultRig::take_clip(&clip);
        }
        verdict
    })
    .await;
    // Each create was executed, so each must have made one job. None was sent again.
    let state = rig.bench.state();
    assert_eq!(
        (state.creates, state.create_requests),
        (count as u64 + 1, count as u64 + 1)
    );
    rig.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_byte_of_an_edit_or_extend_reply_sends_it_once() {
    let rig = Arc::new(ByteFaultRig::start(ClipChecksum::Sha256, &["render-seconds=2"]).await);
    let source = rig
        .with_long_timeouts
        .generate(small_request("the source"))
        .await
        .unwrap();
    let source = write(
        rig.bench.folder.path().join("source.mp4"),
        &ByteFaultRig::take_clip(&source),
    );
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
    let byte_faults = byte_faults(0, 0..whole + 2);
    let count = byte_faults.len() as u64;
    let places = vec![Arc::clone(&rig); CONCURRENCY];
    run_faults("edit, extend", places, byte_faults, move |rig, fault| {
        let (edit, extend) = (edit.clone(), extend.clone());
        async move {
            let words = format!("change {:06}", fault.number);
            rig.bench.sandbox.add_fault(fault.during("create", Some(&words)));
            let client = rig.client(fault);
            // Edits and extensions alternate, at another pace than the kinds of fault.
            let outcome = if (fault.number / 5).is_multiple_of(2) {
                client.edit(edit(&words)).await
            } else {
                client.extend(extend(&words)).await
            };
            let verdict = check_create(fault, whole, &outcome);
            if let Ok(clip) = outcome {
                ByteFaultRig::take_clip(&clip);
            }
            verdict
        }
    })
    .await;
    assert_eq!(rig.bench.state().create_requests, count + 2);
    rig.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_byte_of_an_upload_reply_is_retried_or_costs_nothing() {
    // An upload cannot be identified by a prompt, so each place has a sandbox of its own.
    let faults = ["create:status=400"];
    let mut places = Vec::new();
    for _ in 0..CONCURRENCY {
        places.push(ByteFaultRig::start(ClipChecksum::None, &faults).await);
    }
    let rig = &places[0];
    let clip = crate::support::bench::real_clip().await;
    // It must outlive the place that is done first.
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
    let byte_faults = byte_faults(0, 0..reply(&replies, "POST /v1/files").whole + 2);
    run_faults("upload", places, byte_faults, move |rig, fault| {
        let edit = edit("with another sky");
        async move {
            let before = rig.bench.state();
            rig.bench.sandbox.add_fault(fault.during("upload", None));
            let error = rig.client(fault).edit(edit).await.unwrap_err();
            rig.bench.sandbox.clear_faults();
            rig.bench.sandbox.add_fault("create:status=400".parse().unwrap());
            let after = rig.bench.state();
            let creates = after.create_requests - before.create_requests;
            let free = error.may_have_been_charged() == Charge::No && after.creates == before.creates;
            if !free || creates > 1 {
                return Err(format!("{creates} creates, {}: {error}", describe(&error)));
            }
            // A fault that only loses bytes is retried automatically.
            if creates == 0 && !matches!(fault.kind, Kind::Corrupt(_)) {
                return Err(format!("not sent: {error}"));
            }
            let uploads = after.uploads - before.uploads;
            Ok(if creates == 1 {
                format!("uploaded {uploads} times")
            } else {
                describe(&error)
            })
        }
    })
    .await;
}

/// A request can be cut as well. Then no job was made, which the client cannot know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_request_cut_at_any_byte_is_sent_once() {
    let rig = Arc::new(ByteFaultRig::start(ClipChecksum::None, &[]).await);
    for at in (0..600).step_by(7) {
        let fault = format!("create:cut-request@{at},times=1");
        rig.bench.sandbox.clear_faults();
        rig.bench.sandbox.add_fault(fault.parse().unwrap());
        let before = rig.bench.state().creates;
        let outcome = rig.with_long_timeouts.generate(request()).start().await;
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
