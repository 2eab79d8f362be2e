//! The video routes: create and poll.
//!
//! Owns how a request becomes a job, how the state of a job becomes a response, and the faults of polls. The checks
//! are in `rules`, the work on a job is in `render::job`.

use std::sync::atomic::Ordering;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::request::{BaseUrl, ResponsePrompt, parse_json};
use crate::sandbox::faults::{FaultKind, FaultOperation, ModerationShape, Stage};
use crate::sandbox::render::job;
use crate::sandbox::rules::refusal::{Refusal, json_response};
use crate::sandbox::rules::validation;
use crate::sandbox::rules::video_body::{WireEdit, WireExtension, WireGeneration};
use crate::sandbox::rules::video_request::{MediaRef, VideoRequest};
use crate::sandbox::state::app::App;
use crate::sandbox::state::clock::unix_now;
use crate::sandbox::state::jobs::{FinishedClip, Job, JobFailure, JobStatus};

/// Maximum number of unfinished jobs, which hold their pictures in memory. Further creates are refused.
const MAX_WORKING: usize = 500;

/// Maximum length of a data URL in the state of the sandbox. Longer ones are shortened.
const MAX_DATA_URL: usize = 256;

pub(super) async fn generate(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    create::<WireGeneration>(&app, &headers, &body, validation::generation)
}

pub(super) async fn edit(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    create::<WireEdit>(&app, &headers, &body, validation::edit)
}

pub(super) async fn extend(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    create::<WireExtension>(&app, &headers, &body, validation::extension)
}

/// Checks a create and starts its job. `check` gets the parsed body and whether data retention is off.
fn create<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: &Bytes,
    check: fn(T, bool) -> Result<VideoRequest, Refusal>,
) -> Result<Response, Refusal> {
    let request = check(parse_json(headers, body)?, app.settings.zero_data_retention)?;
    for input in request.inputs() {
        if let MediaRef::FileId(id) = input
            && app.files.find(id).is_none()
        {
            return Err(Refusal::invalid(format!("File {id} was not found.")));
        }
    }
    if app.jobs.count_working() >= MAX_WORKING {
        return Err(Refusal::flat(
            StatusCode::TOO_MANY_REQUESTS,
            "resource-exhausted",
            "The model is currently at capacity due to high demand. Please try again later.",
        ));
    }
    let id = Uuid::new_v4();
    let trigger = |stage| {
        app.script
            .trigger(FaultOperation::Create, stage, Some(&request.prompt))
    };
    let (outcome, render_faults) = (trigger(Stage::Outcome), trigger(Stage::Render));
    app.jobs.add(Job {
        id,
        model: request.model,
        mode: request.mode(),
        prompt: request.prompt.clone(),
        created_at: unix_now(),
        started: Instant::now(),
        duration: app.settings.min_job_duration,
        request: serde_json::from_slice(body).map_or(Value::Null, shorten_data_urls),
        uploaded: app.settings.zero_data_retention,
        outcome,
        result: None,
        polls: 0,
        downloads: 0,
        ticks: 0,
        link: None,
    });
    app.counters.creates.fetch_add(1, Ordering::Relaxed);
    let prompt = request.prompt.clone();
    job::start(app, id, request, render_faults);
    let mut response = json_response(StatusCode::OK, &json!({ "request_id": id.to_string() }));
    // The client needs no longer wait than the job takes. The service does not send this.
    let seconds = app.settings.min_job_duration.as_secs_f64().ceil().max(1.0);
    if let Ok(seconds) = HeaderValue::try_from(format!("{seconds}")) {
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    ResponsePrompt::attach(&mut response, prompt);
    Ok(response)
}

/// Shortens the inline media of a request.
fn shorten_data_urls(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("data:") && text.len() > MAX_DATA_URL => {
            let head = text
                .split(',')
                .next()
                .unwrap_or("data:")
                .chars()
                .take(80)
                .collect::<String>();
            Value::String(format!("{head},... {} characters", text.len()))
        }
        Value::Array(items) => items.into_iter().map(shorten_data_urls).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (key, shorten_data_urls(value)))
            .collect(),
        other => other,
    }
}

/// `GET /v1/videos/{id}`
pub(super) async fn poll(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(base): Extension<BaseUrl>,
) -> Result<Response, Refusal> {
    let Ok(id) = Uuid::try_parse(&id) else {
        return Err(Refusal::invalid("Malformed request ID"));
    };
    let polled = app.jobs.with(id, |job| {
        job.polls += 1;
        (
            job.status(),
            job.model,
            job.prompt.clone(),
            job.outcome.clone(),
            job.ticks,
            job.uploaded,
            job.polls,
        )
    });
    let Some((status, model, prompt, outcome, ticks, uploaded, polls)) = polled else {
        return Err(Refusal::not_found(format!(
            "Deferred request {id} was not found."
        )));
    };
    let mut response = match status {
        JobStatus::Pending { progress } => pending(&app, &prompt, model.id(), progress, polls),
        JobStatus::Failed(JobFailure { code, message }) => failed(code, &message),
        JobStatus::Done(finished) => {
            let ended = outcome
                .iter()
                .find_map(|kind| apply_outcome(kind, &finished, model.id(), ticks));
            if let Some(response) = ended {
                response
            } else {
                let link = if uploaded {
                    None
                } else {
                    app.jobs.link(id, app.settings.link_lifetime)
                };
                let url = link.map(|link| format!("{}{link}", base.0));
                done(&app, &prompt, model.id(), &finished, url.as_deref(), ticks)
            }
        }
    };
    ResponsePrompt::attach(&mut response, prompt);
    Ok(response)
}

