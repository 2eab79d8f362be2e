//! Any bytes as a sidecar: read, read as a parent, and written back without a loss.
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
        let again = ClipRecord::from_json("a clip", &json).expect("what was written can be read");
        assert_eq!(again, record);
    }
    if let Ok(whole) = serde_json::from_slice::<serde_json::Value>(data) {
        let mut facts = ParentFacts::default();
        facts.file_name = "parent.mp4";
        facts.continuity = whole.get("videoContinuity");
        facts.revised_prompt = whole.get("revisedPrompt");
        facts.prompt = whole.get("prompt");
        facts.user_prompt = whole.get("userPrompt");
        facts.created_at = whole.get("createdAt");
        if let Ok(Some(view)) = ParentView::read(&facts) {
            let _ = (view.lineage_id(), view.entries().len());
        }
    }
});
