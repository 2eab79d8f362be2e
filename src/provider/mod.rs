//! What the rest of the crate asks of a service that makes video.
//!
//! Owns the trait and its values: a submission goes in, a job id comes out, a poll says how the job
//! stands. Refuses to know when to ask: the one poll loop is in `job`.

mod ask;
pub(crate) mod xai;

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use url::Url;

pub use ask::TokenUsage;
pub(crate) use ask::{Answer, Ask, Part};
#[cfg(fuzzing)]
pub use xai::fuzz::replies;

use crate::error::{Error, Result};
use crate::http::{DownloadError, Sink};
use crate::ids::JobId;
use crate::model::VideoModel;
use crate::money::UsdTicks;
use crate::request::{Checked, GenerateInputs, MediaContent, ResolvedMedia, StorageOptions};
use crate::stop::BeforeSend;

/// A paid request, complete.
#[derive(Debug, Clone)]
pub(crate) enum Submission {
    Generate(Box<GenerateSubmission>),
    Video(Box<VideoSubmission>),
}

#[derive(Debug, Clone)]
pub(crate) struct GenerateSubmission {
    pub(crate) checked: Checked,
    pub(crate) inputs: GenerateInputs,
    pub(crate) user: Option<String>,
    pub(crate) storage: Option<StorageOptions>,
    pub(crate) upload_url: Option<String>,
}

/// An edit, or with added seconds an extension.
#[derive(Debug, Clone)]
pub(crate) struct VideoSubmission {
    pub(crate) model: VideoModel,
    pub(crate) prompt: String,
    pub(crate) video: ResolvedMedia,
    pub(crate) added_seconds: Option<u32>,
    pub(crate) user: Option<String>,
    pub(crate) storage: Option<StorageOptions>,
    pub(crate) upload_url: Option<String>,
}

/// A file for the service's Files.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) mime: &'static str,
    pub(crate) content: MediaContent,
    /// Life of the file there, in seconds.
    pub(crate) expires_after: u64,
}

/// How a job stands.
#[derive(Debug, Clone)]
pub(crate) enum PollReply {
    /// Not ready. `progress` is 0 to 1, where the service tells.
    Pending {
        progress: Option<f64>,
    },
    Done(Box<Finished>),
    /// Over, without a clip: moderated, failed or expired. The error says which.
    Over(Error),
}

/// A job that is done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finished {
    /// Where the clip can be fetched; `None` when it went somewhere else.
    pub(crate) url: Option<String>,
    /// Whether the answer has no video at all, not even one without a link.
    pub(crate) no_video: bool,
    /// The clip as a file at the service, where storage was asked for.
    pub(crate) file_id: Option<String>,
    /// The length the service names.
    pub(crate) seconds: Option<f64>,
    /// The model that did the work.
    pub(crate) model: Option<VideoModel>,
    /// What it cost.
    pub(crate) cost: Option<UsdTicks>,
    /// Partial failures, such as a copy that could not be stored.
    pub(crate) warnings: Vec<String>,
    /// The service's words, to be read again by [`Provider::reread`] when it no longer says them.
    pub(crate) raw: Option<serde_json::Value>,
}

/// A poll that brought no status.
#[derive(Debug)]
pub(crate) struct PollFailure {
    pub(crate) error: Error,
    pub(crate) verdict: Verdict,
}

/// What a failed poll says about the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Ask again, as long as the deadline allows.
    Transient,
    /// Ask again a few times: refusals like this one were seen to pass.
    Doubtful,
    /// The service does not know the job. That proves nothing: a job can be unknown for a while after it was made,
    /// and another service, region or account knows none of it. Ask again as long as the deadline allows, or a few
    /// times for a job that was begun earlier.
    UnknownJob,
    /// Asking again cannot help.
    Final,
}

/// A model that the key can see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct VisibleModel {
    /// Its name.
    pub id: VideoModel,
    /// Other names for it.
    #[serde(default)]
    pub aliases: Vec<VideoModel>,
}

pub(crate) trait Provider: Send + Sync + fmt::Debug {
    /// The word for the sidecar's `provider`.
    fn name(&self) -> &'static str;

    /// Scheme, host and port, for messages.
    fn origin(&self) -> String;

    /// Sends a paid request once. It is repeated only when it provably never left or was refused for
    /// its rate; whatever else happens is `SubmissionUnknown` or a refusal.
    ///
    /// `before` is asked immediately before each attempt to send; its error ends the submit, with nothing sent.
    fn submit<'a>(
        &'a self,
        submission: &'a Submission,
        before: BeforeSend<'a>,
    ) -> BoxFuture<'a, Result<JobId>>;

    /// Asks once how a job stands.
    fn poll<'a>(&'a self, job: &'a JobId) -> BoxFuture<'a, Result<PollReply, PollFailure>>;

    /// Reads what the service once said of a finished job.
    fn reread(&self, raw: &serde_json::Value) -> Option<Finished>;

    /// Where a finished clip is fetched from.
    fn clip_url(&self, finished: &Finished) -> Result<Option<Url>>;

    /// The URL of a clip that a caller named instead.
    fn checked_url(&self, url: &str) -> Result<Url>;

    /// Fetches a clip into a sink. Progress is told after every chunk: bytes so far, bytes in all.
    ///
    /// Dropping it leaves the sink at the last finished chunk.
    fn download<'a>(
        &'a self,
        url: &'a Url,
        sink: &'a mut dyn Sink,
        progress: &'a mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> BoxFuture<'a, Result<(), DownloadError>>;

    /// The models that the key can see.
    fn visible_models(&self) -> BoxFuture<'_, Result<Vec<VisibleModel>>>;

    /// Puts a file into the service's Files and returns its id. Costs nothing worth counting, and is
    /// repeated when it fails.
    fn upload<'a>(&'a self, upload: &'a Upload) -> BoxFuture<'a, Result<String>>;

    /// Takes a file out of the service's Files.
    fn delete_file<'a>(&'a self, file_id: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Asks a language model. The question is paid: it is repeated only when it provably never left or
    /// was refused for its rate.
    fn respond<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Answer>>;

    /// Holds back every request of the client for a while.
    fn pause(&self, pause: Duration);
}
