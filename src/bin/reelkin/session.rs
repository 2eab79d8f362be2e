//! The runtime and the client of a command, and waiting for jobs.

use std::time::Duration;

use futures_util::StreamExt as _;
use reelkin::sandbox::Sandbox;
use reelkin::{Clip, JobHandle, PollPolicy, VideoClient, VideoClientBuilder, WorkEvent, WorkHandle};
use tokio::runtime::Runtime;

use crate::args::{GlobalArgs, WaitArgs};
use crate::copies;
use crate::output::{self, CliError, CommandResult, Progress};
use crate::signals::{self, Signals};

/// How long a blocking read may delay the end of the program.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn new_runtime() -> CommandResult<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::Local(format!("start the runtime: {error}")))
}

/// Runs a command that sends no paid requests and so needs no [`Signals`].
pub(crate) fn block_on<T>(work: impl Future<Output = CommandResult<T>>) -> CommandResult<T> {
    let runtime = new_runtime()?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    result
}

/// Runs a command that sends paid requests. After a signal, no more requests are sent and those in flight are finished.
pub(crate) fn with_session(
    global: &GlobalArgs,
    builder: VideoClientBuilder,
    timeout: Option<Duration>,
    work: impl AsyncFnOnce(&Session) -> CommandResult,
) -> CommandResult {
    let runtime = new_runtime()?;
    let result = runtime.block_on(async {
        let signals = Signals::listen()?;
        let session = Session::open(global, builder, timeout).await?;
        signals.stop_on_signal(session.client.clone());
        let result = tokio::select! {
            biased;
            result = work(&session) => result,
            error = signals.grace_period_ended() => Err(error),
        };
        session.close().await;
        result
    });
    if signals::exit_code().is_some() {
        runtime.shutdown_background();
    } else {
        runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    }
    result
}

/// Creates one clip: starts its job, waits for it and copies the clip, as `wait` says.
pub(crate) fn create_clip<F, W>(
    global: &GlobalArgs,
    wait: &WaitArgs,
    builder: VideoClientBuilder,
    start: F,
) -> CommandResult
where
    F: FnOnce(VideoClient) -> W,
    W: Future<Output = reelkin::Result<JobHandle>>,
{
    copies::check_destination(wait, &global.library)?;
    with_session(global, builder, Some(wait.timeout), async |session| {
        let job = start(session.client.clone()).await?;
        let clip = wait_for_job(&job, global.json).await?;
        let copy = copies::copy_clip(session.client.library(), &clip, wait).await;
        Ok(output::report_saved(&clip, &copy, global.json))
    })
}

pub(crate) struct Session {
    pub(crate) client: VideoClient,
    /// The server that the client uses, with `--sandbox`.
    sandbox: Option<Sandbox>,
}

impl Session {
    /// Builds the client and, with `--sandbox`, starts its server. `timeout` limits the wait for each job.
    pub(crate) async fn open(
        global: &GlobalArgs,
        builder: VideoClientBuilder,
        timeout: Option<Duration>,
    ) -> CommandResult<Self> {
        let builder = builder
            .library(&global.library)
            .budget(global.budget.to_budget()?);
        let mut policy = PollPolicy::default();
        if let Some(timeout) = timeout {
            policy.deadline = timeout;
        }
        let sandbox = if global.sandbox {
            Some(Sandbox::builder().start().await?)
        } else {
            None
        };
        if sandbox.is_some() || global.base_url.as_deref().is_some_and(is_loopback) {
            // A local server has no queue, so jobs finish sooner.
            policy.first = Duration::from_millis(500);
            policy.expected = Duration::from_secs(4);
            policy.shortest = Duration::from_millis(250);
        }
        let builder = match (&sandbox, &global.base_url) {
            (Some(sandbox), _) => builder.base_url(sandbox.base_url()).api_key(sandbox.api_key()),
            (None, Some(url)) => builder.base_url(url).api_key_from_env(),
            (None, None) => builder.api_key_from_env(),
        };
        Ok(Self {
            client: builder.poll(policy).build()?,
            sandbox,
        })
    }

    pub(crate) async fn close(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
    }
}

pub(crate) async fn wait_for_job(job: &JobHandle, quiet: bool) -> reelkin::Result<Clip> {
    wait_with_progress(job, quiet, |event| output::job_progress(&event)).await
}

/// Waits for work and, unless `quiet`, draws those of its events that `describe` returns progress for.
pub(crate) async fn wait_with_progress<T, E>(
    work: &WorkHandle<T, E>,
    quiet: bool,
    mut describe: impl FnMut(E) -> Option<Progress> + Send + 'static,
) -> reelkin::Result<T>
where
    T: Clone + Send + Sync + 'static,
    E: WorkEvent,
{
    if quiet {
        return work.wait().await;
    }
    let updates = work
        .events()
        .filter_map(move |event| std::future::ready(describe(event)));
    let drawing = tokio::spawn(output::draw(updates));
    let result = work.wait().await;
    // The events end with the work, and the progress bar with the events.
    let _ = drawing.await;
    result
}

fn is_loopback(url: &str) -> bool {
    ["http://127.", "http://localhost", "http://[::1]"]
        .iter()
        .any(|start| url.starts_with(start))
}
