//! What the commands share: the runtime, the client, the sandbox in the process, clips by what is typed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reelkin::library::ClipReader;
use reelkin::media::MediaSource;
use reelkin::sandbox::Sandbox;
use reelkin::{
    Budget, Clip, ErrorKind, Event, Handle, JobHandle, Library, MediaInput, ModelTable, PlanChoice,
    PlannerFailure, PlannerSettings, PollPolicy, Validation, VideoClient, usd,
};

use tokio::runtime::Runtime;

use crate::args::{Global, Limits, Planning, Wait};
use crate::output::{self, Failure, Outcome};
use crate::signals::{self, Signals};

/// Runs a command that needs the network.
pub(crate) fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = runtime()?;
    let result = runtime.block_on(work);
    // A blocking read that hangs must not keep the program from ending.
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}

/// Runs a command that sends what is paid. A signal stops it: what was sent is finished, and nothing more is sent.
pub(crate) fn with_session(
    global: &Global,
    settings: Settings,
    work: impl AsyncFnOnce(&Session) -> Outcome,
) -> Outcome {
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        // Before anything is read or sent.
        let signals = Signals::install()?;
        let session = Session::open(global, settings).await?;
        signals.stop(session.client.clone());
        let result = tokio::select! {
            biased;
            result = work(&session) => result,
            failure = signals.gave_up() => Err(failure),
        };
        session.close().await;
        result
    });
    if signals::exit_code().is_some() {
        runtime.shutdown_background();
    } else {
        runtime.shutdown_timeout(Duration::from_secs(2));
    }
    result
}

fn runtime() -> Outcome<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Local(format!("start the runtime: {error}")))
}

/// A client, and the sandbox that it talks to, where it is in this process.
pub(crate) struct Session {
    pub(crate) client: VideoClient,
    sandbox: Option<Sandbox>,
}

/// What a command may change of a client.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) timeout: Option<Duration>,
    pub(crate) validation: Validation,
    pub(crate) table: Option<ModelTable>,
}

impl Session {
    pub(crate) async fn open(global: &Global, settings: Settings) -> Outcome<Self> {
        let builder = VideoClient::builder()
            .library(&global.library)
            .budget(budget(&global.limits)?)
            .validation(settings.validation);
        let mut policy = PollPolicy::default();
        if let Some(timeout) = settings.timeout {
            policy.deadline = timeout;
        }
        let sandbox = if global.sandbox {
            Some(Sandbox::builder().start().await?)
        } else {
            None
        };
        let local = global.base_url.as_deref().is_some_and(is_local) || sandbox.is_some();
        if local {
            // A server on this machine is no service with a queue: it is ready sooner.
            policy.first = Duration::from_millis(500);
            policy.expected = Duration::from_secs(4);
            policy.shortest = Duration::from_millis(250);
        }
        let builder = match settings.table {
            Some(table) => builder.models(table),
            None => builder,
        };
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

    /// Waits for a job, with progress.
    pub(crate) async fn wait(&self, job: &JobHandle, json: bool) -> reelkin::Result<Clip> {
        until_over(job, output::follow(job.clone(), json)).await
    }

    /// The copies that `-o` and `-d` ask for.
    pub(crate) async fn copy(&self, clip: &Clip, wait: &Wait) -> reelkin::Result<Option<PathBuf>> {
        let library = self.client.library();
        match (&wait.out, &wait.out_dir) {
            (Some(file), _) => library.copy_out(clip, file).await.map(Some),
            (None, Some(folder)) => library.copy_into(clip, folder).await.map(Some),
            (None, None) => Ok(None),
        }
    }

    pub(crate) async fn close(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
    }
}

/// Waits for work and draws it.
pub(crate) async fn until_over<T, E>(
    work: &Handle<T, E>,
    drawing: impl Future<Output = ()> + Send + 'static,
) -> reelkin::Result<T>
where
    T: Clone + Send + Sync + 'static,
    E: Event,
{
    let drawing = tokio::spawn(drawing);
    let result = work.wait().await;
    // The bar ends with the events, which end with the work.
    let _ = drawing.await;
    result
}

/// Makes one clip, from the start of its job to the copies that were asked for.
pub(crate) fn make<F, W>(global: &Global, wait: &Wait, settings: Settings, start: F) -> Outcome
where
    F: FnOnce(VideoClient) -> W,
    W: Future<Output = reelkin::Result<JobHandle>>,
{
    with_session(global, settings, async |session| {
        let job = start(session.client.clone()).await?;
        let clip = session.wait(&job, global.json).await?;
        let copy = session.copy(&clip, wait).await;
        Ok(output::saved(&clip, copy, global.json))
    })
}

/// A picture by what a person types. What is not Unicode is the path of a file.
pub(crate) fn picture(text: &OsStr) -> reelkin::Result<MediaInput> {
    match text.to_str() {
        Some(text) => MediaInput::parse(text),
        None => Ok(Path::new(text).into()),
    }
}

/// A clip by what a person types. What is not Unicode is the path of a file.
pub(crate) fn video(text: &OsStr) -> reelkin::Result<MediaInput> {
    match text.to_str() {
        Some(text) => MediaInput::parse_video(text),
        None => Ok(Path::new(text).into()),
    }
}

fn budget(limits: &Limits) -> Outcome<Budget> {
    let mut budget = Budget::NONE.with_unknown_prices(limits.unknown_prices);
    if let Some(limit) = &limits.budget_request {
        budget = budget.with_per_request(usd(limit)?);
    }
    if let Some(limit) = &limits.budget_day {
        budget = budget.with_per_day(usd(limit)?);
    }
    if let Some(limit) = &limits.budget_library {
        budget = budget.with_per_library(usd(limit)?);
    }
    Ok(budget)
}

/// Whether a base URL is on this machine.
fn is_local(url: &str) -> bool {
    ["http://127.", "http://localhost", "http://[::1]"]
        .iter()
        .any(|start| url.starts_with(start))
}

/// What a person chose of planning.
pub(crate) fn plan(planning: &Planning) -> PlanChoice {
    let Planning {
        plan,
        no_plan,
        planner_model,
        web_search,
        own_words,
    } = planning;
    if *no_plan {
        return PlanChoice::Off;
    }
    if planner_model.is_none() && !web_search && !own_words {
        return if *plan {
            PlanChoice::On(None)
        } else {
            PlanChoice::Default
        };
    }
    let mut settings = PlannerSettings::default().web_search(*web_search);
    if let Some(model) = planner_model {
        settings = settings.model(model);
    }
    if *own_words {
        settings = settings.on_failure(PlannerFailure::OwnWords);
    }
    settings.into()
}

/// Refuses a place for the copy that cannot work, before anything is paid.
pub(crate) fn check_destination(wait: &Wait, library: &Path) -> Outcome<()> {
    let refuse = |path: &Path, what: &str| {
        Err(Failure::Arguments(format!(
            "write a copy to {}: {what}",
            path.display()
        )))
    };
    if let Some(file) = &wait.out {
        let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        if file.is_dir() {
            return refuse(file, "it is a folder; use -d for a folder");
        }
        if !folder.is_dir() {
            return refuse(file, "its folder does not exist");
        }
        if is_same(folder, library) {
            return refuse(file, "it lies in the library; name a place outside");
        }
    }
    if let Some(folder) = &wait.out_dir {
        if folder.exists() && !folder.is_dir() {
            return refuse(folder, "it is a file; use -o for a file");
        }
        if let Some(above) = folder.ancestors().skip(1).find(|above| above.exists())
            && !above.is_dir()
        {
            return refuse(folder, "it would lie below a file");
        }
        if is_same(folder, library) {
            return refuse(folder, "it is the library itself, where the clip lies already");
        }
    }
    Ok(())
}

/// Whether two paths are one folder, also when it is still to be made.
fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => std::path::absolute(one)
            .is_ok_and(|one| std::path::absolute(other).is_ok_and(|other| one == other)),
    }
}

