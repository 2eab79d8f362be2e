//! Journal records, unreadable records and quarantined clips, as JSON and as text.

use reelkin::{JobRecord, QuarantinedClip, StuckJob};
use serde_json::{Value, json};

use super::{MAX_WORD_CHARS, error_json, error_line, short_prompt, single_line};

pub(crate) fn job_json(record: &JobRecord) -> Value {
    let mut object = json!({
        "record": record.id,
        "state": record.state.as_str(),
        "operation": record.operation,
        "created_at": record.created_at,
        "service": record.service,
        "model": record.model,
        "prompt": record.prompt,
        "prompt_sha256": record.prompt_sha256,
        "request_sha256": record.request_sha256,
        "job_id": record.job_id,
        "estimate_usd_ticks": record.estimate,
        "cost_usd_ticks": record.cost,
    });
    if let Some(error) = record.failure() {
        object["error"] = error_json(&error);
    }
    object
}

pub(crate) fn job_line(record: &JobRecord) -> String {
    let cost = match (record.cost, record.estimate) {
        (Some(cost), _) => cost.to_string(),
        (None, Some(estimate)) => format!("about {estimate}"),
        (None, None) => "unknown cost".to_owned(),
    };
    let required = [
        record.id.to_string(),
        record.state.as_str().to_owned(),
        single_line(&record.operation, MAX_WORD_CHARS),
        cost,
    ];
    let job_id = record.job_id.as_deref().map(|id| single_line(id, MAX_WORD_CHARS));
    let prompt = record.prompt.as_deref().map(|prompt| short_prompt(prompt, 60));
    required
        .into_iter()
        .chain(job_id)
        .chain(prompt)
        .collect::<Vec<_>>()
        .join("  ")
}

pub(crate) fn stuck_json(stuck: &StuckJob) -> Value {
    json!({ "record": stuck.record_id, "error": error_json(&stuck.error) })
}

pub(crate) fn stuck_line(stuck: &StuckJob) -> String {
    format!("{}  stuck: {}", stuck.record_id, error_line(&stuck.error))
}

pub(crate) fn quarantined_json(clip: &QuarantinedClip) -> Value {
    json!({
        "record": clip.record_id,
        "job_id": clip.job_id,
        "file": clip.file_name,
        "path": clip.path,
        "reason": clip.reason,
        "bytes": clip.bytes,
        "sha256": clip.sha256,
        "attempted_at": clip.attempted_at,
    })
}

pub(crate) fn quarantined_line(clip: &QuarantinedClip) -> String {
    let place = clip
        .path
        .as_ref()
        .map_or_else(|| clip.file_name.clone(), |path| path.display().to_string());
    let (bytes, reason) = (clip.bytes, short_prompt(&clip.reason, 200));
    format!(
        "{}  quarantined  {place}  {bytes} bytes  {reason}",
        clip.record_id
    )
}

/// Returns how to settle a request that was sent without a known response.
pub(crate) fn settle_hint(record_id: &str) -> String {
    format!(
        "check your account for the job, then run: reelkin settle {record_id} --never-made, or --job JOB_ID, or --lost USD"
    )
}

/// Returns how to settle a failed job whose cost is unknown.
pub(super) fn failed_hint(record_id: &str) -> String {
    format!(
        "check your account for a charge, then run: reelkin settle {record_id} --never-made, or --lost USD"
    )
}

/// Returns what can be done about a clip in quarantine.
pub(crate) fn quarantine_hint(record_id: &str, is_open: bool) -> String {
    if is_open {
        format!(
            "to accept the clip: reelkin settle {record_id} --accept; to download it again: reelkin recover; to give up: reelkin settle {record_id} --lost USD"
        )
    } else {
        format!("the job is settled; to delete the file: reelkin settle {record_id} --discard")
    }
}
