//! Responses and Chat Completions.
//!
//! Owns the two routes, stored responses and deferred completions. `llm` checks questions and computes the answers.

use std::sync::atomic::Ordering;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::request::{ResponsePrompt, parse_json};
use crate::media::{self, MediaOptions, MediaSource};
use crate::sandbox::faults::{FaultKind, FaultOperation, Stage};
use crate::sandbox::llm::answer::{Answer, answer};
use crate::sandbox::llm::language_body::{ChatBody, ResponsesBody};
use crate::sandbox::llm::picture_stats::PictureStats;
use crate::sandbox::llm::question::{Question, Rejection};
use crate::sandbox::llm::{chat, event_stream, responses};
use crate::sandbox::render::inputs;
use crate::sandbox::rules::refusal::{Refusal, json_response};
use crate::sandbox::rules::video_request::MediaRef;
use crate::sandbox::state::app::App;
use crate::sandbox::state::clock::unix_now;
use crate::sandbox::state::stored_answers::{DeferredCompletion, StoredResponse};

/// Maximum size of a picture.
const MAX_PICTURE_BYTES: usize = 20 << 20;

/// `POST /v1/chat/completions`
pub(super) async fn chat(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let body: ChatBody = match parse_json(&headers, &body) {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    let request = match chat::parse(body) {
        Ok(request) => request,
        Err(rejection) => return rejection.chat_response(),
    };
    let (answer, _) = match answer_query(&app, &request.question, None).await {
        Ok(Some(answered)) => answered,
        Ok(None) => {
            let body = json!({
                "code": "Some requested entity was not found", "error": "The completion could not be generated.",
            });
            return attach_prompt(&request.question, json_response(StatusCode::OK, &body));
        }
        Err(rejection) => return rejection.chat_response(),
    };
    let response = if request.deferred {
        let id = Uuid::new_v4();
        let deferred = DeferredCompletion {
            ready_at: Instant::now() + app.settings.min_job_duration,
            body: chat::completion(&answer),
        };
        app.deferred.add(id, deferred);
        json_response(StatusCode::OK, &json!({ "request_id": id.to_string() }))
    } else if request.question.stream {
        event_stream::data_events(&chat::chunks(&answer, request.include_usage))
    } else {
        json_response(StatusCode::OK, &chat::completion(&answer))
    };
    attach_prompt(&request.question, response)
}

/// `GET /v1/chat/deferred-completion/{id}`: 202 without a body while it is pending.
pub(super) async fn deferred_completion(State(app): State<App>, Path(id): Path<String>) -> Response {
    match app.deferred.find_id(&id) {
        None => Rejection::not_found("The deferred completion was not found.").chat_response(),
        Some(deferred) if Instant::now() < deferred.ready_at => StatusCode::ACCEPTED.into_response(),
        Some(deferred) => json_response(StatusCode::OK, &deferred.body),
    }
}

/// `POST /v1/responses`
pub(super) async fn respond(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let raw: Value = serde_json::from_slice(&body).unwrap_or_default();
    let body: ResponsesBody = match parse_json(&headers, &body) {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    let request = match responses::parse(body, &raw, app.settings.zero_data_retention) {
        Ok(request) => request,
        Err(rejection) => return rejection.responses_response(),
    };
    let previous = match &request.previous_id {
        None => None,
        Some(id) => match app.responses.find_id(id) {
            Some(stored) => Some(stored),
            None => return response_not_found(id).into_response(),
        },
    };
    let (answer, pictures) = match answer_query(&app, &request.question, previous).await {
        Ok(Some(answered)) => answered,
        Ok(None) => {
            let body = json!({
                "id": Uuid::new_v4().to_string(), "object": "response", "created_at": unix_now(),
                "model": request.question.model.id, "status": "failed", "output": [], "incomplete_details": null,
                "error": { "code": "server_error", "message": "The response could not be generated." },
            });
            return attach_prompt(&request.question, json_response(StatusCode::OK, &body));
        }
        Err(rejection) => return rejection.responses_response(),
    };
    let body = responses::finished_body(&request, &answer);
    if request.store {
        let stored = StoredResponse {
            body: body.clone(),
            pictures,
            tokens: answer.conversation_tokens(),
        };
        app.responses.add(answer.id, stored);
    }
    let response = if request.question.stream {
        event_stream::named_events(&responses::events(&request, &answer))
    } else {
        json_response(StatusCode::OK, &body)
    };
    attach_prompt(&request.question, response)
}

fn response_not_found(id: &str) -> Refusal {
    Refusal::not_found(format!("Response with id={id} not found."))
}

/// `GET /v1/responses/{id}`
pub(super) async fn retrieve(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let stored = app
        .responses
        .find_id(&id)
        .ok_or_else(|| response_not_found(&id))?;
    Ok(json_response(StatusCode::OK, &stored.body))
}

/// `DELETE /v1/responses/{id}`
pub(super) async fn delete(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    if !app.responses.remove(&id) {
        return Err(response_not_found(&id));
    }
    let body = json!({ "id": id, "object": "response", "deleted": true });
    Ok(json_response(StatusCode::OK, &body))
}

/// Attaches the text of the question, for faults with a condition on the prompt.
fn attach_prompt(question: &Question, mut response: Response) -> Response {
    ResponsePrompt::attach(&mut response, question.text.clone());
    response
}

/// Measures the pictures of a question and answers it. The result includes the pictures that the conversation is
/// about. The answer is counted, because the service would charge it. `None` is a failure that a fault asks for.
async fn answer_query(
    app: &App,
    question: &Question,
    previous: Option<StoredResponse>,
) -> Result<Option<(Answer, Vec<PictureStats>)>, Rejection> {
    let (mut pictures, tokens) =
        previous.map_or_else(Default::default, |stored| (stored.pictures, stored.tokens));
    let mut new = Vec::with_capacity(question.pictures.len());
    for input in &question.pictures {
        new.push(measure(app, input).await?);
    }
    if !new.is_empty() {
        pictures = new;
    }
    let faults = app
        .script
        .trigger(FaultOperation::Answer, Stage::Answer, Some(&question.text));
    let fault = faults.first();
    let answer = answer(question, pictures.clone(), tokens, fault, unix_now())?;
    app.counters.answers.fetch_add(1, Ordering::Relaxed);
    if fault == Some(&FaultKind::ErrorWith200) {
        return Ok(None);
    }
    Ok(Some((answer, pictures)))
}

/// Fetches, checks, decodes and measures a picture.
async fn measure(app: &App, input: &MediaRef) -> Result<PictureStats, Rejection> {
    let bytes = inputs::bytes(app, input)
        .await
        .map_err(|failure| Rejection::image(failure.message))?;
    if bytes.len() > MAX_PICTURE_BYTES {
        return Err(Rejection::image(format!(
            "Image is too large: {} bytes. Maximum allowed is 20 MiB.",
            bytes.len()
        )));
    }
    let is_jpeg = bytes.starts_with(&[0xff, 0xd8, 0xff]);
    let is_png = bytes.starts_with(b"\x89PNG\r\n\x1a\n");
    if !is_jpeg && !is_png {
        return Err(Rejection::image(
            "Unsupported image format. Supported formats are JPEG and PNG.",
        ));
    }
    let measured = inputs::blocking(app, move || {
        let source = MediaSource::named_bytes("the given picture", bytes);
        let frame = media::picture(source, &MediaOptions::new())?;
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        Ok(PictureStats::measure(width, height, frame.rgb()))
    });
    match measured.await {
        Ok(Ok(stats)) => Ok(stats),
        Ok(Err(error)) => {
            tracing::debug!(%error, "sandbox: could not decode a picture");
            Err(Rejection::image("The image could not be decoded."))
        }
        Err(failure) => Err(Rejection::image(failure.message)),
    }
}
