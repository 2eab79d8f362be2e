//! The xAI service: implements [`Provider`] over its HTTP API.
//!
//! The only module that knows the JSON of the service. Each file owns one endpoint, both the request and the reply;
//! `paid_request`, `error_reply` and `moderation` hold the rules that they share.

mod create;
mod error_reply;
mod files;
#[cfg(fuzzing)]
pub(crate) mod fuzz;
mod json_body;
mod language_model;
mod lenient_json;
mod models;
mod moderation;
mod paid_request;
mod poll;
mod spans;

use std::time::Duration;

use futures_util::future::BoxFuture;
use url::Url;

use super::{
    AcceptedJob, FinishedJob, JobId, ModelAnswer, ModelQuery, PollFailure, PollReply, Provider, Submission,
    Upload, VisibleModel,
};
use crate::error::Result;
use crate::http::{DownloadError, Http, Sink};
use crate::stop::{BeforeSend, StopSignal};
use crate::telemetry;

#[derive(Debug)]
pub(crate) struct Xai {
    http: Http,
    /// Whether spans may contain prompts and file names.
    record_prompts: bool,
}

impl Xai {
    pub(crate) const fn new(http: Http, record_prompts: bool) -> Self {
        Self { http, record_prompts }
    }
}

impl Provider for Xai {
    fn name(&self) -> &'static str {
        "grok"
    }

    fn origin(&self) -> String {
        self.http.origin()
    }

    fn submit<'a>(
        &'a self,
        submission: &'a Submission,
        before: BeforeSend<'a>,
    ) -> BoxFuture<'a, Result<AcceptedJob>> {
        let span = spans::submit(&self.http, submission, self.record_prompts);
        let recorded = span.clone();
        Box::pin(telemetry::instrument(span, async move {
            let job = create::create(&self.http, submission, before).await?;
            recorded.record("gen_ai.response.id", job.id.as_str());
            Ok(job)
        }))
    }

    fn poll<'a>(&'a self, job: &'a JobId) -> BoxFuture<'a, Result<PollReply, PollFailure>> {
        Box::pin(poll::poll(&self.http, job))
    }

    fn parse_saved_reply(&self, raw: &serde_json::Value) -> Option<FinishedJob> {
        poll::parse_saved_reply(raw)
    }

    fn clip_url(&self, finished: &FinishedJob) -> Result<Option<Url>> {
        match (&finished.url, &finished.file_id) {
            (Some(url), _) => self.http.clip_url(url).map(Some),
            (None, Some(file_id)) => Ok(Some(self.http.api_url(&["files", file_id, "content"]))),
            (None, None) => Ok(None),
        }
    }

    fn parse_clip_url(&self, url: &str) -> Result<Url> {
        self.http.clip_url(url)
    }

    fn download<'a>(
        &'a self,
        url: &'a Url,
        sink: &'a mut dyn Sink,
        progress: &'a mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> BoxFuture<'a, Result<(), DownloadError>> {
        Box::pin(self.http.download(url, sink, progress))
    }

    fn visible_models(&self) -> BoxFuture<'_, Result<Vec<VisibleModel>>> {
        Box::pin(models::list(&self.http))
    }

    fn upload<'a>(&'a self, upload: &'a Upload) -> BoxFuture<'a, Result<String>> {
        let span = spans::upload(&self.http, upload);
        Box::pin(telemetry::instrument(span, files::upload(&self.http, upload)))
    }

    fn delete_file<'a>(&'a self, file_id: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(files::delete(&self.http, file_id))
    }

    fn query_model<'a>(
        &'a self,
        query: &'a ModelQuery,
        stop: &'a StopSignal,
    ) -> BoxFuture<'a, Result<ModelAnswer>> {
        let span = spans::model_query(&self.http, query, self.record_prompts);
        let recorded = span.clone();
        Box::pin(telemetry::instrument(span, async move {
            let answer = language_model::query(&self.http, query, stop).await?;
            spans::record_answer(&recorded, &answer);
            Ok(answer)
        }))
    }

    fn pause(&self, pause: Duration) {
        self.http.pause(pause);
    }
}
