//! The service on loopback: same routes, same strictness, same bodies, real video.
//!
//! Owns a server that speaks the video service's protocol, for tests and for trying things without a
//! key and without cost. It checks what the service checks, fails late where the service fails late,
//! renders H.264 and AAC that a player plays, and breaks on demand (see [`Fault`]).
//!
//! It refuses to know the client: it shares no wire struct, no limit and no price with it, so a mistake
//! on one side cannot hide on the other. It never contacts a host other than this machine.
//!
//! ```no_run
//! # async fn run() -> reelkin::Result<()> {
//! use reelkin::sandbox::Sandbox;
//!
//! let sandbox = Sandbox::builder().seconds_per_job(0.5).start().await?;
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
    reason = "pixels, samples, percent and seconds, all far inside the ranges; the sandbox draws, it does not keep books"
)]

mod answers;
mod blob;
mod control;
mod downloads;
mod errors;
mod faults;
mod files;
mod gate;
mod host;
mod inputs;
mod jobs;
mod line;
mod models;
mod page;
mod prices;
mod render;
mod rules;
mod server;
mod videos;
mod wire;
mod work;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub use self::control::{SandboxJob, SandboxState};
pub use self::downloads::ClipChecksum;
pub use self::faults::{Fault, FaultKind, FaultOperation, ModerationShape, RateLimitCause};

use self::gate::{Gate, GatedListener, Gates, Restarts};
use self::host::AllowedHosts;
use self::server::{App, Settings, Shared};
use crate::error::{Error, ErrorKind, Result};

/// A running sandbox. Dropping it stops it and removes its clips.
#[derive(Debug)]
pub struct Sandbox {
    app: App,
    gates: Gates,
    server: JoinHandle<()>,
}

/// How a [`Sandbox`] is to be.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is started"]
pub struct SandboxBuilder {
    listen: SocketAddr,
    api_key: Option<String>,
    seconds_per_job: f64,
    zero_data_retention: bool,
    link_lifetime: Duration,
    most_body_bytes: usize,
    most_jobs: usize,
    most_clip_bytes: u64,
    clip_checksum: ClipChecksum,
    hosts: Vec<String>,
    faults: Vec<Fault>,
}

