//! `/v1/responses` and `/v1/chat/completions`: plans and descriptions, without a model.
//!
//! Owns the two routes from the body to the answer. What is said is computed from the words and pixels of
//! the question (`plan`, `look`), in the form that was asked for (`schema`); `rules` turns down what the
//! service turns down. Shares the sandbox's key check, faults and files, and nothing with the client.

mod answer;
mod change;
mod chat;
mod check;
mod look;
mod models;
mod plan;
mod responses;
mod rules;
mod schema;
mod stream;
mod subject;
mod usage;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use self::answer::Answer;
use self::look::Look;
use self::models::Language;
use self::rules::{Question, Wrong};
use self::wire::{ChatBody, ResponsesBody};
use super::errors::{Refusal, json_response};
use super::faults::{FaultKind, FaultOperation, Stage};
use super::inputs;
use super::rules::Given;
use super::server::App;
use super::videos::{self, AboutPrompt};
use crate::media::{self, MediaOptions, MediaSource};

const FINGERPRINT: &str = "fp_5a4d0b0c5b";

/// Most bytes of a picture.
const MOST_PICTURE_BYTES: usize = 20 << 20;
/// Answers that are kept of each kind; the oldest are forgotten.
const MOST_KEPT: usize = 1_000;

/// What the routes remember.
#[derive(Debug, Default)]
pub(super) struct Answers {
    stored: Kept<Stored>,
    deferred: Kept<Deferred>,
}

/// A response that can be fetched and continued.
#[derive(Debug, Clone)]
struct Stored {
    body: Value,
    looks: Vec<Look>,
    /// Of the whole conversation up to here.
    tokens: u64,
}

#[derive(Debug, Clone)]
struct Deferred {
    ready: Instant,
    body: Value,
}

/// A bounded table.
#[derive(Debug)]
struct Kept<T>(Mutex<(BTreeMap<Uuid, T>, VecDeque<Uuid>)>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new((BTreeMap::new(), VecDeque::new())))
    }
}

impl<T: Clone> Kept<T> {
    fn put(&self, id: Uuid, value: T) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0.insert(id, value);
        kept.1.push_back(id);
        if kept.1.len() > MOST_KEPT
            && let Some(oldest) = kept.1.pop_front()
        {
            kept.0.remove(&oldest);
        }
    }

    fn find(&self, id: &str) -> Option<T> {
        let id = Uuid::try_parse(id).ok()?;
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0.get(&id).cloned()
    }

    fn remove(&self, id: &str) -> Option<T> {
        let id = Uuid::try_parse(id).ok()?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.retain(|other| *other != id);
        kept.0.remove(&id)
    }
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/chat/deferred-completion/{id}", get(deferred))
        .route("/v1/responses", post(respond))
        .route("/v1/responses/{id}", get(retrieve).delete(forget))
        .route("/v1/language-models", get(language_models))
        .route("/v1/language-models/{id}", get(language_model))
}

/// The language models for `GET /v1/models`.
pub(super) fn short_models() -> impl Iterator<Item = Value> {
    Language::all().iter().map(Language::short)
}

pub(super) fn short_model(id: &str) -> Option<Value> {
    Language::find(id).map(Language::short)
}

async fn language_models() -> Response {
    let models: Vec<_> = Language::all().iter().map(Language::entry).collect();
    json_response(StatusCode::OK, &json!({ "models": models }))
}

async fn language_model(Path(id): Path<String>) -> Response {
    match rules::model(&id) {
        Ok(model) => json_response(StatusCode::OK, &model.entry()),
        Err(wrong) => wrong.flat(),
    }
}

