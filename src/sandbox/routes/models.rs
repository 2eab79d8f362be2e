//! The lists of models, and information about the key.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::sandbox::llm::language_model::LanguageModel;
use crate::sandbox::llm::question::find_model;
use crate::sandbox::rules::limits::TEAM;
use crate::sandbox::rules::refusal::{Refusal, json_response};
use crate::sandbox::rules::video_model::VideoModel;
use crate::sandbox::state::app::App;

/// Returns the entry of `GET /v1/video-generation-models`.
fn video_entry(model: VideoModel) -> Value {
    json!({
        "id": model.id(), "aliases": model.aliases(), "created": 1_769_472_000, "fingerprint": "fp_1f2e3d4c",
        "object": "model", "owned_by": "xai", "version": "1.0",
        "input_modalities": model.input_modalities(), "output_modalities": ["video"],
    })
}

/// Returns the entry of `GET /v1/models`.
fn short_entry(model: VideoModel) -> Value {
    json!({ "id": model.id(), "created": 1_769_472_000, "object": "model", "owned_by": "xai" })
}

pub(super) async fn list_video_models() -> Response {
    let models: Vec<_> = VideoModel::ALL.into_iter().map(video_entry).collect();
    json_response(StatusCode::OK, &json!({ "models": models }))
}

pub(super) async fn video_model(Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(json_response(
        StatusCode::OK,
        &video_entry(VideoModel::find(&id)?),
    ))
}

pub(super) async fn list_language_models() -> Response {
    let models: Vec<_> = LanguageModel::all().iter().map(LanguageModel::entry).collect();
    json_response(StatusCode::OK, &json!({ "models": models }))
}

pub(super) async fn language_model(Path(id): Path<String>) -> Response {
    match find_model(&id) {
        Ok(model) => json_response(StatusCode::OK, &model.entry()),
        Err(rejection) => rejection.responses_response(),
    }
}

pub(super) async fn list() -> Response {
    let data: Vec<_> = VideoModel::ALL
        .into_iter()
        .map(short_entry)
        .chain(LanguageModel::all().iter().map(LanguageModel::short_entry))
        .collect();
    json_response(StatusCode::OK, &json!({ "object": "list", "data": data }))
}

pub(super) async fn model(Path(id): Path<String>) -> Result<Response, Refusal> {
    let entry = match LanguageModel::find(&id) {
        Some(model) => model.short_entry(),
        None => short_entry(VideoModel::find(&id)?),
    };
    Ok(json_response(StatusCode::OK, &entry))
}

pub(super) async fn api_key(State(app): State<App>) -> Response {
    let key = &app.api_key;
    let tail = key
        .len()
        .checked_sub(4)
        .and_then(|at| key.get(at..))
        .unwrap_or("");
    let body = json!({
        "redacted_api_key": format!("xai-...{tail}"), "user_id": "00000000-0000-0000-0000-000000000001",
        "name": "sandbox", "create_time": "2026-01-01T00:00:00Z", "modify_time": "2026-01-01T00:00:00Z",
        "modified_by": "00000000-0000-0000-0000-000000000001", "team_id": TEAM,
        "acls": ["api-key:model:*", "api-key:endpoint:*"], "api_key_id": "00000000-0000-0000-0000-000000000002",
        "team_blocked": false, "api_key_blocked": false, "api_key_disabled": false,
    });
    json_response(StatusCode::OK, &body)
}
