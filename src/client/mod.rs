//! The verbs, joined: check, read, submit, wait, download, verify, save.
//!
//! Owns [`VideoClient`] and the order in which the capabilities below it are used. Refuses to know how
//! any of them works: no HTTP, no libav, no file names.

mod builder;
mod outcome;
mod pipeline;
mod verbs;

use std::fmt;
use std::ops::RangeBounds;
use std::sync::{Arc, Once};

pub use self::builder::VideoClientBuilder;
pub use self::outcome::Outcome;
pub use self::pipeline::recover::{Recover, Recovered, RecoveryEvent, RecoveryHandle};
pub use self::verbs::{Analyze, Generate, Transform};
#[cfg(feature = "media")]
pub use self::verbs::{Chain, ChainEvent, ChainHandle, ChainOutcome, ContinueFrom, ExtractFrame};

use self::pipeline::recover;
use self::pipeline::verify::Verification;
use crate::error::Result;
use crate::http::Http;
use crate::ids::JobId;
use crate::job::{self, Handle, PollPolicy};
use crate::library::{Clip, Library};
use crate::model::{ModelTable, Validation};
use crate::money::{Budget, Spent};
use crate::provider::xai::Xai;
use crate::provider::{Provider, VisibleModel};
use crate::request::{Checked, Defaults, GenerateRequest, PlannerSettings};
use crate::stop::StopSignal;
use crate::telemetry::Verb;

/// How many clips a client downloads, checks and saves at a time.
const CONCURRENT_SAVES: usize = 32;

/// One job on its way to a clip.
pub type JobHandle = Handle<Clip>;

/// Makes clips and keeps them in a library.
///
/// A clone is cheap and is the same client: the same connections, rate limiter and library. Its async
/// functions need a tokio runtime, and the work goes on in it when a future is dropped.
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
    /// The right to download, check and save a clip: so many do at a time.
    finishing: tokio::sync::Semaphore,
    /// How long jobs took that this client waited for.
    times: job::DurationStats,
    planner: PlannerSettings,
    budget: Budget,
    /// What can be checked of a clip that was downloaded.
    verification: Verification,
    /// Done once the user was warned that clips cannot be verified.
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
    /// A client to be set up.
    pub fn builder() -> VideoClientBuilder {
        VideoClientBuilder::default()
    }

    fn new(http: Http, library: Library, settings: builder::Settings) -> Self {
        let stop = http.stop_signal().clone();
        let provider = Arc::new(Xai::new(http, settings.telemetry_content));
        Self::on(provider, stop, library, settings, Verification::available())
    }

    /// A client of the simulation (`tests/simulation`). Of clips only the container is checked.
    #[cfg(all(test, feature = "media"))]
    pub(crate) fn simulated(
        provider: Arc<dyn Provider>,
        library: Library,
        poll: PollPolicy,
        budget: Budget,
    ) -> Self {
        let settings = builder::Settings {
            models: ModelTable::built_in().expect("the table parses").clone(),
            defaults: Defaults::default(),
            validation: Validation::default(),
            poll: poll.clamped(),
            planner: PlannerSettings::default(),
            budget,
            telemetry_content: false,
        };
        let verification = Verification::Container("it is simulated");
        Self::on(provider, StopSignal::default(), library, settings, verification)
    }

    /// A client of any service.
    fn on(
        provider: Arc<dyn Provider>,
        stop: StopSignal,
        library: Library,
        settings: builder::Settings,
        verification: Verification,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                provider,
                stop,
                library,
                models: settings.models,
                defaults: settings.defaults,
                validation: settings.validation,
                poll: settings.poll,
                finishing: tokio::sync::Semaphore::new(CONCURRENT_SAVES),
                times: job::DurationStats::default(),
                planner: settings.planner,
                budget: settings.budget,
                verification,
                warned: Once::new(),
            }),
        }
    }

    /// Makes a new clip. Await it for the clip, or [`start`](Generate::start) it for a handle.
    ///
    /// # Errors
    /// `InvalidRequest` before anything is paid; `SubmissionUnknown` when the request was sent and no
    /// answer came; after the submit every error has the job's id.
    ///
    /// # Cancel safety
    /// Dropping the future once it was polled stops nothing: the work goes on, and the clip is saved.
    ///
    /// # Cost
    /// What [`estimate`](Self::estimate) says; the actual cost is in the clip's record. Planning, which
    /// is off unless asked for, costs one question to a language model more.
    pub fn generate(&self, request: GenerateRequest) -> Generate {
        Generate::new(self.clone(), request)
    }

    /// Checks a request as [`generate`](Self::generate) would, and says what it would cost. Sends
    /// nothing and pays nothing.
    ///
    /// # Errors
    /// `InvalidRequest` with one line that names what is wrong and what would be right.
    pub fn estimate(&self, request: &GenerateRequest) -> Result<Checked> {
        request.check(&self.inner.models, &self.inner.defaults, self.inner.validation)
    }

    /// Picks a job up again from its id alone, in any process: waits for it, downloads and saves it. A
    /// job whose clip is in the library already ends at once with that clip.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no id. Whether the service knows the job shows when waiting.
    ///
    /// # Cost
    /// Nothing: looking at a job and downloading its clip are free.
    pub fn job(&self, id: &str) -> Result<JobHandle> {
        let id = JobId::parse(id)?;
        let client = self.clone();
        let work_id = id.clone();
        let started = job::spawn(
            Verb::PickUp.span(),
            self.stop_signal(),
            move |reporter| async move {
                reporter.submitted(&work_id, None);
                Box::pin(recover::one(&client, &reporter, &work_id)).await
            },
        );
        Ok(started.with_id(id))
    }

    /// What was spent on requests that were begun in a time, given in milliseconds since 1970 UTC; `..` is
    /// everything that the library's ledger has. See [`Library::spent`].
    ///
    /// # Errors
    /// `Library` if the ledger cannot be read.
    pub async fn spent(&self, time: impl RangeBounds<u64> + Send) -> Result<Spent> {
        self.inner.library.spent(time).await
    }

    /// Stops all work of this client and of its clones, for a program that is about to end. A call can be stopped
    /// this way before its job has an id.
    ///
    /// A request that was not sent yet is not sent any more: its call ends with an error of kind `stopped`, and
    /// the money that was reserved for it is given back. A request that is on its way is finished, and its job is
    /// written down. Waits for jobs end as with [`stop_waiting`](Handle::stop_waiting). Await the calls to know
    /// when all of that is done; a later [`recover`](Self::recover), of another client, finishes the jobs.
    ///
    /// This cannot be taken back: the client sends nothing paid after it.
    pub fn stop(&self) {
        self.stop_signal().stop();
    }

    /// Whether a paid request is on its way to the service at this moment, without an answer yet.
    pub fn is_sending(&self) -> bool {
        self.stop_signal().is_sending()
    }

    fn stop_signal(&self) -> &StopSignal {
        &self.inner.stop
    }

    /// The models that the key can see at the service.
    ///
    /// # Errors
    /// `Auth` for a wrong key, `Network` when the service does not answer.
    pub async fn visible_models(&self) -> Result<Vec<VisibleModel>> {
        self.inner.provider.visible_models().await
    }

    /// The library.
    pub fn library(&self) -> &Library {
        &self.inner.library
    }

    /// The table that requests are checked against.
    pub fn models(&self) -> &ModelTable {
        &self.inner.models
    }

    /// Scheme, host and port of the service.
    pub fn service(&self) -> String {
        self.inner.provider.origin()
    }
}

#[cfg(test)]
mod fairness_tests;
