//! The video routes: create and poll.
//!
//! Owns how a request becomes a job and how a job becomes an answer. Leaves the rules to `rules`, the
//! work to `work` and the table to `jobs`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::errors::{Refusal, json_response};
use super::faults::{FaultKind, FaultOperation, ModerationShape, Stage};
use super::jobs::{Job, Phase, Ready, View};
use super::rules::{self, Given, Plan};
use super::server::{App, unix_now};
use super::wire::{WireEdit, WireExtension, WireGeneration};
use super::work;

/// Jobs that wait to be rendered hold their pictures in memory; more are turned away.
const MOST_WORKING: usize = 500;

/// Text of media longer than this is left out of the state.
const ELIDE_ABOVE: usize = 256;

/// The prompt of the job an answer is about, for faults that look at it.
#[derive(Debug, Clone)]
pub(super) struct AboutPrompt(pub(super) String);

pub(super) async fn generate(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let parsed: WireGeneration = read(&headers, &body)?;
    let plan = rules::generation(parsed, app.settings.zero_data_retention)?;
    create(&app, plan, &body)
}

pub(super) async fn edit(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let parsed: WireEdit = read(&headers, &body)?;
    let plan = rules::edit(parsed, app.settings.zero_data_retention)?;
    create(&app, plan, &body)
}

pub(super) async fn extend(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let parsed: WireExtension = read(&headers, &body)?;
    let plan = rules::extension(parsed, app.settings.zero_data_retention)?;
    create(&app, plan, &body)
}

/// Reads a JSON body with the words of the service's own reader.
pub(super) fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Refusal> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let essence = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if essence != "application/json" && !(essence.starts_with("application/") && essence.ends_with("+json")) {
        return Err(Refusal::text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Expected request with `Content-Type: application/json`",
        ));
    }
    match Json::<T>::from_bytes(body) {
        Ok(Json(parsed)) => Ok(parsed),
        Err(rejection) => {
            let mut text = rejection.body_text();
            if text.len() > 4096 {
                let cut = (0..=4096)
                    .rev()
                    .find(|at| text.is_char_boundary(*at))
                    .unwrap_or(0);
                text.truncate(cut);
            }
            Err(Refusal::text(rejection.status(), text))
        }
    }
}

fn create(app: &App, plan: Plan, body: &Bytes) -> Result<Response, Refusal> {
    for given in plan.given() {
        if let Given::FileId(id) = given
            && app.files.get(id).is_none()
        {
            return Err(Refusal::invalid(format!("File {id} was not found.")));
        }
    }
    if app.jobs.working() >= MOST_WORKING {
        return Err(Refusal::flat(
            StatusCode::TOO_MANY_REQUESTS,
            "resource-exhausted",
            "The model is currently at capacity due to high demand. Please try again later.",
        ));
    }
    let id = Uuid::new_v4();
    let strike = |stage| {
        app.script
            .strike(FaultOperation::Create, stage, Some(&plan.prompt))
    };
    let (outcome, rendering) = (strike(Stage::Outcome), strike(Stage::Render));
    let request = serde_json::from_slice(body).map_or(Value::Null, elide);
    app.jobs.add(Job {
        id,
        model: plan.model,
        mode: plan.mode_name(),
        prompt: plan.prompt.clone(),
        created_at: unix_now(),
        started: Instant::now(),
        takes: Duration::from_secs_f64(app.settings.seconds_per_job),
        request,
        uploaded: app.settings.zero_data_retention,
        outcome,
        phase: Phase::Working,
        polls: 0,
        downloads: 0,
        ticks: 0,
        link: None,
    });
    app.counts.creates.fetch_add(1, Ordering::Relaxed);
    let about = AboutPrompt(plan.prompt.clone());
    work::start(app, id, plan, rendering);
    let mut response = json_response(StatusCode::OK, &json!({ "request_id": id.to_string() }));
    response.extensions_mut().insert(about);
    Ok(response)
}

/// The request as it was, without the media in it.
fn elide(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("data:") && text.len() > ELIDE_ABOVE => {
            let head = text
                .split(',')
                .next()
                .unwrap_or("data:")
                .chars()
                .take(80)
                .collect::<String>();
            Value::String(format!("{head},... {} characters", text.len()))
        }
        Value::Array(items) => items.into_iter().map(elide).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (key, elide(value)))
            .collect(),
        other => other,
    }
}

