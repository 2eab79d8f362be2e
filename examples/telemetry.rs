//! Exports the tracing spans of a clip and a frame over OTLP to a collector in the same process, and prints the spans that
//! the collector received.
//!
//! ```sh
//! cargo run --features otel --example telemetry
//! ```

#![expect(clippy::print_stdout, reason = "an example prints its results")]

mod common;

use std::error::Error;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use reelkin::media::FramePosition;
use reelkin::{GenerateRequest, PlannerSettings, secs};
use serde_json::{Value, json};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

type Spans = Arc<Mutex<Vec<Value>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let received = Spans::default();
    let endpoint = runtime.block_on(collect(Arc::clone(&received)))?;
    let (sandbox, client) = runtime.block_on(common::client())?;

    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(reqwest::blocking::Client::builder().no_proxy().build()?)
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(endpoint)
        .build()?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("reelkin-example").build())
        .build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("reelkin"));
    // Excludes the spans of the exporter's own requests.
    let reelkin = Targets::new().with_target("reelkin", LevelFilter::INFO);
    tracing_subscriber::registry()
        .with(spans.with_filter(reelkin))
        .init();

    runtime.block_on(async {
        let request = GenerateRequest::text("a paper boat drifts down a rainy street").duration(secs(2));
        let clip = client.generate(request.plan(PlannerSettings::default())).await?;
        client.frame(&clip, FramePosition::Last).await
    })?;
    provider.shutdown()?;

    let received = received.lock().map_err(|_| "the collector panicked")?;
    if received.is_empty() {
        return Err("the collector received no spans".into());
    }
    print(&received, "", 0);
    drop(sandbox);
    Ok(())
}

/// Starts a collector of OTLP over HTTP that appends received spans to `spans`. Returns its address.
async fn collect(spans: Spans) -> Result<String, Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}/v1/traces", listener.local_addr()?);
    let route = post(async |State(spans): State<Spans>, Json(body): Json<Value>| {
        let resources = list(&body["resourceSpans"]).iter();
        let scopes = resources.flat_map(|resource| list(&resource["scopeSpans"]));
        let new = scopes.flat_map(|scope| list(&scope["spans"])).cloned();
        if let Ok(mut spans) = spans.lock() {
            spans.extend(new);
        }
        Json(json!({}))
    });
    let router = Router::new().route("/v1/traces", route).with_state(spans);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(endpoint)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Prints the descendants of a span, ordered by start time.
fn print(spans: &[Value], parent: &str, depth: usize) {
    let nanos = |span: &Value, key: &str| {
        let text = span[key]
            .as_str()
            .map_or_else(|| span[key].to_string(), str::to_owned);
        text.parse::<u64>().unwrap_or_default()
    };
    let mut children: Vec<_> = spans
        .iter()
        .filter(|span| span["parentSpanId"].as_str().unwrap_or_default() == parent)
        .collect();
    children.sort_by_key(|span| nanos(span, "startTimeUnixNano"));
    for span in children {
        let millis = (nanos(span, "endTimeUnixNano") - nanos(span, "startTimeUnixNano")) / 1_000_000;
        let name = span["name"].as_str().unwrap_or_default();
        println!("{:indent$}{name}  {millis} ms", "", indent = depth * 2);
        for attribute in list(&span["attributes"]) {
            let key = attribute["key"].as_str().unwrap_or_default();
            if key.starts_with("gen_ai.") || key.starts_with("server.") || key.starts_with("error.") {
                let value = attribute["value"]
                    .as_object()
                    .and_then(|value| value.values().next());
                let value = value.map(ToString::to_string).unwrap_or_default();
                println!("{:indent$}{key} = {value}", "", indent = depth * 2 + 6);
            }
        }
        print(spans, span["spanId"].as_str().unwrap_or_default(), depth + 1);
    }
}
