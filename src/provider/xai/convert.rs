//! From requests to the service's JSON, and from its answers to ours.

use serde_json::Value;

use super::body::BodyMaker;
use super::errors::{Refusal, is_verdict, one_line};
use super::wire;
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::http::{Body, Reply};
use crate::model::{AspectRatio, VideoModel};
use crate::money::UsdTicks;
use crate::provider::{
    Finished, GenerateSubmission, PollFailure, PollReply, Verdict, VideoSubmission, VisibleModel,
};
use crate::request::{PublicUrl, StorageOptions};

/// What a person can do about a job that the service does not know.
const UNKNOWN_JOB: &str = "the job stays open: resume it later, check that the base URL and the key are those it was sent with, or look at the account and settle it";
/// Longest answer that is kept for later. A real one has less than a kilobyte.
const MAX_KEPT: usize = 64 << 10;

/// The body of a generate request.
pub(super) fn generate_body(submission: &GenerateSubmission) -> Result<Body> {
    let checked = &submission.checked;
    let inputs = &submission.inputs;
    let mut maker = BodyMaker::new()?;
    // In the order of the fields below: the media go into the gaps in this order.
    let body = wire::GenerateBody {
        model: checked.model.as_str(),
        prompt: checked.prompt.as_deref(),
        duration: checked.seconds,
        resolution: checked.resolution.as_str(),
        aspect_ratio: checked.aspect_ratio.as_ref().map(AspectRatio::as_str),
        generate_audio: checked.audio,
        image: inputs.image.as_ref().map(|image| maker.media(image)),
        reference_images: inputs.references.iter().map(|image| maker.media(image)).collect(),
        reference_audios: inputs
            .voices
            .iter()
            .map(|voice_id| wire::Voice { voice_id })
            .collect(),
        last_frame: inputs.last_frame.as_ref().map(|image| maker.media(image)),
        keyframes: inputs
            .keyframes
            .iter()
            .map(|keyframe| wire::Keyframe {
                image: maker.media(&keyframe.image),
                timestamp_s: keyframe.at_seconds,
            })
            .collect(),
        output: submission
            .upload_url
            .as_deref()
            .map(|upload_url| wire::Output { upload_url }),
        storage_options: submission.storage.as_ref().map(storage),
        user: submission.user.as_deref(),
    };
    maker.finish(&body)
}

/// The body of an edit or an extension, and the path it goes to.
pub(super) fn video_body(submission: &VideoSubmission) -> Result<(&'static str, Body)> {
    let mut maker = BodyMaker::new()?;
    let model = submission.model.as_str();
    let prompt = submission.prompt.as_str();
    let video = maker.media(&submission.video);
    let output = submission
        .upload_url
        .as_deref()
        .map(|upload_url| wire::Output { upload_url });
    let storage_options = submission.storage.as_ref().map(storage);
    match submission.added_seconds {
        None => {
            let user = submission.user.as_deref();
            let body = wire::EditBody {
                model,
                prompt,
                video,
                output,
                storage_options,
                user,
            };
            Ok(("edits", maker.finish(&body)?))
        }
        Some(duration) => {
            let body = wire::ExtendBody {
                model,
                prompt,
                video,
                duration,
                output,
                storage_options,
            };
            Ok(("extensions", maker.finish(&body)?))
        }
    }
}

fn storage(options: &StorageOptions) -> wire::Storage<'_> {
    wire::Storage {
        filename: &options.filename,
        expires_after: options.expires_after.map(|life| life.as_secs()),
        public_url: options.public_url.map(|link| match link {
            PublicUrl::LikeTheFile => wire::StoragePublicUrl::Yes(true),
            PublicUrl::ExpiresAfter(life) => wire::StoragePublicUrl::Until {
                expires_after: life.as_secs(),
            },
        }),
    }
}

/// What an answer to a poll says. The status word decides, not the HTTP code; 202 is pending whatever
/// its body.
pub(super) fn poll_reply(reply: &Reply) -> Result<PollReply, PollFailure> {
    match reply.status {
        202 => Ok(wire::Poll::read(&reply.body).map_or(
            PollReply::Pending { progress: None },
            // A 202 that says more than "not yet" is believed.
            |poll| judge(poll).unwrap_or(PollReply::Pending { progress: None }),
        )),
        200..=299 => {
            let unreadable = || PollFailure {
                error: Error::new(ErrorKind::Protocol, "poll the job: the answer is no JSON object")
                    .with_status(reply.status),
                verdict: Verdict::Transient,
            };
            let mut told =
                judge(wire::Poll::read(&reply.body).ok_or_else(unreadable)?).ok_or_else(unreadable)?;
            if let PollReply::Done(finished) = &mut told
                && reply.body.len() <= MAX_KEPT
            {
                finished.raw = serde_json::from_slice(&reply.body).ok();
            }
            Ok(told)
        }
        _ => refused(reply),
    }
}

/// What an answer that was kept says of a finished job.
pub(super) fn reread(raw: &Value) -> Option<Finished> {
    let body = serde_json::to_vec(raw).ok()?;
    match judge(wire::Poll::read(&body)?)? {
        PollReply::Done(finished) => Some(*finished),
        _ => None,
    }
}