/// A clip to be looked at.
pub(crate) struct Found {
    /// Its path, or its name in a bucket.
    pub(crate) path: PathBuf,
    pub(crate) source: MediaSource,
    /// What fetches a clip of a bucket while it is read.
    _runtime: Option<Runtime>,
}

impl Found {
    fn file(path: PathBuf) -> Self {
        Self {
            source: MediaSource::from(&path),
            path,
            _runtime: None,
        }
    }
}

/// A clip of a bucket, of which only what is looked at is fetched.
pub(crate) fn stored(name: &str, clip: &ClipReader) -> MediaSource {
    let (reader, stop) = clip.stoppable();
    MediaSource::reader(name, reader).with_stop(stop)
}

/// A clip by what a person types: a path to any file, or a clip of the library.
pub(crate) fn find_clip(global: &Global, text: &OsStr) -> Outcome<Found> {
    let path = Path::new(text);
    if path.exists() {
        return Ok(Found::file(path.to_owned()));
    }
    let missing = || {
        Failure::Arguments(format!(
            "find clip {:?}: there is no such file, and no such clip in the library {}",
            text.to_string_lossy(),
            global.library.display()
        ))
    };
    // A path that is not Unicode names nothing in a library.
    let name = text.to_str().ok_or_else(missing)?;
    let is_url = global.library.to_str().is_some_and(|place| place.contains("://"));
    if !is_url && !global.library.is_dir() {
        return Err(missing());
    }
    let library = Library::open_to_read(&global.library)?;
    let runtime = runtime()?;
    let found: reelkin::Result<_> = runtime.block_on(async {
        let clip = library.resolve(name).await?;
        let reader = match &clip.path {
            Some(_) => None,
            None => Some(library.reader(&clip.id).await?),
        };
        Ok((clip, reader))
    });
    match found {
        Ok((clip, Some(reader))) => Ok(Found {
            source: stored(&clip.file_name, &reader),
            path: clip.file_name.into(),
            _runtime: Some(runtime),
        }),
        Ok((clip, None)) => clip.path.map(Found::file).ok_or_else(missing),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(missing()),
        Err(error) => Err(error.into()),
    }
}
