//! The client: [`VideoClient`], its builder, and its verbs.
//!
//! A verb is an operation of the client, such as [`VideoClient::generate`]. It checks its request, reads the inputs,
//! submits, waits, downloads, verifies and saves. This module defines the order of those steps, independently of HTTP,
//! libav and file names.

mod builder;
mod outcome;
mod pipeline;
mod verbs;

use std::fmt;
use std::ops::RangeBounds;
use std::sync::{Arc, Once};

pub use self::builder::VideoClientBuilder;
pub use self::outcome::JobOutcome;
pub use self::pipeline::recover::{Recover, Recovered, RecoveryEvent, RecoveryHandle};
pub use self::verbs::{Analyze, EditClip, ExtendClip, Generate};
#[cfg(feature = "media")]
pub use self::verbs::{Chain, ChainEvent, ChainHandle, ChainOutcome, ContinueFrom, ExtractFrame};

use self::pipeline::recover;
use self::pipeline::verify::Verification;
use crate::error::Result;
use crate::ids::JobId;
use crate::job::{self, PollPolicy, WorkHandle};
use crate::library::{Clip, Library};
use crate::model::{ModelTable, Validation};
use crate::money::{Budget, Spent};
use crate::provider::{Provider, VisibleModel};
use crate::request::{CheckedRequest, Defaults, Estimate, GenerateRequest, PlannerSettings, VideoRequest};
use crate::stop::StopSignal;
use crate::telemetry::Verb;
use crate::timestamp::Timestamp;

/// Maximum number of clips that a client downloads, verifies and saves at the same time.
const CONCURRENT_SAVES: usize = 32;

/// A handle to a running job, which returns a clip.
pub type JobHandle = WorkHandle<Clip>;

/// Makes clips and saves them in a library.
///
/// Clones are cheap and share the connections, the rate limiter and the library. The async functions require a tokio
/// runtime. The work runs in tasks of that runtime, and continues if the future is dropped.
///
/// ```no_run
/// use reelkin::{GenerateRequest, VideoClient, secs};
/// # async fn run() -> reelkin::Result<()> {
/// let client = VideoClient::builder().api_key_from_env().library("clips").build()?;
/// let request = GenerateRequest::text("a lighthouse at dusk, waves below").duration(secs(6));
/// let clip = client.generate(request).await?;
/// println!("{}", clip.file_name);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct VideoClient {
    inner: Arc<Inner>,
}

struct Inner {
    provider: Arc<dyn Provider>,
    /// Stops all work of the client.
    stop: StopSignal,
    library: Library,
    models: ModelTable,
    defaults: Defaults,
    validation: Validation,
    poll: PollPolicy,
    /// Limits how many clips are downloaded, verified and saved at the same time.
    finishing: tokio::sync::Semaphore,
    /// The durations of the jobs that this client waited for.
    times: job::DurationStats,
    planner: PlannerSettings,
    budget: Budget,
    /// The checks that can be made on a downloaded clip.
    verification: Verification,
    /// Called once, to warn the user that clips cannot be verified.
    warned: Once,
}

impl fmt::Debug for VideoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VideoClient")
            .field("service", &self.inner.provider.origin())
            .field("library", &self.inner.library)
            .finish_non_exhaustive()
    }
}

impl VideoClient {
    /// Returns a builder with default settings.
    pub fn builder() -> VideoClientBuilder {
        VideoClientBuilder::default()
    }

    /// Creates a client for the simulation (`tests/simulation`), which verifies only the container of clips.
    #[cfg(all(test, feature = "media"))]
    pub(crate) fn simulated(
        provider: Arc<dyn Provider>,
        library: Library,
        poll: PollPolicy,
        budget: Budget,
    ) -> Self {
        let settings = Self::builder().poll(poll).budget(budget);
        let verification = Verification::Container("it is simulated");
        Self::with_provider(provider, library, settings, verification).expect("the table parses")
    }

