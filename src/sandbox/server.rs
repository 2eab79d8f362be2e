//! Routes, keys, faults: the way of a request.
//!
//! Owns the order in which a request is counted, struck by faults, checked for its key and handed on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::answers::{self, Answers};
use super::blob::Scratch;
use super::errors::{Refusal, json_response};
use super::faults::{FaultKind, FaultOperation, RateLimitCause, Script, Stage};
use super::files::{self, Files};
use super::gate::{Gate, Restarts};
use super::host::AllowedHosts;
use super::jobs::Jobs;
use super::line::{ReplyFault, RequestCut};
use super::videos::{self, AboutPrompt};
use super::work::RenderedClips;
use super::{control, downloads, models, rules};

pub(super) type App = Arc<Shared>;

/// How long a cut answer is held open, so that what was sent first arrives first.
const LINGER: Duration = Duration::from_millis(60);

/// Everything the handlers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) address: SocketAddr,
    pub(super) script: Arc<Script>,
    pub(super) restarts: Restarts,
    pub(super) counts: Counts,
    pub(super) jobs: Jobs,
    pub(super) answers: Answers,
    pub(super) files: Files,
    pub(super) scratch: Arc<Scratch>,
    pub(super) renderers: Arc<Semaphore>,
    pub(super) rendered: RenderedClips,
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) http: reqwest::Client,
    /// Raised when the sandbox stops: renders under way end.
    pub(super) stop: Arc<AtomicBool>,
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) api_key: String,
    pub(super) seconds_per_job: f64,
    pub(super) zero_data_retention: bool,
    pub(super) link_lifetime: Duration,
    pub(super) most_body_bytes: usize,
    pub(super) clip_checksum: downloads::ClipChecksum,
    pub(super) hosts: AllowedHosts,
}

/// What has been asked of the sandbox.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) creates: AtomicU64,
    pub(super) create_requests: AtomicU64,
    pub(super) polls: AtomicU64,
    pub(super) downloads: AtomicU64,
    pub(super) uploads: AtomicU64,
    pub(super) answers: AtomicU64,
}

/// Scheme and host under which the caller reached the sandbox.
#[derive(Debug, Clone)]
pub(super) struct BaseUrl(pub(super) String);

pub(super) fn unix_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

pub(super) fn router(app: App) -> Router {
    let no_method = async || Refusal::no_method();
    let files = get(files::list).post(files::upload);
    let file = get(files::retrieve).delete(files::delete);
    Router::new()
        .route("/v1/videos", get(no_method))
        .route("/v1/videos/generations", post(videos::generate))
        .route("/v1/videos/edits", post(videos::edit))
        .route("/v1/videos/extensions", post(videos::extend))
        .route("/v1/videos/{id}", get(videos::poll))
        .route("/v1/video-generation-models", get(models::video_models))
        .route("/v1/video-generation-models/{id}", get(models::video_model))
        .route("/v1/models", get(models::models))
        .route("/v1/models/{id}", get(models::model))
        .route("/v1/api-key", get(models::api_key))
        .merge(answers::routes())
        .route("/v1/files", files)
        .route("/v1/files/{id}", file)
        .route("/v1/files/{id}/content", get(files::content))
        .route("/v1/files/{id}/public-url", post(files::publish))
        .route("/v1/files/{id}/public-url/revoke", post(files::revoke))
        .route("/files-cdn/{token}/{name}", get(files::public))
        .route("/vidgen/xai-vidgen-bucket/{name}", get(downloads::clip))
        .route("/sandbox/state", get(control::state))
        .route(
            "/sandbox/faults",
            get(control::list_faults)
                .post(control::add_faults)
                .delete(control::clear_faults),
        )
        .route("/", get(super::page::page))
        .fallback(async || Refusal::no_route())
        .method_not_allowed_fallback(async |method: Method, request: Request| {
            // Below /v1/videos every wrong method is 405; elsewhere it is the same answer.
            tracing::debug!(%method, path = request.uri().path(), "sandbox: wrong method");
            Refusal::no_method()
        })
        .layer(DefaultBodyLimit::max(app.settings.most_body_bytes))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), pass))
        .with_state(app)
}

