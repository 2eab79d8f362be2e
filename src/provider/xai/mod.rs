//! The service of xAI: its endpoints, and the rule that a create is sent once.

mod body;
mod convert;
mod errors;
mod files;
#[cfg(fuzzing)]
pub(crate) mod fuzz;
mod once;
mod responses;
mod spans;
mod wire;

use std::time::Duration;

use futures_util::future::BoxFuture;
use url::Url;

use super::{
    Answer, Ask, Finished, JobId, PollFailure, PollReply, Provider, Submission, Upload, Verdict, VisibleModel,
};
use crate::error::{Charge, Error, ErrorKind, Result};
use crate::http::{Body, DownloadError, Http, Reply, SendError, Sink};
use crate::stop::BeforeSend;
use crate::telemetry;
use errors::Refusal;
use once::sent_once;

#[derive(Debug)]
pub(crate) struct Xai {
    http: Http,
    /// Whether telemetry may have prompts.
    content: bool,
}

impl Xai {
    pub(crate) const fn new(http: Http, content: bool) -> Self {
        Self { http, content }
    }

    async fn create(&self, path: &str, body: Body, before: BeforeSend<'_>) -> Result<JobId> {
        let send = || {
            let body = body.clone();
            async move {
                let reply = self
                    .http
                    .post_create(&["videos", path], body, Some(before))
                    .await?;
                Ok(accepted(&reply))
            }
        };
        let stop = self.http.stop_signal();
        sent_once(stop, None, send, unknown, |pause| self.http.pause(pause)).await
    }

    async fn poll_once(&self, job: &JobId) -> Result<PollReply, PollFailure> {
        let reply = self
            .http
            .get(&["videos", job.as_str()])
            .await
            .map_err(|failure| {
                let error = failure.into_error();
                let verdict = match error.kind() {
                    // Of kind `Auth` is a source that has no token now; the service's own refusal is a reply.
                    ErrorKind::Network | ErrorKind::Auth => Verdict::Transient,
                    _ => Verdict::Final,
                };
                PollFailure { error, verdict }
            })?;
        convert::poll_reply(&reply)
    }

    async fn models(&self) -> Result<Vec<VisibleModel>> {
        let reply = self
            .http
            .get(&["video-generation-models"])
            .await
            .map_err(SendError::into_error)?;
        match reply.status {
            200 => wire::ModelList::read(&reply.body)
                .map(convert::visible_models)
                .ok_or_else(|| {
                    Error::new(
                        ErrorKind::Protocol,
                        "list the models: the answer is no list of models",
                    )
                }),
            _ => Err(Refusal::read(&reply).into_error("list the models")),
        }
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
    ) -> BoxFuture<'a, Result<JobId>> {
        let span = spans::submit(&self.http, submission, self.content);
        let recorded = span.clone();
        Box::pin(telemetry::instrument(span, async move {
            let id = match submission {
                Submission::Generate(generate) => {
                    let body = convert::generate_body(generate)?;
                    self.create("generations", body, before).await?
                }
                Submission::Video(video) => {
                    let (path, body) = convert::video_body(video)?;
                    self.create(path, body, before).await?
                }
            };
            recorded.record("gen_ai.response.id", id.as_str());
            Ok(id)
        }))
    }

    fn poll<'a>(&'a self, job: &'a JobId) -> BoxFuture<'a, Result<PollReply, PollFailure>> {
        Box::pin(self.poll_once(job))
    }

    fn reread(&self, raw: &serde_json::Value) -> Option<Finished> {
        convert::reread(raw)
    }

    fn clip_url(&self, finished: &Finished) -> Result<Option<Url>> {
        match (&finished.url, &finished.file_id) {
            (Some(url), _) => self.http.clip_url(url).map(Some),
            (None, Some(file_id)) => Ok(Some(self.http.api_url(&["files", file_id, "content"]))),
            (None, None) => Ok(None),
        }
    }

    fn checked_url(&self, url: &str) -> Result<Url> {
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
        Box::pin(self.models())
    }

    fn upload<'a>(&'a self, upload: &'a Upload) -> BoxFuture<'a, Result<String>> {
        let span = spans::upload(&self.http, upload);
        Box::pin(telemetry::instrument(span, files::upload(&self.http, upload)))
    }

    fn delete_file<'a>(&'a self, file_id: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(files::delete(&self.http, file_id))
    }

    fn respond<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Answer>> {
        let span = spans::question(&self.http, ask, self.content);
        let recorded = span.clone();
        Box::pin(telemetry::instrument(span, async move {
            let answer = responses::respond(&self.http, ask).await?;
            spans::answered(&recorded, &answer);
            Ok(answer)
        }))
    }

    fn pause(&self, pause: Duration) {
        self.http.pause(pause);
    }
}

/// What the answer to a create means for the money.
fn accepted(reply: &Reply) -> Result<JobId> {
    match reply.status {
        200..=299 => {
            // Without a usable id the service took it, and nobody can ask for it.
            let lost = |what| unknown(&Error::new(ErrorKind::Protocol, what)).with_status(reply.status);
            let created = wire::Created::read(&reply.body)
                .ok_or_else(|| lost("the answer has no request id".to_owned()))?;
            JobId::parse(&created.request_id).map_err(|_| {
                let id = errors::one_line(&created.request_id);
                lost(format!("the request id of the answer, {id:?}, cannot be used"))
            })
        }
        // A server that fails may have made the job first; one that is too slow also.
        408 | 500.. => {
            let refusal = Refusal::read(reply);
            let error = Error::new(ErrorKind::Network, refusal.summary());
            Err(unknown(&error).with_status(reply.status))
        }
        300..=399 => Err(Error::new(
            ErrorKind::Config,
            "submit the job: the base URL redirects to another place; give that one as the base URL",
        )
        .with_status(reply.status)),
        _ => Err(Refusal::read(reply).into_error("submit the job")),
    }
}

/// The typed outcome of a create without an answer: shown, kept, never sent again on its own.
fn unknown(cause: &Error) -> Error {
    let line = format!(
        "submit the job: sent, and no answer that says whether it was taken ({cause}); it may exist and may be charged, so it was not sent again"
    );
    let error = Error::new(ErrorKind::SubmissionUnknown, line).with_charge(Charge::Unknown);
    match cause.status() {
        Some(status) => error.with_status(status),
        None => error,
    }
}
