//! The tracing spans of requests to the service. Their fields have the names that the service's own SDK uses.
//!
//! Durations, sizes, tokens and costs are always recorded. Prompts and file names are recorded only if the client is
//! configured to. URLs are never recorded.

use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::http::Http;
use crate::model::AspectRatio;
use crate::money::UsdTicks;
use crate::operation::Operation;
use crate::provider::{ModelAnswer, ModelQuery, QueryPart, Submission, SubmissionContent, Upload};
use crate::telemetry;

/// The value of `gen_ai.provider.name`.
const PROVIDER: &str = "xai";

pub(super) fn submit(http: &Http, submission: &Submission, record_prompts: bool) -> Span {
    let (model, extends) = match &submission.content {
        SubmissionContent::Generate { checked, .. } => (checked.model.as_str(), false),
        SubmissionContent::Video { model, operation, .. } => {
            (model.as_str(), *operation == Operation::Extend)
        }
    };
    let (name, operation) = if extends {
        ("video.extend_start", "extend_video")
    } else {
        ("video.start", "generate_video")
    };
    let span = info_span!(
        "submit",
        otel.name = format_args!("{name} {model}"),
        otel.kind = "client",
        otel.status_code = Empty,
        "error.type" = Empty,
        server.address = http.host(),
        gen_ai.operation.name = operation,
        gen_ai.provider.name = PROVIDER,
        "gen_ai.output.type" = "video",
        gen_ai.request.model = model,
        gen_ai.request.video.duration = Empty,
        gen_ai.request.video.resolution = Empty,
        gen_ai.request.video.aspect_ratio = Empty,
        gen_ai.request.video.generate_audio = Empty,
        gen_ai.request.storage.filename = Empty,
        gen_ai.prompt = Empty,
        gen_ai.response.id = Empty,
    );
    if span.is_disabled() {
        return span;
    }
    let prompt = match &submission.content {
        SubmissionContent::Generate { checked, .. } => {
            span.record(
                "gen_ai.request.video.duration",
                telemetry::to_signed(checked.seconds),
            );
            span.record("gen_ai.request.video.resolution", checked.resolution.as_str());
            let ratio = checked.aspect_ratio.as_ref().map(AspectRatio::as_str);
            span.record("gen_ai.request.video.aspect_ratio", ratio);
            span.record("gen_ai.request.video.generate_audio", checked.audio);
            checked.prompt.as_deref()
        }
        SubmissionContent::Video {
            added_seconds,
            prompt,
            ..
        } => {
            span.record(
                "gen_ai.request.video.duration",
                added_seconds.and_then(telemetry::to_signed),
            );
            Some(prompt.as_str())
        }
    };
    if record_prompts {
        span.record("gen_ai.prompt", prompt);
        let name = submission
            .storage
            .as_ref()
            .map(|storage| storage.filename.as_str());
        span.record("gen_ai.request.storage.filename", name);
    }
    span
}

pub(super) fn upload(http: &Http, upload: &Upload) -> Span {
    info_span!(
        "upload",
        otel.name = "files.upload",
        otel.kind = "client",
        otel.status_code = Empty,
        "error.type" = Empty,
        server.address = http.host(),
        gen_ai.provider.name = PROVIDER,
        reelkin.mime = upload.mime,
    )
}

pub(super) fn model_query(http: &Http, query: &ModelQuery, record_prompts: bool) -> Span {
    let span = info_span!(
        "chat",
        otel.name = format_args!("chat {}", query.model),
        otel.kind = "client",
        otel.status_code = Empty,
        "error.type" = Empty,
        server.address = http.host(),
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = PROVIDER,
        "gen_ai.output.type" = "json",
        gen_ai.request.model = query.model,
        gen_ai.response.model = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.reasoning_tokens = Empty,
        gen_ai.usage.cached_prompt_text_tokens = Empty,
        gen_ai.usage.cost_in_usd_ticks = Empty,
        gen_ai.prompt = Empty,
    );
    if record_prompts && !span.is_disabled() {
        let texts = query.parts.iter().filter_map(|part| match part {
            QueryPart::Text(text) => Some(text.as_str()),
            QueryPart::Image { .. } | QueryPart::ImageUrl(_) => None,
        });
        let texts: Vec<_> = texts.collect();
        span.record("gen_ai.prompt", texts.join("\n"));
    }
    span
}

/// Records an answer, which is paid whether it is usable or not.
pub(super) fn record_answer(span: &Span, answer: &ModelAnswer) {
    span.record("gen_ai.response.model", answer.model.as_deref());
    span.record(
        "gen_ai.usage.cost_in_usd_ticks",
        answer.cost.map(UsdTicks::ticks).and_then(telemetry::to_signed),
    );
    let usage = &answer.usage;
    span.record("gen_ai.usage.input_tokens", telemetry::to_signed(usage.input));
    span.record("gen_ai.usage.output_tokens", telemetry::to_signed(usage.output));
    span.record(
        "gen_ai.usage.reasoning_tokens",
        telemetry::to_signed(usage.reasoning),
    );
    span.record(
        "gen_ai.usage.cached_prompt_text_tokens",
        telemetry::to_signed(usage.cached),
    );
    if let Err(error) = &answer.text {
        telemetry::mark_failed(span, error);
    }
}
