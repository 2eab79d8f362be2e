//! A local server with the service's protocol, for tests and for use without a key and without cost.
//!
//! It has the same routes, checks, status codes and bodies as the service, renders real video (H.264 and AAC), and
//! applies scripted faults (see [`Fault`]). What the service checks only after the create, the sandbox also checks
//! then.
//!
//! It does not use the client's code: it shares no wire type, no limit and no price with it, so that a mistake on
//! one side is not hidden by the other. It never contacts a host other than this machine.
//!
//! | module | contents |
//! |---|---|
//! | `routes` | the handlers, a file per group of routes, and what every request passes first |
//! | `render` | the work of a job, and the pictures and sound of a clip |
//! | `state` | jobs, files, stored answers, counters |
//! | `llm` | the computed answers of Responses and Chat Completions |
//! | `faults` | the kinds of fault, their text form, and what they do to a reply |
//! | `transport` | the listener, connections that can be cut at any byte, the check of the host |
//! | `rules` | validation, prices, models, limits and error bodies |
//!
//! Each module uses only those below it.
//!
//! ```no_run
//! # async fn run() -> reelkin::Result<()> {
//! use std::time::Duration;
//!
//! use reelkin::sandbox::Sandbox;
//!
//! let sandbox = Sandbox::builder().min_job_duration(Duration::from_millis(500)).start().await?;
//! println!("{} {}", sandbox.base_url(), sandbox.api_key());
//! // Point any client of the service there.
//! assert_eq!(sandbox.state().creates, 0);
//! sandbox.stop().await;
//! # Ok(()) }
//! ```

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "pixels, samples, percentages and seconds are far below the limits of the types"
)]

mod faults;
mod llm;
mod render;
mod routes;
mod rules;
mod state;
mod transport;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub use self::faults::{Fault, FaultKind, FaultOperation, ModerationShape, RateLimitCause};
pub use self::state::checksum::ClipChecksum;
pub use self::state::snapshot::{SandboxJob, SandboxState};

use self::state::app::{App, AppState, Counters, MAX_RENDERED, Settings};
use self::state::blob::Scratch;
use self::state::files::Files;
use self::state::jobs::Jobs;
use self::state::recent_table::RecentTable;
use self::state::stored_answers::MAX_ANSWERS;
use self::transport::connection::{Connection, OpenConnections};
use self::transport::host_check::AllowedHosts;
use self::transport::listener::{FaultListener, Restarts};
use crate::error::{Error, Result};

/// The maximum of [`SandboxBuilder::min_job_duration`].
const MAX_JOB_DURATION: Duration = Duration::from_secs(86_400);

/// A running sandbox. Dropping it stops it and removes its clips.
#[derive(Debug)]
pub struct Sandbox {
    app: App,
    connections: OpenConnections,
    server: JoinHandle<()>,
}

/// Configures and starts a [`Sandbox`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is started"]
pub struct SandboxBuilder {
    listen: SocketAddr,
    api_key: Option<String>,
    settings: Settings,
    max_jobs: usize,
    hosts: Vec<String>,
    faults: Vec<Fault>,
}

impl Default for SandboxBuilder {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_key: None,
            settings: Settings::default(),
            max_jobs: 10_000,
            hosts: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl SandboxBuilder {
    /// Sets the address to listen on. Defaults to a free port of 127.0.0.1. An address other than loopback opens
    /// the sandbox to the network, including its own routes, which need no key.
    ///
    /// A request is accepted if its `Host` is `localhost`, a loopback address, or this address, with any port. A
    /// sandbox on all addresses (`0.0.0.0`, `[::]`) accepts any IP address. Other names, such as those of
    /// containers, must be [allowed](Self::allow_host).
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Accepts another host name or address by which other machines or containers reach the sandbox. Requests to
    /// any other host are refused with 403, so that a web page cannot reach the sandbox by letting its own name
    /// resolve to this machine.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Sets the accepted API key. Defaults to a random one. ima2 sends `dummy` through its proxy.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets the minimum duration of a job, over which its progress rises, up to a day. Defaults to 2 s. A job never ends
    /// before its clip is rendered.
    pub fn min_job_duration(mut self, duration: Duration) -> Self {
        self.settings.min_job_duration = duration.min(MAX_JOB_DURATION);
        self
    }

    /// Acts as for a team with zero data retention: every create must have `output.upload_url`, the clip is
    /// uploaded there, and polls return no link.
    pub fn zero_data_retention(mut self, on: bool) -> Self {
        self.settings.zero_data_retention = on;
        self
    }

    /// Sets how long a link to a clip is valid. Defaults to 24 hours. A later poll returns a new link.
    pub fn link_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.link_lifetime = lifetime;
        self
    }

