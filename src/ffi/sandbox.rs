//! Exports [`crate::sandbox::Sandbox`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::{Result, VideoError};
use super::runtime::{self, ProcessBound};
use crate::ErrorKind;
use crate::sandbox::{self, Fault, SandboxState};

/// The settings of a sandbox. Fields that are not set use the defaults.
#[derive(Debug, Clone, uniffi::Record)]
pub struct SandboxOptions {
    /// The address and port to listen on. Defaults to a free port of 127.0.0.1.
    #[uniffi(default = None)]
    pub listen: Option<String>,
    /// The API key to accept. Defaults to a random one.
    #[uniffi(default = None)]
    pub api_key: Option<String>,
    /// Minimum duration of a job. Defaults to 2 s.
    #[uniffi(default = None)]
    pub min_job_duration: Option<Duration>,
    /// Whether every request needs an upload URL, as for teams with zero data retention.
    #[uniffi(default = false)]
    pub zero_data_retention: bool,
    /// How long download links stay valid. Defaults to 24 hours.
    #[uniffi(default = None)]
    pub link_lifetime: Option<Duration>,
    /// The faults to inject, in the syntax of `reelkin sandbox --help`.
    #[uniffi(default = [])]
    pub faults: Vec<String>,
}

/// A local server with the service's routes and validation, which renders real video and injects scripted faults.
#[derive(uniffi::Object)]
pub struct Sandbox {
    base_url: String,
    api_key: String,
    server: ProcessBound<Mutex<Option<Arc<sandbox::Sandbox>>>>,
}

/// Starts a sandbox.
///
/// # Errors
/// `Config` if the address is invalid or cannot be bound, or if the temporary folder cannot be created.
/// `InvalidRequest` for an invalid fault.
#[uniffi::export]
pub async fn start_sandbox(options: SandboxOptions) -> Result<Arc<Sandbox>> {
    let mut builder = sandbox::Sandbox::builder();
    if let Some(address) = options.listen {
        let address = address.parse().map_err(|_| {
            VideoError::local(
                ErrorKind::Config,
                &format!("listen on {address:?}: expected an address and a port, such as 127.0.0.1:0"),
            )
        })?;
        builder = builder.listen(address);
    }
    if let Some(key) = options.api_key {
        builder = builder.api_key(key);
    }
    if let Some(duration) = options.min_job_duration {
        builder = builder.min_job_duration(duration);
    }
    if let Some(lifetime) = options.link_lifetime {
        builder = builder.link_lifetime(lifetime);
    }
    for fault in parse_faults(&options.faults)? {
        builder = builder.fault(fault);
    }
    let builder = builder.zero_data_retention(options.zero_data_retention);
    let sandbox = runtime::run(async move { Ok(builder.start().await?) }).await?;
    Ok(Arc::new(Sandbox {
        base_url: sandbox.base_url(),
        api_key: sandbox.api_key().to_owned(),
        server: ProcessBound::new(Mutex::new(Some(Arc::new(sandbox)))),
    }))
}

impl Sandbox {
    fn lock(&self) -> Result<MutexGuard<'_, Option<Arc<sandbox::Sandbox>>>> {
        Ok(self.server.get()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn server(&self) -> Result<Arc<sandbox::Sandbox>> {
        let server = self.lock()?.clone();
        server.ok_or_else(|| VideoError::local(ErrorKind::Config, "use the sandbox: it was stopped"))
    }
}

#[uniffi::export]
impl Sandbox {
    /// Returns the base URL for clients of this sandbox.
    pub fn base_url(&self) -> String {
        self.base_url.clone()
    }

    /// Returns the API key that the sandbox accepts.
    pub fn api_key(&self) -> String {
        self.api_key.clone()
    }

    /// Returns the jobs, the counters of requests and results, and the faults that are in force.
    pub fn state(&self) -> Result<SandboxState> {
        Ok(self.server()?.state())
    }

    /// Adds faults after the existing ones, in the syntax of `reelkin sandbox --help`.
    pub fn add_faults(&self, faults: Vec<String>) -> Result<()> {
        self.server()?.add_faults(parse_faults(&faults)?);
        Ok(())
    }

    /// Removes all faults.
    pub fn clear_faults(&self) -> Result<()> {
        self.server()?.clear_faults();
        Ok(())
    }

    /// Closes all connections, refuses new ones for `downtime`, and then serves again at the same address.
    pub async fn restart(&self, downtime: Duration) -> Result<()> {
        let sandbox = self.server()?;
        runtime::run(async move {
            sandbox.restart(downtime).await;
            Ok(())
        })
        .await
    }

    /// Expires all download links issued so far.
    pub fn expire_links(&self) -> Result<()> {
        self.server()?.expire_links();
        Ok(())
    }

    /// Stops the sandbox and deletes its clips. Does nothing if it is stopped already.
    ///
    /// If a `restart` is in progress, this call returns at once, and the sandbox stops when the restart ends.
    pub async fn stop(&self) -> Result<()> {
        let sandbox = self.lock()?.take().and_then(Arc::into_inner);
        if let Some(sandbox) = sandbox {
            runtime::run(async move {
                sandbox.stop().await;
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

fn parse_faults(faults: &[String]) -> Result<Vec<Fault>> {
    let faults: crate::Result<_> = faults.iter().map(|text| text.parse()).collect();
    Ok(faults?)
}
