//! What every request passes: the checks of host and key, the counters, and the faults.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::request::{BaseUrl, ResponsePrompt};
use crate::sandbox::faults::effects::{change_reply, close, pause, reply_before, reply_fault};
use crate::sandbox::faults::{FaultKind, FaultOperation, Stage};
use crate::sandbox::rules::refusal::Refusal;
use crate::sandbox::state::app::App;
use crate::sandbox::transport::connection::Connection;
use crate::sandbox::transport::host_check::AllowedHosts;

/// Handles a request: checks its host, applies the faults of its operation, and sets the fault of the reply's bytes.
pub(super) async fn handle(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if let Err(refusal) = check_source(&app, &request) {
        return refusal.into_response();
    }
    let path = request.uri().path().to_owned();
    let base = base_url(app.address, request.headers());
    request.extensions_mut().insert(base);
    let Some(operation) = FaultOperation::of_request(request.method(), &path) else {
        return next.run(request).await;
    };
    let connection = request
        .extensions()
        .get::<ConnectInfo<Connection>>()
        .map(|info| info.0.clone());
    if let Some(connection) = &connection {
        // The fault of the previous reply remains if that reply was shorter than the fault's byte.
        connection.clear_reply_fault();
    }
    let response = respond(&app, operation, &path, connection.as_ref(), request, next).await;
    let prompt = ResponsePrompt::of(&response).or_else(|| known_prompt(&app, operation, &path));
    let faults = app.script.trigger(operation, Stage::Reply, prompt.as_deref());
    if let (Some(connection), Some((at, fault))) = (connection, faults.iter().find_map(reply_fault)) {
        connection.set_reply_fault(at, fault);
    }
    response
}

/// Refuses requests that a page of another site made a browser send. They are not counted, and no fault applies to
/// them.
fn check_source(app: &App, request: &Request) -> Result<(), Refusal> {
    app.hosts.check_host(request.uri(), request.headers())?;
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD);
    if is_change && request.uri().path().starts_with("/sandbox/") {
        AllowedHosts::check_origin(request.uri(), request.headers())?;
    }
    Ok(())
}

/// Counts a request, applies the faults before and after it, checks its key and carries it out.
async fn respond(
    app: &App,
    operation: FaultOperation,
    path: &str,
    connection: Option<&Connection>,
    mut request: Request,
    next: Next,
) -> Response {
    match operation {
        FaultOperation::Create => app.counters.create_requests.fetch_add(1, Ordering::Relaxed),
        FaultOperation::Poll => app.counters.polls.fetch_add(1, Ordering::Relaxed),
        _ => 0,
    };
    let mut prompt = known_prompt(app, operation, path);
    if operation == FaultOperation::Create && app.script.needs_prompt() {
        (request, prompt) = match read_prompt(request, app.settings.max_body_bytes).await {
            Ok(read) => read,
            Err(status) => return status.into_response(),
        };
    }
    for fault in app.script.trigger(operation, Stage::Before, prompt.as_deref()) {
        if let Some(response) = reply_before(fault, connection).await {
            return response;
        }
    }
    if path.starts_with("/v1/")
        && let Err(refusal) = check_key(&app.api_key, request.headers())
    {
        return refusal.into_response();
    }
    let response = next.run(request).await;
    // A refused request has not been carried out, so its reply is not changed.
    if matches!(operation, FaultOperation::Create | FaultOperation::Answer) && !response.status().is_success()
    {
        return response;
    }
    let prompt = ResponsePrompt::of(&response);
    let faults = app.script.trigger(operation, Stage::After, prompt.as_deref());
    match faults.into_iter().next() {
        Some(FaultKind::Restart(seconds)) => {
            app.restarts.begin(pause(seconds));
            close(connection)
        }
        Some(FaultKind::ExpireLinks) => {
            app.jobs.expire_links(403);
            response
        }
        Some(fault) => change_reply(fault, response, connection).await,
        None => response,
    }
}

/// Reads the prompt of a create, and returns the request with the same body.
async fn read_prompt(
    request: Request,
    max_body_bytes: usize,
) -> Result<(Request, Option<String>), StatusCode> {
    let (head, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, max_body_bytes)
        .await
        .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let value: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let prompt = value.and_then(|value| value["prompt"].as_str().map(str::to_owned));
    Ok((Request::from_parts(head, Body::from(bytes)), prompt))
}

/// Returns the prompt of the job that a poll or a download is about.
fn known_prompt(app: &App, operation: FaultOperation, path: &str) -> Option<String> {
    let last = path.rsplit('/').next()?;
    let id = match operation {
        FaultOperation::Poll => Uuid::try_parse(last).ok()?,
        FaultOperation::Download => app.jobs.find_link(last)?.job,
        _ => return None,
    };
    app.jobs.with(id, |job| job.prompt.clone())
}

/// Returns the base of the URLs in replies: the host that the request names, if it is plain, otherwise the own address.
fn base_url(address: SocketAddr, headers: &HeaderMap) -> BaseUrl {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_plain = |host: &&str| {
        host.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".:-_[]".contains(&b))
    };
    BaseUrl(match host.filter(is_plain) {
        Some(host) => format!("http://{host}"),
        None => format!("http://{address}"),
    })
}

fn check_key(expected: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let unauthenticated = || {
        Refusal::flat(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "Missing Authorization header. Expected: Authorization: Bearer <key>",
        )
    };
    let value = headers.get(header::AUTHORIZATION).ok_or_else(unauthenticated)?;
    let (scheme, key) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(unauthenticated)?;
    let key = key.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() {
        return Err(unauthenticated());
    }
    if key == expected {
        return Ok(());
    }
    // The service answers 400 here, not 401.
    let head = key.get(..2).unwrap_or("");
    let tail = key
        .len()
        .checked_sub(2)
        .filter(|at| *at >= 2)
        .and_then(|at| key.get(at..))
        .unwrap_or("");
    Err(Refusal::invalid(format!(
        "Incorrect API key provided: {head}***{tail}. You can obtain an API key from https://console.x.ai."
    )))
}
