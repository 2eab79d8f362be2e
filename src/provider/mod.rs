//! The interface to a service that makes video.
//!
//! Owns the [`Provider`] trait and the values that pass through it: a [`Submission`] becomes a [`JobId`], and a poll
//! returns the state of the job. Does not decide when to poll: that is the poll loop in `job`.

mod model_query;
pub(crate) mod xai;

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use url::Url;

pub use model_query::TokenUsage;
pub(crate) use model_query::{ModelAnswer, ModelQuery, QueryPart};
#[cfg(fuzzing)]
pub use xai::fuzz::replies;

use crate::error::{Error, Result};
use crate::http::{DownloadError, Sink};
use crate::ids::JobId;
use crate::model::VideoModel;
use crate::money::UsdTicks;
use crate::operation::Operation;
use crate::request::{CheckedRequest, GenerateInputs, MediaContent, ResolvedMedia, StorageOptions};
use crate::stop::{BeforeSend, StopSignal};

/// A complete request for a clip. Sending it costs money.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub(crate) content: SubmissionContent,
    pub(crate) user: Option<String>,
    pub(crate) storage: Option<StorageOptions>,
    pub(crate) upload_url: Option<String>,
}

/// What a submission asks for.
#[derive(Debug, Clone)]
pub(crate) enum SubmissionContent {
    /// A new clip.
    Generate {
        checked: Box<CheckedRequest>,
        inputs: GenerateInputs,
    },
    /// An edited or extended clip.
    Video {
        model: VideoModel,
        prompt: String,
        video: ResolvedMedia,
        /// [`Edit`](Operation::Edit) or [`Extend`](Operation::Extend).
        operation: Operation,
        /// The seconds that an extension adds.
        added_seconds: Option<u32>,
    },
}

/// A job that the service has just accepted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AcceptedJob {
    pub(crate) id: JobId,
    /// The time after which the service expects the first poll, if it says so.
    pub(crate) poll_after: Option<Duration>,
}

/// A file to upload to the service's Files API.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) mime: &'static str,
    pub(crate) content: MediaContent,
    /// The lifetime of the uploaded file, in seconds.
    pub(crate) expires_after: u64,
}

/// The state of a job, as a poll returned it.
#[derive(Debug, Clone)]
pub(crate) enum PollReply {
    /// The job is not finished. `progress` is between 0 and 1, if the service reports it.
    Pending {
        progress: Option<f64>,
    },
    Done(Box<FinishedJob>),
    /// The job ended without a clip: it was moderated, failed or expired, as the error says.
    Failed(Error),
}

/// A job that ended with a clip.
#[derive(Debug, Clone, Default)]
pub(crate) struct FinishedJob {
    /// The URL of the clip. `None` if the service stored the clip elsewhere.
    pub(crate) url: Option<String>,
    /// Whether the reply has no video object at all.
    pub(crate) no_video: bool,
    /// The clip's id in the service's Files API, if storage was requested.
    pub(crate) file_id: Option<String>,
    /// The clip's duration as the service reports it.
    pub(crate) seconds: Option<f64>,
    /// The model that made the clip.
    pub(crate) model: Option<VideoModel>,
    pub(crate) cost: Option<UsdTicks>,
    /// Partial failures, such as a copy that could not be stored.
    pub(crate) warnings: Vec<String>,
    /// The reply itself. [`Provider::parse_saved_reply`] reads it after the service has forgotten the job.
    pub(crate) raw: Option<serde_json::Value>,
}

/// A poll that did not return a state.
#[derive(Debug)]
pub(crate) struct PollFailure {
    pub(crate) error: Error,
    pub(crate) kind: PollFailureKind,
}

/// Says whether polling again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PollFailureKind {
    /// Poll again until the deadline.
    Transient,
    /// Poll again a few times: errors like this one have been seen to go away.
    PossiblyPermanent,
    /// The service does not know the job, which proves nothing: a new job can be unknown for a while, and another
    /// service, region or account never knows it. Poll until the deadline, or a few times if this process did not
    /// submit the job.
    UnknownJob,
    /// Polling again cannot help.
    Permanent,
}

/// A model that the API key can use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct VisibleModel {
    /// The name of the model.
    pub id: VideoModel,
    /// Other names of the model.
    #[serde(default)]
    pub aliases: Vec<VideoModel>,
}

/// A service that makes video.
pub(crate) trait Provider: Send + Sync + fmt::Debug {
    /// Returns the value of the sidecar's `provider` field.
    fn name(&self) -> &'static str;

    /// Returns scheme, host and port, for messages.
    fn origin(&self) -> String;

    /// Sends a create request, which the service accepts at most once.
    ///
    /// It is repeated only if it provably never left this machine, or if the service refused it because of a rate
    /// limit. Every other failure is a refusal or [`SubmissionUnknown`](crate::ErrorKind::SubmissionUnknown).
    ///
    /// `before` is checked before each attempt, and again immediately before the body of the request is sent. If it
    /// returns an error, the request is not sent.
    fn submit<'a>(
        &'a self,
        submission: &'a Submission,
        before: BeforeSend<'a>,
    ) -> BoxFuture<'a, Result<AcceptedJob>>;

    /// Requests the state of a job once.
    fn poll<'a>(&'a self, job: &'a JobId) -> BoxFuture<'a, Result<PollReply, PollFailure>>;

    /// Parses a reply that was saved when the job finished. Returns `None` if it is not such a reply.
    fn parse_saved_reply(&self, raw: &serde_json::Value) -> Option<FinishedJob>;

    /// Returns the URL to download a finished clip from, if there is one.
    fn clip_url(&self, finished: &FinishedJob) -> Result<Option<Url>>;

    /// Parses a download URL that the caller supplied, and checks that downloads from it are allowed.
    fn parse_clip_url(&self, url: &str) -> Result<Url>;

    /// Downloads a clip into a sink. `progress` receives the bytes so far and the total after every chunk.
    ///
    /// If the future is dropped, the sink ends with the last complete chunk.
    fn download<'a>(
        &'a self,
        url: &'a Url,
        sink: &'a mut dyn Sink,
        progress: &'a mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> BoxFuture<'a, Result<(), DownloadError>>;

    /// Lists the models that the API key can use.
    fn visible_models(&self) -> BoxFuture<'_, Result<Vec<VisibleModel>>>;

    /// Uploads a file to the service's Files API and returns its id. Uploads cost next to nothing, so a failed one
    /// is retried.
    fn upload<'a>(&'a self, upload: &'a Upload) -> BoxFuture<'a, Result<String>>;

    /// Deletes a file from the service's Files API.
    fn delete_file<'a>(&'a self, file_id: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Sends a paid query to a language model. It is repeated under the same conditions as
    /// [`submit`](Self::submit).
    fn query_model<'a>(
        &'a self,
        query: &'a ModelQuery,
        stop: &'a StopSignal,
    ) -> BoxFuture<'a, Result<ModelAnswer>>;

    /// Delays all further requests of the client.
    fn pause(&self, pause: Duration);
}
