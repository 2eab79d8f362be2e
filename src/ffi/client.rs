//! Exports [`crate::VideoClient`].
//!
//! Owns closing: of one client, and of all clients when the process exits.

use std::future::IntoFuture;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::error::Result;
use super::job::{ChainHandle, JobHandle, RecoveryHandle};
use super::journal::Recovered;
use super::library::Library;
use super::media::{Frame, MediaOptions};
use super::runtime::{self, ProcessBound};
use super::settings::ClientOptions;
use super::tasks::JobTasks;
use super::token::{Callback, TokenCallback};
use crate::media::FramePosition;
use crate::{
    AnalyzeOptions, ChainOutcome, ChainRequest, Clip, ClipNotes, ContinueRequest, EditRequest, Estimate,
    ExtendRequest, GenerateRequest, MediaInput, ModelTable, VideoRequest, VisibleModel,
};

/// Maximum time to wait for create requests that are being sent. What is unfinished then stays in the journal.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time to wait for the runtime's threads when the process exits.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The open clients, each with the id of its process. After a fork, the list still holds those of the parent.
static CLIENTS: Mutex<Vec<(u32, Weak<Inner>)>> = Mutex::new(Vec::new());

/// Creates clips and keeps them in a library.
#[derive(uniffi::Object)]
pub struct VideoClient {
    inner: ProcessBound<Arc<Inner>>,
}

struct Inner {
    /// Taken when the client is closed, which also releases its leases on the library's jobs.
    client: Mutex<Option<crate::VideoClient>>,
    tasks: JobTasks,
    tokens: Option<Callback>,
}

impl VideoClient {
    /// Returns the core's client and the job tasks, or an error when the client is closed.
    fn open(&self) -> Result<(crate::VideoClient, &JobTasks)> {
        let inner = self.inner.get()?;
        inner.tasks.check_open()?;
        let client = inner
            .client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let client = client.ok_or_else(runtime::task_lost)?;
        Ok((client, &inner.tasks))
    }
}

