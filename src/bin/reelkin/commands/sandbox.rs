//! `reelkin sandbox`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use reelkin::sandbox::{Fault, Sandbox};
use serde_json::json;

use crate::args::seconds;
use crate::output::{self, CliError, CommandResult, ExitCode};
use crate::session::block_on;
use crate::signals::SignalStreams;

/// Maximum of `--seconds-per-job`.
const MAX_JOB_DURATION: Duration = Duration::from_secs(86_400);

#[derive(Debug, Args)]
#[command(after_help = faults_help())]
pub(crate) struct SandboxArgs {
    /// The address to listen on; port 0 selects a free port. An address other than loopback is reachable from the
    /// network
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Also accept requests for this host name, such as from another container; can be repeated
    #[arg(long = "allow-host", value_name = "NAME")]
    allowed_hosts: Vec<String>,
    /// The API key to require [default: a random key]
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// The minimum duration of a job, in seconds
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true, default_value = "2")]
    seconds_per_job: Duration,
    /// Require `output.upload_url`, as the service does for teams with zero data retention
    #[arg(long)]
    zdr: bool,
    /// A fault to inject, see below; can be repeated
    #[arg(long = "fault", value_name = "SPEC", value_parser = parse_fault)]
    faults: Vec<Fault>,
}

fn parse_fault(text: &str) -> Result<Fault, String> {
    text.parse().map_err(|error: reelkin::Error| error.to_string())
}

fn faults_help() -> String {
    format!(
        "Faults (--fault SPEC; or POST a JSON list of such strings to /sandbox/faults, DELETE to clear them):\n{}\n\
        GET /sandbox/state counts creates, polls and downloads. GET / shows the clips.",
        Fault::HELP
    )
}

pub(crate) fn run(args: &SandboxArgs) -> CommandResult {
    if args.seconds_per_job > MAX_JOB_DURATION {
        return Err(CliError::Usage(
            "--seconds-per-job must be between 0 and 86400".to_owned(),
        ));
    }
    block_on(async {
        let mut builder = Sandbox::builder()
            .listen(args.listen)
            .min_job_duration(args.seconds_per_job)
            .zero_data_retention(args.zdr);
        for host in &args.allowed_hosts {
            builder = builder.allow_host(host);
        }
        if let Some(key) = &args.api_key {
            builder = builder.api_key(key);
        }
        for fault in &args.faults {
            builder = builder.fault(fault.clone());
        }
        // Before the start, so that a signal always lets the sandbox remove its files.
        let mut signals = SignalStreams::of_server()
            .map_err(|error| CliError::Local(format!("listen for signals: {error}")))?;
        let mut sandbox = builder.start().await?;
        output::print_json(&json!({ "base_url": sandbox.base_url(), "api_key": sandbox.api_key() }));
        // The server is of no use if its address could not be printed.
        if !output::is_stdout_ok() {
            return Ok(ExitCode::Failure);
        }
        tokio::select! {
            () = sandbox.wait() => {}
            _ = signals.next() => {}
        }
        sandbox.stop().await;
        Ok(ExitCode::Success)
    })
}
