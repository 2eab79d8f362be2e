//! `reelkin models`: the model table, which has the limits and prices that requests are checked against.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use reelkin::ModelTable;
use reelkin::model::{ModeLimits, ModelEntry, Price, PriceUnit};
use serde_json::json;

use crate::args::GlobalArgs;
use crate::output::{self, CliError, CommandResult, ExitCode};

const MAX_TABLE_BYTES: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// A model table to use instead of the built-in one
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

pub(crate) fn run(global: &GlobalArgs, args: &ModelsArgs) -> CommandResult {
    let table = match &args.table {
        Some(path) => read_table(path)?,
        None => ModelTable::built_in()?.clone(),
    };
    if global.json {
        output::print_json(&json!(table));
        return Ok(ExitCode::Success);
    }
    output::print_line(format_args!("models as of {}", table.date));
    for entry in &table.models {
        print_model(entry);
    }
    output::print_line(format_args!(
        "\nvoices: {}  ({})",
        table.voices.join(" "),
        table.voices_source
    ));
    output::print_line(format_args!(
        "prompt: at most {} characters  ({})",
        table.max_prompt_chars, table.max_prompt_source
    ));
    Ok(ExitCode::Success)
}

pub(super) fn read_table(path: &Path) -> CommandResult<ModelTable> {
    let invalid = |why: String| CliError::Usage(format!("read model table {}: {why}", path.display()));
    // Opening a named pipe would block until something writes to it.
    if !std::fs::metadata(path)
        .map_err(|error| invalid(error.to_string()))?
        .is_file()
    {
        return Err(invalid("not a regular file".to_owned()));
    }
    let mut text = String::new();
    let size = std::fs::File::open(path)
        .and_then(|file| file.take(MAX_TABLE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| invalid(error.to_string()))?;
    if size as u64 > MAX_TABLE_BYTES {
        return Err(invalid("larger than 1 MiB".to_owned()));
    }
    ModelTable::from_toml(&text).map_err(|error| CliError::Usage(format!("{}: {error}", path.display())))
}

fn print_model(entry: &ModelEntry) {
    output::print_line(format_args!("\n{}  ({})", entry.id, entry.label));
    if !entry.aliases.is_empty() {
        let aliases: Vec<_> = entry.aliases.iter().map(ToString::to_string).collect();
        output::print_line(format_args!("  aliases: {}", aliases.join(", ")));
    }
    for limits in &entry.modes {
        output::print_line(format_args!("  {:<11} {}", limits.mode, describe(limits)));
        output::print_line(format_args!("              {}, {}", limits.date, limits.source));
        if let Some(conflict) = &limits.conflict {
            output::print_line(format_args!("              conflicting sources: {conflict}"));
        }
    }
    for price in &entry.prices {
        output::print_line(format_args!(
            "  {}  ({}, {})",
            describe_price(price),
            price.date,
            price.source
        ));
    }
}

fn describe(limits: &ModeLimits) -> String {
    let mut parts = Vec::new();
    if let Some([min, max]) = limits.seconds {
        parts.push(format!("{min}-{max} s"));
    }
    if !limits.resolutions.is_empty() {
        parts.push(join(limits.resolutions.iter()));
    }
    if !limits.aspect_ratios.is_empty() {
        parts.push(join(limits.aspect_ratios.iter()));
    }
    for (count, what) in [
        (limits.max_references, "references"),
        (limits.max_voices, "voices"),
        (limits.max_keyframes, "keyframes"),
    ] {
        if count > 0 {
            parts.push(format!("up to {count} {what}"));
        }
    }
    if limits.first_frame {
        parts.push("first frame".to_owned());
    }
    if let Some([min, max]) = limits.input_seconds {
        parts.push(format!("input {min}-{max} s"));
    }
    parts.join(", ")
}

fn join(words: impl Iterator<Item = impl std::fmt::Display>) -> String {
    words.map(|word| word.to_string()).collect::<Vec<_>>().join(" ")
}

fn describe_price(price: &Price) -> String {
    let unit = match price.unit {
        PriceUnit::OutputSecond => "per second",
        PriceUnit::InputImage => "per input image",
        PriceUnit::InputVideoSecond => "per second of input",
        _ => "per unit",
    };
    match &price.resolution {
        Some(resolution) => format!("{} {unit} at {resolution}", price.amount),
        None => format!("{} {unit}", price.amount),
    }
}
