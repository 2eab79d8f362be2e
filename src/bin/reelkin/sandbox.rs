//! `reelkin sandbox`: the service's protocol on this machine, until it is stopped.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use reelkin::sandbox::{Fault, Sandbox};
use serde_json::json;

use crate::output::{self, Failure, Outcome};
use crate::session::block_on;

/// Serves until stopped. Prints one JSON line first, with `base_url` and `api_key`
#[derive(Debug, Args)]
#[command(after_help = faults_help())]
pub(crate) struct Options {
    /// Where to listen; port 0 takes a free one. Another address than loopback opens it to the network
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The key that it wants [default: a random one]
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// How long a job takes
    #[arg(long, value_name = "S", default_value = "2")]
    seconds_per_job: f64,
    /// Demand `output.upload_url`, as for a team with zero data retention
    #[arg(long)]
    zdr: bool,
    /// A fault, as described below; may be given several times
    #[arg(long = "fault", value_name = "SPEC", value_parser = fault)]
    faults: Vec<Fault>,
}

fn fault(text: &str) -> Result<Fault, String> {
    text.parse().map_err(|error: reelkin::Error| error.to_string())
}

fn faults_help() -> String {
    format!(
        "Faults (--fault SPEC, or POST a JSON list of the same strings to /sandbox/faults; DELETE clears):\n{}\n\
        GET /sandbox/state counts creates, polls and downloads; GET / shows the clips.",
        Fault::HELP
    )
}

pub(crate) fn run(options: &Options) -> Outcome {
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
        if let Some(key) = &options.api_key {
            builder = builder.api_key(key);
        }
        for fault in &options.faults {
            builder = builder.fault(fault.clone());
        }
        let mut sandbox = builder.start().await?;
        output::print_json(&json!({ "base_url": sandbox.base_url(), "api_key": sandbox.api_key() }));
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