#[uniffi::export]
impl VideoClient {
    /// Creates a client for a library. With `tokens`, the client authenticates with tokens from there instead of a key.
    ///
    /// # Errors
    /// `Config` without a key, with both a key and `tokens`, or when the base URL would leak the key. `Library` when
    /// the folder cannot be created or written. `InvalidRequest` for settings that no call could use.
    #[uniffi::constructor(default(tokens = None))]
    pub fn new(options: ClientOptions, tokens: Option<Box<dyn TokenCallback>>) -> Result<Arc<Self>> {
        let _runtime = runtime::handle()?.enter();
        let tokens = tokens.map(Callback::new);
        let inner = Arc::new(Inner {
            client: Mutex::new(Some(options.build(tokens.clone())?)),
            tasks: JobTasks::default(),
            tokens,
        });
        let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|(_, client)| client.strong_count() > 0);
        clients.push((std::process::id(), Arc::downgrade(&inner)));
        Ok(Arc::new(Self {
            inner: ProcessBound::new(inner),
        }))
    }

    /// Generates a new clip.
    pub async fn generate(&self, request: GenerateRequest) -> Result<Clip> {
        let (client, tasks) = self.open()?;
        tasks.finish(client.generate(request).start()).await
    }

    /// Starts generating a new clip. Returns once the job has an id.
    pub async fn start_generate(&self, request: GenerateRequest) -> Result<Arc<JobHandle>> {
        let (client, tasks) = self.open()?;
        Ok(JobHandle::new(
            tasks.start(client.generate(request).start()).await?,
        ))
    }

    /// Creates an edited copy of a clip.
    pub async fn edit(&self, request: EditRequest) -> Result<Clip> {
        let (client, tasks) = self.open()?;
        tasks.finish(client.edit(request).start()).await
    }

    /// Starts creating an edited copy of a clip. Returns once the job has an id.
    pub async fn start_edit(&self, request: EditRequest) -> Result<Arc<JobHandle>> {
        let (client, tasks) = self.open()?;
        Ok(JobHandle::new(tasks.start(client.edit(request).start()).await?))
    }

    /// Extends a clip. The new clip holds the original and the added seconds.
    pub async fn extend(&self, request: ExtendRequest) -> Result<Clip> {
        let (client, tasks) = self.open()?;
        tasks.finish(client.extend(request).start()).await
    }

    /// Starts extending a clip. Returns once the job has an id.
    pub async fn start_extend(&self, request: ExtendRequest) -> Result<Arc<JobHandle>> {
        let (client, tasks) = self.open()?;
        Ok(JobHandle::new(tasks.start(client.extend(request).start()).await?))
    }

    /// Creates a clip that continues where another clip ends.
    pub async fn continue_from(&self, clip: MediaInput, request: ContinueRequest) -> Result<Clip> {
        let (client, tasks) = self.open()?;
        tasks.finish(client.continue_from(clip, request).start()).await
    }

    /// Starts creating a clip that continues where another clip ends. Returns once the job has an id.
    pub async fn start_continue_from(
        &self,
        clip: MediaInput,
        request: ContinueRequest,
    ) -> Result<Arc<JobHandle>> {
        let (client, tasks) = self.open()?;
        Ok(JobHandle::new(
            tasks.start(client.continue_from(clip, request).start()).await?,
        ))
    }

    /// Creates several clips in sequence. Each continues where the previous one ends.
    pub async fn chain(&self, request: ChainRequest) -> Result<ChainOutcome> {
        let (client, tasks) = self.open()?;
        tasks.finish(client.chain(request).start()).await
    }

    /// Starts creating several clips in sequence.
    pub async fn start_chain(&self, request: ChainRequest) -> Result<Arc<ChainHandle>> {
        let (client, tasks) = self.open()?;
        Ok(ChainHandle::new(
            tasks.start(client.chain(request).start()).await?,
        ))
    }

    /// Asks a language model to describe a clip.
    pub async fn analyze(&self, clip: MediaInput, options: AnalyzeOptions) -> Result<ClipNotes> {
        let (client, _) = self.open()?;
        let work = async move { Ok(client.analyze(clip).options(options).into_future().await?) };
        runtime::run(work).await
    }

    /// Decodes one frame of a clip in the library, exactly as a player would show it.
    pub async fn frame(
        &self,
        clip: String,
        position: FramePosition,
        options: Option<MediaOptions>,
    ) -> Result<Arc<Frame>> {
        let (client, _) = self.open()?;
        let work = async move {
            let clip = client.library().resolve(&clip).await?;
            let frame = client.frame(&clip, position);
            let frame = frame.options(options.unwrap_or_default().into());
            Ok(Frame::new(frame.await?))
        };
        runtime::run(work).await
    }

    /// Checks the fields of a request and the length of its source clip, and estimates the cost. Sends nothing.
    pub async fn estimate(&self, request: VideoRequest) -> Result<Estimate> {
        let (client, _) = self.open()?;
        runtime::run(async move { Ok(client.estimate(request).await?) }).await
    }

    /// Returns a handle for the job with this id. The job may have been started by another process.
    pub async fn job(&self, id: String) -> Result<Arc<JobHandle>> {
        let (client, tasks) = self.open()?;
        let start = async move { client.job(&id) };
        Ok(JobHandle::new(tasks.start(start).await?))
    }

    /// Finishes every interrupted job of the library: waits for it, then downloads, verifies and saves its clip.
    /// Costs nothing.
    pub async fn recover(&self) -> Result<Recovered> {
        let (client, tasks) = self.open()?;
        tasks.wait_for_abandoned().await?;
        let start = async move { Ok(client.recover().start()) };
        Ok(tasks.finish(start).await?.into())
    }

    /// Starts a recovery.
    pub async fn start_recover(&self) -> Result<Arc<RecoveryHandle>> {
        let (client, tasks) = self.open()?;
        tasks.wait_for_abandoned().await?;
        let start = async move { Ok(client.recover().start()) };
        Ok(RecoveryHandle::new(tasks.start(start).await?))
    }

    /// Lists the models that the key has access to.
    pub async fn visible_models(&self) -> Result<Vec<VisibleModel>> {
        let (client, _) = self.open()?;
        runtime::run(async move { Ok(client.visible_models().await?) }).await
    }

    /// Returns the model table that requests are checked against.
    pub fn models(&self) -> Result<ModelTable> {
        Ok(self.open()?.0.models().clone())
    }

    /// Returns the client's library.
    pub fn library(&self) -> Result<Arc<Library>> {
        Ok(Library::new(self.open()?.0.library().clone()))
    }

    /// Returns the scheme, host and port of the service.
    pub fn service(&self) -> Result<String> {
        Ok(self.open()?.0.service())
    }

    /// Closes the client. It stops waiting for its jobs, and later calls fail.
    ///
    /// The jobs continue at the service and stay in the journal. Create requests that are being sent are waited for,
    /// at most 10 s. Closing again does nothing.
    pub async fn close(&self) -> Result<()> {
        let inner = Arc::clone(self.inner.get()?);
        runtime::run(async move {
            inner.close(CLOSE_TIMEOUT).await;
            Ok(())
        })
        .await
    }
}

impl Inner {
    async fn close(&self, deadline: Duration) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A request that waits for the rate limit or for a token must not be sent after this.
        if let Some(client) = &client {
            client.stop();
        }
        if !self.tasks.close(deadline).await {
            tracing::warn!("client closed while a create request was being sent; the journal has its record");
        }
        drop(client);
        if let Some(tokens) = &self.tokens {
            tokens.close();
        }
    }
}

/// Shuts the package down before the language's own runtime ends. Later calls fail.
///
/// Closes every client and then stops the threads, so that nothing calls back.
#[uniffi::export]
pub fn shut_down() {
    let clients: Vec<_> = {
        let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
        let clients = clients.drain(..);
        let own = clients.filter(|(process, _)| *process == std::process::id());
        own.filter_map(|(_, client)| client.upgrade()).collect()
    };
    if !clients.is_empty()
        && let Ok(handle) = runtime::handle()
    {
        let closing = clients.iter().map(|client| client.close(CLOSE_TIMEOUT));
        handle.block_on(futures_util::future::join_all(closing));
    }
    runtime::shut_down(SHUTDOWN_TIMEOUT);
}