fn pending(app: &App, prompt: &str, model: &str, progress: u32, polls: u64) -> Response {
    let fault = app
        .script
        .trigger(FaultOperation::Poll, Stage::Pending, Some(prompt))
        .into_iter()
        .next();
    let mut body = json!({ "status": "pending", "progress": progress, "model": model });
    let mut status = StatusCode::ACCEPTED;
    match fault {
        Some(FaultKind::EmptyPending) => return status.into_response(),
        Some(FaultKind::PendingWith200) => status = StatusCode::OK,
        Some(FaultKind::NoProgress) => body = json!({ "status": "pending" }),
        Some(FaultKind::StatusWord(word)) => body["status"] = word.into(),
        Some(FaultKind::ProgressBackwards) => body["progress"] = (99 - polls.min(99)).into(),
        _ => {}
    }
    json_response(status, &body)
}

fn failed(code: &str, message: &str) -> Response {
    json_response(
        StatusCode::OK,
        &json!({ "status": "failed", "error": { "code": code, "message": message } }),
    )
}

/// Returns the response of a job that a fault ends in another way than done.
fn apply_outcome(kind: &FaultKind, finished: &FinishedClip, model: &str, ticks: u64) -> Option<Response> {
    const REJECTED: &str = "Generated video rejected by content moderation.";
    let usage = json!({ "cost_in_usd_ticks": ticks });
    let withheld = |video: Value| {
        let body = json!({
            "status": "done", "progress": 100, "model": model, "video": video, "usage": usage,
        });
        Some(json_response(StatusCode::OK, &body))
    };
    let duration = finished.millis / 1000;
    let flat = |body: Value| Some(json_response(StatusCode::BAD_REQUEST, &body));
    match kind {
        FaultKind::Expired => Some(json_response(StatusCode::OK, &json!({ "status": "expired" }))),
        FaultKind::Failed(code) => Some(failed(code, failure_message(code))),
        FaultKind::Moderated(shape) => match shape {
            ModerationShape::Http400 => {
                flat(json!({ "code": "imagine:content-moderated", "error": REJECTED }))
            }
            ModerationShape::Http400Billed => {
                flat(json!({ "code": "imagine:content-moderated", "error": REJECTED, "usage": usage }))
            }
            ModerationShape::Http400Old => {
                flat(json!({ "code": "Client specified an invalid argument", "error": REJECTED }))
            }
            ModerationShape::UrlNull => {
                withheld(json!({ "url": null, "duration": duration, "respect_moderation": false }))
            }
            ModerationShape::UrlEmpty => {
                withheld(json!({ "url": "", "duration": duration, "respect_moderation": false }))
            }
            ModerationShape::UrlMissing => {
                withheld(json!({ "duration": duration, "respect_moderation": false }))
            }
            ModerationShape::VideoNull => withheld(Value::Null),
            ModerationShape::Failed => Some(failed("invalid_argument", REJECTED)),
        },
        _ => None,
    }
}

fn failure_message(code: &str) -> &'static str {
    match code {
        "invalid_argument" => "The request has an invalid argument",
        "permission_denied" => "The team lacks the permission for this capability",
        "failed_precondition" => "The model cannot do this at these settings",
        "service_unavailable" => "The service is overloaded",
        _ => "An internal error occurred",
    }
}

fn done(
    app: &App,
    prompt: &str,
    model: &str,
    finished: &FinishedClip,
    url: Option<&str>,
    ticks: u64,
) -> Response {
    let mut video = json!({ "url": url, "duration": finished.millis / 1000, "respect_moderation": true });
    if let Some(stored) = &finished.file_output {
        video["file_output"] = stored.clone();
    }
    if let Some(error) = &finished.storage_error {
        video["storage_error"] = error.clone().into();
    }
    let mut body = json!({
        "status": "done", "progress": 100, "model": model, "video": video,
        "usage": { "cost_in_usd_ticks": ticks },
    });
    let faults = app
        .script
        .trigger(FaultOperation::Poll, Stage::Done, Some(prompt));
    match faults.into_iter().next() {
        Some(FaultKind::NoStatus) => {
            body = json!({ "video": body["video"], "model": model });
        }
        Some(FaultKind::NoUsage) => {
            body.as_object_mut().map(|body| body.remove("usage"));
        }
        Some(FaultKind::NoUrl) => body["video"]["url"] = Value::Null,
        Some(FaultKind::RelativeUrl) => {
            let path = url.and_then(|url| url::Url::parse(url).ok());
            let path = path.map(|url| format!("{}?{}", url.path(), url.query().unwrap_or("")));
            body["video"]["url"] = path.into();
        }
        Some(FaultKind::Url(other)) => body["video"]["url"] = other.into(),
        _ => {}
    }
    json_response(StatusCode::OK, &body)
}
