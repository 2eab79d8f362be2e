//! The page of the book with the options of each command, which is generated from the definitions of the program.
//!
//! To write the page: `UPDATE_DOCS=1 cargo test --all-features --bin reelkin command_reference`

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command, CommandFactory as _};

use crate::args::Cli;

const PAGE: &str = "docs/src/reference/commands.md";
const HEAD: &str = "\
# Options of each command

<!-- Generated from src/bin/reelkin by tests/command_reference. -->

[Command line](command-line.md) explains how the commands are used. Every command accepts the options of the first table.

";

/// Returns the text of the page.
fn page() -> String {
    let mut program = Cli::command();
    program.build();
    let is_own = |arg: &&Arg| !matches!(arg.get_id().as_str(), "help" | "version");
    let global: Vec<&Arg> = program
        .get_arguments()
        .filter(is_own)
        .filter(|arg| arg.is_global_set())
        .collect();
    let mut page = String::from(HEAD);
    table(&mut page, "option", global.iter().copied());
    for command in program
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
    {
        section(&mut page, command);
    }
    page
}

fn section(page: &mut String, command: &Command) {
    // A hidden option exists only for its error message.
    let is_own = |arg: &&Arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help";
    let (arguments, options): (Vec<&Arg>, Vec<&Arg>) = command
        .get_arguments()
        .filter(is_own)
        .partition(|arg| arg.is_positional());
    let usage = command.clone().render_usage().to_string();
    let about = command.get_long_about().or(command.get_about()).unwrap();
    writeln!(page, "## {}\n", command.get_name()).unwrap();
    for paragraph in about.to_string().split("\n\n") {
        writeln!(page, "{}.\n", text(paragraph.trim_end_matches('.'))).unwrap();
    }
    writeln!(
        page,
        "```text\n{}\n```\n",
        usage.trim_start_matches("Usage: ").trim()
    )
    .unwrap();
    table(page, "argument", arguments.into_iter());
    table(page, "option", options.into_iter());
    if let Some(more) = command.get_after_help() {
        writeln!(page, "```text\n{}\n```\n", more.to_string().trim_end()).unwrap();
    }
}

/// Writes a table of arguments or options, if there are any.
fn table<'a>(page: &mut String, what: &str, rows: impl ExactSizeIterator<Item = &'a Arg>) {
    if rows.len() == 0 {
        return;
    }
    writeln!(page, "| {what} | meaning |\n|---|---|").unwrap();
    for arg in rows {
        let name = if arg.is_positional() {
            argument(arg)
        } else {
            option(arg)
        };
        let name = name.replace('|', "\\|");
        writeln!(page, "| `{name}` | {} |", meaning(arg)).unwrap();
    }
    page.push('\n');
}

fn value_names(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names
        .iter()
        .map(clap::builder::Str::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns a positional argument, in brackets if it is optional.
fn argument(arg: &Arg) -> String {
    let dots = if arg.get_num_args().is_some_and(|count| count.max_values() > 1) {
        "..."
    } else {
        ""
    };
    let name = value_names(arg);
    if arg.is_required_set() {
        format!("{name}{dots}")
    } else {
        format!("[{name}{dots}]")
    }
}

/// Returns an option with its short form and the name of its value.
fn option(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let mut name = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    if arg.get_action().takes_values() {
        write!(name, " {}", value_names(arg)).unwrap();
    }
    name
}

/// Returns the help of an option with its values, its default and its environment variable.
fn meaning(arg: &Arg) -> String {
    let help = arg
        .get_help()
        .unwrap_or_else(|| panic!("{} has no help", arg.get_id()));
    let help = text(&help.to_string());
    // A default that the program computes is part of the help.
    let mut meaning = match help
        .strip_suffix(']')
        .and_then(|help| help.rsplit_once(" [default: "))
    {
        Some((help, default)) => format!("{help}. Default: {default}"),
        None => help,
    };
    if arg.is_required_set() && !arg.is_positional() {
        meaning.push_str(". Required");
    }
    if !arg.get_action().takes_values() {
        return meaning;
    }
    let values = arg.get_possible_values();
    let values = values.iter().map(|value| value.get_name().to_owned());
    let defaults = arg.get_default_values().iter();
    let defaults = defaults.map(|value| value.to_string_lossy().into_owned());
    for (what, words) in [
        ("Values", values.collect::<Vec<_>>()),
        ("Default", defaults.collect()),
    ] {
        if !words.is_empty() {
            write!(meaning, ". {what}: `{}`", words.join("`, `")).unwrap();
        }
    }
    if let Some(variable) = arg.get_env() {
        write!(meaning, ". Environment: `{}`", variable.to_string_lossy()).unwrap();
    }
    meaning
}

/// Escapes what a table would interpret.
fn text(help: &str) -> String {
    help.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

#[test]
fn the_page_of_options_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path)
        .unwrap_or_default()
        .replace("\r\n", "\n");
    assert!(
        written == page,
        "{PAGE} is out of date: run UPDATE_DOCS=1 cargo test --all-features --bin reelkin command_reference"
    );
}
