//! What is told of the work, while it goes on, to whoever listens: `tracing` spans.
//!
//! Owns the spans of the verbs, and how a span is marked when its work fails. Their fields have the names
//! that the service's own SDK gives them (`gen_ai.*`) and that OpenTelemetry knows (`otel.*`, `error.type`).
//! Knows nothing of exporters, and no prompt: those are put in, where that was asked for, by who sends them.
//!
//! A span is never held across a wait: it goes along with the future.

use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use crate::error::{Error, Result};

/// A verb of the client, in telemetry.
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
    /// The span of one call: everything that is done for it lies within.
    pub(crate) fn span(self) -> Span {
        let (name, operation) = match self {
            Self::Generate => ("video.generate", Some("generate_video")),
            // An edit is a generation to the SDK; the verb tells them apart.
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

/// Names the model in the span of the verb that is at work.
pub(crate) fn model(model: &str) {
    Span::current().record("gen_ai.request.model", model);
}

/// A count as a number of OpenTelemetry, which knows signed ones alone: others are exported as text.
pub(crate) fn number(count: impl Into<u64>) -> Option<i64> {
    i64::try_from(count.into()).ok()
}

/// Does work within a span, and marks the span when it fails.
pub(crate) async fn within<T>(span: Span, work: impl Future<Output = Result<T>>) -> Result<T> {
    let done = work.instrument(span.clone()).await;
    if let Err(error) = &done {
        failed(&span, error);
    }
    done
}

/// Marks a span as failed, with the kind of error. Its words may quote the service, and stay out.
pub(crate) fn failed(span: &Span, error: &Error) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", error.kind().code());
}
