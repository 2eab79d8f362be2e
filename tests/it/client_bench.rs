//! What the tests of client, jobs, downloads and program share: a sandbox and a library of their own,
//! a client in a hurry, and a hard look at what lies in the library.

#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use reelkin::media::{MediaOptions, MediaSource, check_whole};
use reelkin::sandbox::{Sandbox, SandboxBuilder, SandboxState};
use reelkin::{
    DownloadPolicy, GenerateRequest, JobEvent, JobHandle, PollPolicy, RateLimit, Timeouts, VideoClient,
    VideoClientBuilder, secs,
};
use serde_json::Value;
use tempfile::TempDir;

/// A key that is easy to find wherever it should not be.
pub(crate) const KEY: &str = "xai-CANARY0123456789abcdef";

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Polls in a hurry; gives up after 20 s, which no test is meant to reach.
pub(crate) fn quick_polls() -> PollPolicy {
    let mut policy = PollPolicy::default();
    policy.first = ms(50);
    policy.expected = ms(100);
    policy.shortest = ms(20);
    policy.longest = ms(60);
    policy.deadline = secs(20);
    policy
}

/// Two tries of a download. A busy machine may keep the line silent for a while.
pub(crate) fn quick_downloads() -> DownloadPolicy {
    let mut policy = DownloadPolicy::default();
    policy.attempts = 2;
    policy.stall_timeout = secs(3);
    policy
}

/// So long and no longer for every exchange.
pub(crate) fn quick_timeouts(time: Duration) -> Timeouts {
    let mut timeouts = Timeouts::default();
    (timeouts.create, timeouts.read) = (time, time);
    timeouts
}

/// A client set up for a place that speaks the protocol.
pub(crate) fn builder(base_url: &str, library: &Path) -> VideoClientBuilder {
    VideoClient::builder()
        .api_key(KEY)
        .base_url(base_url)
        .library(library)
        .poll(quick_polls())
        .download(quick_downloads())
        .rate_limit(RateLimit::per_second(1000.0, 1000.0))
}

/// The cheapest request there is to render.
pub(crate) fn request() -> GenerateRequest {
    GenerateRequest::text("a lighthouse at dusk").duration(secs(1))
}

/// A sandbox with the well-known key, and an empty library.
pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    pub(crate) folder: TempDir,
}

impl Bench {
    pub(crate) async fn start(faults: &[&str]) -> Self {
        Self::with(Sandbox::builder().seconds_per_job(0.1), faults).await
    }

    pub(crate) async fn with(builder: SandboxBuilder, faults: &[&str]) -> Self {
        let faults = faults.iter().map(|text| text.parse().unwrap());
        let builder = faults.fold(builder.api_key(KEY), SandboxBuilder::fault);
        Self {
            sandbox: builder.start().await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The library's folder; the temporary folder around it is for everything else.
    pub(crate) fn library(&self) -> PathBuf {
        self.folder.path().join("clips")
    }

    pub(crate) fn builder(&self) -> VideoClientBuilder {
        builder(&self.sandbox.base_url(), &self.library())
    }

    /// A new client each time: nothing is shared with an earlier one but the library.
    pub(crate) fn client(&self) -> VideoClient {
        self.builder().build().unwrap()
    }

    pub(crate) fn state(&self) -> SandboxState {
        self.sandbox.state()
    }

    /// Waits until the sandbox's state is as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&SandboxState) -> bool) -> SandboxState {
        for _ in 0..2000 {
            let state = self.state();
            if wanted(&state) {
                return state;
            }
            tokio::time::sleep(ms(10)).await;
        }
        panic!("never: {what}: {:?}", self.state());
    }

    pub(crate) fn clips(&self) -> Vec<SavedClip> {
        clips_in(&self.library())
    }
}

/// A clip of the library that passed the look.
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

/// Everything that lies in a library, which must be whole clips with their sidecars and nothing else.
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
            // They are looked at by the tests of chains, of the journal and of the quarantine.
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

/// The events of a job until it is over.
pub(crate) async fn all_events(job: &JobHandle) -> Vec<JobEvent> {
    let (mut events, mut all) = (job.events(), Vec::new());
    while let Some(event) = events.next().await {
        all.push(event);
    }
    all
}

/// A real clip of a second, made once for all tests.
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
