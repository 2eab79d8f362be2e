//! Checks the layering of the modules.
//!
//! The compiler lets any module of a crate use any other. These tests read the source and compare it with the table of
//! ARCHITECTURE.md, and with a few rules that keep the layers apart.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "layering/cycles.rs"]
mod cycles;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every module, and the modules that it may use.
const TABLE: &[(&str, &[&str])] = &[
    ("book", &[]),
    ("host", &["timestamp"]),
    ("mutation", &[]),
    ("operation", &[]),
    ("sync", &[]),
    ("text", &[]),
    ("timestamp", &[]),
    ("backoff", &["host"]),
    ("ids", &["host", "text"]),
    ("error", &["ids"]),
    ("similarity", &[]),
    ("money", &["error"]),
    ("model", &["error", "money", "operation"]),
    ("request", &["error", "model", "money"]),
    ("telemetry", &["error"]),
    ("stop", &["error", "mutation"]),
    ("http", &["backoff", "error", "host", "stop", "sync", "telemetry"]),
    (
        "provider",
        &[
            "backoff",
            "error",
            "http",
            "ids",
            "model",
            "money",
            "operation",
            "request",
            "stop",
            "telemetry",
        ],
    ),
    (
        "job",
        &[
            "backoff",
            "error",
            "ids",
            "model",
            "mutation",
            "provider",
            "stop",
            "sync",
            "telemetry",
        ],
    ),
    ("storage", &["error", "host", "ids", "sync", "text"]),
    (
        "journal",
        &[
            "error",
            "host",
            "ids",
            "money",
            "mutation",
            "operation",
            "storage",
            "sync",
            "text",
            "timestamp",
        ],
    ),
    ("lineage", &["error", "ids", "money", "text", "timestamp"]),
    (
        "library",
        &[
            "error",
            "host",
            "ids",
            "journal",
            "lineage",
            "money",
            "operation",
            "request",
            "similarity",
            "storage",
            "text",
            "timestamp",
        ],
    ),
    ("picture", &[]),
    (
        "media",
        &["error", "host", "picture", "similarity", "sync", "telemetry"],
    ),
    // Receives decoded pictures and lineages as values.
    (
        "planner",
        &[
            "error",
            "model",
            "money",
            "provider",
            "request",
            "stop",
            "telemetry",
        ],
    ),
    (
        "client",
        &[
            "backoff",
            "error",
            "host",
            "http",
            "ids",
            "job",
            "journal",
            "library",
            "lineage",
            "media",
            "model",
            "money",
            "mutation",
            "operation",
            "picture",
            "planner",
            "provider",
            "request",
            "similarity",
            "stop",
            "storage",
            "telemetry",
            "timestamp",
        ],
    ),
    ("sandbox", &["error", "media", "sync"]),
    // Only what every user of the crate can use.
    (
        "ffi",
        &[
            "client", "library", "lineage", "media", "model", "request", "sandbox",
        ],
    ),
];

