//! The libav of the packages contains exactly the components that `src/media` asks libav for.

#![cfg(feature = "media")]

use std::collections::BTreeSet;
use std::fs;

fn read(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Returns the names of one kind in `bindings/libav/components`.
fn components(kind: &str) -> BTreeSet<String> {
    let listed = read("bindings/libav/components");
    let lines = listed
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let named = lines
        .filter_map(|line| line.split_once(' '))
        .filter(|(k, _)| *k == kind);
    named.map(|(_, name)| name.trim().to_owned()).collect()
}

/// Returns the strings in double quotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

/// Returns the text from `start` to the next `end`.
fn part<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("no {start:?} in the source"));
    rest.split_once(end)
        .unwrap_or_else(|| panic!("no {end:?} after {start:?}"))
        .0
}

#[test]
fn decoders_match_the_supported_ones() {
    let libav = read("src/media/libav/mod.rs");
    let mut first_choices = BTreeSet::new();
    for line in part(&libav, "const CODECS", "];").lines() {
        // `(Id::X, "our name", &["first choice", "second"]),`
        if let [_, first, ..] = quoted(line)[..] {
            first_choices.insert(first.to_owned());
        }
    }
    assert_eq!(first_choices, components("decoder"));
    assert_eq!(first_choices.len(), reelkin::media::libav().decoders.len());
    let picture = read("src/media/frames/still_picture.rs");
    for name in picture.split("decoder::find_by_name(").skip(1) {
        assert!(components("decoder").contains(quoted(name)[0]));
    }
}

#[test]
fn demuxers_match_the_supported_ones() {
    let demux = read("src/media/libav/demuxer.rs");
    let opened = part(&demux, "let demuxer: &CStr =", "};");
    let opened = quoted(opened)
        .into_iter()
        .map(str::to_owned)
        .collect::<BTreeSet<_>>();
    assert_eq!(opened, components("demuxer"));
}

#[test]
fn encoders_match_those_of_the_sandbox_under_the_license() {
    let write = read("src/media/encoder/clip_writer.rs");
    let choices = part(&write, "const ENCODERS", "];");
    let mut wanted = components("encoder");
    assert!(wanted.remove("aac") && write.contains("encoder::find(codec::Id::AAC)"));
    assert!(!wanted.is_empty());
    for name in wanted {
        assert!(choices.contains(&format!("\"{name}\"")), "{name}");
    }
    let muxer = quoted(part(&write, "format::output_as(path,", ")")).join(" ");
    assert_eq!(components("muxer"), BTreeSet::from([muxer]));
    assert_eq!(components("protocol"), BTreeSet::from(["file".to_owned()]));
}
