//! The state that all handlers share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use tokio::sync::Semaphore;
use uuid::Uuid;

use super::blob::{Blob, Scratch};
use super::checksum::ClipChecksum;
use super::files::Files;
use super::jobs::{CLIP_PATH, Jobs};
use super::recent_table::RecentTable;
use super::stored_answers::{DeferredCompletion, StoredResponse};
use crate::sandbox::faults::script::Script;
use crate::sandbox::transport::host_check::AllowedHosts;
use crate::sandbox::transport::listener::Restarts;

pub(crate) type App = Arc<AppState>;

/// Everything that the handlers share.
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) settings: Settings,
    pub(crate) api_key: String,
    pub(crate) address: SocketAddr,
    pub(crate) hosts: AllowedHosts,
    pub(crate) script: Arc<Script>,
    pub(crate) restarts: Restarts,
    pub(crate) counters: Counters,
    pub(crate) jobs: Jobs,
    pub(crate) responses: RecentTable<Uuid, StoredResponse>,
    pub(crate) deferred: RecentTable<Uuid, DeferredCompletion>,
    pub(crate) files: Files,
    pub(crate) scratch: Arc<Scratch>,
    /// Limits concurrent rendering and decoding.
    pub(crate) renderers: Arc<Semaphore>,
    /// The clips that were rendered last, with their number of frames: a prompt without pictures always gives the same
    /// clip.
    pub(crate) rendered: RecentTable<ClipKey, (Blob, usize)>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) http: reqwest::Client,
    /// Set when the sandbox stops. Renderings in progress then end.
    pub(crate) stop: Arc<AtomicBool>,
}

/// What a clip without pictures depends on: width, height, frames, sound and prompt.
pub(crate) type ClipKey = (usize, usize, usize, bool, String);

/// Maximum number of rendered clips that are kept, with their files.
pub(crate) const MAX_RENDERED: usize = 16;

/// The settings of the sandbox builder.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) min_job_duration: Duration,
    pub(crate) zero_data_retention: bool,
    pub(crate) link_lifetime: Duration,
    pub(crate) max_body_bytes: usize,
    pub(crate) clip_checksum: ClipChecksum,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_job_duration: Duration::from_secs(2),
            zero_data_retention: false,
            link_lifetime: Duration::from_secs(24 * 3600),
            max_body_bytes: 200 << 20,
            clip_checksum: ClipChecksum::None,
        }
    }
}

/// Counts the requests, by kind.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) creates: AtomicU64,
    pub(crate) create_requests: AtomicU64,
    pub(crate) polls: AtomicU64,
    pub(crate) downloads: AtomicU64,
    pub(crate) uploads: AtomicU64,
    pub(crate) answers: AtomicU64,
}

impl AppState {
    /// Returns the clip or file that one of the sandbox's own URLs points to.
    pub(crate) fn find_own_media(&self, url: &str) -> Option<Blob> {
        let url = url::Url::parse(url).ok()?;
        if url.port_or_known_default() != Some(self.address.port()) {
            return None;
        }
        let is_own = match url.host()? {
            url::Host::Domain(name) => name == "localhost",
            url::Host::Ipv4(ip) => ip.is_loopback() || self.address.ip() == ip,
            url::Host::Ipv6(ip) => ip.is_loopback() || self.address.ip() == ip,
        };
        if !is_own {
            return None;
        }
        if let Some(name) = url.path().strip_prefix(CLIP_PATH) {
            let link = self.jobs.find_link(name)?;
            let signature = url.query_pairs().find(|(key, _)| key == "sig");
            let signature = signature.as_ref().map(|(_, value)| &**value);
            if link.refusal(signature, self.settings.link_lifetime).is_some() {
                return None;
            }
            return self.jobs.with(link.job, |job| job.clip().cloned())?;
        }
        let rest = url.path().strip_prefix("/files-cdn/")?;
        let (token, _) = rest.split_once('/')?;
        self.files.find_by_token(token).map(|(blob, _)| blob)
    }
}
