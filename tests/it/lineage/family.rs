//! Families of clips: many generations, renamed and lost files, cycles, exports.

use std::fs;
use std::path::Path;

use futures_util::StreamExt as _;
use reelkin::library::{Clip, Condition, Library};
use reelkin::lineage::{Family, FoundBy, Member, MemberState};
use reelkin::{ErrorKind, UsdTicks};
use serde_json::{Value, json};

use crate::lineage::library::{child, golden};
use crate::support::library::at;
use crate::support::library::empty_library;

fn ids<'a>(members: impl IntoIterator<Item = &'a Member>) -> Vec<&'a str> {
    members.into_iter().map(|member| member.id.as_str()).collect()
}

fn put(folder: &Path, name: &str, bytes: &str, sidecar: &Value) {
    fs::write(folder.join(format!("{name}.mp4")), bytes).unwrap();
    fs::write(folder.join(format!("{name}.mp4.json")), sidecar.to_string()).unwrap();
}

fn rename(folder: &Path, from: &str, to: &str, endings: &[&str]) {
    for ending in endings {
        fs::rename(
            folder.join(format!("{from}{ending}")),
            folder.join(format!("{to}{ending}")),
        )
        .unwrap();
    }
}

const BOTH: &[&str] = &[".mp4", ".mp4.json"];

/// Makes a line of clips of this crate: `c00`, `c01`, …
async fn line(library: &Library, folder: &Path, hops: usize) -> Clip {
    fs::write(folder.join("c00.mp4"), "bytes of c00").unwrap();
    let mut clip = library.clip("c00").await.unwrap();
    for hop in 1..=hops {
        clip = child(
            library,
            &clip,
            &format!("c{hop:02}"),
            "continue",
            &format!("hop {hop}"),
        )
        .await
        .unwrap();
    }
    clip
}

#[tokio::test]
async fn after_twenty_hops_the_family_has_twenty_one_clips_in_order() {
    let (folder, library) = empty_library();
    let last = line(&library, folder.path(), 20).await;
    let expected: Vec<String> = (0..=20).map(|hop| format!("c{hop:02}")).collect();
    for clip in [last, library.clip("c07").await.unwrap()] {
        let family = library.family(&clip).await.unwrap();
        assert_eq!(ids(family.clips()), expected);
        assert_eq!(ids(family.path_to("c20")), expected);
        assert_eq!(
            (family.root().id.as_str(), family.focus().id.as_str()),
            ("c00", clip.id.as_str())
        );
        assert_eq!((family.missing().count(), family.notes().len()), (0, 0));
        assert_eq!(family.root().state, MemberState::NoSidecar);
        let member = family.member("c20").unwrap();
        let link = &member.parents[0];
        assert_eq!((link.relation.as_str(), link.found_by), ("continue", FoundBy::Id));
        assert_eq!(link.frame_sha256, Some("ab".repeat(32)));
        assert_eq!(member.user_prompt.as_deref(), Some("hop 20"));
    }
}

#[tokio::test]
async fn a_family_of_ima2_clips_is_linked_by_name() {
    let (_folder, library) = golden();
    let clip = library.clip("1763812070000_aabbccdd").await.unwrap();
    let family = library.family(&clip).await.unwrap();
    assert_eq!(
        ids(family.clips()),
        [
            "1763812000000_0a1b2c3d",
            "1763812060000_1b2c3d4e",
            "1763812070000_aabbccdd",
            "1763812080000_bbccddee",
            "1763812120000_2c3d4e5f",
            "1763812180000_3d4e5f60",
            "1763812240000_4e5f6071",
            "1763812300000_00112233",
            "1763812360000_44556677",
        ]
    );
    assert_eq!(
        ids(family.children("1763812060000_1b2c3d4e")),
        ["1763812080000_bbccddee", "1763812120000_2c3d4e5f"]
    );
    assert_eq!(ids(family.path_to("1763812080000_bbccddee")).len(), 3);
    let operations: Vec<_> = family
        .clips()
        .map(|clip| clip.operation.as_deref().unwrap())
        .collect();
    assert_eq!(operations[..4], ["generate", "continue", "edit", "extend"]);
    assert_eq!(family.cost().ticks(), 7 * 3_500_000_000 + 2 * 3_000_000_000);
    // Made from a URL: no family.
    let alone = library.clip("1763812090000_ccddeeff").await.unwrap();
    assert_eq!(library.family(&alone).await.unwrap().members().len(), 1);
}

