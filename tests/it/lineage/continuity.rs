//! Continuity blocks: golden libraries of ima2-gen, continued, and hostile sidecars.

use std::fs;
use std::path::Path;

use reelkin::ErrorKind;
use reelkin::library::{Clip, ClipId, ClipRecord, Library, SourceSummary};
use reelkin::lineage::{Continuity, Role};
use serde_json::{Value, json};

use crate::lineage::library::{FIXTURES, child, golden};
use crate::support::library::at;
use crate::support::library::empty_library;

async fn first(library: &Library, id: &str) -> Clip {
    let id: ClipId = id.parse().unwrap();
    let mut record = ClipRecord::new(at(id.millis().unwrap_or(1)));
    record.revised_prompt = Some("The first.".to_owned());
    record.video_continuity = Some(Continuity::first(&id.file_name(), None, "The first.", at(1)));
    let mut staged = library.stage(&id).await.unwrap();
    staged.append(format!("bytes of {id}").as_bytes()).await.unwrap();
    staged.commit(record).await.unwrap()
}

fn text(record: &ClipRecord) -> String {
    serde_json::to_string(&record.video_continuity).unwrap()
}

#[tokio::test]
async fn written_blocks_equal_the_golden_ones_for_the_same_parent() {
    let (_folder, library) = golden();
    let mut with_parent = 0;
    for entry in fs::read_dir(FIXTURES).unwrap() {
        let path = entry.unwrap().path();
        let Ok(given) = serde_json::from_slice::<Value>(&fs::read(&path).unwrap()) else {
            continue;
        };
        let id = ClipId::from_file_name(path.file_name().unwrap().to_str().unwrap()).unwrap();
        let golden = library.clip(&id).await.unwrap().record.unwrap();
        let written: Value = serde_json::from_slice(&golden.to_json("x").unwrap()).unwrap();
        assert_eq!(written, given, "read and written back equal");
        assert!(golden.unreadable().is_empty(), "{id}: {:?}", golden.unreadable());

        let block = golden.video_continuity.as_ref().unwrap();
        let own = block.entries.last().unwrap();
        let mut record = ClipRecord::new(own.created_at.unwrap());
        record.user_prompt.clone_from(&own.user_prompt);
        record.revised_prompt.clone_from(&own.revised_prompt);
        if let Some(parent) = &block.parent_filename {
            with_parent += 1;
            let clip = library.clip(parent).await.unwrap();
            let parent = library.parent(&clip).await.unwrap();
            let operation = golden.video.unwrap().operation.unwrap_or("continue".to_owned());
            parent.write_into(&mut record, &id, &operation, None);
            let chain = serde_json::to_value(&record.video_lineage).unwrap();
            if parent.clip.record.unwrap().video_lineage.is_some() {
                assert_eq!(chain, given["videoLineage"], "{id}");
            } else {
                assert_eq!(chain, Value::Null, "a chain is never begun here");
            }
        } else {
            let words = record.user_prompt.clone();
            let sent = record.revised_prompt.clone().unwrap();
            record.video_continuity = Some(Continuity::first(
                &id.file_name(),
                words.as_deref(),
                &sent,
                own.created_at.unwrap(),
            ));
        }
        assert_eq!(
            text(&record),
            given_text(&path),
            "{id}: equal to the last field, in ima2's order"
        );
    }
    assert_eq!(with_parent, 8);
}

/// Returns the block as written in the file, without white space.
fn given_text(path: &Path) -> String {
    let file = fs::read_to_string(path).unwrap();
    let from = file.find("\"videoContinuity\": ").unwrap() + "\"videoContinuity\": ".len();
    let mut stream = serde_json::Deserializer::from_str(&file[from..]).into_iter::<Value>();
    stream.next().unwrap().unwrap();
    let mut compact = String::new();
    let (mut inside, mut escaped) = (false, false);
    for letter in file[from..from + stream.byte_offset()].chars() {
        if inside || !letter.is_whitespace() {
            compact.push(letter);
        }
        inside ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
    }
    compact
}