/// `GET /v1/videos/{id}`
pub(super) async fn poll(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(base): Extension<super::server::BaseUrl>,
) -> Result<Response, Refusal> {
    let Ok(id) = Uuid::try_parse(&id) else {
        return Err(Refusal::invalid("Malformed request ID"));
    };
    let seen = app.jobs.with(id, |job| {
        job.polls += 1;
        (
            job.view(),
            job.model,
            job.prompt.clone(),
            job.outcome.clone(),
            job.ticks,
            job.uploaded,
            job.polls,
        )
    });
    let Some((view, model, prompt, outcome, ticks, uploaded, polls)) = seen else {
        return Err(Refusal::not_found(format!(
            "Deferred request {id} was not found."
        )));
    };
    let mut response = match view {
        View::Pending { progress } => pending(&app, &prompt, model.id(), progress, polls),
        View::Failed { code, message } => failed(&code, &message),
        View::Done(ready) => {
            let ended = outcome
                .iter()
                .find_map(|kind| ending(kind, &ready, model.id(), ticks));
            if let Some(response) = ended {
                response
            } else {
                let link = if uploaded {
                    None
                } else {
                    app.jobs.link(id, app.settings.link_lifetime)
                };
                let url = link.map(|(name, signature)| {
                    format!("{}{}?sig={signature}", base.0, super::downloads::clip_path(&name))
                });
                done(&app, &prompt, model.id(), &ready, url.as_deref(), ticks)
            }
        }
    };
    response.extensions_mut().insert(AboutPrompt(prompt));
    Ok(response)
}

fn pending(app: &App, prompt: &str, model: &str, progress: u32, polls: u64) -> Response {
    let fault = app
        .script
        .strike(FaultOperation::Poll, Stage::Pending, Some(prompt))
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

/// The answer of a job that a fault ends in another way than done.
fn ending(kind: &FaultKind, ready: &Ready, model: &str, ticks: u64) -> Option<Response> {
    const REJECTED: &str = "Generated video rejected by content moderation.";
    let usage = json!({ "cost_in_usd_ticks": ticks });
    let withheld = |video: Value| {
        let body = json!({
            "status": "done", "progress": 100, "model": model, "video": video, "usage": usage,
        });
        Some(json_response(StatusCode::OK, &body))
    };
    let duration = ready.millis / 1000;
    let flat = |body: Value| Some(json_response(StatusCode::BAD_REQUEST, &body));
    match kind {
        FaultKind::Expired => Some(json_response(StatusCode::OK, &json!({ "status": "expired" }))),
        FaultKind::Failed(code) => Some(failed(code, failure_words(code))),
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

fn failure_words(code: &str) -> &'static str {
    match code {
        "invalid_argument" => "The request has an invalid argument",
        "permission_denied" => "The team lacks the permission for this capability",
        "failed_precondition" => "The model cannot do this at these settings",
        "service_unavailable" => "The service is overloaded",
        _ => "An internal error occurred",
    }
}

fn done(app: &App, prompt: &str, model: &str, ready: &Ready, url: Option<&str>, ticks: u64) -> Response {
    let mut video = json!({ "url": url, "duration": ready.millis / 1000, "respect_moderation": true });
    if let Some(stored) = &ready.file_output {
        video["file_output"] = stored.clone();
    }
    if let Some(error) = &ready.storage_error {
        video["storage_error"] = error.clone().into();
    }
    let mut body = json!({
        "status": "done", "progress": 100, "model": model, "video": video,
        "usage": { "cost_in_usd_ticks": ticks },
    });
    match app
        .script
        .strike(FaultOperation::Poll, Stage::Done, Some(prompt))
        .into_iter()
        .next()
    {
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

/// Makes a JSON answer at least this long without changing what it says.
pub(super) fn padded(mut head: axum::http::response::Parts, body: &Bytes, bytes: u64) -> Response {
    let text = String::from_utf8_lossy(body);
    let (open, close) = text
        .rsplit_once('}')
        .map_or((text.as_ref(), ""), |(open, _)| (open, "}"));
    let start = Bytes::from(format!("{open},\"padding\":\""));
    let end = Bytes::from(format!("\"{close}"));
    let mut left = bytes.saturating_sub((start.len() + end.len()) as u64);
    let filler = Bytes::from(vec![b'x'; 64 << 10]);
    let middle = std::iter::from_fn(move || {
        let count = left.min(filler.len() as u64);
        left -= count;
        (count > 0).then(|| filler.slice(..usize::try_from(count).unwrap_or_default()))
    });
    let all = std::iter::once(start).chain(middle).chain(std::iter::once(end));
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let stream = futures_util::stream::iter(all.map(Ok::<_, std::io::Error>));
    Response::from_parts(head, Body::from_stream(stream))
}
