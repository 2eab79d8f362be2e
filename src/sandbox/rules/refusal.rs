//! Error responses in every form that the service uses.
//!
//! Owns the status, the code and the body of a response that is not a success. Knows no rule.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The refusal of a request.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    body: RefusalBody,
}

#[derive(Debug, Clone)]
enum RefusalBody {
    Empty,
    Text(String),
    Flat { code: &'static str, error: String },
    Numbered { message: String },
}

impl Refusal {
    /// Returns 400 with `invalid-argument`.
    pub(crate) fn invalid(error: impl Into<String>) -> Self {
        Self::flat(StatusCode::BAD_REQUEST, "invalid-argument", error)
    }

    pub(crate) fn not_found(error: impl Into<String>) -> Self {
        Self::flat(StatusCode::NOT_FOUND, "not-found", error)
    }

    pub(crate) fn forbidden(error: impl Into<String>) -> Self {
        Self::flat(StatusCode::FORBIDDEN, "permission-denied", error)
    }

    /// Returns a refusal of the form `{"code", "error"}`.
    pub(crate) fn flat(status: StatusCode, code: &'static str, error: impl Into<String>) -> Self {
        Self {
            status,
            body: RefusalBody::Flat {
                code,
                error: error.into(),
            },
        }
    }

    /// Returns plain text, as the service's JSON parser answers.
    pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            body: RefusalBody::Text(text.into()),
        }
    }

    /// Returns 404 for a path that the service does not have.
    pub(crate) fn unknown_route() -> Self {
        let message = "The requested resource was not found".to_owned();
        Self {
            status: StatusCode::NOT_FOUND,
            body: RefusalBody::Numbered { message },
        }
    }

    /// Returns 405 without a body.
    pub(crate) fn method_not_allowed() -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            body: RefusalBody::Empty,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self.body {
            RefusalBody::Empty => self.status.into_response(),
            RefusalBody::Text(text) => (self.status, text).into_response(),
            RefusalBody::Flat { code, error } => {
                json_response(self.status, &json!({ "code": code, "error": error }))
            }
            RefusalBody::Numbered { message } => {
                let body = json!({ "error": { "code": self.status.as_u16(), "message": message } });
                json_response(self.status, &body)
            }
        }
    }
}

/// Returns a response with a JSON body.
pub(crate) fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, Json(body)).into_response()
}