#[tokio::test]
async fn the_entries_for_the_planner_end_with_the_parent() {
    let (_folder, library) = golden();
    let roles = |entries: &[reelkin::lineage::ContinuityEntry]| {
        let roles = entries.iter().map(|entry| (entry.ordinal, entry.role.clone()));
        roles.collect::<Vec<_>>()
    };
    for (id, expected) in [
        ("1763812000000_0a1b2c3d", vec![(1, Role::Start)]),
        (
            "1763812070000_aabbccdd",
            vec![(1, Role::Start), (2, Role::Parent)],
        ),
        (
            "1763812240000_4e5f6071",
            vec![
                (1, Role::Start),
                (2, Role::Ancestor),
                (3, Role::Ancestor),
                (4, Role::Parent),
            ],
        ),
    ] {
        let clip = library.clip(id).await.unwrap();
        let parent = library.parent(&clip).await.unwrap();
        assert_eq!(roles(parent.entries()), expected, "{id}");
    }
}

#[tokio::test]
async fn after_twenty_hops_a_sidecar_has_four_entries() {
    let (_folder, library) = empty_library();
    let mut clip = first(&library, "1763812000000_00000000").await;
    for hop in 1..=20 {
        let id = format!("17638120000{hop:02}_{hop:08x}");
        clip = child(&library, &clip, &id, "continue", &format!("hop {hop}"))
            .await
            .unwrap();
    }
    let block = clip.record.unwrap().video_continuity.unwrap();
    let entries: Vec<_> = block
        .entries
        .iter()
        .map(|entry| {
            (
                entry.ordinal,
                entry.role.as_str(),
                entry.revised_prompt.as_deref().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        entries,
        [
            (1, "start", "The first."),
            (2, "ancestor", "hop 18, revised."),
            (3, "ancestor", "hop 19, revised."),
            (4, "current", "hop 20, revised."),
        ]
    );
    assert_eq!(block.lineage_id, "lineage:1763812000000_00000000");
    assert_eq!(
        block.parent_filename.as_deref(),
        Some("1763812000019_00000013.mp4")
    );
}

#[tokio::test]
async fn two_children_of_one_parent_do_not_list_each_other() {
    let (_folder, library) = golden();
    let parent = library.clip("1763812060000_1b2c3d4e").await.unwrap();
    let left = child(&library, &parent, "1763812400000_aaaaaaaa", "continue", "left")
        .await
        .unwrap();
    let right = child(&library, &parent, "1763812400001_bbbbbbbb", "edit", "right")
        .await
        .unwrap();
    let (left, right) = (text(&left.record.unwrap()), text(&right.record.unwrap()));
    assert!(left.contains("left, revised") && !left.contains("right"));
    assert!(right.contains("right, revised") && !right.contains("left"));
}

#[tokio::test]
async fn a_childs_record_names_its_parent_by_hash_and_frame() {
    let (_folder, library) = golden();
    let clip = library.clip("1763812000000_0a1b2c3d").await.unwrap();
    let digest = library.digest(&clip.id).await.unwrap();
    let saved = child(&library, &clip, "1763812400000_aaaaaaaa", "continue", "on")
        .await
        .unwrap();
    let saved = library.clip(&saved.id).await.unwrap().record.unwrap();
    assert_eq!(
        serde_json::to_value(saved.reelkin.unwrap().parents).unwrap(),
        json!([{"id": "1763812000000_0a1b2c3d", "sha256": digest.sha256, "bytes": digest.bytes,
                "relation": "continue", "frame": {"number": 119, "sha256": "ab".repeat(32)}}])
    );
}

#[tokio::test]
async fn an_unreadable_sidecar_of_the_parent_is_an_error() {
    let (folder, library) = empty_library();
    let table = [
        ("text", "not json".to_owned(), "text.mp4.json"),
        ("cut", "{\"videoContinuity\": {".to_owned(), "cut.mp4.json"),
        ("list", "[]".to_owned(), "list.mp4.json"),
        (
            "odd",
            r#"{"prompt": "p", "videoContinuity": "later"}"#.to_owned(),
            "videoContinuity is not an object",
        ),
        (
            "none",
            r#"{"prompt": "p", "videoContinuity": {"lineageId": "x"}}"#.to_owned(),
            "no list of entries",
        ),
        (
            "chain",
            r#"{"prompt": "p", "videoLineage": {"id": "../chain.mp4", "parentId": null, "rootId": "a.mp4",
                "seriesId": "a.mp4", "sequenceIndex": 0}}"#
                .to_owned(),
            "videoLineage cannot be read",
        ),
    ];
    for (name, sidecar, words) in table {
        fs::write(folder.path().join(format!("{name}.mp4")), name).unwrap();
        fs::write(folder.path().join(format!("{name}.mp4.json")), &sidecar).unwrap();
        let clip = bare(&library, name, folder.path()).await;
        let error = library.parent(&clip).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Library, "{name}: {error}");
        assert!(error.to_string().contains(words), "{name}: {error}");
        let after = fs::read_to_string(folder.path().join(format!("{name}.mp4.json"))).unwrap();
        assert_eq!(after, sidecar, "nothing of it was changed");
    }
}