fn operation(method: &Method, path: &str) -> Option<FaultOperation> {
    let rest = path.strip_prefix("/v1/");
    Some(match (method, rest) {
        (&Method::POST, Some("videos/generations" | "videos/edits" | "videos/extensions")) => {
            FaultOperation::Create
        }
        (&Method::GET, Some(rest)) if rest.starts_with("videos/") => FaultOperation::Poll,
        (&Method::POST, Some("files")) => FaultOperation::Upload,
        (&Method::POST, Some("responses" | "chat/completions")) => FaultOperation::Answer,
        (_, Some(_)) => FaultOperation::Other,
        (&Method::GET | &Method::HEAD, None) if path.starts_with("/vidgen/") => FaultOperation::Download,
        _ => return None,
    })
}

/// Every request passes here.
async fn pass(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if let Err(refusal) = check_source(&app, &request) {
        return refusal.into_response();
    }
    let path = request.uri().path().to_owned();
    let base = base_url(&app, request.headers());
    request.extensions_mut().insert(base);
    let Some(operation) = operation(request.method(), &path) else {
        return next.run(request).await;
    };
    let gate = request
        .extensions()
        .get::<ConnectInfo<Gate>>()
        .map(|info| info.0.clone());
    if let Some(gate) = &gate {
        // A fault beyond the end of the last reply on this connection.
        gate.disarm();
    }
    let response = answer(&app, operation, &path, gate.as_ref(), request, next).await;
    let prompt = response
        .extensions()
        .get::<AboutPrompt>()
        .map(|about| about.0.clone())
        .or_else(|| known_prompt(&app, operation, &path));
    let struck = app.script.strike(operation, Stage::Reply, prompt.as_deref());
    if let (Some(gate), Some((at, fault))) = (gate, struck.iter().find_map(reply_fault)) {
        gate.arm(at, fault);
    }
    response
}

/// Refuses what a page of another site makes a browser send: before it is counted, and before any fault.
fn check_source(app: &App, request: &Request) -> Result<(), Refusal> {
    app.settings.hosts.check_host(request.uri(), request.headers())?;
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && request.uri().path().starts_with("/sandbox/") {
        AllowedHosts::check_origin(request.uri(), request.headers())?;
    }
    Ok(())
}

fn reply_fault(kind: &FaultKind) -> Option<(u64, ReplyFault)> {
    Some(match *kind {
        FaultKind::CutAt(at) => (at, ReplyFault::Close),
        FaultKind::ResetAt(at) => (at, ReplyFault::Reset),
        FaultKind::StallAt(at) => (at, ReplyFault::Stall),
        FaultKind::DelayAt(at, millis) => (at, ReplyFault::Pause(Duration::from_millis(millis))),
        FaultKind::CorruptAt(at, bit) => (at, ReplyFault::Flip(bit)),
        _ => return None,
    })
}

impl RequestCut for Script {
    fn is_on(&self) -> bool {
        self.counts_requests()
    }

    fn at(&self, line: &[u8]) -> Option<u64> {
        let mut words = line.split(|byte| *byte == b' ');
        let method = Method::from_bytes(words.next()?).ok()?;
        let target = std::str::from_utf8(words.next()?).ok()?;
        let operation = operation(&method, target.split('?').next()?)?;
        let struck = self.strike(operation, Stage::Request, None);
        struck.iter().find_map(|kind| match kind {
            FaultKind::CutRequestAt(at) => Some(*at),
            _ => None,
        })
    }
}

/// Counts a request, strikes it with the faults of what is asked and said, checks its key, carries it out.
async fn answer(
    app: &App,
    operation: FaultOperation,
    path: &str,
    gate: Option<&Gate>,
    mut request: Request,
    next: Next,
) -> Response {
    match operation {
        FaultOperation::Create => app.counts.create_requests.fetch_add(1, Ordering::Relaxed),
        FaultOperation::Poll => app.counts.polls.fetch_add(1, Ordering::Relaxed),
        _ => 0,
    };
    let mut prompt = known_prompt(app, operation, path);
    if operation == FaultOperation::Create && app.script.asks_for_prompt() {
        (request, prompt) = match read_prompt(request, app.settings.most_body_bytes).await {
            Ok(read) => read,
            Err(status) => return status.into_response(),
        };
    }
    for fault in app.script.strike(operation, Stage::Before, prompt.as_deref()) {
        if let Some(response) = before(app, fault, gate).await {
            return response;
        }
    }
    if path.starts_with("/v1/")
        && let Err(refusal) = check_key(app, request.headers())
    {
        return refusal.into_response();
    }
    let response = next.run(request).await;
    let prompt = response
        .extensions()
        .get::<AboutPrompt>()
        .map(|about| about.0.clone());
    // A refused request is not "carried out": its answer arrives.
    if matches!(operation, FaultOperation::Create | FaultOperation::Answer) && !response.status().is_success()
    {
        return response;
    }
    match app
        .script
        .strike(operation, Stage::After, prompt.as_deref())
        .into_iter()
        .next()
    {
        Some(FaultKind::Restart(seconds)) => {
            app.restarts.begin(pause_of(seconds));
            cut(gate)
        }
        Some(FaultKind::ExpireLinks) => {
            app.jobs.end_links(403);
            response
        }
        Some(fault) => after(fault, response, gate).await,
        None => response,
    }
}

