//! Checks the layering of the modules.
//!
//! The compiler lets any module of a crate use any other. These tests read the source and compare it with the table of
//! ARCHITECTURE.md, and with a few rules that keep the layers apart.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every module, and the modules that it may use.
const TABLE: &[(&str, &[&str])] = &[
    ("book", &[]),
    ("host", &[]),
    ("mutation", &[]),
    ("operation", &[]),
    ("text", &[]),
    ("backoff", &["host"]),
    ("ids", &["host", "text"]),
    ("error", &["ids"]),
    ("similarity", &[]),
    ("money", &["error"]),
    ("model", &["error", "money", "operation"]),
    ("request", &["error", "model", "money"]),
    ("telemetry", &["error"]),
    ("stop", &["error"]),
    ("http", &["backoff", "error", "host", "stop", "telemetry"]),
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
            "telemetry",
        ],
    ),
    ("storage", &["error", "host", "ids", "text"]),
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
            "text",
        ],
    ),
    ("lineage", &["error", "ids", "text"]),
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
        ],
    ),
    ("picture", &[]),
    ("media", &["error", "host", "picture", "similarity", "telemetry"]),
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
        ],
    ),
    ("sandbox", &["error", "media"]),
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
        "which requests are proxied is decided in http/",
    ),
    ("ffmpeg_next", &["src/media/"], "only media/ knows libav"),
    (
        "provider::xai",
        &["src/provider/", "src/client/"],
        "who the service is, only the client chooses",
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
        "values and media are free of a runtime; media's one use of it is media/nonblocking.rs",
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
            "src/sandbox/",
            "src/ffi/",
            "src/bin/reelkin/signals.rs",
        ],
        "who keeps things does not watch the clock, but for leases, which are renewed and lapse",
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
        ],
        "who waits decides how long",
    ),
    (
        "sleep_until(",
        &["src/job/", "src/http/", "src/provider/", "src/sandbox/"],
        "who waits decides how long",
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
        "objects and functions for other languages are ffi's; the core derives values alone",
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

const HOST: &str = "what differs from run to run is asked for in host.rs, which the simulation answers";

const C_ENUM: &str =
    "a later libav may hold numbers that the bindings' enums lack: they are read as integers";

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
                wrong(format!("{word} has no place here: {why}"));
            }
        }
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        found.push(format!(
            "{path}:{lines}: longer than {MAX_LINES} lines: it has two jobs"
        ));
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

/// The module path of a source file: `library/list.rs` is `["library", "list"]`, and `library/mod.rs` is `["library"]`.
fn module_of(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    let parts = inner.split('/').filter(|part| *part != "lib");
    parts.map(str::to_owned).collect()
}

/// Splits a `use` tree into single paths: `a::{b, c::D}` becomes `a::b` and `a::c::D`.
fn flatten(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.trim().to_owned()];
    };
    let inner = rest.trim_end().trim_end_matches('}');
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[from..]);
    let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
    parts
        .flat_map(flatten)
        .map(|part| format!("{}{part}", prefix.trim()))
        .collect()
}

/// The paths that a file imports at its top level, each with whether it is exported again. Tests are left out.
fn imports(text: &str) -> Vec<(String, bool)> {
    let shipped = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut found = Vec::new();
    let mut statement = String::new();
    for line in shipped.lines() {
        let starts = line.starts_with("use ") || line.starts_with("pub use ") || line.starts_with("pub(");
        if statement.is_empty() && (!starts || !line.contains("use ")) {
            continue;
        }
        statement.push_str(line.trim());
        if line.trim_end().ends_with(';') {
            let is_exported = statement.starts_with("pub");
            let tree = statement.split_once("use ").map_or("", |(_, tree)| tree);
            let tree = tree.trim_end_matches(';');
            found.extend(flatten(tree).into_iter().map(|path| (path, is_exported)));
            statement.clear();
        }
    }
    found
}

