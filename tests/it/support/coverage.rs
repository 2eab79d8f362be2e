//! Checks of the tests themselves: everything that a list elsewhere names has its test.

#![cfg(feature = "cli")]

use std::collections::BTreeSet;
use std::path::Path;

use reelkin::sandbox::Fault;

use crate::support::fault_table::all_faults;

/// Collects the source text of all tests.
fn sources(folder: &Path, all: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            all.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// The field study lists 41 reports of users of other clients. Each has one test, marked with its number.
///
/// A report that cannot happen here would be listed below as `* NUMBER: why`. Some of the study is about gateways,
/// web pages and browser streams. Each of those has its form here as well, so the list is empty.
#[test]
fn every_report_of_the_field_study_has_one_test() {
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"), &mut all);
    let count = |text: &str| -> usize { all.iter().map(|source| source.matches(text).count()).sum() };
    let mark = "\n// Requirement: field study of other clients, report";
    let test = "#[tokio::test(flavor = \"multi_thread\", worker_threads = 2)]\nasync fn ";
    for number in 1..=41 {
        let marks = count(&format!("{mark} {number}.\n"));
        let tests = count(&format!("{mark} {number}.\n{test}"));
        assert_eq!(tests, marks, "report {number} is not marked on a test");
        let reason = format!("\n/// * {number}: ");
        let reasons = include_str!("coverage.rs").matches(&reason).count();
        assert_eq!(tests + reasons, 1, "report {number}");
    }
    assert!(count(mark) <= 41, "{}", count(mark));
}

/// A new kind of fault needs a row in a fault table.
#[test]
fn every_kind_of_fault_has_a_row() {
    let source = include_str!("../../../src/sandbox/faults/kind.rs");
    let table = source.split("\nfault_kinds! {").nth(1).unwrap();
    let kinds: BTreeSet<String> = table
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with(char::is_uppercase))
        .map(|line| line.chars().take_while(|c| c.is_alphanumeric()).collect())
        .collect();
    assert!(kinds.len() > 30 && kinds.contains("LostReply"), "{kinds:?}");
    let rows: BTreeSet<String> = all_faults()
        .map(|text| {
            let fault: Fault = text.parse().unwrap();
            let shown = format!("{fault:?}");
            let kind = shown.split("kind: ").nth(1).unwrap();
            kind.chars().take_while(|c| c.is_alphanumeric()).collect()
        })
        .collect();
    // Faults of answers have their own tests, because answers make no clip.
    let of_answers = [
        "Refusal",
        "SchemaBreak",
        "EmptyAnswer",
        "Incomplete",
        "ErrorWith200",
    ];
    let missing: Vec<_> = kinds
        .difference(&rows)
        .filter(|kind| !of_answers.contains(&kind.as_str()))
        .collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}