/// Words of code, the places where they are allowed, and the reason.
const WORDS: &[(&str, &[&str], &str)] = &[
    // The sandbox fetches the pictures and clips that a request names by URL, as the service does.
    (
        "reqwest",
        &["src/http/", "src/sandbox/"],
        "only http/ speaks HTTP",
    ),
    (
        "hyper_util",
        &["src/http/"],
        "only http/ decides which requests are proxied",
    ),
    ("ffmpeg_next", &["src/media/"], "only media/ knows libav"),
    (
        "provider::xai",
        &["src/provider/", "src/client/"],
        "only the client chooses the service",
    ),
    (
        "tokio",
        &[
            "src/host.rs",
            "src/media/nonblocking.rs",
            "src/http/",
            "src/provider/",
            "src/job/",
            "src/storage/",
            "src/journal/",
            "src/library/",
            "src/client/",
            "src/sandbox/",
            "src/ffi/",
            "src/bin/",
        ],
        "values need no runtime, and media needs one only in media/nonblocking.rs",
    ),
    (
        "tokio::time",
        &[
            "src/host.rs",
            "src/http/",
            "src/provider/",
            "src/job/",
            "src/client/",
            "src/journal/lease.rs",
            "src/journal/for_tests.rs",
            "src/sandbox/",
            "src/ffi/",
            "src/bin/reelkin/signals.rs",
        ],
        "of the modules that store data, only leases depend on time",
    ),
    (
        "sleep(",
        &[
            "src/job/",
            "src/http/",
            "src/provider/",
            "src/sandbox/",
            "src/bin/reelkin/signals.rs",
            "src/journal/lease.rs",
            "src/journal/for_tests.rs",
        ],
        "only modules that wait for a service or a lease may sleep",
    ),
    (
        "sleep_until(",
        &["src/job/", "src/http/", "src/provider/", "src/sandbox/"],
        "only modules that wait for a service or a lease may sleep",
    ),
    (
        "SystemTime::now",
        &[
            "src/host.rs",
            // Not part of what is simulated: the expiry of a token, the age of a file, and what is above the library.
            "src/http/auth",
            "src/storage/folder/mod.rs",
            "src/journal/owned/tests.rs",
            "src/sandbox/",
            "src/ffi/",
            "src/bin/",
        ],
        HOST,
    ),
    (
        "tokio::task::spawn_blocking",
        &["src/host.rs", "src/sandbox/", "src/ffi/", "src/bin/"],
        HOST,
    ),
    (
        "getrandom",
        // Boundaries of a form and of a body, which nothing else sees.
        &["src/host.rs", "src/provider/xai/", "src/sandbox/"],
        HOST,
    ),
    (
        "env::var",
        &["src/client/builder.rs", "src/bin/"],
        "settings are read in one place",
    ),
    ("axum", &["src/sandbox/"], "only the sandbox serves"),
    (
        "uniffi::export",
        &["src/ffi/"],
        "only ffi exports objects and functions; other modules derive values",
    ),
    ("clap", &["src/bin/"], "only the program has arguments"),
    // Fields that are enums in C. `clippy.toml` has the methods of the bindings that read them.
    (
        "codec_type",
        &["src/media/libav/numbers.rs", "src/media/libav/tags.rs"],
        C_ENUM,
    ),
    (
        "codec_id",
        &["src/media/libav/numbers.rs", "src/media/libav/tags.rs"],
        C_ENUM,
    ),
    (
        "pict_type",
        &["src/media/libav/numbers.rs", "src/media/libav/tags.rs"],
        C_ENUM,
    ),
    (
        "pix_fmt",
        &["src/media/libav/numbers.rs", "src/media/libav/tags.rs"],
        C_ENUM,
    ),
    (
        "sample_fmt",
        &["src/media/libav/numbers.rs", "src/media/libav/tags.rs"],
        C_ENUM,
    ),
    (
        "colorspace",
        &["src/media/libav/numbers.rs", "src/media/libav/tags.rs"],
        C_ENUM,
    ),
    (
        "color_range",
        &["src/media/libav/numbers.rs", "src/media/libav/tags.rs"],
        C_ENUM,
    ),
    (
        "color_primaries",
        &["src/media/libav/numbers.rs", "src/media/libav/tags.rs"],
        C_ENUM,
    ),
    (
        "color_trc",
        &["src/media/libav/numbers.rs", "src/media/libav/tags.rs"],
        C_ENUM,
    ),
    (
        "chroma_location",
        &["src/media/libav/numbers.rs", "src/media/libav/tags.rs"],
        C_ENUM,
    ),
    (
        "transmute",
        &["src/media/libav/numbers.rs", "src/media/libav/tags.rs"],
        C_ENUM,
    ),
];

const HOST: &str = "time, random numbers and threads come from host.rs, which the simulation replaces";

const C_ENUM: &str = "a later libav may return numbers that are not in the enums of the bindings, so they are read as integers";

const MAX_LINES: usize = 600;
const SOFT_MAX_LINES: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
}

/// Returns all sources, by their path from the root of the crate.
fn sources() -> Vec<(String, String)> {
    let mut all = Vec::new();
    files(&root().join("src"), &mut all);
    all.sort();
    let named = |path: PathBuf| {
        let name = path
            .strip_prefix(root())
            .unwrap()
            .to_str()
            .unwrap()
            .replace('\\', "/");
        (name, fs::read_to_string(path).unwrap())
    };
    all.into_iter().map(named).collect()
}

