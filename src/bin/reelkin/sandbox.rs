//! `reelkin sandbox`: the service's protocol on this machine, until it is stopped.

use reelkin::sandbox::Sandbox;
use serde_json::json;

use crate::args::SandboxOptions;
use crate::output::{self, ExitCode, Failure, Outcome};
use crate::session::block_on;

pub(crate) fn run(options: &SandboxOptions) -> Outcome {
    if !(0.0..=86_400.0).contains(&options.seconds_per_job) {
        return Err(Failure::Arguments(
            "--seconds-per-job: give 0 to 86400 seconds".to_owned(),
        ));
    }
    block_on(async {
        let mut builder = Sandbox::builder()
            .listen(options.listen)
            .seconds_per_job(options.seconds_per_job)
            .zero_data_retention(options.zdr);
        for host in &options.allowed_hosts {
            builder = builder.allow_host(host);
        }
        if let Some(key) = &options.api_key {
            builder = builder.api_key(key);
        }
        for fault in &options.faults {
            builder = builder.fault(fault.clone());
        }
        let mut sandbox = builder.start().await?;
        output::print_json(&json!({ "base_url": sandbox.base_url(), "api_key": sandbox.api_key() }));
        // Whoever cannot read where it is cannot use it.
        if !output::is_intact() {
            return Ok(ExitCode::FAILURE);
        }
        tokio::select! {
            () = sandbox.wait() => {}
            _ = tokio::signal::ctrl_c() => {}
            () = terminated() => {}
        }
        sandbox.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Waits for the signal by which a supervisor stops a program, so that the clips on disk are removed.
async fn terminated() {
    #[cfg(unix)]
    if let Ok(mut signal) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        signal.recv().await;
        return;
    }
    std::future::pending::<()>().await;
}
