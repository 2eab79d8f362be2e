//! Model discovery and the key itself.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::errors::{Refusal, json_response};
use super::rules::{Model, TEAM};
use super::server::App;

fn entry(model: Model) -> Value {
    json!({
        "id": model.id(), "aliases": model.aliases(), "created": 1_769_472_000, "fingerprint": "fp_1f2e3d4c",
        "object": "model", "owned_by": "xai", "version": "1.0",
        "input_modalities": model.inputs(), "output_modalities": ["video"],
    })
}

fn short(model: Model) -> Value {
    json!({ "id": model.id(), "created": 1_769_472_000, "object": "model", "owned_by": "xai" })
}

fn find(id: &str) -> Result<Model, Refusal> {
    Model::find(id).ok_or_else(|| {
        Refusal::not_found(format!(
            "The model {id} does not exist or your team {TEAM} does not have access to it."
        ))
    })
}

pub(super) async fn video_models() -> Response {
    let models: Vec<_> = Model::ALL.into_iter().map(entry).collect();
    json_response(StatusCode::OK, &json!({ "models": models }))
}

pub(super) async fn video_model(Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(json_response(StatusCode::OK, &entry(find(&id)?)))
}

pub(super) async fn models() -> Response {
    let data: Vec<_> = Model::ALL
        .into_iter()
        .map(short)
        .chain(super::answers::short_models())
        .collect();
    json_response(StatusCode::OK, &json!({ "object": "list", "data": data }))
}

pub(super) async fn model(Path(id): Path<String>) -> Result<Response, Refusal> {
    let short = match super::answers::short_model(&id) {
        Some(language) => language,
        None => short(find(&id)?),
    };
    Ok(json_response(StatusCode::OK, &short))
}

pub(super) async fn api_key(State(app): State<App>) -> Response {
    let key = &app.settings.api_key;
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
