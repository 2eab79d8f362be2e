//! The sandbox's own routes: its state and the script of faults.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::request::parse_json;
use crate::sandbox::faults::Fault;
use crate::sandbox::rules::refusal::{Refusal, json_response};
use crate::sandbox::state::app::App;

pub(super) async fn state(State(app): State<App>) -> Response {
    json_response(
        StatusCode::OK,
        &serde_json::to_value(app.snapshot()).unwrap_or_default(),
    )
}

/// Faults to add: a list, or an object with the list.
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
    let faults = match parse_json(&headers, &body)? {
        ScriptBody::List(faults) | ScriptBody::Object { faults } => faults,
    };
    let parsed: Result<Vec<Fault>, _> = faults.iter().map(|text| text.parse()).collect();
    app.script
        .add(parsed.map_err(|error| Refusal::invalid(error.to_string()))?);
    Ok(list_faults(State(app)).await)
}

pub(super) async fn clear_faults(State(app): State<App>) -> Response {
    app.script.clear();
    json_response(StatusCode::OK, &json!({ "faults": [] }))
}
