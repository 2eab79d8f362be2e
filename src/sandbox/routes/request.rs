//! What the handlers share: the parsing of JSON bodies, and values passed between them and the middleware.

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::de::DeserializeOwned;

use crate::sandbox::rules::refusal::Refusal;

/// Maximum length of an error message of the JSON parser in a reply.
const MAX_PARSER_MESSAGE: usize = 4096;

/// Scheme and host under which the caller reached the sandbox.
#[derive(Debug, Clone)]
pub(super) struct BaseUrl(pub(super) String);

/// The prompt that a response is about, for faults with a condition on the prompt.
#[derive(Debug, Clone)]
pub(super) struct ResponsePrompt(String);

impl ResponsePrompt {
    pub(super) fn attach(response: &mut Response, prompt: String) {
        response.extensions_mut().insert(Self(prompt));
    }

    pub(super) fn of(response: &Response) -> Option<String> {
        response.extensions().get::<Self>().map(|prompt| prompt.0.clone())
    }
}

/// Parses a JSON body. The refusals have the wording of the service's own parser.
pub(super) fn parse_json<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Refusal> {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let essence = media_type
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    if essence != "application/json" && !(essence.starts_with("application/") && essence.ends_with("+json")) {
        return Err(Refusal::text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Expected request with `Content-Type: application/json`",
        ));
    }
    match Json::<T>::from_bytes(body) {
        Ok(Json(parsed)) => Ok(parsed),
        Err(rejection) => {
            let mut text = rejection.body_text();
            if text.len() > MAX_PARSER_MESSAGE {
                let mut ends = (0..=MAX_PARSER_MESSAGE).rev();
                let end = ends.find(|at| text.is_char_boundary(*at));
                text.truncate(end.unwrap_or(0));
            }
            Err(Refusal::text(rejection.status(), text))
        }
    }
}
