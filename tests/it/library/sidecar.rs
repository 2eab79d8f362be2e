//! Sidecars: golden files written by hand after the description of ima2-gen, and damaged ones.

use std::fs;
use std::time::Duration;

use reelkin::library::{
    ClipRecord, Delivered, DeliveryReport, InputRecord, MAX_SIDECAR_BYTES, RequestedProperties, SourceSummary,
};
use reelkin::lineage::{Continuity, Role};
use reelkin::{ErrorKind, UsdTicks};
use serde_json::{Value, json};

use crate::support::library::at;
use crate::support::library::empty_library;

fn continuity(file: &str, user: &Value, revised: &str, at: u64) -> Value {
    let stem = file.trim_end_matches(".mp4");
    json!({
        "lineageId": format!("lineage:{stem}"), "parentFilename": null, "sourceFrame": null, "maxEntries": 4,
        "retention": "keep-start-plus-latest-3",
        "entries": [{"id": format!("clip:{file}"), "ordinal": 1, "role": "start", "filename": file,
                     "userPrompt": user, "revisedPrompt": revised, "createdAt": at}],
    })
}

/// A clip made from the command line: session and node are null.
fn generated() -> Value {
    json!({
        "kind": "video", "mediaType": "video", "requestId": "req_m3x1", "sessionId": null, "clientNodeId": null,
        "prompt": "a lighthouse at dusk", "userPrompt": "a lighthouse at dusk",
        "revisedPrompt": "A lighthouse at dusk; żółw on the rocks, \"hello\" \u{1f422}.", "provider": "grok",
        "model": "grok-imagine-video", "requestedModel": "grok-imagine-video",
        "effectiveModel": "grok-imagine-video", "modelFallback": null, "createdAt": 1_763_812_000_000_u64,
        "elapsed": 41.237, "usage": {"grok_cost_usd_ticks": 3_500_000_000_u64}, "webSearchCalls": 1,
        "video": {"duration": 5, "resolution": "480p", "aspectRatio": "auto", "sourceImageFilename": null,
                  "xaiVideoRequestId": "b1c2", "requestedModel": "grok-imagine-video",
                  "effectiveModel": "grok-imagine-video", "modelFallback": null},
        "videoContinuity": continuity("1763812000000_0a1b2c3d.mp4", &json!("a lighthouse at dusk"),
                                      "A lighthouse at dusk.", 1_763_812_000_000),
    })
}

fn edited() -> Value {
    json!({
        "kind": "video", "mediaType": "video", "requestId": "req_e", "sessionId": "s_1", "clientNodeId": "n_1",
        "prompt": "make it night", "userPrompt": "make it night", "revisedPrompt": "make it night",
        "provider": "grok", "model": "grok-imagine-video", "createdAt": 1_763_812_100_000_u64, "usage": null,
        "webSearchCalls": 0,
        "video": {"operation": "edit", "duration": 6.04, "xaiVideoRequestId": "b9", "contentType": "video/mp4",
                  "source": {"kind": "generated-file", "filename": "1763812000000_0a1b2c3d.mp4"},
                  "sourceUrl": {"kind": "data-url", "approximateBytes": 812_345}},
        "videoContinuity": {
            "lineageId": "lineage:1763812000000_0a1b2c3d", "parentFilename": "1763812000000_0a1b2c3d.mp4",
            "sourceFrame": "last", "maxEntries": 4, "retention": "keep-start-plus-latest-3",
            "entries": [
                {"id": "clip:1763812000000_0a1b2c3d.mp4", "ordinal": 1, "role": "start",
                 "filename": "1763812000000_0a1b2c3d.mp4", "userPrompt": null, "revisedPrompt": "A lighthouse.",
                 "createdAt": 1_763_812_000_000_u64},
                {"id": "clip:1763812100000_11223344.mp4", "ordinal": 2, "role": "current",
                 "filename": "1763812100000_11223344.mp4", "userPrompt": "make it night",
                 "revisedPrompt": "make it night", "createdAt": 1_763_812_100_000_u64}],
        },
    })
}