/// The prompt in a create that was not read yet, and the request as it was.
async fn read_prompt(request: Request, most: usize) -> Result<(Request, Option<String>), StatusCode> {
    let (head, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, most)
        .await
        .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let value: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let prompt = value.and_then(|value| value["prompt"].as_str().map(str::to_owned));
    Ok((Request::from_parts(head, Body::from(bytes)), prompt))
}

/// The prompt of the job that a poll or a download is about.
fn known_prompt(app: &App, operation: FaultOperation, path: &str) -> Option<String> {
    let last = path.rsplit('/').next()?;
    let id = match operation {
        FaultOperation::Poll => Uuid::try_parse(last).ok()?,
        FaultOperation::Download => app.jobs.find_link(last)?.job,
        _ => return None,
    };
    app.jobs.with(id, |job| job.prompt.clone())
}

fn base_url(app: &App, headers: &HeaderMap) -> BaseUrl {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let plain = |host: &&str| {
        host.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".:-_[]".contains(&b))
    };
    BaseUrl(match host.filter(plain) {
        Some(host) => format!("http://{host}"),
        None => format!("http://{}", app.address),
    })
}

fn check_key(app: &App, headers: &HeaderMap) -> Result<(), Refusal> {
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
    if !scheme.eq_ignore_ascii_case("bearer") || key.trim().is_empty() {
        return Err(unauthenticated());
    }
    let key = key.trim();
    if key == app.settings.api_key {
        return Ok(());
    }
    // The service answers 400 here, not 401.
    let shown = |range: std::ops::RangeTo<usize>| key.get(range).unwrap_or("");
    let tail = key
        .len()
        .checked_sub(2)
        .filter(|at| *at >= 2)
        .and_then(|at| key.get(at..))
        .unwrap_or("");
    let masked = format!("{}***{tail}", shown(..2));
    Err(Refusal::invalid(format!(
        "Incorrect API key provided: {masked}. You can obtain an API key from https://console.x.ai."
    )))
}

/// Carries out a fault that comes before the request is looked at. None = go on.
async fn before(app: &App, fault: FaultKind, gate: Option<&Gate>) -> Option<Response> {
    Some(match fault {
        FaultKind::Delay(seconds) => {
            tokio::time::sleep(pause_of(seconds)).await;
            return None;
        }
        FaultKind::Reset => cut(gate),
        FaultKind::RateLimited(cause, retry_after) => {
            let words = match cause {
                RateLimitCause::Burst => format!(
                    "Too many requests for team {} and model grok-imagine-video. Your team's rate limit is \u{2014} \
                     Requests per Second (actual/limit): 2/2. Please slow down.",
                    rules::TEAM
                ),
                RateLimitCause::Capacity => {
                    "The model is currently at capacity due to high demand. Please try again later."
                        .to_owned()
                }
                RateLimitCause::Credits => {
                    "Your team has used all available credits or reached its monthly spending limit."
                        .to_owned()
                }
            };
            let refusal = Refusal::flat(StatusCode::TOO_MANY_REQUESTS, "resource-exhausted", words);
            let mut response = refusal.into_response();
            if let Some(seconds) = retry_after {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
        FaultKind::Status(code) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let (word, text) = match code {
                401 => ("unauthenticated", "The access token has expired."),
                402 | 403 => ("permission-denied", "The team is not allowed to do this."),
                404 => ("not-found", "Not found."),
                500 => ("internal", "Internal server error"),
                502..=599 => ("unavailable", "The service is currently unavailable"),
                _ => ("invalid-argument", "The request was refused by a script."),
            };
            Refusal::flat(status, word, text).into_response()
        }
        FaultKind::HtmlPage(code) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
            let page = format!(
                "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>api.x.ai | {code}: Connection timed out</title></head>\n\
                 <body><h1>Connection timed out</h1><p>Error code {code}</p></body>\n</html>\n"
            );
            (status, [(header::CONTENT_TYPE, "text/html; charset=UTF-8")], page).into_response()
        }
        FaultKind::NotJson => "OK".into_response(),
        FaultKind::TransientBadRequest => json_response(
            StatusCode::BAD_REQUEST,
            &json!({ "code": "Client specified an invalid argument", "error": "Request is not ready." }),
        ),
        other => {
            tracing::debug!(?other, port = app.address.port(), "sandbox: a fault out of place");
            return None;
        }
    })
}