/// Which file imports which, by position in `sources`. A name that a parent only exports again belongs to the file that
/// it comes from. Imports between a module and the modules inside it are left out.
fn file_imports(sources: &[(String, String)]) -> Vec<BTreeSet<usize>> {
    let modules: Vec<Vec<String>> = sources.iter().map(|(path, _)| module_of(path)).collect();
    let absolute = |from: &[String], path: &str| -> Option<Vec<String>> {
        let mut at = match path.split("::").next()? {
            "crate" => Vec::new(),
            // A name without a keyword is a module inside this one, or an external crate.
            _ => from.to_vec(),
        };
        for part in path.split("::") {
            match part {
                "crate" | "self" => {}
                "super" => drop(at.pop()),
                part => at.push(part.to_owned()),
            }
        }
        Some(at)
    };
    let owner = |path: &[String]| {
        let mut lengths = (0..=path.len()).rev();
        lengths.find_map(|length| {
            let found = modules.iter().position(|module| module[..] == path[..length])?;
            Some((found, length))
        })
    };
    let resolve = |mut path: Vec<String>| {
        // A re-export can lead to another one.
        for _ in 0..4 {
            let (file, length) = owner(&path)?;
            let Some(name) = path.get(length) else {
                return Some(file);
            };
            let exported = imports(&sources[file].1)
                .into_iter()
                .find(|(target, is_exported)| *is_exported && target.rsplit("::").next() == Some(name));
            let Some(target) = exported.and_then(|(target, _)| absolute(&modules[file], &target)) else {
                return Some(file);
            };
            path = target;
        }
        owner(&path).map(|(file, _)| file)
    };
    let is_inside = |a: &[String], b: &[String]| a.starts_with(b) || b.starts_with(a);
    sources
        .iter()
        .zip(&modules)
        .map(|((_, text), from)| {
            let targets = imports(text).into_iter();
            targets
                .filter_map(|(path, _)| resolve(absolute(from, &path)?))
                .filter(|to| !is_inside(from, &modules[*to]))
                .collect()
        })
        .collect()
}

/// Returns the files of a cycle, if there is one.
fn cycle(imports: &[BTreeSet<usize>]) -> Option<Vec<usize>> {
    fn visit(at: usize, imports: &[BTreeSet<usize>], done: &mut [bool], path: &mut Vec<usize>) -> bool {
        if let Some(from) = path.iter().position(|on_path| *on_path == at) {
            path.drain(..from);
            return true;
        }
        if done[at] {
            return false;
        }
        path.push(at);
        for next in &imports[at] {
            if visit(*next, imports, done, path) {
                return true;
            }
        }
        path.pop();
        done[at] = true;
        false
    }
    let mut done = vec![false; imports.len()];
    for at in 0..imports.len() {
        let mut path = Vec::new();
        if visit(at, imports, &mut done, &mut path) {
            return Some(path);
        }
    }
    None
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let sources: Vec<_> = sources()
        .into_iter()
        .filter(|(path, _)| !path.starts_with("src/bin/") && !path.ends_with("tests.rs"))
        .collect();
    let found = cycle(&file_imports(&sources));
    let names = found.map(|files| {
        files
            .iter()
            .map(|file| sources[*file].0.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(names, None, "files that import each other");
}

#[test]
fn circles_of_imports_are_found() {
    let sources = |files: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        files.iter().map(owned).collect()
    };
    let direct = sources(&[
        ("src/a/mod.rs", "mod x;\nmod y;"),
        ("src/a/x.rs", "use super::y::Y;"),
        ("src/a/y.rs", "use crate::a::x::{X, Z};"),
    ]);
    assert!(cycle(&file_imports(&direct)).is_some());
    let through_an_export = sources(&[
        (
            "src/a/mod.rs",
            "mod x;\nmod y;\npub use self::x::X;\npub(crate) use y::{Y, Z};",
        ),
        ("src/a/x.rs", "use super::Y;"),
        ("src/a/y.rs", "use super::{\n    X,\n};"),
    ]);
    assert!(cycle(&file_imports(&through_an_export)).is_some());
    let none = sources(&[
        ("src/a/mod.rs", "mod x;\nmod y;\nuse self::x::X;"),
        ("src/a/x.rs", "use super::y::Y;\nuse super::A;"),
        (
            "src/a/y.rs",
            "use super::A;\n#[cfg(test)]\nmod tests {\nuse super::x::X;\n}",
        ),
    ]);
    assert!(cycle(&file_imports(&none)).is_none());
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