fn extended_from_url() -> Value {
    json!({
        "kind": "video", "mediaType": "video", "requestId": "req_x", "sessionId": null, "clientNodeId": null,
        "prompt": "the camera pulls back", "userPrompt": "the camera pulls back",
        "revisedPrompt": "the camera pulls back", "provider": "grok", "model": "grok-imagine-video",
        "requestedModel": "grok-imagine-video", "effectiveModel": "grok-imagine-video", "modelFallback": null,
        "createdAt": 1_763_812_200_000_u64, "usage": {"grok_cost_usd_ticks": 3_000_000_000_u64},
        "video": {"operation": "extend", "duration": 6, "xaiVideoRequestId": "b10", "contentType": "video/mp4",
                  "source": {"kind": "url", "origin": "https://cdn.example", "pathname": "clip.mp4"},
                  "sourceUrl": {"kind": "url", "origin": "https://cdn.example", "pathname": "clip.mp4"}},
        "videoContinuity": continuity("1763812200000_55667788.mp4", &json!(null), "the camera pulls back",
                                      1_763_812_200_000),
    })
}

/// A sidecar of a later version, with values of unexpected types.
fn later() -> Value {
    let mut later = generated();
    later["videoSeries"] = json!({"topic": "sea", "chainIndex": 2});
    later["videoLineage"] = json!({"id": "a.mp4", "parentId": null, "rootId": "a.mp4", "seriesId": "a.mp4",
                                   "sequenceIndex": 0});
    later["modelFallback"] = json!({"from": "grok-imagine-video-1.5", "reason": "400"});
    later["elapsed"] = json!("41.2");
    later["webSearchCalls"] = json!(-1);
    later["usage"]["prompt_tokens"] = json!(18_446_744_073_709_551_615_u64);
    later["video"]["camera"] = json!(["dolly", {"speed": 0.1}]);
    later["video"]["duration"] = json!(null);
    later["videoContinuity"]["entries"][0]["thumb"] = json!(0.300_000_000_000_000_04);
    later["reelkin"] = json!({"schema": 7, "inputs": "several", "signature": {"alg": "x"}});
    later
}

#[test]
fn golden_sidecars_round_trip() {
    for given in [
        generated(),
        edited(),
        extended_from_url(),
        later(),
        json!({}),
        json!({"kind": null}),
    ] {
        let record = ClipRecord::from_json("x.mp4.json", given.to_string().as_bytes()).unwrap();
        let written = record.to_json("x.mp4.json").unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), given);
        let again = ClipRecord::from_json("x.mp4.json", &written).unwrap();
        assert_eq!(again, record);
        assert_eq!(
            again.to_json("x.mp4.json").unwrap(),
            written,
            "writing is deterministic"
        );
    }
}

#[test]
fn fields_are_parsed() {
    let record = ClipRecord::from_json("x", generated().to_string().as_bytes()).unwrap();
    assert_eq!(
        record.usage.unwrap().grok_cost,
        Some(UsdTicks::new(3_500_000_000))
    );
    assert_eq!(
        record.elapsed.unwrap().to_duration(),
        Duration::from_secs_f64(41.237)
    );
    assert_eq!(record.session_id, None);
    let video = record.video.unwrap();
    assert_eq!(video.duration.unwrap().to_duration(), Duration::from_secs(5));
    assert_eq!(video.aspect_ratio.as_deref(), Some("auto"));
    let view = record.video_continuity.unwrap();
    assert_eq!(
        (view.lineage_id.as_str(), &view.entries[0].role),
        ("lineage:1763812000000_0a1b2c3d", &Role::Start)
    );

    let record = ClipRecord::from_json("x", edited().to_string().as_bytes()).unwrap();
    let video = record.video.unwrap();
    assert_eq!(
        video.source,
        Some(SourceSummary::generated_file("1763812000000_0a1b2c3d.mp4"))
    );
    assert_eq!(video.source_url, Some(SourceSummary::data_url(812_345)));
}

