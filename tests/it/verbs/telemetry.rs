//! What a subscriber of `tracing` receives: a span for each step with the specified names, no prompt unless
//! requested, and never a key or a signed link.

#![cfg(feature = "cli")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, Once};

use reelkin::media::FramePosition;
use reelkin::{
    ContinueRequest, EditRequest, ErrorKind, ExtendRequest, GenerateRequest, MediaInput, PlannerSettings,
    TransportChoice, secs,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use crate::support::bench::{Bench, KEY, request};

const PROMPT: &str = "a fox under a parasol";

/// A span, or an event with the name `event`.
#[derive(Debug, Clone, Default)]
struct Seen {
    name: String,
    ours: bool,
    parent: Option<u64>,
    fields: BTreeMap<String, String>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name().to_owned(), value.to_owned());
    }
}

#[derive(Debug, Default)]
struct Log {
    spans: BTreeMap<u64, Seen>,
    /// The id of a span is reused once the span is closed.
    closed: Vec<(u64, Seen)>,
    events: Vec<Seen>,
}

#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<Log>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut seen = Seen {
            name: attributes.metadata().name().to_owned(),
            ours: attributes.metadata().target().starts_with("reelkin"),
            parent: context
                .span(id)
                .and_then(|span| span.parent())
                .map(|span| span.id().into_u64()),
            ..Seen::default()
        };
        attributes.record(&mut seen);
        self.0.lock().unwrap().spans.insert(id.into_u64(), seen);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(seen) = self.0.lock().unwrap().spans.get_mut(&id.into_u64()) {
            values.record(seen);
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut seen = Seen {
            name: event.metadata().target().to_owned(),
            ..Seen::default()
        };
        event.record(&mut seen);
        self.0.lock().unwrap().events.push(seen);
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        let mut log = self.0.lock().unwrap();
        if let Some(seen) = log.spans.remove(&id.into_u64()) {
            log.closed.push((id.into_u64(), seen));
        }
    }
}

impl Recorder {
    /// Returns the closed spans of this crate.
    fn spans(&self) -> Vec<Seen> {
        let log = self.0.lock().unwrap();
        log.closed
            .iter()
            .map(|(_, seen)| seen)
            .filter(|seen| seen.ours)
            .cloned()
            .collect()
    }

    fn span(&self, name: &str) -> Seen {
        let spans = self.spans();
        let found = spans
            .iter()
            .find(|seen| seen.fields.get("otel.name").is_some_and(|have| have == name));
        found
            .cloned()
            .unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
    }

    /// Returns everything that was recorded, as text.
    fn everything(&self) -> String {
        format!("{:?}", self.0.lock().unwrap())
    }
}

impl Seen {
    #[track_caller]
    fn assert(&self, key: &str, value: &str) {
        assert_eq!(
            self.fields.get(key).map(String::as_str),
            Some(value),
            "{key} of {self:#?}"
        );
    }
}

/// Records all spans and events of this thread. The tests of this file run on one thread.
///
/// `tracing` caches for each call site whether any subscriber is interested. Other tests reach the same call sites on threads
/// without a subscriber. A global subscriber keeps the cached answer at "yes".
fn listen() -> (Recorder, tracing::subscriber::DefaultGuard) {
    static EVERYWHERE: Once = Once::new();
    EVERYWHERE.call_once(|| tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap());
    let recorder = Recorder::default();
    let subscriber = tracing_subscriber::registry().with(recorder.clone());
    (recorder, tracing::subscriber::set_default(subscriber))
}

fn asked() -> GenerateRequest {
    GenerateRequest::text(PROMPT)
        .duration(secs(2))
        .plan(PlannerSettings::default())
}

#[tokio::test]
async fn every_step_of_a_clip_has_a_span_with_the_specified_names() {
    let bench = Bench::start(&["render-size=64x64"]).await;
    let (recorder, listening) = listen();
    let client = bench.client();
    let clip = client.generate(asked()).await.unwrap();
    client.frame(&clip, FramePosition::Last).await.unwrap();
    drop(listening);
    let job = bench.state().jobs[0].clone();

    let submit = recorder.span("video.start grok-imagine-video");
    for (key, value) in [
        ("otel.kind", "client"),
        ("server.address", "127.0.0.1"),
        ("gen_ai.operation.name", "generate_video"),
        ("gen_ai.provider.name", "xai"),
        ("gen_ai.output.type", "video"),
        ("gen_ai.request.model", "grok-imagine-video"),
        ("gen_ai.request.video.duration", "2"),
        ("gen_ai.request.video.resolution", "480p"),
        ("gen_ai.response.id", &job.id),
    ] {
        submit.assert(key, value);
    }
    let poll = recorder.span("video.poll");
    poll.assert("gen_ai.response.id", &job.id);
    poll.assert("gen_ai.response.model", "grok-imagine-video");
    poll.assert(
        "gen_ai.usage.cost_in_usd_ticks",
        &job.cost_in_usd_ticks.to_string(),
    );
    poll.assert("reelkin.polls", &job.polls.to_string());
    let bytes = std::fs::metadata(clip.path.as_ref().unwrap()).unwrap().len();
    recorder
        .span("video.download")
        .assert("reelkin.bytes", &bytes.to_string());
    recorder.span("video.plan").assert("reelkin.fell_back", "false");
    let model = PlannerSettings::default().model;
    let question = recorder.span(&format!("chat {model}"));
    question.assert("gen_ai.operation.name", "chat");
    question.assert("gen_ai.request.model", &model);
    for key in [
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.cost_in_usd_ticks",
    ] {
        let count: u64 = question.fields[key].parse().unwrap();
        assert!(count > 0, "{key}: {question:#?}");
    }
    recorder.span("media.check_whole");
    recorder.span("media.frame");
    recorder
        .span("video.generate")
        .assert("gen_ai.request.model", "grok-imagine-video");

    // All are children of the two verbs. None failed, and none is left open.
    let log = recorder.0.lock().unwrap();
    let open: Vec<_> = log.spans.values().filter(|seen| seen.ours).collect();
    assert!(open.is_empty(), "{open:#?}");
    for (_, seen) in log.closed.iter().filter(|(_, seen)| seen.ours) {
        assert_eq!(seen.parent.is_none(), seen.name == "verb", "{seen:#?}");
        assert_eq!(seen.fields.get("error.type"), None, "{seen:#?}");
    }
}

