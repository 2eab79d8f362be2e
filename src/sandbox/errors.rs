//! The bodies of failure, in every shape the service has.
//!
//! Owns status, code and words of an answer that is not a success. Knows no rule.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A request that is turned down.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
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
    /// 400 with `invalid-argument`: the usual one.
    pub(super) fn invalid(error: impl Into<String>) -> Self {
        Self::flat(StatusCode::BAD_REQUEST, "invalid-argument", error)
    }

    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::flat(StatusCode::NOT_FOUND, "not-found", error)
    }

    pub(super) fn forbidden(error: impl Into<String>) -> Self {
        Self::flat(StatusCode::FORBIDDEN, "permission-denied", error)
    }

    pub(super) fn flat(status: StatusCode, code: &'static str, error: impl Into<String>) -> Self {
        Self {
            status,
            body: RefusalBody::Flat {
                code,
                error: error.into(),
            },
        }
    }

    /// Plain text: what the service's JSON reader answers on its own.
    pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            body: RefusalBody::Text(text.into()),
        }
    }

    /// 404 for a path the service does not have.
    pub(super) fn no_route() -> Self {
        let message = "The requested resource was not found".to_owned();
        Self {
            status: StatusCode::NOT_FOUND,
            body: RefusalBody::Numbered { message },
        }
    }

    /// 405, with nothing in it.
    pub(super) fn no_method() -> Self {
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

/// A JSON answer.
pub(super) fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