#[test]
fn a_field_of_an_unexpected_type_is_kept_and_reported() {
    let record = ClipRecord::from_json("x", later().to_string().as_bytes()).unwrap();
    assert_eq!(record.unreadable(), ["elapsed", "webSearchCalls"]);
    assert_eq!(record.elapsed, None);
    assert_eq!(record.extra["elapsed"], "41.2");
    assert_eq!(record.reelkin.unwrap().unreadable(), ["inputs"]);
    // An unreadable lineage must not look like a missing one.
    let record = ClipRecord::from_json("x", br#"{"videoContinuity": {"entries": 5}}"#).unwrap();
    assert_eq!(
        (record.video_continuity.is_none(), record.unreadable()),
        (true, vec!["videoContinuity"])
    );
}

#[test]
fn a_url_is_summarized_without_its_signature() {
    let url = "https://user:pw@vidgen.example:8443/a/b/clip.mp4?sig=secret#frag"
        .parse()
        .unwrap();
    let json = serde_json::to_value(SourceSummary::url(&url)).unwrap();
    assert_eq!(
        json,
        json!({"kind": "url", "origin": "https://vidgen.example:8443", "pathname": "clip.mp4"})
    );
}

#[test]
fn a_written_record_has_a_fixed_field_order() {
    let mut record = ClipRecord::new(at(1_763_812_000_000));
    record.prompt = Some("p".to_owned());
    record.video_continuity = Some(Continuity::first("1_a.mp4", None, "p", at(1_763_812_000_000)));
    let ours = record.reelkin.as_mut().unwrap();
    ours.version = Some("0".to_owned());
    ours.delivery = Some(DeliveryReport::compare(
        RequestedProperties::default(),
        Delivered::default(),
    ));
    let mut input = InputRecord::default();
    input.kind = Some("image".to_owned());
    ours.inputs = Some(vec![input]);
    let text = String::from_utf8(record.to_json("x").unwrap()).unwrap();
    assert_eq!(
        text,
        r#"{
  "kind": "video",
  "mediaType": "video",
  "sessionId": null,
  "clientNodeId": null,
  "prompt": "p",
  "provider": "grok",
  "modelFallback": null,
  "createdAt": 1763812000000,
  "videoContinuity": {
    "lineageId": "lineage:1_a",
    "parentFilename": null,
    "sourceFrame": null,
    "maxEntries": 4,
    "retention": "keep-start-plus-latest-3",
    "entries": [
      {
        "id": "clip:1_a.mp4",
        "ordinal": 1,
        "role": "start",
        "filename": "1_a.mp4",
        "userPrompt": null,
        "revisedPrompt": "p",
        "createdAt": 1763812000000
      }
    ]
  },
  "reelkin": {
    "schema": 1,
    "version": "0",
    "delivery": {
      "asked": {},
      "delivered": {},
      "findings": []
    },
    "inputs": [
      {
        "kind": "image"
      }
    ]
  }
}
"#
    );
}

#[tokio::test]
async fn a_damaged_sidecar_is_an_error_that_names_the_file() {
    let (folder, library) = empty_library();
    let deep = "[".repeat(100_000);
    let huge = format!("{{\"prompt\": \"{}\"}}", "x".repeat(MAX_SIDECAR_BYTES));
    let table: [(&str, &[u8]); 7] = [
        ("empty", b""),
        ("cut", br#"{"kind": "vid"#),
        ("text", b"hello"),
        ("list", b"[1, 2]"),
        ("binary", b"\xff\xfe\x00"),
        ("deep", deep.as_bytes()),
        ("huge", huge.as_bytes()),
    ];
    for (name, sidecar) in table {
        fs::write(folder.path().join(format!("{name}.mp4")), b"clip").unwrap();
        fs::write(folder.path().join(format!("{name}.mp4.json")), sidecar).unwrap();
        let error = library.clip(name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Library, "{name}");
        assert!(error.to_string().contains(&format!("{name}.mp4.json")), "{error}");
        assert!(error.to_string().len() < 300, "{error}");
    }
    fs::write(folder.path().join("bare.mp4"), b"clip").unwrap();
    assert_eq!(library.clip("bare").await.unwrap().record, None);
    fs::write(folder.path().join("marked.mp4"), b"clip").unwrap();
    fs::write(
        folder.path().join("marked.mp4.json"),
        b"\xef\xbb\xbf{\"prompt\": \"p\"}",
    )
    .unwrap();
    assert_eq!(
        library
            .clip("marked")
            .await
            .unwrap()
            .record
            .unwrap()
            .prompt
            .as_deref(),
        Some("p")
    );
}

#[tokio::test]
async fn a_record_can_be_written_to_an_existing_clip() {
    let (folder, library) = empty_library();
    fs::write(folder.path().join("a.mp4"), b"clip").unwrap();
    let id = library.clip("a").await.unwrap().id;
    let mut record = ClipRecord::new(at(5));
    record.prompt = Some("first".to_owned());
    library.set_record(&id, record.clone()).await.unwrap();
    record.prompt = Some("second".to_owned());
    let clip = library.set_record(&id, record).await.unwrap();
    assert_eq!(library.clip("a").await.unwrap(), clip);
    assert_eq!(clip.record.unwrap().prompt.as_deref(), Some("second"));

    let missing = "b".parse().unwrap();
    let error = library
        .set_record(&missing, ClipRecord::new(at(5)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let mut large = ClipRecord::new(at(5));
    large.prompt = Some("x".repeat(MAX_SIDECAR_BYTES));
    let error = library.set_record(&id, large).await.unwrap_err();
    assert!(error.to_string().contains("4 MiB"), "{error}");
    assert_eq!(fs::read_dir(folder.path().join(".incoming")).unwrap().count(), 0);
}
