//! The HTML page that shows the jobs and plays their clips.

use std::fmt::Write;

use axum::Extension;
use axum::extract::State;
use axum::response::Html;

use super::request::BaseUrl;
use crate::sandbox::state::app::App;

const STYLE: &str = "body{font:16px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}\
article{display:grid;grid-template-columns:minmax(16rem,30rem) 1fr;gap:1rem;padding:1rem 0;border-top:1px solid #ccc}\
video{width:100%;background:#111}code{overflow-wrap:anywhere}p{margin:.2rem 0}\
@media(max-width:50rem){article{grid-template-columns:1fr}}";

pub(super) async fn page(State(app): State<App>, Extension(base): Extension<BaseUrl>) -> Html<String> {
    let state = app.snapshot();
    let mut out = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>reelkin sandbox</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\
         <h1>reelkin sandbox</h1><p>Base URL: <code>{}/v1</code></p>\
         <p>{} jobs made, {} polls, {} downloads, {} uploads, {} answers. <a href=\"/sandbox/state\">State as JSON</a> \
         \u{b7} <a href=\"/\">Reload</a></p>",
        escape(&base.0),
        state.creates,
        state.polls,
        state.downloads,
        state.uploads,
        state.answers
    );
    if !state.faults.is_empty() {
        let faults: Vec<_> = state
            .faults
            .iter()
            .map(|fault| format!("<code>{}</code>", escape(&fault.to_string())))
            .collect();
        let _ = write!(out, "<p>Faults in force: {}</p>", faults.join(", "));
    }
    if state.jobs.is_empty() {
        out.push_str("<p>No jobs yet.</p>");
    }
    for job in state.jobs.iter().rev() {
        let link = (job.state == "done")
            .then(|| uuid::Uuid::try_parse(&job.id).ok())
            .flatten()
            .and_then(|id| app.jobs.link(id, app.settings.link_lifetime));
        let clip = match link {
            Some(link) => format!("<video controls preload=\"metadata\" src=\"{link}\"></video>"),
            None => "<div></div>".to_owned(),
        };
        let dollars = job.cost_in_usd_ticks as f64 / 1e10;
        let _ = write!(
            out,
            "<article>{clip}<div><p><strong>{}</strong></p><p>{} \u{b7} {} \u{b7} {}</p>\
             <p>{} polls, {} downloads, ${dollars:.4}</p><p><code>{}</code></p></div></article>",
            escape(&job.prompt),
            escape(&job.state),
            escape(&job.mode),
            escape(&job.model),
            job.polls,
            job.downloads,
            escape(&job.id)
        );
    }
    out.push_str("</body></html>");
    Html(out)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
