//! Requests that create a job: their JSON, and what the reply says about the job.
//!
//! Decides what became of a create. If that cannot be known, the error is
//! [`SubmissionUnknown`](ErrorKind::SubmissionUnknown), and the request is never sent again.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error_reply::sanitize;
use super::json_body::{JsonBodyBuilder, Media};
use super::paid_request::{error_for, send_paid};
use crate::error::{Charge, Error, ErrorKind, Result};
use crate::http::{Body, Http, Reply};
use crate::model::AspectRatio;
use crate::operation::Operation;
use crate::provider::{AcceptedJob, JobId, Submission, SubmissionContent};
use crate::request::{PublicUrl, StorageOptions};
use crate::stop::BeforeSend;

const ACTION: &str = "submit the job";

/// Sends a create, and returns its job.
pub(super) async fn create(
    http: &Http,
    submission: &Submission,
    before: BeforeSend<'_>,
) -> Result<AcceptedJob> {
    let path = match &submission.content {
        SubmissionContent::Generate { .. } => "generations",
        SubmissionContent::Video {
            operation: Operation::Extend,
            ..
        } => "extensions",
        SubmissionContent::Video { .. } => "edits",
    };
    let body = body(submission)?;
    let send = || {
        let body = body.clone();
        async move {
            let reply = http.post_create(&["videos", path], body, before).await?;
            Ok(read_reply(&reply))
        }
    };
    let pause = |pause| http.pause(pause);
    send_paid(before.stop, None, send, outcome_unknown, pause).await
}

#[derive(Serialize)]
struct GenerateBody<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    duration: u32,
    resolution: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<&'a str>,
    generate_audio: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Media>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reference_images: Vec<Media>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reference_audios: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_frame: Option<Media>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keyframes: Vec<Keyframe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_options: Option<Storage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Serialize)]
struct Keyframe {
    image: Media,
    timestamp_s: f64,
}

/// The body of an edit or an extension. The service takes resolution and aspect ratio from the clip.
#[derive(Serialize)]
struct VideoBody<'a> {
    model: &'a str,
    prompt: &'a str,
    video: Media,
    /// The seconds to add. Only an extension has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_options: Option<Storage<'a>>,
    /// Only an edit has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Serialize)]
struct Storage<'a> {
    filename: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_url: Option<Value>,
}

fn body(submission: &Submission) -> Result<Body> {
    let mut builder = JsonBodyBuilder::new()?;
    let output = submission
        .upload_url
        .as_ref()
        .map(|upload_url| json!({ "upload_url": upload_url }));
    let storage_options = submission.storage.as_ref().map(storage);
    let user = submission.user.as_deref();
    match &submission.content {
        SubmissionContent::Generate { checked, inputs } => {
            // The calls of `media` must have the order of the fields.
            let body = GenerateBody {
                model: checked.model.as_str(),
                prompt: checked.prompt.as_deref(),
                duration: checked.seconds,
                resolution: checked.resolution.as_str(),
                aspect_ratio: checked.aspect_ratio.as_ref().map(AspectRatio::as_str),
                generate_audio: checked.audio,
                image: inputs.image.as_ref().map(|image| builder.media(image)),
                reference_images: inputs
                    .references
                    .iter()
                    .map(|image| builder.media(image))
                    .collect(),
                reference_audios: inputs
                    .voices
                    .iter()
                    .map(|voice_id| json!({ "voice_id": voice_id }))
                    .collect(),
                last_frame: inputs.last_frame.as_ref().map(|image| builder.media(image)),
                keyframes: inputs
                    .keyframes
                    .iter()
                    .map(|keyframe| Keyframe {
                        image: builder.media(&keyframe.image),
                        timestamp_s: keyframe.at_seconds,
                    })
                    .collect(),
                output,
                storage_options,
                user,
            };
            builder.finish(&body)
        }
        SubmissionContent::Video {
            model,
            prompt,
            video,
            operation,
            added_seconds,
        } => {
            let body = VideoBody {
                model: model.as_str(),
                prompt,
                video: builder.media(video),
                duration: *added_seconds,
                output,
                storage_options,
                user: user.filter(|_| *operation == Operation::Edit),
            };
            builder.finish(&body)
        }
    }
}

fn storage(options: &StorageOptions) -> Storage<'_> {
    Storage {
        filename: &options.filename,
        expires_after: options.expires_after.map(|lifetime| lifetime.as_secs()),
        public_url: options.public_url.map(|link| match link {
            PublicUrl::LikeTheFile => Value::Bool(true),
            PublicUrl::ExpiresAfter(lifetime) => json!({ "expires_after": lifetime.as_secs() }),
        }),
    }
}

/// Reads the reply to a create.
///
/// A success without a usable id is an unknown outcome: the service accepted the request, but nobody can poll the
/// job.
pub(super) fn read_reply(reply: &Reply) -> Result<AcceptedJob> {
    #[derive(Deserialize)]
    struct Created {
        request_id: String,
    }
    if !(200..=299).contains(&reply.status) {
        return Err(error_for(reply, ACTION, outcome_unknown));
    }
    let no_id = |what: String| outcome_unknown(&Error::protocol(what)).with_status(reply.status);
    let created: Created =
        serde_json::from_slice(&reply.body).map_err(|_| no_id("the reply has no request id".to_owned()))?;
    let id = JobId::parse(&created.request_id).map_err(|_| {
        let id = sanitize(&created.request_id);
        no_id(format!("the request id {id:?} of the reply is not valid"))
    })?;
    Ok(AcceptedJob {
        id,
        poll_after: reply.retry_after,
    })
}

/// Returns the error for a create that may have arrived. It is reported and recorded, and not sent again.
fn outcome_unknown(cause: &Error) -> Error {
    let line = format!(
        "{ACTION}: the request was sent, but its outcome is unknown ({cause}); the job may exist and may be charged, so the request was not sent again"
    );
    let error = Error::new(ErrorKind::SubmissionUnknown, line).with_charge(Charge::Unknown);
    error.with(cause.status(), Error::with_status)
}
