//! The verbs.

use std::future::IntoFuture;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::error::Result;
use super::job::{ChainHandle, JobHandle, RecoveryHandle};
use super::journal::Recovered;
use super::library::{Library, between};
use super::media::{Frame, MediaOptions};
use super::runtime::{self, Owned};
use super::settings::ClientOptions;
use super::token::{Callback, TokenCallback};
use super::works::Works;
use crate::media::FramePosition;
use crate::{
    AnalyzeOptions, ChainOutcome, ChainRequest, Checked, Clip, ClipNotes, ContinueRequest, EditRequest,
    ExtendRequest, GenerateRequest, MediaInput, ModelTable, Spent, VisibleModel,
};

/// How long closing waits for creates that are being sent. What is not done then is in the journal.
const CLOSING: Duration = Duration::from_secs(10);
/// How long the end of a process waits for its threads.
const ENDING: Duration = Duration::from_secs(2);

/// The clients of this process, for its end. Those of a parent are told by its id.
static CLIENTS: Mutex<Vec<(u32, Weak<Inner>)>> = Mutex::new(Vec::new());

/// Makes clips and keeps them in a library.
#[derive(uniffi::Object)]
pub struct VideoClient {
    inner: Owned<Arc<Inner>>,
}

struct Inner {
    /// Gone when the client is closed, with its lease on the library's jobs.
    client: Mutex<Option<crate::VideoClient>>,
    works: Works,
    tokens: Option<Callback>,
}

impl VideoClient {
    /// The core's client and what watches over its works.
    fn parts(&self) -> Result<(crate::VideoClient, &Works)> {
        let inner = self.inner.get()?;
        inner.works.check_open()?;
        let client = inner
            .client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let client = client.ok_or_else(runtime::gone)?;
        Ok((client, &inner.works))
    }
}

