//! Finds files that import each other, which the table of modules cannot show: a parent and its child modules aside, the
//! files of a module import each other in one direction only.

use std::collections::BTreeSet;

use super::sources;

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

/// The paths that a file imports or names, each with whether it is exported again. Tests are left out.
fn imports(text: &str) -> Vec<(String, bool)> {
    let shipped = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut found = Vec::new();
    let mut statement = String::new();
    // The indentation of the inline modules around a line.
    let mut modules: Vec<usize> = Vec::new();
    for line in shipped.lines() {
        let code = line.trim();
        let indent = line.len() - line.trim_start().len();
        if statement.is_empty() {
            if code == "}" && modules.last() == Some(&indent) {
                modules.pop();
            }
            let is_module = code.starts_with("mod ") || (code.starts_with("pub") && code.contains(" mod "));
            if is_module && code.ends_with('{') {
                modules.push(indent);
            }
            let is_use = code.starts_with("use ") || (code.starts_with("pub") && code.contains("use "));
            if !is_use {
                if !code.starts_with("//") {
                    found.extend(named_paths(code).map(|path| (in_file(path, modules.len()), false)));
                }
                continue;
            }
        }
        statement.push_str(code);
        if code.ends_with(';') {
            // What an inline module exports is exported by its file, if at all.
            let is_exported = statement.starts_with("pub") && modules.is_empty();
            let tree = statement.split_once("use ").map_or("", |(_, tree)| tree);
            let paths = flatten(tree.trim_end_matches(';')).into_iter();
            found.extend(paths.map(|path| (in_file(&path, modules.len()), is_exported)));
            statement.clear();
        }
    }
    found
}

/// The paths in a line of code that begin with `crate` or `super`.
fn named_paths(code: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(move |c| !is_part(c));
    words
        .filter(|word| word.starts_with("crate::") || word.starts_with("super::"))
        .map(|word| word.trim_end_matches(':'))
}

/// A path as the file itself would write it, from inside some levels of inline modules.
fn in_file(path: &str, levels: usize) -> String {
    let mut path = path;
    for _ in 0..levels {
        path = path.strip_prefix("super::").unwrap_or(path);
    }
    path.to_owned()
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
fn files_do_not_import_each_other_in_a_cycle() {
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
fn cycles_of_imports_are_found() {
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
    let from_an_inline_module = sources(&[
        ("src/a/mod.rs", "mod x;\nmod y;"),
        (
            "src/a/x.rs",
            "struct X;\nmod part {\n    use super::super::y::Y;\n}\n",
        ),
        ("src/a/y.rs", "fn f(x: &crate::a::x::X) {}"),
    ]);
    assert!(cycle(&file_imports(&from_an_inline_module)).is_some());
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