/// `None` when the object says nothing at all about a job.
fn judge(poll: wire::Poll) -> Option<PollReply> {
    let has_url = poll
        .video
        .as_ref()
        .is_some_and(|video| non_empty(video.url.as_ref()).is_some());
    let word = poll.status.as_deref().map(str::to_ascii_lowercase);
    Some(match word.as_deref() {
        Some("done") => done(poll),
        Some("failed") => PollReply::Over(failed(&poll)),
        Some("expired") => PollReply::Over(
            Error::new(ErrorKind::JobExpired, "the service let the job expire").with_service_code("expired"),
        ),
        // Old answers came without the word.
        None if has_url => done(poll),
        // An error is a job's own only beside the word `failed`; without it, it is that of whoever answered.
        None if poll.error.is_some() => return None,
        None if poll.progress.is_none() && poll.model.is_none() && poll.video.is_none() => return None,
        // `pending`, and whatever the service may invent: it waits, up to the deadline.
        _ => PollReply::Pending {
            progress: fraction(poll.progress),
        },
    })
}

/// Percent to 0..1; what is outside of 0 to 100 is no progress.
fn fraction(percent: Option<f64>) -> Option<f64> {
    percent
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
}

fn non_empty(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.trim().is_empty())
}

fn done(poll: wire::Poll) -> PollReply {
    let no_video = poll.video.is_none();
    let video = poll.video.unwrap_or_default();
    let url = non_empty(video.url.as_ref()).cloned();
    let file = video.file_output.unwrap_or_default();
    let file_id = non_empty(file.file_id.as_ref()).cloned();
    if video.respect_moderation == Some(false) && url.is_none() {
        return PollReply::Over(
            Error::new(ErrorKind::Moderated, "moderation withheld the clip").with_charge(Charge::Yes),
        );
    }
    let mut warnings = Vec::new();
    if let Some(error) = video.storage_error {
        warnings.push(format!(
            "the service could not store the clip in its Files: {}",
            one_line(&error)
        ));
    }
    if let Some(error) = file.public_url_error {
        warnings.push(format!(
            "the service could not make a public link: {}",
            one_line(&error)
        ));
    }
    if video.respect_moderation == Some(false) {
        warnings
            .push("the service says that moderation applies to the clip, and sent it all the same".into());
    }
    PollReply::Done(Box::new(Finished {
        url,
        no_video,
        file_id,
        seconds: video.duration,
        model: poll.model.map(VideoModel::new),
        cost: poll
            .usage
            .and_then(|usage| usage.cost_in_usd_ticks)
            .map(UsdTicks::new),
        warnings,
        raw: None,
    }))
}

/// The error of a failed job. Its codes are spelled with underscores, those of HTTP with hyphens.
fn failed(poll: &wire::Poll) -> Error {
    let (code, message) = poll.error.as_ref().map_or((None, None), |error| {
        (error.code.as_deref(), error.message.as_deref())
    });
    let message = message.or(poll.block_reason.as_deref()).map(one_line);
    let words = message.as_deref().unwrap_or("the service gives no reason");
    // A service that failed has judged nothing, whatever else the answer has.
    let failed = matches!(
        code.map(str::to_ascii_lowercase).as_deref(),
        Some("service_unavailable" | "internal_error")
    );
    let moderated = (poll.block_reason.is_some() && !failed) || is_verdict(code, Some(words));
    let error = if moderated {
        Error::new(
            ErrorKind::Moderated,
            format!("moderation refused the clip: {words}"),
        )
        .with_charge(Charge::Yes)
    } else {
        Error::new(
            ErrorKind::JobFailed,
            format!("the service could not make the clip: {words}"),
        )
    };
    match code {
        Some(code) => error.with_service_code(code),
        None => error,
    }
}

/// An HTTP error on a poll: a verdict on the job, on this poll, or on both.
fn refused(reply: &Reply) -> Result<PollReply, PollFailure> {
    let refusal = Refusal::read(reply);
    if refusal.is_moderation() {
        // Seen with usage beside it: this was charged.
        let error = Error::new(
            ErrorKind::Moderated,
            format!("moderation refused the clip: {}", refusal.summary()),
        )
        .with_status(reply.status)
        .with_charge(Charge::Yes);
        return Ok(PollReply::Over(match refusal.code {
            Some(code) => error.with_service_code(code),
            None => error,
        }));
    }
    let kind = refusal.kind();
    let verdict = match kind {
        ErrorKind::NotFound => Verdict::UnknownJob,
        // Early 400s were seen to pass, and a token can be renewed between two polls.
        ErrorKind::InvalidRequest | ErrorKind::Auth => Verdict::Doubtful,
        _ => Verdict::Transient,
    };
    let error = match kind {
        ErrorKind::NotFound => Error::new(
            kind,
            format!(
                "poll the job: the service does not know it ({})",
                refusal.summary()
            ),
        )
        .with_status(reply.status)
        .with_guidance(UNKNOWN_JOB)
        .with_advice(RetryAdvice::Resume),
        _ => refusal.into_error("poll the job"),
    };
    // The job exists, whatever this poll says: what it costs is open.
    Err(PollFailure {
        error: error.with_charge(Charge::Unknown),
        verdict,
    })
}

pub(super) fn visible_models(list: wire::ModelList) -> Vec<VisibleModel> {
    let visible = |model: wire::Model| VisibleModel {
        id: VideoModel::new(model.id),
        aliases: model
            .aliases
            .unwrap_or_default()
            .into_iter()
            .map(VideoModel::new)
            .collect(),
    };
    list.models.into_iter().map(visible).collect()
}
