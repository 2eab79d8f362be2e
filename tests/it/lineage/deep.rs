//! A line of 30,000 generations through the program. The stack must not grow with the depth of a family.

#![cfg(feature = "cli")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::program::{Program, ProgramOutput};

const GENERATIONS: usize = 30_001;

fn name(number: usize) -> String {
    format!("{}_{number:08x}", 1_763_812_000_000 + number)
}

/// Makes a library in which each clip is a child of the one before, and every thousandth has a second child.
fn library(folder: &Path) {
    let hash = |number: usize| format!("{number:064x}");
    let mut json = String::new();
    for number in 0..GENERATIONS + GENERATIONS / 1000 {
        let parent = if number < GENERATIONS {
            number.checked_sub(1)
        } else {
            Some((number - GENERATIONS) * 1000)
        };
        let parents: Vec<_> = parent
            .iter()
            .map(|parent| json!({"id": name(*parent), "sha256": hash(*parent), "bytes": 1, "relation": "continue"}))
            .collect();
        json.clear();
        write!(
            json,
            "{}",
            json!({"kind": "video", "prompt": "a lamp", "reelkin": {"schema": 1, "sha256": hash(number), "bytes": 1,
                   "operation": "continue", "cost_usd_ticks": 1, "parents": parents}})
        )
        .unwrap();
        fs::write(folder.join(format!("{}.mp4", name(number))), "x").unwrap();
        fs::write(folder.join(format!("{}.mp4.json", name(number))), &json).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_of_30_000_generations_is_printed_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let clips = folder.path().join("clips");
    fs::create_dir(&clips).unwrap();
    library(&clips);
    let all = GENERATIONS + GENERATIONS / 1000;
    let lineage = async |clip: usize, args: &[&str]| -> ProgramOutput {
        let program = Program::in_folder(folder.path()).args(["--library", "clips", "lineage", &name(clip)]);
        let ran = program.args(args).run().await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
        ran
    };

    let tree = lineage(GENERATIONS - 1, &[]).await.stdout;
    assert_eq!(tree.lines().count(), all + 1);
    let longest = tree.lines().map(str::len).max().unwrap();
    assert!(longest < 300, "a line of {longest} bytes");
    let lines: Vec<&str> = tree.lines().collect();
    assert!(lines[0].starts_with(&name(0)), "{}", lines[0]);
    // The first clip has two children: the line and a single clip.
    assert!(lines[1].starts_with(&format!("├─ {}", name(1))), "{}", lines[1]);
    assert!(
        lines[2].starts_with(&format!("│  └─ {}", name(2))),
        "{}",
        lines[2]
    );
    let deepest = lines
        .iter()
        .find(|line| line.contains(&name(GENERATIONS - 1)))
        .unwrap();
    assert!(
        deepest.starts_with("(29976 more levels) ") && deepest.ends_with('<'),
        "{deepest}"
    );
    assert!(
        lines[all - 1].starts_with(&format!("└─ {}", name(GENERATIONS))),
        "{}",
        lines[all - 1]
    );
    assert!(
        lines[all].starts_with(&format!("{all} clips, ")),
        "{}",
        lines[all]
    );

    let object = lineage(GENERATIONS - 1, &["--json"]).await.json();
    assert_eq!(object["members"].as_array().unwrap().len(), all);
    assert_eq!(
        (&object["root"], &object["missing"]),
        (&json!(name(0)), &json!([]))
    );
    assert_eq!(object["cost_usd_ticks"], all);
    let links = |value: &Value| value["parents"].as_array().unwrap().len();
    let linked: usize = object["members"].as_array().unwrap().iter().map(links).sum();
    assert_eq!(linked, all - 1);
    drop(object);

    let diagram = lineage(0, &["--mermaid"]).await.stdout;
    assert_eq!(diagram.matches(" -->|").count(), all - 1);
    let diagram = lineage(0, &["--dot"]).await.stdout;
    assert_eq!(diagram.matches(" -> ").count(), all - 1);
}

#[test]
fn a_family_of_30_000_generations_needs_little_stack() {
    use reelkin::lineage::{Family, Member, ParentLink};

    // A thread with a small stack, which recursion would overflow.
    let work = || {
        let member = |number: usize| {
            let mut member = Member::new(name(number));
            if let Some(parent) = number.checked_sub(1) {
                let mut link = ParentLink::default();
                link.id = name(parent);
                member.parents.push(link);
            }
            member
        };
        let newest = name(GENERATIONS - 1);
        let family = Family::build((0..GENERATIONS).map(member).collect(), &newest, Vec::new()).unwrap();
        assert_eq!(family.path_to(&newest).len(), GENERATIONS);
        assert_eq!(family.descendants(&name(0)).len(), GENERATIONS - 1);
        assert_eq!(family.root().id, name(0));
        let json = family.to_json();
        assert_eq!(json["members"].as_array().unwrap().len(), GENERATIONS);
        assert_eq!(family.to_mermaid().matches(" -->|").count(), GENERATIONS - 1);
        assert_eq!(family.to_graphviz().matches(" -> ").count(), GENERATIONS - 1);
        drop((json, family.clone(), family));
    };
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    thread.spawn(work).unwrap().join().unwrap();
}