    /// Sets the hash that downloads of clips declare. Defaults to none.
    pub fn clip_checksum(mut self, checksum: ClipChecksum) -> Self {
        self.settings.clip_checksum = checksum;
        self
    }

    /// Sets the maximum size of a request body. Defaults to 200 MiB.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_body_bytes = bytes;
        self
    }

    /// Sets the maximum number of jobs that are kept. Defaults to 10,000. The oldest finished jobs are removed first.
    pub fn max_jobs(mut self, jobs: usize) -> Self {
        self.max_jobs = jobs.max(1);
        self
    }

    /// Adds a fault to the script with which the sandbox starts.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Starts the sandbox in the caller's runtime.
    ///
    /// # Errors
    ///
    /// `Config` if the address cannot be bound or the scratch folder cannot be created.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops what was started.
    pub async fn start(self) -> Result<Sandbox> {
        let refused = |what: String| move |e| Error::config(what).with_source(e);
        let listener = TcpListener::bind(self.listen)
            .await
            .map_err(refused(format!("listen on {}", self.listen)))?;
        let address = listener
            .local_addr()
            .map_err(refused("read the sandbox's address".to_owned()))?;
        // Fails if a provider is already installed, which is then used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            // The client contacts this machine only. Reading the system's certificates would take time for nothing.
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|e| Error::config("set up the sandbox's HTTP client").with_source(e))?;
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let (restarts, restart_requests) = Restarts::new();
        let app = Arc::new(AppState {
            settings: self.settings,
            api_key: self
                .api_key
                .unwrap_or_else(|| format!("xai-sandbox-{}", uuid::Uuid::new_v4().simple())),
            address,
            hosts: AllowedHosts::new(address, self.hosts),
            script: Arc::default(),
            restarts,
            counters: Counters::default(),
            jobs: Jobs::new(self.max_jobs),
            responses: RecentTable::new(MAX_ANSWERS),
            deferred: RecentTable::new(MAX_ANSWERS),
            files: Files::default(),
            scratch: Scratch::create()?,
            renderers: Arc::new(Semaphore::new(cores)),
            rendered: RecentTable::new(MAX_RENDERED),
            runtime: tokio::runtime::Handle::current(),
            http,
            stop: Arc::default(),
        });
        app.script.add(self.faults);
        let connections = OpenConnections::default();
        let script = Arc::clone(&app.script);
        let listener = FaultListener::new(listener, address, connections.clone(), restart_requests, script);
        let service = routes::router(Arc::clone(&app)).into_make_service_with_connect_info::<Connection>();
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, service).await {
                tracing::error!(%error, "sandbox: the server failed");
            }
        });
        Ok(Sandbox {
            app,
            connections,
            server,
        })
    }
}

impl Sandbox {
    /// Returns a builder with the default settings.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// Returns the base URL for clients of the service: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.app.address)
    }

    /// Returns the address that the sandbox listens on.
    pub fn address(&self) -> SocketAddr {
        self.app.address
    }

    /// Returns the accepted API key.
    pub fn api_key(&self) -> &str {
        &self.app.api_key
    }

    /// Returns the jobs, the counters and the faults in force.
    pub fn state(&self) -> SandboxState {
        self.app.snapshot()
    }

    /// Adds a fault to the script, after those in force.
    pub fn add_fault(&self, fault: Fault) {
        self.add_faults([fault]);
    }

    /// Adds faults to the script, after those in force.
    pub fn add_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.app.script.add(faults);
    }

    /// Removes all faults from the script. Faults that have already decided how a job ends remain with that job.
    pub fn clear_faults(&self) {
        self.app.script.clear();
    }

    /// Restarts the server: resets every connection, accepts none for `downtime`, and then listens on the same
    /// address again. Jobs, links, counters and faults are kept, and rendering continues. Returns when connections
    /// are accepted again.
    ///
    /// # Cancel safety
    ///
    /// The sandbox comes back even if the future is dropped.
    pub async fn restart(&self, downtime: Duration) {
        self.app.restarts.run(downtime).await;
    }

    /// Expires all links to clips so far: they return 403. The next poll returns a new link.
    pub fn expire_links(&self) {
        self.app.jobs.expire_links(403);
    }

    /// Stops the sandbox and closes its connections.
    ///
    /// # Cancel safety
    ///
    /// The sandbox stops even if the future is dropped.
    pub async fn stop(mut self) {
        self.halt();
        let _ = (&mut self.server).await;
        // A connection may have been accepted in the meantime.
        self.connections.close_all();
    }

    /// Serves until the task is cancelled, for programs that only run a sandbox.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the sandbox running.
    pub async fn wait(&mut self) {
        let _ = (&mut self.server).await;
    }

    fn halt(&mut self) {
        self.app.stop.store(true, Ordering::Relaxed);
        self.app.renderers.close();
        self.server.abort();
        self.connections.close_all();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.halt();
    }
}