async fn chat(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let body: ChatBody = match videos::read(&headers, &body) {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    let asked = match chat::read(body) {
        Ok(asked) => asked,
        Err(wrong) => return wrong.nested(),
    };
    let (answer, _) = match ask(&app, &asked.question, None).await {
        Ok(Some(said)) => said,
        Ok(None) => {
            let body = json!({
                "code": "Some requested entity was not found", "error": "The completion could not be generated.",
            });
            return about(&asked.question, json_response(StatusCode::OK, &body));
        }
        Err(wrong) => return wrong.nested(),
    };
    let response = if asked.deferred {
        let id = Uuid::new_v4();
        let kept = Deferred {
            ready: Instant::now() + Duration::from_secs_f64(app.settings.seconds_per_job),
            body: chat::completion(&answer),
        };
        app.answers.deferred.put(id, kept);
        json_response(StatusCode::OK, &json!({ "request_id": id.to_string() }))
    } else if asked.question.stream {
        stream::plain(&chat::chunks(&answer, asked.include_usage))
    } else {
        json_response(StatusCode::OK, &chat::completion(&answer))
    };
    about(&asked.question, response)
}

/// Pending is 202 with nothing in it.
async fn deferred(State(app): State<App>, Path(id): Path<String>) -> Response {
    match app.answers.deferred.find(&id) {
        None => Wrong::not_found("The deferred completion was not found.").nested(),
        Some(kept) if Instant::now() < kept.ready => StatusCode::ACCEPTED.into_response(),
        Some(kept) => json_response(StatusCode::OK, &kept.body),
    }
}

async fn respond(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let raw: Value = serde_json::from_slice(&body).unwrap_or_default();
    let body: ResponsesBody = match videos::read(&headers, &body) {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    let asked = match responses::read(body, &raw, app.settings.zero_data_retention) {
        Ok(asked) => asked,
        Err(wrong) => return wrong.flat(),
    };
    let earlier = match &asked.previous {
        None => None,
        Some(id) => match app.answers.stored.find(id) {
            Some(stored) => Some(stored),
            None => return Wrong::not_found(format!("Response with id={id} not found.")).flat(),
        },
    };
    let (answer, looks) = match ask(&app, &asked.question, earlier).await {
        Ok(Some(said)) => said,
        Ok(None) => {
            let body = json!({
                "id": Uuid::new_v4().to_string(), "object": "response", "created_at": super::server::unix_now(),
                "model": asked.question.model.id, "status": "failed", "output": [], "incomplete_details": null,
                "error": { "code": "server_error", "message": "The response could not be generated." },
            });
            return about(&asked.question, json_response(StatusCode::OK, &body));
        }
        Err(wrong) => return wrong.flat(),
    };
    let body = responses::finished(&asked, &answer);
    if asked.store {
        let usage = &answer.usage;
        let stored = Stored {
            body: body.clone(),
            looks,
            tokens: usage.input + usage.visible - usage.image.min(usage.input),
        };
        app.answers.stored.put(answer.id, stored);
    }
    let response = if asked.question.stream {
        stream::named(&responses::events(&asked, &answer))
    } else {
        json_response(StatusCode::OK, &body)
    };
    about(&asked.question, response)
}

fn no_response(id: &str) -> Refusal {
    Refusal::not_found(format!("Response with id={id} not found."))
}

async fn retrieve(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let stored = app.answers.stored.find(&id).ok_or_else(|| no_response(&id))?;
    Ok(json_response(StatusCode::OK, &stored.body))
}

async fn forget(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    app.answers.stored.remove(&id).ok_or_else(|| no_response(&id))?;
    let body = json!({ "id": id, "object": "response", "deleted": true });
    Ok(json_response(StatusCode::OK, &body))
}

/// Lets the faults that look at words see those of the question.
fn about(question: &Question, mut response: Response) -> Response {
    response
        .extensions_mut()
        .insert(AboutPrompt(question.text.clone()));
    response
}

/// Looks at the pictures and answers; the pictures seen so far come along. The answer is counted: it would
/// have been paid. None = the script makes it fail.
async fn ask(
    app: &App,
    question: &Question,
    earlier: Option<Stored>,
) -> Result<Option<(Answer, Vec<Look>)>, Wrong> {
    let (mut looks, tokens) = earlier.map_or_else(Default::default, |stored| (stored.looks, stored.tokens));
    let mut new = Vec::with_capacity(question.pictures.len());
    for given in &question.pictures {
        new.push(see(app, given).await?);
    }
    if !new.is_empty() {
        looks = new;
    }
    let struck = app
        .script
        .strike(FaultOperation::Answer, Stage::Answer, Some(&question.text));
    let fault = struck.first();
    let answer = answer::answer(question, looks.clone(), tokens, fault)?;
    app.counts.answers.fetch_add(1, Ordering::Relaxed);
    if fault == Some(&FaultKind::ErrorWith200) {
        return Ok(None);
    }
    Ok(Some((answer, looks)))
}

/// Fetches, checks, decodes and measures a picture.
async fn see(app: &App, given: &Given) -> Result<Look, Wrong> {
    let bytes = inputs::bytes(app, given)
        .await
        .map_err(|failure| Wrong::image(failure.message))?;
    if bytes.len() > MOST_PICTURE_BYTES {
        return Err(Wrong::image(format!(
            "Image is too large: {} bytes. Maximum allowed is 20 MiB.",
            bytes.len()
        )));
    }
    let is_jpeg = bytes.starts_with(&[0xff, 0xd8, 0xff]);
    let is_png = bytes.starts_with(b"\x89PNG\r\n\x1a\n");
    if !is_jpeg && !is_png {
        return Err(Wrong::image(
            "Unsupported image format. Supported formats are JPEG and PNG.",
        ));
    }
    let look = inputs::blocking(app, move || {
        let source = MediaSource::named_bytes("the given picture", bytes);
        let frame = media::picture(source, &MediaOptions::new())?;
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        Ok(Look::of(width, height, frame.rgb()))
    });
    match look.await {
        Ok(Ok(look)) => Ok(look),
        Ok(Err(error)) => {
            tracing::debug!(%error, "sandbox: a picture to look at");
            Err(Wrong::image("The image could not be decoded."))
        }
        Err(failure) => Err(Wrong::image(failure.message)),
    }
}
