//! The routes of the service and of the sandbox itself.
//!
//! Owns the table of routes, and in one file per group how a request becomes a response. `middleware` is what every
//! request passes first.

mod byte_range;
mod clips;
mod control;
mod files;
mod language;
mod middleware;
mod models;
mod page;
mod request;
mod videos;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::Method;
use axum::routing::{get, post};

use super::rules::refusal::Refusal;
use super::state::app::App;

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/v1/videos", get(async || Refusal::method_not_allowed()))
        .route("/v1/videos/generations", post(videos::generate))
        .route("/v1/videos/edits", post(videos::edit))
        .route("/v1/videos/extensions", post(videos::extend))
        .route("/v1/videos/{id}", get(videos::poll))
        .route("/v1/video-generation-models", get(models::list_video_models))
        .route("/v1/video-generation-models/{id}", get(models::video_model))
        .route("/v1/language-models", get(models::list_language_models))
        .route("/v1/language-models/{id}", get(models::language_model))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::model))
        .route("/v1/api-key", get(models::api_key))
        .route("/v1/chat/completions", post(language::chat))
        .route(
            "/v1/chat/deferred-completion/{id}",
            get(language::deferred_completion),
        )
        .route("/v1/responses", post(language::respond))
        .route(
            "/v1/responses/{id}",
            get(language::retrieve).delete(language::delete),
        )
        .route("/v1/files", get(files::list).post(files::upload))
        .route("/v1/files/{id}", get(files::retrieve).delete(files::delete))
        .route("/v1/files/{id}/content", get(files::content))
        .route("/v1/files/{id}/public-url", post(files::publish))
        .route("/v1/files/{id}/public-url/revoke", post(files::revoke))
        .route("/files-cdn/{token}/{name}", get(files::public))
        .route("/vidgen/xai-vidgen-bucket/{name}", get(clips::download))
        .route("/sandbox/state", get(control::state))
        .route(
            "/sandbox/faults",
            get(control::list_faults)
                .post(control::add_faults)
                .delete(control::clear_faults),
        )
        .route("/", get(page::page))
        .fallback(async || Refusal::unknown_route())
        .method_not_allowed_fallback(async |method: Method, request: Request| {
            tracing::debug!(%method, path = request.uri().path(), "sandbox: the path does not allow this method");
            Refusal::method_not_allowed()
        })
        .layer(DefaultBodyLimit::max(app.settings.max_body_bytes))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&app),
            middleware::handle,
        ))
        .with_state(app)
}
