//! Polls a job: what a reply says about its state.
//!
//! Reading is lenient: a field of the wrong type counts as absent, and an unknown status means that the job is
//! pending.

use serde_json::Value;

use super::error_reply::{ErrorReply, sanitize};
use super::lenient_json;
use super::moderation::is_moderation_verdict;
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::http::{Http, Reply};
use crate::model::VideoModel;
use crate::money::UsdTicks;
use crate::provider::{FinishedJob, JobId, PollFailure, PollFailureKind, PollReply};

const ACTION: &str = "poll the job";
/// What the user can do about a job that the service does not know.
const UNKNOWN_JOB: &str = "the job stays open: resume it later, check that the base URL and the key are the ones it was submitted with, or look it up in your account and settle it";
/// The maximum size of a reply that is saved with the job. Real ones are smaller than a kilobyte.
const MAX_SAVED_REPLY: usize = 64 << 10;

pub(super) async fn poll(http: &Http, job: &JobId) -> Result<PollReply, PollFailure> {
    let reply = http.get(&["videos", job.as_str()]).await.map_err(|failure| {
        let error = failure.into_error();
        let kind = match error.kind() {
            // Here `Auth` means that the token source has no token at the moment. A refused token is a reply.
            ErrorKind::Network | ErrorKind::Auth => PollFailureKind::Transient,
            _ => PollFailureKind::Permanent,
        };
        PollFailure { error, kind }
    })?;
    read_reply(&reply)
}

/// Reads the reply to a poll. The `status` word decides, except that HTTP 202 without one means pending.
pub(super) fn read_reply(reply: &Reply) -> Result<PollReply, PollFailure> {
    if !(200..=299).contains(&reply.status) {
        return read_error(reply);
    }
    let poll = lenient_json::parse(&reply.body);
    let mut state = match poll.as_ref().and_then(job_state) {
        Some(state) => state,
        None if reply.status == 202 => PollReply::Pending { progress: None },
        None => {
            let error = Error::protocol(format!("{ACTION}: the reply does not describe a job"));
            return Err(PollFailure {
                error: error.with_status(reply.status),
                kind: PollFailureKind::Transient,
            });
        }
    };
    if let PollReply::Done(finished) = &mut state
        && reply.status != 202
        && reply.body.len() <= MAX_SAVED_REPLY
    {
        finished.raw = poll;
    }
    Ok(state)
}

/// Reads a reply that was saved when the job finished.
pub(super) fn parse_saved_reply(raw: &Value) -> Option<FinishedJob> {
    match job_state(raw)? {
        PollReply::Done(finished) => Some(*finished),
        _ => None,
    }
}

/// Returns the state of a job, or `None` if the JSON says nothing about one.
fn job_state(poll: &Value) -> Option<PollReply> {
    let has_video = poll["video"].is_object();
    let status = poll["status"].as_str().map(str::to_ascii_lowercase);
    Some(match status.as_deref() {
        Some("done") => finished(poll),
        Some("failed") => without_clip(job_error(poll), poll),
        Some("expired") => {
            let error = Error::new(ErrorKind::JobExpired, "the service let the job expire");
            without_clip(error.with_service_code("expired"), poll)
        }
        // Old replies have no status.
        None if non_empty(&poll["video"]["url"]).is_some() => finished(poll),
        // Without the status `failed`, an error is not about the job but about this reply.
        None if poll.get("error").is_some() => return None,
        None if !poll["progress"].is_number() && !poll["model"].is_string() && !has_video => return None,
        // `pending`, or a status that is not known here. The deadline limits the wait.
        _ => PollReply::Pending {
            progress: fraction(poll["progress"].as_f64()),
        },
    })
}

/// Converts percent to a fraction. A number outside of 0 to 100 counts as absent.
fn fraction(percent: Option<f64>) -> Option<f64> {
    percent
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
}

/// Returns the end of a job without a clip. A cost in the reply is what was charged.
fn without_clip(error: Error, reply: &Value) -> PollReply {
    PollReply::Failed(error.with(reported_cost(reply), Error::with_cost_ticks))
}

fn reported_cost(reply: &Value) -> Option<u64> {
    reply["usage"]["cost_in_usd_ticks"].as_u64()
}

