//! The program `reelkin`: the crate's verbs for people (a progress bar, one clear line) and for
//! machines (`--json`, exit codes).
//!
//! Owns arguments, output and exit codes. Everything else is the public API of the crate.

mod analyze;
mod args;
mod chain;
mod doctor;
mod frame;
mod generate;
mod lineage;
mod ls;
mod models;
mod output;
mod probe;
mod recover;
mod sandbox;
mod session;
mod settle;
mod signals;
mod terminal;
mod video;

use std::io;

use clap::Parser as _;
use clap::error::ErrorKind as ClapKind;

use args::{Arguments, Command};
use output::{ExitCode, Failure};

fn main() -> std::process::ExitCode {
    let code = output::finished(run());
    // Whatever could still be finished after a signal, whoever sent it wanted an end.
    signals::exit_code().unwrap_or(code.get()).into()
}

fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse_arguments(&error),
    };
    start_log(arguments.global.verbose);
    let json = arguments.global.json;
    let result = match arguments.command {
        Command::Generate(command) => generate::run(&arguments.global, &command),
        Command::Edit(command) => video::edit(&arguments.global, command),
        Command::Extend(command) => video::extend(&arguments.global, command),
        Command::Continue(command) => video::continue_from(&arguments.global, &command),
        Command::Analyze(command) => analyze::run(&arguments.global, &command),
        Command::Lineage(command) => lineage::run(&arguments.global, &command),
        Command::Chain(command) => chain::run(&arguments.global, command),
        Command::Frame(command) => frame::run(&arguments.global, command),
        Command::Probe(command) => probe::run(&arguments.global, &command),
        Command::Ls(command) => ls::run(&arguments.global, &command),
        Command::Recover(command) => recover::run(&arguments.global, &command),
        Command::Settle(command) => settle::run(&arguments.global, &command),
        Command::Models(command) => models::run(&arguments.global, &command),
        Command::Doctor => doctor::run(&arguments.global),
        Command::Sandbox(command) => sandbox::run(&command),
    };
    match result {
        Ok(code) => code,
        Err(error) => output::failure(&error, json),
    }
}

/// Help and version are no failures; a mistake in the arguments is one line and exit code 2.
fn refuse_arguments(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ClapKind::DisplayHelp | ClapKind::DisplayVersion => {
            return match error.print() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    output::note(format_args!("reelkin: write to standard output: {error}"));
                    ExitCode::FAILURE
                }
                // A closed pipe (`reelkin --help | head`) is no failure either.
                _ => ExitCode::SUCCESS,
            };
        }
        ClapKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return ExitCode::from(2);
        }
        _ => {}
    }
    // What comes before the usage, on one line.
    let text = error.render().to_string();
    let mut line = String::new();
    for part in text.lines().map(str::trim).filter(|part| !part.is_empty()) {
        if part.starts_with("Usage:") || part.starts_with("For more information") {
            break;
        }
        if !line.is_empty() {
            line.push_str(if line.ends_with(':') { " " } else { "; " });
        }
        line.push_str(part.trim_start_matches("error: "));
    }
    let json = std::env::args_os().any(|argument| argument == "--json");
    let exit = output::failure(&Failure::Arguments(line), json);
    if !json {
        output::note("  for more information, try '--help'");
    }
    exit
}

/// Logs go to standard error: warnings always, more with `-v`, `-vv`, `-vvv`.
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
        .with_writer(|| terminal::LogWriter)
        // It would be printed in a way that panics when standard error is gone.
        .log_internal_errors(false)
        .init();
}