/// Returns the code of a line, without comments.
fn code(line: &str) -> &str {
    let line = line.trim();
    if line.starts_with("//") {
        return "";
    }
    line.split(" // ").next().unwrap_or_default()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the first names after each `prefix` in a line: one, or several in braces.
fn names_after(line: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices(prefix) {
        if line[..at].ends_with(|c: char| is_word(c) || c == ':') {
            continue;
        }
        let rest = &line[at + prefix.len()..];
        let list = rest
            .strip_prefix('{')
            .map_or(rest, |list| list.split('}').next().unwrap_or(list));
        let is_list = rest.starts_with('{');
        for part in list.split(',').take(if is_list { usize::MAX } else { 1 }) {
            names.push(part.trim().chars().take_while(|c| is_word(*c)).collect());
        }
    }
    names
}

/// Returns the violations in a file, one line each.
fn violations(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let module = inner
        .split('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".rs");
    let allowed = TABLE
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, allowed)| *allowed);
    // How many `super::` lead to the root: one from `a/mod.rs` and `a.rs`, two from `a/b.rs`.
    let depth = inner.trim_end_matches("/mod.rs").split('/').count();
    let to_root = "super::".repeat(depth);
    for (number, line) in text.lines().enumerate() {
        let line = code(line);
        let mut wrong = |rule: String| found.push(format!("{path}:{}: {rule}", number + 1));
        if let Some(allowed) = allowed {
            let mut used = names_after(line, "crate::");
            used.extend(names_after(line, &to_root));
            for name in used {
                let known = TABLE.iter().any(|(top, _)| *top == name);
                if known && name != module && !allowed.contains(&name.as_str()) {
                    wrong(format!("{module} must not use {name}"));
                }
            }
        }
        for (word, places, why) in WORDS {
            let whole = |at: usize| {
                let after = line[at + word.len()..].chars().next();
                !line[..at].ends_with(is_word) && (word.ends_with('(') || !after.is_some_and(is_word))
            };
            let stands = line.match_indices(word).any(|(at, _)| whole(at));
            if stands && !places.iter().any(|place| path.starts_with(place)) {
                wrong(format!("{word} is not allowed here: {why}"));
            }
        }
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        found.push(format!("{path}:{lines}: longer than {MAX_LINES} lines: split it"));
    }
    found
}

#[test]
#[expect(clippy::print_stdout, reason = "prints a list with --nocapture")]
fn modules_use_only_lower_modules() {
    let sources = sources();
    let found: Vec<_> = sources
        .iter()
        .flat_map(|(path, text)| violations(path, text))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    for (path, text) in &sources {
        let lines = text.lines().count();
        if lines > SOFT_MAX_LINES {
            println!("{path}: {lines} lines, more than {SOFT_MAX_LINES}");
        }
    }
}

#[test]
fn every_module_has_a_row() {
    let rows: BTreeSet<_> = TABLE.iter().map(|(name, _)| (*name).to_owned()).collect();
    let entries = fs::read_dir(root().join("src")).unwrap();
    let modules: BTreeSet<String> = entries
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .into_string()
                .unwrap()
                .trim_end_matches(".rs")
                .to_owned()
        })
        .filter(|name| name != "lib" && name != "bin")
        .collect();
    assert_eq!(modules, rows);
}

#[test]
fn every_environment_variable_is_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut variables = BTreeSet::new();
    for (_, text) in sources() {
        for line in text.lines().map(code) {
            let texts = line.split('"').skip(1).step_by(2).map(str::to_owned);
            variables.extend(texts.filter(|text| {
                (text.starts_with("XAI_") || text.starts_with("REELKIN_"))
                    && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
            }));
        }
    }
    assert!(variables.contains("XAI_API_KEY"), "{variables:?}");
    let missing: Vec<_> = variables
        .iter()
        .filter(|name| !readme.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in README.md: {missing:?}");
}

#[test]
fn forbidden_uses_are_detected() {
    for (path, line) in [
        ("src/job/poll.rs", "use crate::http::Http;"),
        ("src/job/poll.rs", "use super::super::http::Http;"),
        ("src/job/mod.rs", "use super::http::Http;"),
        ("src/error.rs", "use crate::{model, money};"),
        ("src/library/mod.rs", "use crate::http::Http;"),
        ("src/job/poll.rs", "let x = crate::provider::xai::Xai;"),
        ("src/library/list.rs", "tokio::time::timeout(a, b).await"),
        ("src/media/frames/mod.rs", "tokio::spawn(x);"),
        ("src/client/save.rs", "sleep(pause).await;"),
        (
            "src/sandbox/rules/validation.rs",
            "use crate::request::GenerateRequest;",
        ),
        ("src/client/save.rs", "use ffmpeg_next as ff;"),
        ("src/library/mod.rs", "let key = std::env::var(\"X\");"),
        (
            "src/media/libav/stream.rs",
            "let kind = (*parameters).codec_type;",
        ),
    ] {
        assert_eq!(violations(path, line).len().min(1), 1, "{path}: {line}");
    }
    for (path, line) in [
        ("src/provider/xai/mod.rs", "use crate::http::Http;"),
        ("src/job/poll.rs", "/// See [`Http`](crate::http)."),
        ("src/job/poll.rs", "use super::progress::ProgressEstimator;"),
        ("src/library/mod.rs", "asleep();"),
    ] {
        assert_eq!(violations(path, line), Vec::<String>::new(), "{line}");
    }
}
