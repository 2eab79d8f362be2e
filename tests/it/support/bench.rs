//! A sandbox and an empty library for one test, a client with short waits, and strict checks of the library.

#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reelkin::media::{MediaOptions, MediaSource, check_whole};
use reelkin::sandbox::{Fault, FaultKind, FaultOperation, Sandbox, SandboxBuilder, SandboxState};
use reelkin::{
    ChainRequest, ContinueRequest, DownloadPolicy, GenerateRequest, JobEvent, JobHandle, PollPolicy,
    RateLimit, Timeouts, VideoClient, VideoClientBuilder, secs,
};
use serde_json::Value;
use tempfile::TempDir;

/// A key that is easy to find where it must not be.
pub(crate) const KEY: &str = "xai-CANARY0123456789abcdef";

/// Returns a duration in milliseconds.
pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Limits how long a test waits for a state that must come, also on a loaded machine.
pub(crate) const MAX_WAIT: Duration = secs(240);

/// Keeps every job pending until [`Bench::end_pending`], so that a test does not race with the end of a job.
pub(crate) const PENDING: &str = "poll:html=202";

/// Parses a fault. [`PENDING`] has a status of success, which the text form of faults refuses.
pub(crate) fn fault(text: &str) -> Fault {
    let Some(conditions) = text.strip_prefix(PENDING) else {
        return text.parse().unwrap();
    };
    let fault = Fault::new(FaultKind::HtmlPage(202)).on(FaultOperation::Poll);
    let conditions = conditions.split(',').filter(|condition| !condition.is_empty());
    conditions.fold(fault, |fault, condition| match condition.split_once('=') {
        Some(("times", times)) => fault.times(times.parse().unwrap()),
        Some(("prompt", words)) => fault.prompt(words),
        _ => panic!("{text}"),
    })
}

/// Polls quickly. No test is meant to reach the deadline.
pub(crate) fn quick_polls() -> PollPolicy {
    let mut policy = PollPolicy::default();
    policy.first = ms(50);
    policy.expected = ms(100);
    policy.shortest = ms(20);
    policy.longest = ms(60);
    policy.deadline = MAX_WAIT;
    policy
}

/// Polls quickly until a deadline.
pub(crate) fn polls_until(deadline: Duration) -> PollPolicy {
    let mut policy = quick_polls();
    policy.deadline = deadline;
    policy
}

/// Allows two attempts of a download, with the default stall timeout. Less than 3 kB count as an attempt without
/// progress.
pub(crate) fn quick_downloads() -> DownloadPolicy {
    let mut policy = DownloadPolicy::default();
    policy.attempts = 2;
    policy.min_bytes_per_second = 100;
    policy
}

/// Limits each poll. Polls are repeated, so a limit that is too short on a loaded machine does no harm.
pub(crate) fn quick_reads(time: Duration) -> Timeouts {
    let mut timeouts = Timeouts::default();
    timeouts.read = time;
    timeouts
}

/// Limits a create, but leaves a loaded machine the time to send it: tests count the creates that arrive.
pub(crate) fn quick_creates() -> Timeouts {
    let mut timeouts = Timeouts::default();
    timeouts.create = secs(5);
    timeouts
}

/// Returns a builder for a client with short waits.
pub(crate) fn builder(base_url: &str, library: &Path) -> VideoClientBuilder {
    VideoClient::builder()
        .api_key(KEY)
        .base_url(base_url)
        .library(library)
        .poll(quick_polls())
        .download(quick_downloads())
        .rate_limit(RateLimit::per_second(1000.0, 1000.0))
}

/// Returns the request that is the cheapest to render.
pub(crate) fn request() -> GenerateRequest {
    GenerateRequest::text("a lighthouse at dusk").duration(secs(1))
}

/// A sandbox with [`KEY`], and an empty library.
pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    pub(crate) folder: TempDir,
}

impl Bench {
    pub(crate) async fn start(faults: &[&str]) -> Self {
        Self::with(
            Sandbox::builder().min_job_duration(Duration::from_millis(100)),
            faults,
        )
        .await
    }

    pub(crate) async fn with(builder: SandboxBuilder, faults: &[&str]) -> Self {
        let faults = faults.iter().map(|text| fault(text));
        let builder = faults.fold(builder.api_key(KEY), SandboxBuilder::fault);
        Self {
            sandbox: builder.start().await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Returns the folder of the library. The temporary folder around it is for other files.
    pub(crate) fn library(&self) -> PathBuf {
        self.folder.path().join("clips")
    }

    pub(crate) fn builder(&self) -> VideoClientBuilder {
        builder(&self.sandbox.base_url(), &self.library())
    }

    /// Returns a new client, which shares only the library with earlier ones.
    pub(crate) fn client(&self) -> VideoClient {
        self.builder().build().unwrap()
    }

    pub(crate) fn state(&self) -> SandboxState {
        self.sandbox.state()
    }

    /// Waits until the state of the sandbox is as wanted, and returns it.
    pub(crate) async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&SandboxState) -> bool + Send + Sync,
    ) -> SandboxState {
        let mut state = self.state();
        wait_until(
            || format!("{what}: {:?}", self.state()),
            async || {
                state = self.state();
                wanted(&state)
            },
        )
        .await;
        state
    }

