//! `tracing` spans for the client's verbs.
//!
//! Creates the span of each verb, and marks spans as failed. Field names are those of the service's own SDK
//! (`gen_ai.*`) and of OpenTelemetry (`otel.*`, `error.type`). Independent of exporters. The spans of verbs contain no
//! prompts: a prompt is recorded only in the span of the request that sends it, and only if the user enabled that.
//!
//! A span is never entered across an `.await`. It is attached to the future instead.

use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use crate::error::{Error, Result};

/// An operation of the client that has its own span.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verb {
    Generate,
    Edit,
    Extend,
    #[cfg(feature = "media")]
    Continue,
    #[cfg(feature = "media")]
    Chain,
    PickUp,
    Recover,
    Analyze,
    #[cfg(feature = "media")]
    Frame,
}

impl Verb {
    /// Creates the span of one call. The spans of its steps are children of it.
    pub(crate) fn span(self) -> Span {
        let (name, operation) = match self {
            Self::Generate => ("video.generate", Some("generate_video")),
            // The SDK reports an edit as a generation. The span's name distinguishes them.
            Self::Edit => ("video.edit", Some("generate_video")),
            Self::Extend => ("video.extend", Some("extend_video")),
            #[cfg(feature = "media")]
            Self::Continue => ("video.continue", Some("generate_video")),
            #[cfg(feature = "media")]
            Self::Chain => ("video.chain", Some("generate_video")),
            Self::PickUp => ("video.get", None),
            Self::Recover => ("video.recover", None),
            Self::Analyze => ("video.analyze", Some("chat")),
            #[cfg(feature = "media")]
            Self::Frame => ("video.frame", None),
        };
        info_span!(
            "verb",
            otel.name = name,
            otel.status_code = Empty,
            "error.type" = Empty,
            gen_ai.operation.name = operation,
            gen_ai.request.model = Empty,
        )
    }
}

/// Records the model in the current span, which must be that of a verb.
pub(crate) fn record_model(model: &str) {
    Span::current().record("gen_ai.request.model", model);
}

/// Converts a count to a signed integer, or returns `None` if it does not fit. OpenTelemetry has no unsigned integers,
/// and an unsigned count would be exported as text.
pub(crate) fn to_signed(count: impl Into<u64>) -> Option<i64> {
    i64::try_from(count.into()).ok()
}

/// Runs work in a span, and marks the span as failed if the work fails.
pub(crate) async fn instrument<T>(span: Span, work: impl Future<Output = Result<T>>) -> Result<T> {
    let result = work.instrument(span.clone()).await;
    if let Err(error) = &result {
        mark_failed(&span, error);
    }
    result
}

/// Marks a span as failed, with the kind of the error. Leaves out the message, because it may quote the service.
pub(crate) fn mark_failed(span: &Span, error: &Error) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", error.kind().code());
}
