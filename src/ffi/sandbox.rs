//! The sandbox, from every language.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::{Result, VideoError};
use super::runtime::{self, Owned};
use crate::ErrorKind;
use crate::sandbox::{self, Fault, SandboxState};

/// How a sandbox is to be. What is left open has its default.
#[derive(Debug, Clone, uniffi::Record)]
pub struct SandboxOptions {
    /// Address and port; a free port of 127.0.0.1.
    #[uniffi(default = None)]
    pub listen: Option<String>,
    /// The key that is right; a random one.
    #[uniffi(default = None)]
    pub api_key: Option<String>,
    /// How long a job takes at least, in seconds; 2.
    #[uniffi(default = None)]
    pub seconds_per_job: Option<f64>,
    /// Whether every request must bring an upload address, as for a team that keeps no data.
    #[uniffi(default = false)]
    pub zero_data_retention: bool,
    /// How long a link to a clip works; 24 hours.
    #[uniffi(default = None)]
    pub link_lifetime: Option<Duration>,
    /// What is to go wrong, as `reelkin sandbox --help` spells it.
    #[uniffi(default = [])]
    pub faults: Vec<String>,
}

/// The service on loopback: same routes, same strictness, real video, scripted faults.
#[derive(uniffi::Object)]
pub struct Sandbox {
    base_url: String,
    api_key: String,
    running: Owned<Mutex<Option<Arc<sandbox::Sandbox>>>>,
}

/// Starts a sandbox.
///
/// # Errors
/// `Config` when the address cannot be bound, `InvalidRequest` for a fault that is none.
#[uniffi::export]
pub async fn start_sandbox(options: SandboxOptions) -> Result<Arc<Sandbox>> {
    let mut builder = sandbox::Sandbox::builder();
    if let Some(address) = options.listen {
        let address = address.parse().map_err(|_| {
            VideoError::here(
                ErrorKind::Config,
                &format!("listen on {address:?}: write an address and a port, such as 127.0.0.1:0"),
            )
        })?;
        builder = builder.listen(address);
    }
    if let Some(key) = options.api_key {
        builder = builder.api_key(key);
    }
    if let Some(seconds) = options.seconds_per_job {
        builder = builder.seconds_per_job(seconds);
    }
    if let Some(lifetime) = options.link_lifetime {
        builder = builder.link_lifetime(lifetime);
    }
    for fault in parsed(&options.faults)? {
        builder = builder.fault(fault);
    }
    let builder = builder.zero_data_retention(options.zero_data_retention);
    let sandbox = runtime::run(async move { Ok(builder.start().await?) }).await?;
    Ok(Arc::new(Sandbox {
        base_url: sandbox.base_url(),
        api_key: sandbox.api_key().to_owned(),
        running: Owned::new(Mutex::new(Some(Arc::new(sandbox)))),
    }))
}

impl Sandbox {
    fn slot(&self) -> Result<MutexGuard<'_, Option<Arc<sandbox::Sandbox>>>> {
        Ok(self.running.get()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn running(&self) -> Result<Arc<sandbox::Sandbox>> {
        let running = self.slot()?.clone();
        running.ok_or_else(|| VideoError::here(ErrorKind::Config, "use the sandbox: it was stopped"))
    }
}

#[uniffi::export]
impl Sandbox {
    /// What a client takes for its base URL.
    pub fn base_url(&self) -> String {
        self.base_url.clone()
    }

    /// The key that is right.
    pub fn api_key(&self) -> String {
        self.api_key.clone()
    }

    /// What it has been asked, and what came of it.
    pub fn state(&self) -> Result<SandboxState> {
        Ok(self.running()?.state())
    }

    /// Adds faults to the script, behind those in force, as `reelkin sandbox --help` spells them.
    pub fn add_faults(&self, faults: Vec<String>) -> Result<()> {
        self.running()?.add_faults(parsed(&faults)?);
        Ok(())
    }

    /// Takes all faults out of the script.
    pub fn clear_faults(&self) -> Result<()> {
        self.running()?.clear_faults();
        Ok(())
    }

    /// Goes down, and comes back at the same address.
    pub async fn restart(&self, downtime: Duration) -> Result<()> {
        let sandbox = self.running()?;
        runtime::run(async move {
            sandbox.restart(downtime).await;
            Ok(())
        })
        .await
    }

    /// Ends all links to clips that were given so far.
    pub fn expire_links(&self) -> Result<()> {
        self.running()?.expire_links();
        Ok(())
    }

    /// Stops it and removes its clips. A second call does nothing.
    pub async fn stop(&self) -> Result<()> {
        let sandbox = self.slot()?.take().and_then(Arc::into_inner);
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

fn parsed(faults: &[String]) -> Result<Vec<Fault>> {
    let parsed: crate::Result<_> = faults.iter().map(|text| text.parse()).collect();
    Ok(parsed?)
}