impl Default for SandboxBuilder {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_key: None,
            seconds_per_job: 2.0,
            zero_data_retention: false,
            link_lifetime: Duration::from_secs(24 * 3600),
            most_body_bytes: 200 << 20,
            most_jobs: 10_000,
            most_clip_bytes: 4 << 30,
            clip_checksum: ClipChecksum::None,
            hosts: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl SandboxBuilder {
    /// Where to listen. Without this: a free port of 127.0.0.1. Another address than loopback opens the
    /// sandbox, and its own routes that need no key, to the network.
    ///
    /// Requests are answered whose `Host` is `localhost`, a loopback address, or the address given here, with any
    /// port; on all addresses (`0.0.0.0`, `[::]`) any address will do. Other names, as containers give each other,
    /// have to be [allowed](Self::allow_host).
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Answers to one more host name or address, by which another machine or container reaches
    /// the sandbox. Every other name gets 403, so that no web page can reach it by having its own name resolve
    /// to this machine.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// The key that is right. Without this: a random one. ima2 sends `dummy` through its proxy.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// How long a job takes at least, in seconds; without this 2. The progress runs over this time. Never
    /// shorter than the rendering itself.
    pub fn seconds_per_job(mut self, seconds: f64) -> Self {
        self.seconds_per_job = if seconds.is_finite() {
            seconds.clamp(0.0, 86_400.0)
        } else {
            2.0
        };
        self
    }

    /// The team keeps no data: every request must bring `output.upload_url`, the clip is sent there and
    /// no link is given.
    pub fn zero_data_retention(mut self, on: bool) -> Self {
        self.zero_data_retention = on;
        self
    }

    /// How long a link to a clip works; without this 24 hours. A later poll gives a fresh link.
    pub fn link_lifetime(mut self, lifetime: Duration) -> Self {
        self.link_lifetime = lifetime;
        self
    }

    /// The hash that it declares of the clips it sends; without this none.
    pub fn clip_checksum(mut self, checksum: ClipChecksum) -> Self {
        self.clip_checksum = checksum;
        self
    }

    /// Most bytes of a request body; without this 200 MiB.
    pub fn most_body_bytes(mut self, bytes: usize) -> Self {
        self.most_body_bytes = bytes;
        self
    }

    /// Most jobs kept; without this 10,000. The oldest finished ones are forgotten first.
    pub fn most_jobs(mut self, jobs: usize) -> Self {
        self.most_jobs = jobs.max(1);
        self
    }

    /// Adds a fault to the script it starts with.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Starts to listen, in the caller's runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the address cannot be bound or no scratch folder can be made.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done leaves nothing behind.
    pub async fn start(self) -> Result<Sandbox> {
        let refused = |what: String| move |e| Error::new(ErrorKind::Config, what).with_source(e);
        let listener = TcpListener::bind(self.listen)
            .await
            .map_err(refused(format!("listen on {}", self.listen)))?;
        let address = listener
            .local_addr()
            .map_err(refused("read the sandbox's address".to_owned()))?;
        // A second installation says so; the first one stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            // It talks to this machine alone: reading the system's certificates would only cost time.
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|e| Error::new(ErrorKind::Config, "set up the sandbox's HTTP client").with_source(e))?;
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let (restarts, restart_orders) = Restarts::new();
        let app = Arc::new(Shared {
            settings: Settings {
                api_key: self
                    .api_key
                    .unwrap_or_else(|| format!("xai-sandbox-{}", uuid::Uuid::new_v4().simple())),
                seconds_per_job: self.seconds_per_job,
                zero_data_retention: self.zero_data_retention,
                link_lifetime: self.link_lifetime,
                most_body_bytes: self.most_body_bytes,
                clip_checksum: self.clip_checksum,
                hosts: AllowedHosts::new(address, self.hosts),
            },
            address,
            script: Arc::default(),
            restarts,
            counts: server::Counts::default(),
            jobs: jobs::Jobs::new(self.most_jobs, self.most_clip_bytes),
            answers: answers::Answers::default(),
            files: files::Files::default(),
            scratch: blob::Scratch::create()?,
            renderers: Arc::new(Semaphore::new(cores)),
            rendered: work::RenderedClips::default(),
            runtime: tokio::runtime::Handle::current(),
            http,
            stop: Arc::default(),
        });
        app.script.add(self.faults);
        let gates = Gates::default();
        let script = Arc::clone(&app.script);
        let listener = GatedListener::new(listener, address, gates.clone(), restart_orders, script);
        let service = server::router(Arc::clone(&app)).into_make_service_with_connect_info::<Gate>();
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, service).await {
                tracing::error!(%error, "sandbox: the server ended");
            }
        });
        Ok(Sandbox { app, gates, server })
    }
}

impl Sandbox {
    /// A sandbox to be set up.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// What a client of the service takes for its base URL: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.app.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.app.address
    }

    /// The key that is right.
    pub fn api_key(&self) -> &str {
        &self.app.settings.api_key
    }

    /// What it has been asked, and what came of it.
    pub fn state(&self) -> SandboxState {
        control::snapshot(&self.app)
    }

    /// Adds a fault to the script, behind those in force.
    pub fn add_fault(&self, fault: Fault) {
        self.add_faults([fault]);
    }

    /// Adds faults to the script, behind those in force.
    pub fn add_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.app.script.add(faults);
    }

    /// Takes all faults out of the script. Jobs whose end a fault has decided keep it.
    pub fn clear_faults(&self) {
        self.app.script.clear();
    }

    /// Goes down in the middle of whatever it does, and comes back at the same address after `downtime`.
    /// Every connection is reset and no new one is taken in between; jobs, links, counters and faults are
    /// as before, and clips go on being rendered. Returns when connections are taken again.
    ///
    /// # Cancel safety
    ///
    /// The sandbox comes back whether the future is awaited to its end or not.
    pub async fn restart(&self, downtime: Duration) {
        self.app.restarts.order(downtime).await;
    }

    /// Ends all links to clips that were given so far: they answer 403. The next poll has a fresh one.
    pub fn expire_links(&self) {
        self.app.jobs.end_links(403);
    }

    /// Stops: no more connections, the open ones are cut.
    ///
    /// # Cancel safety
    ///
    /// The sandbox is stopped whether the future is awaited to its end or not.
    pub async fn stop(mut self) {
        self.halt();
        let _ = (&mut self.server).await;
        // One may have been accepted in between.
        self.gates.cut_all();
    }

    /// Serves until the task is ended from outside: what a program does that is nothing but a sandbox.
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
        self.gates.cut_all();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.halt();
    }
}