    /// Removes [`PENDING`] from the script. The other faults stay in force.
    pub(crate) fn end_pending(&self) {
        let mut faults = self.state().faults;
        faults.retain(|fault| !fault.to_string().starts_with(PENDING));
        self.sandbox.clear_faults();
        self.sandbox.add_faults(faults);
    }

    pub(crate) fn clips(&self) -> Vec<SavedClip> {
        clips_in(&self.library())
    }
}

/// A clip of the library that passed the checks.
#[derive(Debug)]
pub(crate) struct SavedClip {
    pub(crate) path: PathBuf,
    pub(crate) sidecar: Value,
}

impl SavedClip {
    pub(crate) fn job_id(&self) -> &str {
        self.sidecar["reelkin"]["job_id"].as_str().unwrap()
    }
}

/// Returns all clips of a library. It must contain whole clips with their sidecars and nothing else.
pub(crate) fn clips_in(library: &Path) -> Vec<SavedClip> {
    let mut clips = Vec::new();
    let Ok(entries) = std::fs::read_dir(library) else {
        return clips;
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in &names {
        let path = library.join(name);
        if ["chains", "jobs", "ledger", "quarantine"].contains(&name.as_str()) {
            // The tests of chains, of the journal and of the quarantine check these.
        } else if name == ".incoming" {
            let left: Vec<_> = std::fs::read_dir(&path).unwrap().collect();
            assert!(left.is_empty(), "left in .incoming: {left:?}");
        } else if let Some(clip) = name.strip_suffix(".json") {
            assert!(
                names.iter().any(|other| other == clip),
                "a sidecar of nothing: {name}"
            );
        } else {
            assert!(name.strip_suffix(".mp4").is_some(), "a stray file: {name}");
            let whole = check_whole(MediaSource::from(path.clone()), &MediaOptions::default());
            assert!(whole.is_ok(), "{name}: {}", whole.unwrap_err());
            let sidecar = std::fs::read(library.join(format!("{name}.json")))
                .unwrap_or_else(|_| panic!("no sidecar: {name}"));
            let sidecar: Value = serde_json::from_slice(&sidecar).unwrap();
            let size = std::fs::metadata(&path).unwrap().len();
            assert_eq!(sidecar["reelkin"]["bytes"], size, "{sidecar}");
            clips.push(SavedClip { path, sidecar });
        }
    }
    clips
}

/// Waits until a condition holds. Panics with `describe` if it does not hold within [`MAX_WAIT`].
pub(crate) async fn wait_until(describe: impl Fn() -> String, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < MAX_WAIT, "never: {}", describe());
        tokio::time::sleep(ms(5)).await;
    }
}

/// Returns all events of a job.
pub(crate) async fn all_events(job: &JobHandle) -> Vec<JobEvent> {
    let (mut events, mut all) = (job.events(), Vec::new());
    while let Some(event) = events.next().await {
        all.push(event);
    }
    all
}

/// Returns a real clip of one second, which is made once for all tests.
pub(crate) async fn real_clip() -> Bytes {
    static CLIP: OnceLock<Bytes> = OnceLock::new();
    static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _making = MAKING.lock().await;
    if let Some(clip) = CLIP.get() {
        return clip.clone();
    }
    let bench = Bench::start(&[]).await;
    let clip = bench.client().generate(request()).await.unwrap();
    let bytes = Bytes::from(std::fs::read(clip.path.unwrap()).unwrap());
    CLIP.get_or_init(|| bytes).clone()
}

/// Returns a continuation that is quick to render.
pub(crate) fn step(prompt: &str) -> ContinueRequest {
    ContinueRequest::new(prompt).duration(secs(1)).resolution("480p")
}

/// Returns a chain of three clips.
pub(crate) fn film() -> ChainRequest {
    ChainRequest::generate(request())
        .then(step("the lamp turns on"))
        .then(step("a ship answers"))
}

/// Reads the sidecar of the clip at a path.
pub(crate) fn sidecar(path: &Path) -> Value {
    let json = std::fs::read(format!("{}.json", path.display())).unwrap();
    serde_json::from_slice(&json).unwrap()
}