#[tokio::test]
async fn renamed_files_keep_their_family() {
    let (folder, library) = empty_library();
    line(&library, folder.path(), 4).await;
    // Renamed with its sidecar; without its sidecar, which stays; without its sidecar, which is lost; and one
    // that never had a sidecar. Another clip takes an old name.
    rename(folder.path(), "c01", "hero", BOTH);
    rename(folder.path(), "c02", "second take", &[".mp4"]);
    rename(folder.path(), "c03", "zz", &[".mp4"]);
    fs::remove_file(folder.path().join("c03.mp4.json")).unwrap();
    rename(folder.path(), "c00", "the beginning", &[".mp4"]);
    put(folder.path(), "c01", "an impostor", &json!({"prompt": "p"}));
    // The other clip has no recorded hash, so its bytes have to be hashed once its size matches.
    fs::write(folder.path().join("c01.mp4"), "bytes of c0x").unwrap();

    let family = library.family(&library.clip("c04").await.unwrap()).await.unwrap();
    // The ancestors of the third are known only from its child, which lists the second by its name.
    assert_eq!(
        ids(family.path_to("c04")),
        ["the beginning", "hero", "second take", "zz", "c04"],
        "{:#?}",
        family.to_json()
    );
    assert_eq!((family.members().len(), family.missing().count()), (5, 0));
    assert_eq!(family.member("c04").unwrap().parents[0].found_by, FoundBy::Hash);
    let second = family.member("second take").unwrap();
    assert_eq!(
        (second.state, second.user_prompt.as_deref()),
        (MemberState::Present, Some("hop 2"))
    );
    for name in ["hero", "second take", "zz", "the beginning"] {
        let focus = library.clip(name).await.unwrap();
        let family = library.family(&focus).await.unwrap();
        assert_eq!((family.focus().id.as_str(), family.members().len()), (name, 5));
    }
}

#[tokio::test]
async fn renamed_ima2_clips_are_found_by_their_recorded_names() {
    let (folder, library) = golden();
    rename(folder.path(), "1763812060000_1b2c3d4e", "the lamp", BOTH);
    let family = library
        .family(&library.clip("1763812120000_2c3d4e5f").await.unwrap())
        .await
        .unwrap();
    assert_eq!(
        ids(family.path_to("1763812120000_2c3d4e5f")),
        ["1763812000000_0a1b2c3d", "the lamp", "1763812120000_2c3d4e5f"]
    );
    assert_eq!(
        family.member("1763812120000_2c3d4e5f").unwrap().parents[0].found_by,
        FoundBy::FormerName
    );
    // A child that took the name of its lost parent is not its own parent.
    fs::remove_file(folder.path().join("1763812000000_0a1b2c3d.mp4")).unwrap();
    fs::remove_file(folder.path().join("1763812000000_0a1b2c3d.mp4.json")).unwrap();
    rename(folder.path(), "the lamp", "1763812000000_0a1b2c3d", BOTH);
    let family = library
        .family(&library.clip("1763812000000_0a1b2c3d").await.unwrap())
        .await
        .unwrap();
    assert_eq!(family.missing().count(), 1);
}

