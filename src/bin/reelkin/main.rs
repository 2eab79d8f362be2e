//! The `reelkin` command-line program.
//!
//! Owns arguments, output for people and for scripts (`--json`), exit codes and signals. Everything else is the public
//! API of the crate.

mod args;
mod commands;
mod copies;
mod inputs;
mod output;
mod session;
mod signals;

use std::io;

use clap::Parser as _;
use clap::error::ErrorKind;

use args::Cli;
use output::{CliError, ExitCode};

fn main() -> std::process::ExitCode {
    let code = output::finish(run());
    // A command that was interrupted reports the signal, even if it could still finish its work.
    signals::exit_code().unwrap_or(code as u8).into()
}

fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report_parse_error(&error),
    };
    start_log(cli.global.verbose);
    let json = cli.global.json;
    match cli.command.run(&cli.global) {
        Ok(code) => code,
        Err(error) => error.report(json),
    }
}

/// Prints help or version, or reports invalid arguments on one line.
fn report_parse_error(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return match error.print() {
                // The reader may close the pipe early, as in `reelkin --help | head`.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    output::note(format_args!("reelkin: write to standard output: {error}"));
                    ExitCode::Failure
                }
                _ => ExitCode::Success,
            };
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return ExitCode::Usage;
        }
        _ => {}
    }
    let json = std::env::args_os().any(|argument| argument == "--json");
    let code = CliError::Usage(summarize(&error.render().to_string())).report(json);
    if !json {
        output::note("  for more information, try '--help'");
    }
    code
}

/// Joins the lines of a rendered clap error up to its usage section.
fn summarize(rendered: &str) -> String {
    let mut summary = String::new();
    for line in rendered.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        if !summary.is_empty() {
            summary.push_str(if summary.ends_with(':') { " " } else { "; " });
        }
        summary.push_str(line.trim_start_matches("error: "));
    }
    summary
}

/// Sends logs to standard error. `REELKIN_LOG` overrides the level that `-v` selects.
fn start_log(verbose: u8) {
    use tracing_subscriber::EnvFilter;

    let level = match verbose {
        0 => "warn",
        1 => "reelkin=info,warn",
        2 => "reelkin=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("REELKIN_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| output::LogWriter)
        // Errors of the subscriber itself are printed with a macro that panics if standard error is closed.
        .log_internal_errors(false)
        .init();
}

#[cfg(test)]
#[path = "../../../tests/command_reference/mod.rs"]
mod command_reference;