/// Cuts the connection. What is returned never gets onto it.
fn cut(gate: Option<&Gate>) -> Response {
    if let Some(gate) = gate {
        gate.cut();
    }
    Response::new(Body::empty())
}

/// Carries out a fault on an answer.
async fn after(fault: FaultKind, response: Response, gate: Option<&Gate>) -> Response {
    let (mut head, body) = response.into_parts();
    let declared = head
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let (body, length) = match declared {
        Some(length) => (body, length),
        None => match axum::body::to_bytes(body, 16 << 20).await {
            Ok(bytes) => {
                let length = bytes.len() as u64;
                (Body::from(bytes), length)
            }
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
    };
    match fault {
        FaultKind::LostReply => cut(gate),
        FaultKind::EmptyId => json_response(StatusCode::OK, &json!({ "request_id": "" })),
        FaultKind::HugeBody(bytes) => match axum::body::to_bytes(body, 16 << 20).await {
            Ok(small) => videos::padded(head, &small, bytes),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        FaultKind::SlowBody(rate) => {
            head.headers
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            Response::from_parts(head, slow(body, rate))
        }
        FaultKind::Truncated(bytes) => {
            head.headers
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            let stop = bytes.unwrap_or(length / 2).min(length.saturating_sub(1));
            Response::from_parts(head, first(body, stop, true))
        }
        FaultKind::WrongLength(told) => {
            head.headers
                .insert(header::CONTENT_LENGTH, HeaderValue::from(told));
            Response::from_parts(head, first(body, told.min(length), told > length))
        }
        _ => Response::from_parts(head, body),
    }
}

/// The first bytes of a body; then its end, or a cut.
fn first(body: Body, bytes: u64, cut: bool) -> Body {
    let mut left = bytes;
    let kept = body.into_data_stream().filter_map(move |piece| {
        let piece = piece.map(|mut piece| {
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= piece.len() as u64;
            piece
        });
        std::future::ready(match piece {
            Ok(piece) if piece.is_empty() => None,
            other => Some(other),
        })
    });
    if !cut {
        return Body::from_stream(kept);
    }
    let end = futures_util::stream::once(async {
        tokio::time::sleep(LINGER).await;
        Err(axum::Error::new(std::io::Error::other("cut by the script")))
    });
    Body::from_stream(kept.chain(end))
}

/// Returns the pause of a fault, which may have been made with any number: an hour at most.
fn pause_of(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.clamp(0.0, 3600.0)).unwrap_or_default()
}

/// A body that trickles.
fn slow(body: Body, rate: u64) -> Body {
    let rate = rate.max(1);
    // Ten pieces a second, so that a slow body is not a stalled one.
    let step = usize::try_from((rate / 10).max(1)).unwrap_or(usize::MAX);
    let pause = Duration::from_secs_f64(step as f64 / rate as f64);
    let pieces = body.into_data_stream().flat_map(move |piece| {
        let parts: Vec<Result<Bytes, axum::Error>> = match piece {
            Ok(bytes) => (0..bytes.len())
                .step_by(step)
                .map(|at| Ok(bytes.slice(at..(at + step).min(bytes.len()))))
                .collect(),
            Err(error) => vec![Err(error)],
        };
        futures_util::stream::iter(parts)
    });
    Body::from_stream(pieces.then(move |piece| async move {
        tokio::time::sleep(pause).await;
        piece
    }))
}
