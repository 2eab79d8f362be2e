//! Parses arbitrary bytes as a sidecar and as the sidecar of a parent, and checks that parsed sidecars round-trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reelkin::library::ClipRecord;
use reelkin::lineage::{ParentFacts, ParentView};

fuzz_target!(|data: &[u8]| {
    let Ok(record) = ClipRecord::from_json("a clip", data) else {
        return;
    };
    let _ = record.unreadable();
    if let Ok(json) = record.to_json("a clip") {
        let again = ClipRecord::from_json("a clip", &json).expect("a serialized sidecar can be parsed");
        assert_eq!(again, record);
    }
    if let Ok(sidecar) = serde_json::from_slice::<serde_json::Value>(data) {
        let mut facts = ParentFacts::default();
        facts.file_name = "parent.mp4";
        facts.continuity = sidecar.get("videoContinuity");
        facts.revised_prompt = sidecar.get("revisedPrompt");
        facts.prompt = sidecar.get("prompt");
        facts.user_prompt = sidecar.get("userPrompt");
        facts.created_at = sidecar.get("createdAt");
        if let Ok(Some(view)) = ParentView::read(&facts) {
            let _ = (view.lineage_id(), view.entries().len());
        }
    }
});
