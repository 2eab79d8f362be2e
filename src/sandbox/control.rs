//! The sandbox's own routes: what happened, and what is to go wrong.

use std::sync::atomic::Ordering;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::errors::{Refusal, json_response};
use super::faults::Fault;
use super::server::App;

/// What a sandbox has been asked, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct SandboxState {
    /// Jobs made. Each would have been paid.
    pub creates: u64,
    /// Creates that arrived, refused and struck ones included.
    pub create_requests: u64,
    /// Polls that arrived.
    pub polls: u64,
    /// Downloads of clips that were begun.
    pub downloads: u64,
    /// Files stored by upload.
    pub uploads: u64,
    /// Answers given by Responses and Chat Completions. Each would have been paid.
    #[serde(default)]
    pub answers: u64,
    /// The jobs, oldest first.
    pub jobs: Vec<SandboxJob>,
    /// The faults still in force.
    pub faults: Vec<Fault>,
}

/// One job of a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct SandboxJob {
    /// The id that the create was answered with.
    pub id: String,
    /// The model, aliases resolved.
    pub model: String,
    /// `text`, `image`, `references`, `frames`, `edit` or `extend`.
    pub mode: String,
    /// The prompt as it came.
    pub prompt: String,
    /// `pending`, `done`, `failed`, `expired` or `moderated`.
    pub state: String,
    /// Unix seconds.
    pub created_at: i64,
    /// How often it was polled.
    pub polls: u64,
    /// How often its clip was downloaded.
    pub downloads: u64,
    /// What it costs, in ticks of 1e-10 USD; 0 until the clip is there.
    pub cost_in_usd_ticks: u64,
    /// The request as it was received, without the media in it.
    pub request: Value,
}

pub(super) fn snapshot(app: &App) -> SandboxState {
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    SandboxState {
        creates: count(&app.counts.creates),
        create_requests: count(&app.counts.create_requests),
        polls: count(&app.counts.polls),
        downloads: count(&app.counts.downloads),
        uploads: count(&app.counts.uploads),
        answers: count(&app.counts.answers),
        jobs: app.jobs.map(|job| SandboxJob {
            id: job.id.to_string(),
            model: job.model.id().to_owned(),
            mode: job.mode.to_owned(),
            prompt: job.prompt.clone(),
            state: job.state_word().to_owned(),
            created_at: job.created_at,
            polls: job.polls,
            downloads: job.downloads,
            cost_in_usd_ticks: job.ticks,
            request: job.request.clone(),
        }),
        faults: app.script.list(),
    }
}

pub(super) async fn state(State(app): State<App>) -> Response {
    json_response(
        StatusCode::OK,
        &serde_json::to_value(snapshot(&app)).unwrap_or_default(),
    )
}

/// A script: a list of faults, alone or in an object.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ScriptBody {
    List(Vec<String>),
    Object { faults: Vec<String> },
}

pub(super) async fn list_faults(State(app): State<App>) -> Response {
    json_response(StatusCode::OK, &json!({ "faults": app.script.list() }))
}

pub(super) async fn add_faults(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let faults = match super::videos::read(&headers, &body)? {
        ScriptBody::List(faults) | ScriptBody::Object { faults } => faults,
    };
    let parsed: Result<Vec<Fault>, _> = faults.iter().map(|text| text.parse()).collect();
    app.script
        .add(parsed.map_err(|error| Refusal::invalid(error.to_string()))?);
    Ok(json_response(
        StatusCode::OK,
        &json!({ "faults": app.script.list() }),
    ))
}

pub(super) async fn clear_faults(State(app): State<App>) -> Response {
    app.script.clear();
    json_response(StatusCode::OK, &json!({ "faults": [] }))
}