#[tokio::test]
async fn missing_ancestors_are_reported_and_skipped() {
    let (folder, library) = empty_library();
    let last = line(&library, folder.path(), 6).await;
    // One leaves its sidecar, two leave nothing. Their child lists their order.
    fs::remove_file(folder.path().join("c05.mp4")).unwrap();
    for gone in ["c02", "c03"] {
        fs::remove_file(folder.path().join(format!("{gone}.mp4"))).unwrap();
        fs::remove_file(folder.path().join(format!("{gone}.mp4.json"))).unwrap();
    }
    let family = library.family(&last).await.unwrap();
    assert_eq!(
        ids(family.path_to("c06")),
        ["c00", "c01", "c02", "c03", "c04", "c05", "c06"]
    );
    assert_eq!(ids(family.missing()), ["c02", "c03", "c05"]);
    assert_eq!(ids(family.clips()), ["c00", "c01", "c04", "c06"]);
    let remembered = family.member("c03").unwrap();
    assert_eq!(remembered.user_prompt.as_deref(), Some("hop 3"));
    assert_eq!(
        family.member("c05").unwrap().user_prompt.as_deref(),
        Some("hop 5")
    );
    let error = library
        .family(
            &library
                .clip("c01")
                .await
                .map(|mut clip| {
                    clip.id = "c02".parse().unwrap();
                    clip
                })
                .unwrap(),
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn cycles_are_refused_without_hiding_other_families() {
    let (folder, library) = empty_library();
    let made_of = |id: &str| json!({"prompt": "p", "reelkin": {"parents": [{"id": id, "relation": "edit"}]}});
    put(folder.path(), "a", "a", &made_of("c"));
    put(folder.path(), "b", "b", &made_of("a"));
    put(folder.path(), "c", "c", &made_of("b"));
    put(folder.path(), "me", "me", &made_of("me"));
    put(
        folder.path(),
        "own",
        "own",
        &json!({"videoContinuity": {"lineageId": "lineage:own",
        "parentFilename": "own.mp4", "entries": []}}),
    );
    put(folder.path(), "x", "x", &json!({"prompt": "p"}));
    for name in ["a", "b", "me", "own"] {
        let error = library
            .family(&library.clip(name).await.unwrap())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Library);
        assert!(error.to_string().contains("is its own ancestor"), "{error}");
    }
    assert_eq!(
        library
            .family(&library.clip("x").await.unwrap())
            .await
            .unwrap()
            .members()
            .len(),
        1
    );
}

#[tokio::test]
async fn hostile_sidecars_become_notes() {
    let (folder, library) = empty_library();
    line(&library, folder.path(), 2).await;
    put(
        folder.path(),
        "path",
        "x",
        &json!({"videoContinuity": {"lineageId": "l", "parentFilename": "../../c01.mp4",
        "entries": []}}),
    );
    let many: Vec<Value> = (0..10_000)
        .map(|number| json!({"id": format!("p{number}")}))
        .collect();
    put(folder.path(), "many", "x", &json!({"reelkin": {"parents": many}}));
    put(
        folder.path(),
        "odd",
        "x",
        &json!({"reelkin": {"parents": [7, {}], "sha256": "xyz"}, "videoContinuity": 5}),
    );
    put(
        folder.path(),
        "loop",
        "x",
        &json!({"reelkin": {"parents": [{"sha256": "zz"}, {"id": "../c01"}, {}]}}),
    );
    fs::write(folder.path().join("broken.mp4"), "x").unwrap();
    fs::write(folder.path().join("broken.mp4.json"), "{\"kind\"").unwrap();
    put(
        folder.path(),
        "kid",
        "kid",
        &json!({"reelkin": {"parents": [{"id": "broken", "relation": "edit"}]}}),
    );

    let family = library.family(&library.clip("c01").await.unwrap()).await.unwrap();
    assert_eq!(ids(family.members()), ["c00", "c01", "c02"]);
    let notes = family.notes().join("\n");
    for words in [
        "path.mp4.json",
        "is not a valid file name of a clip",
        "of its 10000 parents",
        "odd.mp4.json",
        "broken.mp4.json",
    ] {
        assert!(notes.contains(words), "{words} in {notes}");
    }
    let family = library.family(&library.clip("kid").await.unwrap()).await.unwrap();
    assert_eq!(ids(family.members()), ["broken", "kid"]);
    assert_eq!(family.root().state, MemberState::SidecarUnreadable);
    let family = library
        .family(&library.clip("many").await.unwrap())
        .await
        .unwrap();
    assert_eq!(family.missing().count(), 64);
}

#[tokio::test]
async fn copies_and_parents_with_equal_bytes_are_distinguished() {
    let (folder, library) = empty_library();
    line(&library, folder.path(), 2).await;
    // An edit that returned the bytes of its parent.
    let parent = library.parent(&library.clip("c01").await.unwrap()).await.unwrap();
    let mut record = reelkin::library::ClipRecord::new(at(9));
    parent.write_into(&mut record, &"same".parse().unwrap(), "edit", None);
    let mut staged = library.stage(&"same".parse().unwrap()).await.unwrap();
    staged.append(b"bytes of c01").await.unwrap();
    staged.commit(record).await.unwrap();
    for ending in BOTH {
        let from = folder.path().join(format!("c02{ending}"));
        fs::copy(from, folder.path().join(format!("c02 copy{ending}"))).unwrap();
    }
    let family = library
        .family(&library.clip("same").await.unwrap())
        .await
        .unwrap();
    assert_eq!(ids(family.path_to("same")), ["c00", "c01", "same"]);
    assert_eq!(ids(family.children("c01")).len(), 3);
    rename(folder.path(), "c01", "b", BOTH);
    let family = library
        .family(&library.clip("same").await.unwrap())
        .await
        .unwrap();
    assert_eq!(ids(family.path_to("same")), ["c00", "b", "same"]);
}

#[tokio::test]
async fn verify_reports_the_condition_of_each_clip() {
    let (folder, library) = empty_library();
    let last = line(&library, folder.path(), 5).await;
    let path = |name: &str| folder.path().join(name);
    fs::write(path("c01.mp4"), "bytes of c0X").unwrap();
    fs::remove_file(path("c02.mp4")).unwrap();
    fs::remove_file(path("c03.mp4.json")).unwrap();
    fs::write(path("c04.mp4.json"), "{").unwrap();
    put(folder.path(), "theirs", "x", &json!({"prompt": "p"}));

    // The sidecar of the last clip lists ancestors before the broken sidecar: the third and the first.
    let family = library.family(&last).await.unwrap();
    let codes = |verdicts: &[reelkin::library::Verdict]| {
        let codes = verdicts
            .iter()
            .map(|verdict| format!("{} {}", verdict.id, verdict.condition.code()));
        codes.collect::<Vec<_>>()
    };
    let verdicts: Vec<_> = library.verify_family(&family).collect().await;
    assert_eq!(
        codes(&verdicts),
        [
            "c00 no_sidecar",
            "c01 damaged",
            "c02 missing",
            "c03 no_sidecar",
            "c04 sidecar_unreadable",
            "c05 intact"
        ]
    );
    assert_eq!(family.member("c03").unwrap().parents[0].relation, "ancestor");
    assert!(
        verdicts[1].condition.is_fault()
            && verdicts[1].recorded != Some(verdicts[1].found.clone().unwrap().sha256)
    );
    // A clip without a sidecar is compared with the record in its child.
    fs::write(path("c00.mp4"), "other").unwrap();
    let verdicts: Vec<_> = library.verify_family(&family).collect().await;
    assert_eq!(verdicts[0].condition, Condition::Damaged);

    let mut all: Vec<_> = library.verify().map(|verdict| verdict.unwrap()).collect().await;
    all.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(
        codes(&all),
        [
            "c00 no_sidecar",
            "c01 damaged",
            "c02 missing",
            "c03 no_sidecar",
            "c04 sidecar_unreadable",
            "c05 intact",
            "theirs unrecorded"
        ]
    );
}

#[test]
fn exports_are_escaped_and_stable() {
    let mut root = Member::new("1763812000000_0a1b2c3d");
    root.created_at = Some(at(1));
    root.operation = Some("generate".to_owned());
    root.user_prompt = Some("a \"lamp\"]\n  --> c9; <b>\\ żółw & 🐢 #quot;".to_owned());
    root.cost = Some(UsdTicks::new(5));
    let mut edited = Member::new("b");
    edited.created_at = Some(at(2));
    edited.operation = Some("edit".to_owned());
    edited.user_prompt = Some("word ".repeat(40));
    let link = |id: &str, relation: &str| {
        let mut link = reelkin::lineage::ParentLink::default();
        link.id = id.to_owned();
        link.relation = relation.to_owned();
        link
    };
    edited.parents = vec![link("1763812000000_0a1b2c3d", "edit"), link("gone", "re\"f")];
    let family = Family::build(vec![edited, root], "b", vec!["a note".to_owned()]).unwrap();
    assert_eq!(
        family.to_mermaid(),
        "flowchart TD
  c0[\"gone<br/>missing\"]:::missing
  c1[\"1763812000000_0a1b2c3d<br/>generate<br/>a #34;lamp#34;#93; --#62; c9#59; #60;b#62;#92; żółw #38; #128034; #35;quot#59;\"]
  c2[\"b<br/>edit<br/>word word word word word word word word word word word word …\"]:::focus
  c1 -->|\"edit\"| c2
  c0 -->|\"re#34;f\"| c2
  classDef focus stroke-width:3px
  classDef missing stroke-dasharray:4
"
    );
    assert_eq!(
        family.to_graphviz(),
        "digraph family {
  node [shape=box]
  c0 [label=\"gone\\nmissing\", style=dashed]
  c1 [label=\"1763812000000_0a1b2c3d\\ngenerate\\na \\\"lamp\\\"] --> c9; <b>\\\\ żółw & 🐢 #quot;\"]
  c2 [label=\"b\\nedit\\nword word word word word word word word word word word word …\", style=bold]
  c1 -> c2 [label=\"edit\"]
  c0 -> c2 [label=\"re\\\"f\"]
}
"
    );
    let json = family.to_json();
    assert_eq!(
        (&json["focus"], &json["root"], &json["missing"], &json["roots"]),
        (
            &json!("b"),
            &json!("1763812000000_0a1b2c3d"),
            &json!(["gone"]),
            &json!(["gone", "1763812000000_0a1b2c3d"])
        )
    );
    assert_eq!(
        (&json["cost_usd_ticks"], &json["notes"]),
        (&json!(5), &json!(["a note"]))
    );
    assert_eq!(json["members"][2]["parents"][0]["found_by"], "id");
    assert_eq!(json["members"][0]["state"], "missing");
}
