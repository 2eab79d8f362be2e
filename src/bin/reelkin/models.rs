//! `reelkin models`: the table that requests are checked against.

use std::io::Read as _;
use std::path::Path;

use reelkin::ModelTable;
use reelkin::model::{ModeLimits, ModelEntry, Price};
use serde_json::json;

use crate::args::{Global, Models};
use crate::output::{self, ExitCode, Failure, Outcome};

/// A table is a page or two of text.
const MAX_TABLE_BYTES: u64 = 1 << 20;

pub(crate) fn run(global: &Global, command: &Models) -> Outcome {
    let table = match &command.table {
        Some(path) => read_table(path)?,
        None => ModelTable::built_in()?.clone(),
    };
    if global.json {
        output::print_json(&json!(table));
        return Ok(ExitCode::SUCCESS);
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
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn read_table(path: &Path) -> Outcome<ModelTable> {
    let bad = |what: String| Failure::Arguments(format!("read the model table {}: {what}", path.display()));
    // Opening a pipe would wait for whoever writes to it.
    if !std::fs::metadata(path)
        .map_err(|error| bad(error.to_string()))?
        .is_file()
    {
        return Err(bad("it is not a regular file".to_owned()));
    }
    let mut text = String::new();
    let size = std::fs::File::open(path)
        .and_then(|file| file.take(MAX_TABLE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| bad(error.to_string()))?;
    if size as u64 > MAX_TABLE_BYTES {
        return Err(bad("it is larger than 1 MiB; it is no model table".to_owned()));
    }
    ModelTable::from_toml(&text).map_err(|error| Failure::Arguments(format!("{}: {error}", path.display())))
}

fn print_model(entry: &ModelEntry) {
    output::print_line(format_args!("\n{}  ({})", entry.id, entry.label));
    if !entry.aliases.is_empty() {
        let aliases: Vec<_> = entry.aliases.iter().map(ToString::to_string).collect();
        output::print_line(format_args!("  also called {}", aliases.join(", ")));
    }
    for limits in &entry.modes {
        output::print_line(format_args!("  {:<11} {}", limits.mode, describe(limits)));
        output::print_line(format_args!("              {}, {}", limits.date, limits.source));
        if let Some(conflict) = &limits.conflict {
            output::print_line(format_args!("              sources differ: {conflict}"));
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
    if let Some([least, most]) = limits.seconds {
        parts.push(format!("{least}-{most} s"));
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
        parts.push("a first frame".to_owned());
    }
    if let Some([least, most]) = limits.input_seconds {
        parts.push(format!("input {least}-{most} s"));
    }
    parts.join(", ")
}

fn join(words: impl Iterator<Item = impl std::fmt::Display>) -> String {
    words.map(|word| word.to_string()).collect::<Vec<_>>().join(" ")
}

fn describe_price(price: &Price) -> String {
    use reelkin::model::PriceUnit;

    let unit = match price.unit {
        PriceUnit::OutputSecond => "a second",
        PriceUnit::InputImage => "a picture that goes in",
        PriceUnit::InputVideoSecond => "a second that goes in",
        _ => "a unit",
    };
    match &price.resolution {
        Some(resolution) => format!("{} {unit} at {resolution}", price.amount),
        None => format!("{} {unit}", price.amount),
    }
}