#[uniffi::export]
impl VideoClient {
    /// A client on a library. Given `tokens`, it asks them for what it sends in the place of a key.
    ///
    /// # Errors
    /// `Config` without a key, with both a key and `tokens`, or with a base URL that would leak it, `Library` when the folder cannot be made or
    /// written, `InvalidRequest` for settings that no call can be made with.
    #[uniffi::constructor(default(tokens = None))]
    pub fn new(options: ClientOptions, tokens: Option<Box<dyn TokenCallback>>) -> Result<Arc<Self>> {
        let _within = runtime::handle()?.enter();
        let tokens = tokens.map(Callback::new);
        let inner = Arc::new(Inner {
            client: Mutex::new(Some(options.build(tokens.clone())?)),
            works: Works::new(),
            tokens,
        });
        let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|(_, client)| client.strong_count() > 0);
        clients.push((std::process::id(), Arc::downgrade(&inner)));
        Ok(Arc::new(Self {
            inner: Owned::new(inner),
        }))
    }

    /// Makes a new clip.
    pub async fn generate(&self, request: GenerateRequest) -> Result<Clip> {
        let (client, works) = self.parts()?;
        works.finish(client.generate(request).start()).await
    }

    /// Begins to make a new clip, and returns when the job has its id.
    pub async fn start_generate(&self, request: GenerateRequest) -> Result<Arc<JobHandle>> {
        let (client, works) = self.parts()?;
        Ok(JobHandle::new(
            works.start(client.generate(request).start()).await?,
        ))
    }

    /// Makes a changed copy of a clip.
    pub async fn edit(&self, request: EditRequest) -> Result<Clip> {
        let (client, works) = self.parts()?;
        works.finish(client.edit(request).start()).await
    }

    /// Begins to make a changed copy of a clip.
    pub async fn start_edit(&self, request: EditRequest) -> Result<Arc<JobHandle>> {
        let (client, works) = self.parts()?;
        Ok(JobHandle::new(works.start(client.edit(request).start()).await?))
    }

    /// Adds seconds at the end of a clip: a new clip with both parts.
    pub async fn extend(&self, request: ExtendRequest) -> Result<Clip> {
        let (client, works) = self.parts()?;
        works.finish(client.extend(request).start()).await
    }

    /// Begins to add seconds at the end of a clip.
    pub async fn start_extend(&self, request: ExtendRequest) -> Result<Arc<JobHandle>> {
        let (client, works) = self.parts()?;
        Ok(JobHandle::new(works.start(client.extend(request).start()).await?))
    }

    /// Makes a clip that goes on where another one ends.
    pub async fn continue_from(&self, clip: MediaInput, request: ContinueRequest) -> Result<Clip> {
        let (client, works) = self.parts()?;
        works.finish(client.continue_from(clip, request).start()).await
    }

    /// Begins to make a clip that goes on where another one ends.
    pub async fn start_continue_from(
        &self,
        clip: MediaInput,
        request: ContinueRequest,
    ) -> Result<Arc<JobHandle>> {
        let (client, works) = self.parts()?;
        Ok(JobHandle::new(
            works.start(client.continue_from(clip, request).start()).await?,
        ))
    }

    /// Makes several clips one after another, each going on where the one before ends.
    pub async fn chain(&self, request: ChainRequest) -> Result<ChainOutcome> {
        let (client, works) = self.parts()?;
        works.finish(client.chain(request).start()).await
    }

    /// Begins to make several clips one after another.
    pub async fn start_chain(&self, request: ChainRequest) -> Result<Arc<ChainHandle>> {
        let (client, works) = self.parts()?;
        Ok(ChainHandle::new(
            works.start(client.chain(request).start()).await?,
        ))
    }

    /// Has a language model say what is seen in a clip.
    pub async fn analyze(&self, clip: MediaInput, options: AnalyzeOptions) -> Result<ClipNotes> {
        let (client, _) = self.parts()?;
        let work = async move { Ok(client.analyze(clip).options(options).into_future().await?) };
        runtime::run(work).await
    }

    /// A frame of a clip of the library, exactly the one that a player shows.
    pub async fn frame(
        &self,
        clip: String,
        position: FramePosition,
        options: Option<MediaOptions>,
    ) -> Result<Arc<Frame>> {
        let (client, _) = self.parts()?;
        let work = async move {
            let clip = client.library().resolve(&clip).await?;
            let frame = client.frame(&clip, position);
            let frame = frame.with_options(options.unwrap_or_default().into());
            Ok(Frame::new(frame.await?))
        };
        runtime::run(work).await
    }

    /// Checks a request, and says what it would cost. Sends nothing and pays nothing.
    pub fn estimate(&self, request: GenerateRequest) -> Result<Checked> {
        Ok(self.parts()?.0.estimate(&request)?)
    }

    /// Picks a job up again from its id alone, in any process.
    pub async fn job(&self, id: String) -> Result<Arc<JobHandle>> {
        let (client, works) = self.parts()?;
        let start = async move { client.job(&id) };
        Ok(JobHandle::new(works.start(start).await?))
    }

    /// Finishes every job of the library that something interrupted: waits for it, downloads, checks and saves
    /// its clip. Costs nothing.
    pub async fn recover(&self) -> Result<Recovered> {
        let (client, works) = self.parts()?;
        works.left().await?;
        let start = async move { Ok(client.recover().start()) };
        Ok(works.finish(start).await?.into())
    }

    /// Begins a recovery.
    pub async fn start_recover(&self) -> Result<Arc<RecoveryHandle>> {
        let (client, works) = self.parts()?;
        works.left().await?;
        let start = async move { Ok(client.recover().start()) };
        Ok(RecoveryHandle::new(works.start(start).await?))
    }

    /// What was spent on requests that were begun in a time, in milliseconds since 1970 UTC; without ends, on all.
    pub async fn spent(&self, from: Option<u64>, before: Option<u64>) -> Result<Spent> {
        let (client, _) = self.parts()?;
        let time = between(from, before);
        runtime::run(async move { Ok(client.spent(time).await?) }).await
    }

    /// The models that the key can see at the service.
    pub async fn visible_models(&self) -> Result<Vec<VisibleModel>> {
        let (client, _) = self.parts()?;
        runtime::run(async move { Ok(client.visible_models().await?) }).await
    }

    /// The table that requests are checked against.
    pub fn models(&self) -> Result<ModelTable> {
        Ok(self.parts()?.0.models().clone())
    }

    /// The library.
    pub fn library(&self) -> Result<Arc<Library>> {
        Ok(Library::new(self.parts()?.0.library().clone()))
    }

    /// Scheme, host and port of the service.
    pub fn service(&self) -> Result<String> {
        Ok(self.parts()?.0.service())
    }

    /// Closes the client: it stops waiting for its jobs, which go on at the service and stay in the journal, and
    /// takes no more calls. A create that is being sent is waited for, at most 10 s. A second call does nothing.
    pub async fn close(&self) -> Result<()> {
        let inner = Arc::clone(self.inner.get()?);
        runtime::run(async move {
            inner.close(CLOSING).await;
            Ok(())
        })
        .await
    }
}

impl Inner {
    async fn close(&self, deadline: Duration) {
        if !self.works.close(deadline).await {
            tracing::warn!("a client was closed while a create was being sent; the journal has it");
        }
        self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tokens) = &self.tokens {
            tokens.close();
        }
    }
}

/// Ends the package for this process, before the language's own runtime ends: closes every client, then stops the
/// threads, so that nothing calls back. Every later call is an error.
#[uniffi::export]
pub fn shut_down() {
    let clients: Vec<_> = {
        let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = |(process, _): &(u32, _)| *process == std::process::id();
        let ours = clients.drain(..).filter(ours);
        ours.filter_map(|(_, client)| client.upgrade()).collect()
    };
    if !clients.is_empty()
        && let Ok(handle) = runtime::handle()
    {
        let closing = clients.iter().map(|client| client.close(CLOSING));
        handle.block_on(futures_util::future::join_all(closing));
    }
    runtime::end(ENDING);
}