fn non_empty(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.trim().is_empty());
    text.map(str::to_owned)
}

fn finished(poll: &Value) -> PollReply {
    let video = &poll["video"];
    let file = &video["file_output"];
    let url = non_empty(&video["url"]);
    let is_moderated = video["respect_moderation"] == false;
    if is_moderated && url.is_none() {
        let error = Error::new(ErrorKind::Moderated, "moderation withheld the clip").with_charge(Charge::Yes);
        return without_clip(error, poll);
    }
    let mut warnings = Vec::new();
    for (error, what) in [
        (
            &video["storage_error"],
            "the service could not store the clip in its Files API",
        ),
        (
            &file["public_url_error"],
            "the service could not create a public URL",
        ),
    ] {
        if let Some(error) = error.as_str() {
            warnings.push(format!("{what}: {}", sanitize(error)));
        }
    }
    if is_moderated {
        warnings.push("the service flagged the clip as moderated but returned it".to_owned());
    }
    PollReply::Done(Box::new(FinishedJob {
        url,
        no_video: !video.is_object(),
        file_id: non_empty(&file["file_id"]),
        seconds: video["duration"].as_f64(),
        model: poll["model"].as_str().map(VideoModel::from),
        cost: reported_cost(poll).map(UsdTicks::new),
        warnings,
        raw: None,
    }))
}

/// Returns the error of a failed job. Its codes have underscores where those of HTTP errors have hyphens.
fn job_error(poll: &Value) -> Error {
    let (error, block_reason) = (&poll["error"], poll["block_reason"].as_str());
    let code = error["code"].as_str();
    let message = error["message"].as_str().or(error.as_str()).or(block_reason);
    let message = message.map(sanitize);
    let message = message.as_deref().unwrap_or("the service gives no reason");
    // A failure of the service is not a verdict on the clip, whatever else the reply says.
    let is_service_failure = matches!(
        code.map(str::to_ascii_lowercase).as_deref(),
        Some("service_unavailable" | "internal_error")
    );
    let is_moderated =
        (block_reason.is_some() && !is_service_failure) || is_moderation_verdict(code, Some(message));
    let error = if is_moderated {
        Error::new(
            ErrorKind::Moderated,
            format!("moderation refused the clip: {message}"),
        )
        .with_charge(Charge::Yes)
    } else {
        Error::new(
            ErrorKind::JobFailed,
            format!("the service could not make the clip: {message}"),
        )
    };
    error.with(code, Error::with_service_code)
}

/// Reads an HTTP error. It can end the job, or only say that this poll failed.
fn read_error(reply: &Reply) -> Result<PollReply, PollFailure> {
    let refusal = ErrorReply::parse(reply);
    // "Gone" says the same as "not found".
    let kind = match refusal.kind() {
        ErrorKind::InvalidRequest if reply.status == 410 => ErrorKind::NotFound,
        kind => kind,
    };
    if refusal.is_moderation() {
        // Replies like this one have been seen with a cost.
        let error = Error::new(
            ErrorKind::Moderated,
            format!("moderation refused the clip: {}", refusal.summary()),
        )
        .with_status(reply.status)
        .with_charge(Charge::Yes);
        let error = error.with(refusal.code, Error::with_service_code);
        let body = lenient_json::parse(&reply.body).unwrap_or_default();
        return Ok(without_clip(error, &body));
    }
    let failure_kind = match kind {
        ErrorKind::NotFound => PollFailureKind::UnknownJob,
        // A 400 soon after the submission has been seen to go away, and a token can be renewed between two polls.
        ErrorKind::InvalidRequest | ErrorKind::Auth => PollFailureKind::PossiblyPermanent,
        _ => PollFailureKind::Transient,
    };
    let error = match kind {
        ErrorKind::NotFound => Error::new(
            kind,
            format!("{ACTION}: the service does not know it ({})", refusal.summary()),
        )
        .with_status(reply.status)
        .with_guidance(UNKNOWN_JOB)
        .with_advice(RetryAdvice::Resume),
        _ => refusal.into_error(ACTION),
    };
    Err(PollFailure {
        // The job exists whatever this poll says, and may be charged.
        error: error.with_charge(Charge::Unknown),
        kind: failure_kind,
    })
}
