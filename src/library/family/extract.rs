//! Extracts the lineage of a clip from its sidecar.

use crate::ids::ClipId;
use crate::library::record::{ClipRecord, ParentRecord};
use crate::lineage::{
    ContinuityEntry, LineageEntry, Link, MAX_PARENTS, MAX_WORD_BYTES, MemberState, TRAIL_LENGTH,
};
use crate::text::quoted;

/// Returns the lineage in a sidecar, and notes about what cannot be read. `exists` is whether its clip exists.
pub(super) fn lineage_of(id: ClipId, record: &ClipRecord, exists: bool) -> (LineageEntry, Vec<String>) {
    let mut notes = Vec::new();
    let ours = record.reelkin.as_ref();
    let name = id.sidecar_name();
    if record.unreadable().contains(&"videoContinuity") {
        notes.push(format!("sidecar {name:?}: its videoContinuity cannot be read"));
    }
    if ours.is_some_and(|ours| ours.unreadable().contains(&"parents")) {
        notes.push(format!("sidecar {name:?}: its parents cannot be read"));
    }
    let parents = ours.and_then(|ours| ours.parents.as_deref()).unwrap_or_default();
    if parents.len() > MAX_PARENTS {
        notes.push(format!(
            "sidecar {name:?}: only {MAX_PARENTS} of its {} parents are used",
            parents.len()
        ));
    }
    let mut links: Vec<Link> = parents.iter().take(MAX_PARENTS).map(link_of).collect();
    links.retain(|link| link.id.is_some() || link.sha256.is_some());
    if links.is_empty() {
        match ima2_parent(record) {
            Some(Ok(link)) => links.push(link),
            Some(Err(parent)) => notes.push(format!(
                "sidecar {name:?}: its parent {} is not a valid file name of a clip",
                quoted(&parent)
            )),
            None => {}
        }
    }
    let (trail, own, has_gap) = trail(record);
    let lineage = record.video_lineage.as_ref().and_then(|block| stem(&block.id));
    let mut former_ids: Vec<String> = [own, lineage].into_iter().flatten().collect();
    former_ids.retain(|former| former != id.as_str());
    former_ids.dedup();
    let entry = LineageEntry {
        state: if exists {
            MemberState::Present
        } else {
            MemberState::Missing
        },
        sha256: ours.and_then(|ours| hash(ours.sha256.as_deref())),
        bytes: ours.and_then(|ours| ours.bytes),
        former_ids,
        links,
        trail,
        has_gap,
        ..LineageEntry::without_sidecar(id)
    };
    (entry, notes)
}

fn link_of(record: &ParentRecord) -> Link {
    let frame = record.frame.as_ref();
    let id = record.id.as_deref().and_then(|id| ClipId::parse(id).ok());
    Link {
        id: id.map(String::from),
        sha256: hash(record.sha256.as_deref()),
        bytes: record.bytes,
        relation: relation_or_unknown(record.relation.as_deref()),
        frame_seconds: frame.and_then(|frame| Some(frame.seconds?.as_f64())),
        frame_sha256: frame.and_then(|frame| hash(frame.sha256.as_deref())),
    }
}

/// Returns the parent in a sidecar of ima2-gen, or its name as an error if the name is not valid.
fn ima2_parent(record: &ClipRecord) -> Option<Result<Link, String>> {
    let video = record.video.as_ref();
    let source = video.and_then(|video| video.source.as_ref());
    let source = source.filter(|source| source.kind.as_deref() == Some("generated-file"));
    let lineage = record.video_lineage.as_ref();
    let continuity = record.video_continuity.as_ref();
    let parent = lineage
        .and_then(|block| block.parent_id.as_deref())
        .or_else(|| continuity.and_then(|block| block.parent_filename.as_deref()))
        .or_else(|| source.and_then(|source| source.filename.as_deref()))
        .or_else(|| video?.extra.get("sourceVideoId")?.as_str())?;
    Some(stem(parent).map_or_else(
        || Err(parent.to_owned()),
        |id| {
            Ok(Link {
                id: Some(id),
                relation: relation_or_unknown(
                    video
                        .and_then(|video| video.operation.as_deref())
                        .or(Some("continue")),
                ),
                ..Link::default()
            })
        },
    ))
}

/// Returns the ids of the clips before this one in its branch, the clip's own id in the block, and whether clips may be
/// missing after the first id, because a full block drops old entries.
fn trail(record: &ClipRecord) -> (Vec<String>, Option<String>, bool) {
    let Some(block) = record.video_continuity.as_ref() else {
        return (Vec::new(), None, false);
    };
    let name = |entry: &ContinuityEntry| entry.filename.as_deref().and_then(stem);
    let Some((own, before)) = block.entries.split_last() else {
        return (Vec::new(), None, false);
    };
    let has_gap = before.len() + 1 >= block.max_entries as usize;
    let skipped = before.len().saturating_sub(TRAIL_LENGTH - 1).max(1);
    let used = before.iter().take(1).chain(before.iter().skip(skipped));
    // An entry without a name breaks the branch: the clips before it are not the parents of those after it.
    let mut trail = Vec::new();
    for entry in used {
        match name(entry) {
            Some(id) => trail.push(id),
            None => trail.clear(),
        }
    }
    (trail, name(own), has_gap)
}

/// Returns the id in the file name of a clip, or `None` if the name is not valid.
pub(super) fn stem(file_name: &str) -> Option<String> {
    ClipId::from_file_name(file_name).ok().map(String::from)
}

fn relation_or_unknown(relation: Option<&str>) -> String {
    let valid = relation.filter(|word| !word.is_empty() && word.len() <= MAX_WORD_BYTES);
    valid.unwrap_or("unknown").to_owned()
}

/// Returns a hash in lowercase, or `None` if it is not 64 hex digits.
fn hash(sha256: Option<&str>) -> Option<String> {
    let hex = sha256.filter(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some(hex.to_ascii_lowercase())
}