/// Returns a clip by its name alone, without reading its sidecar.
async fn bare(library: &Library, name: &str, folder: &Path) -> Clip {
    let other = folder.join("other.mp4");
    fs::write(&other, "other").unwrap();
    let mut clip = library.clip("other").await.unwrap();
    fs::remove_file(other).unwrap();
    clip.id = name.parse().unwrap();
    clip
}

#[tokio::test]
async fn parents_without_a_sidecar_deleted_or_changed_are_still_recorded() {
    let (folder, library) = empty_library();
    fs::write(folder.path().join("bare.mp4"), "bare").unwrap();
    let clip = library.clip("bare").await.unwrap();
    let parent = library.parent(&clip).await.unwrap();
    assert!(parent.entries().is_empty());

    // Deleted meanwhile: what was read before is used.
    fs::remove_file(folder.path().join("bare.mp4")).unwrap();
    let error = library.parent(&clip).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let mut record = ClipRecord::new(at(7));
    record.prompt = Some("sent".to_owned());
    parent.write_into(&mut record, &"c".parse().unwrap(), "continue", None);
    let block = record.video_continuity.unwrap();
    assert_eq!(
        (
            block.lineage_id.as_str(),
            block.parent_filename,
            block.entries.len()
        ),
        ("lineage:c", None, 1),
        "as ima2 begins one"
    );
    let parents = record.reelkin.unwrap().parents.unwrap();
    assert_eq!(parents[0].id.as_deref(), Some("bare"));

    // A sidecar of another version, without a block.
    let sidecar = json!({"schemaVersion": 9, "prompt": " words ", "createdAt": 5, "reelkin": {"schema": 99}});
    fs::write(folder.path().join("later.mp4"), "later").unwrap();
    fs::write(folder.path().join("later.mp4.json"), sidecar.to_string()).unwrap();
    let parent = library
        .parent(&library.clip("later").await.unwrap())
        .await
        .unwrap();
    let [entry] = parent.entries() else { panic!() };
    assert_eq!(entry.revised_prompt.as_deref(), Some("words"));

    let clip = first(&library, "first").await;
    fs::write(folder.path().join("first.mp4"), "other bytes").unwrap();
    let parent = library.parent(&clip).await.unwrap();
    assert!(
        parent.warnings[0].contains("has changed since it was saved"),
        "{:?}",
        parent.warnings
    );
    let mut record = ClipRecord::new(at(7));
    parent.write_into(&mut record, &"c".parse().unwrap(), "edit", None);
    assert_eq!(record.reelkin.unwrap().warnings, Some(parent.warnings));
}