#[tokio::test]
async fn prompts_are_recorded_only_on_request() {
    for content in [false, true] {
        let bench = Bench::start(&["render-size=64x64"]).await;
        let (recorder, listening) = listen();
        let client = bench.builder().telemetry_content(content).build().unwrap();
        client.generate(asked()).await.unwrap();
        drop(listening);
        let ours: Vec<_> = recorder.spans();
        let events: Vec<_> = {
            let log = recorder.0.lock().unwrap();
            let ours = log
                .events
                .iter()
                .filter(|event| event.name.starts_with("reelkin"));
            ours.cloned().collect()
        };
        let told = format!("{ours:?} {events:?}");
        assert_eq!(told.contains(PROMPT), content, "{told}");
        let submit = recorder.span("video.start grok-imagine-video");
        assert_eq!(
            submit.fields.contains_key("gen_ai.prompt"),
            content,
            "{submit:#?}"
        );
        if content {
            submit.assert("gen_ai.prompt", &bench.state().jobs[0].prompt);
        }
    }
}

#[tokio::test]
async fn every_verb_has_its_span() {
    let bench = Bench::start(&["render-size=64x64", "render-seconds=2"]).await;
    let client = bench.client();
    let clip = client.generate(request().duration(secs(2))).await.unwrap();
    let source = MediaInput::from(clip.path.clone().unwrap());
    let (recorder, listening) = listen();
    let mut edit = EditRequest::new(source.clone(), "at night");
    edit.transport = TransportChoice::Upload;
    client.edit(edit).await.unwrap();
    let extend = ExtendRequest::new(source.clone(), "it goes on").duration(secs(2));
    client.extend(extend).await.unwrap();
    client
        .continue_from(&clip, ContinueRequest::new("it turns"))
        .await
        .unwrap();
    client.analyze(source).await.unwrap();
    let id = bench.state().jobs[0].id.clone();
    client.job(&id).unwrap().wait().await.unwrap();
    drop(listening);
    for name in [
        "video.edit",
        "video.extend",
        "video.continue",
        "video.analyze",
        "video.get",
        "files.upload",
    ] {
        recorder.span(name);
    }
    recorder
        .span("video.extend_start grok-imagine-video")
        .assert("gen_ai.operation.name", "extend_video");
}

#[tokio::test]
async fn a_span_records_how_its_step_failed() {
    for (fault, name, kind) in [
        (
            "create:lost-reply",
            "video.start grok-imagine-video",
            ErrorKind::SubmissionUnknown,
        ),
        ("moderated=null", "video.poll", ErrorKind::Moderated),
        ("redirect", "video.download", ErrorKind::Protocol),
        ("answer:500", "video.plan", ErrorKind::Network),
    ] {
        let bench = Bench::start(&["render-size=64x64", fault]).await;
        let (recorder, listening) = listen();
        let error = bench.client().generate(asked()).await.unwrap_err();
        drop(listening);
        assert_eq!(error.kind(), kind, "{fault}: {error}");
        for name in [name, "video.generate"] {
            let span = recorder.span(name);
            span.assert("otel.status_code", "ERROR");
            span.assert("error.type", kind.code());
        }
    }
}

#[tokio::test]
async fn spans_and_events_contain_no_key_and_no_signed_link() {
    for fault in [
        "pad=1",
        "download:503,times=1",
        "link-expired=403,times=1",
        "redirect",
        "create:status=401",
    ] {
        let bench = Bench::start(&["render-size=64x64", fault]).await;
        let (recorder, listening) = listen();
        let client = bench.builder().telemetry_content(true).build().unwrap();
        let _ = client.generate(asked()).await;
        drop(listening);
        let told = recorder.everything();
        for part in ["hyper", "video.start", "video.plan"] {
            assert!(told.contains(part), "{fault}: {part} was not heard: {told}");
        }
        for secret in [KEY, &KEY[4..20], "sig=", "Bearer"] {
            let at = told
                .find(secret)
                .map(|at| &told[at.saturating_sub(300)..told.len().min(at + 100)]);
            assert_eq!(at, None, "{fault}");
        }
    }
}