    /// Creates a client of any provider, with the settings of a builder.
    fn with_provider(
        provider: Arc<dyn Provider>,
        library: Library,
        settings: VideoClientBuilder,
        verification: Verification,
    ) -> Result<Self> {
        let models = match settings.models {
            Some(models) => models,
            None => ModelTable::built_in()?.clone(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                provider,
                stop: StopSignal::default(),
                library,
                models,
                defaults: settings.defaults,
                validation: settings.validation,
                poll: settings.poll.clamped(),
                finishing: tokio::sync::Semaphore::new(CONCURRENT_SAVES),
                times: job::DurationStats::default(),
                planner: settings.planner,
                budget: settings.budget,
                verification,
                warned: Once::new(),
            }),
        })
    }

    /// Makes a new clip. Awaiting the [`Generate`] returns the clip; its method [`start`](Generate::start) returns a
    /// handle.
    ///
    /// # Errors
    /// `InvalidRequest` before anything is paid; `SubmissionUnknown` if the request was sent but no usable reply was
    /// received. Every error after the service accepted the request contains the id of the job.
    ///
    /// # Cancel safety
    /// Dropping the future after its first poll stops nothing: the work continues, and the clip is saved.
    ///
    /// # Cost
    /// The [`estimate`](Self::estimate); the actual cost is in the sidecar. Planning, which is off by default, also
    /// costs one query to a language model.
    pub fn generate(&self, request: GenerateRequest) -> Generate {
        Generate::new(self.clone(), request)
    }

    /// Checks the fields of a request and the length of its source clip, and estimates the cost. Sends nothing.
    ///
    /// Does not check the content of images, the last frame of the source clip, budgets, or whether a failed step of a
    /// chain may be sent again. These are checked only when the clip is made.
    ///
    /// ```
    /// # async fn run(client: reelkin::VideoClient) -> reelkin::Result<()> {
    /// use reelkin::{ContinueRequest, EditRequest, GenerateRequest, secs};
    /// use std::path::Path;
    ///
    /// let dawn = Path::new("dawn.mp4");
    /// let new = client.estimate(GenerateRequest::text("a lighthouse").duration(secs(6))).await?;
    /// let edit = client.estimate(EditRequest::new(dawn, "at night")).await?;
    /// let next = client.estimate((dawn, ContinueRequest::new("a storm"))).await?;
    /// for estimate in [new, edit, next] {
    ///     if let Some(cost) = estimate.cost {
    ///         println!("{cost}");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidRequest`, with one line that names the invalid input and what would be valid. `NotFound` for a clip or a
    /// chain that does not exist, `Media` for a clip that cannot be measured, `Library` for a chain that cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn estimate<R: Into<VideoRequest> + Send>(&self, request: R) -> Result<Estimate> {
        verbs::estimate(self, request.into()).await
    }

    /// Checks a request for a new clip.
    fn check(&self, request: &GenerateRequest) -> Result<CheckedRequest> {
        request.check(&self.inner.models, &self.inner.defaults, self.inner.validation)
    }

    /// Resumes a job by its id, even if another process or library sent it: waits for the job, and downloads and saves
    /// its clip. If the library already has the clip, the handle returns that clip at once.
    ///
    /// # Errors
    /// `InvalidRequest` for an invalid id. If the service does not know the job, [`wait`](WorkHandle::wait) returns an
    /// error.
    ///
    /// # Cost
    /// None. Polling a job and downloading its clip are free.
    pub fn job(&self, id: &str) -> Result<JobHandle> {
        let id = JobId::parse(id)?;
        let client = self.clone();
        let work_id = id.clone();
        let started = job::spawn(
            Verb::PickUp.span(),
            self.stop_signal(),
            move |reporter| async move {
                reporter.submitted(&work_id, None);
                Box::pin(recover::resume_job(&client, &reporter, &work_id)).await
            },
        );
        Ok(started.with_id(id))
    }

    /// Returns what was spent on requests that were created in a time range. The range `..` includes everything. See
    /// [`Library::spent`].
    ///
    /// # Errors
    /// `Library` if the ledger cannot be read.
    pub async fn spent(&self, time: impl RangeBounds<Timestamp> + Send) -> Result<Spent> {
        self.inner.library.spent(time).await
    }

    /// Stops all work of this client and of its clones, for a program that is about to exit. This also stops calls
    /// whose job has no id yet.
    ///
    /// A request that has not been sent is never sent: its call returns an error of kind `stopped`, and its reserved
    /// money is released. A request that is being sent is completed, and its job is recorded. Waits for jobs end as
    /// with [`stop_waiting`](WorkHandle::stop_waiting). All of this is done once the calls of this client have
    /// returned. To finish the jobs later, call [`recover`](Self::recover) on another client.
    ///
    /// This cannot be undone: the client never sends a paid request again.
    pub fn stop(&self) {
        self.stop_signal().stop();
    }

    /// Returns whether this client or a clone of it is sending a paid request or waiting for the answer to one.
    pub fn is_sending(&self) -> bool {
        self.stop_signal().is_sending()
    }

    fn stop_signal(&self) -> &StopSignal {
        &self.inner.stop
    }

    /// Lists the models of the service that the API key can use.
    ///
    /// # Errors
    /// `Auth` for an invalid key, `Network` if the service does not answer.
    pub async fn visible_models(&self) -> Result<Vec<VisibleModel>> {
        self.inner.provider.visible_models().await
    }

    /// Returns the library.
    pub fn library(&self) -> &Library {
        &self.inner.library
    }

    /// Returns the model table that requests are checked against.
    pub fn models(&self) -> &ModelTable {
        &self.inner.models
    }

    /// Returns the scheme, host and port of the service.
    pub fn service(&self) -> String {
        self.inner.provider.origin()
    }
}

#[cfg(test)]
mod fairness_tests;