#[tokio::test]
async fn a_child_drops_excess_entries_and_paths_of_its_parent() {
    let (folder, library) = empty_library();
    let entries: Vec<Value> = (0..10_000)
        .map(|number| {
            json!({"id": format!("clip:../{number}.mp4"), "ordinal": number + 1, "role": "ancestor",
                   "filename": format!("../../{number}.mp4"), "userPrompt": null,
                   "revisedPrompt": format!("r{number}"), "createdAt": number})
        })
        .collect();
    let sidecar = json!({"videoContinuity": {"lineageId": "lineage:/etc/x", "parentFilename": "/etc/passwd",
        "sourceFrame": "last", "maxEntries": 10_000, "retention": "keep-all", "entries": entries}});
    fs::write(folder.path().join("big.mp4"), "big").unwrap();
    fs::write(folder.path().join("big.mp4.json"), sidecar.to_string()).unwrap();
    let clip = library.clip("big").await.unwrap();
    let saved = child(&library, &clip, "c", "continue", "on").await.unwrap();
    let block = serde_json::to_value(saved.record.unwrap().video_continuity).unwrap();
    let names: Vec<_> = block["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["filename"])
        .collect();
    assert_eq!(names, ["0.mp4", "9998.mp4", "9999.mp4", "c.mp4"]);
    assert_eq!(
        (&block["lineageId"], &block["maxEntries"], &block["retention"]),
        (&json!("lineage:x"), &json!(4), &json!("keep-start-plus-latest-3"))
    );
}

#[tokio::test]
async fn the_newest_prompts_of_a_topic_are_found() {
    let (folder, library) = golden();
    let series = library.series(" sea ", 4).await.unwrap();
    assert_eq!((series.prompts.len(), series.next().chain_index), (1, Some(1)));
    assert_eq!(
        library.series("land", 4).await.unwrap().next().chain_index,
        Some(0)
    );
    assert!(library.series("  ", 4).await.unwrap().prompts.is_empty());

    let write = |name: &str, sidecar: Value| {
        fs::write(
            folder.path().join(format!("{name}.mp4.json")),
            sidecar.to_string(),
        )
        .unwrap();
    };
    for number in 0..6_u64 {
        let at = 1_763_813_000_000 + number * 3_600_000;
        write(
            &format!("{at}_0000000{number}"),
            json!({"createdAt": at, "revisedPrompt": format!("p{number}"), "videoSeries": {"topic": "sea", "chainIndex": 0}}),
        );
    }
    // A name without a time, newer than two of the four; no prompt; another topic; unreadable.
    write(
        "hero",
        json!({"createdAt": 1_763_813_000_000_u64 + 4 * 3_600_000 - 1, "revisedPrompt": "hero", "videoSeries": {"topic": "sea"}}),
    );
    write(
        "1763899999999_00000001",
        json!({"createdAt": 9, "videoSeries": {"topic": "sea"}}),
    );
    write(
        "1763899999999_00000002",
        json!({"createdAt": 9, "revisedPrompt": "x", "videoSeries": {"topic": "Sea"}}),
    );
    fs::write(folder.path().join("1763899999999_00000003.mp4.json"), "{").unwrap();
    let series = library.series("sea", 4).await.unwrap();
    assert_eq!(series.prompts, ["p3", "hero", "p4", "p5"]);
    assert_eq!(
        serde_json::to_value(series.next()).unwrap(),
        json!({"topic": "sea", "chainIndex": 4})
    );
}

#[test]
fn a_source_in_the_library_is_summarized_by_its_name() {
    let json = serde_json::to_value(SourceSummary::generated_file("a.mp4")).unwrap();
    assert_eq!(json, json!({"kind": "generated-file", "filename": "a.mp4"}));
}
