//! What a sidecar says of kinship, in little space.

use serde::{Deserialize, Serialize};

use crate::library::name::is_id;
use crate::library::{ClipId, ClipRecord, ParentRecord};
use crate::lineage::{ContinuityEntry, MemberState};

/// How many parents a clip may name; the rest is left out, with a note.
const MAX_PARENTS: usize = 64;
/// How many of a block's entries are looked at: the first and the newest.
pub(super) const TRAIL: usize = 8;
/// The longest word for a relation.
const MAX_WORD: usize = 32;

/// A clip, or a sidecar whose clip is gone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kin {
    pub(super) id: ClipId,
    #[serde(skip)]
    pub(super) state: MemberState,
    pub(super) sha256: Option<String>,
    pub(super) bytes: Option<u64>,
    /// Ids that it had before, by its own word.
    pub(super) former: Vec<String>,
    pub(super) links: Vec<Link>,
    /// Ids of its branch before itself, oldest first.
    pub(super) trail: Vec<String>,
    /// Whether clips may be missing between the first and the second of `trail`.
    pub(super) gap: bool,
    /// Whose sidecar it has, when that still has an old name.
    #[serde(skip)]
    pub(super) sidecar: Option<ClipId>,
}

/// A parent as the child names it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) id: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) bytes: Option<u64>,
    pub(super) relation: String,
    pub(super) frame_seconds: Option<f64>,
    pub(super) frame_sha256: Option<String>,
}

impl Kin {
    /// A clip without a sidecar.
    pub(super) fn bare(id: ClipId) -> Self {
        Self {
            id,
            state: MemberState::NoSidecar,
            sha256: None,
            bytes: None,
            former: Vec::new(),
            links: Vec::new(),
            trail: Vec::new(),
            gap: false,
            sidecar: None,
        }
    }

    /// What a sidecar says, and what is wrong with it. `there`: whether it has its clip.
    pub(super) fn of(id: ClipId, record: &ClipRecord, there: bool) -> (Self, Vec<String>) {
        let mut notes = Vec::new();
        let ours = record.reelkin.as_ref();
        let name = id.sidecar_name();
        if record.unreadable().contains(&"videoContinuity") {
            notes.push(format!("sidecar {name:?}: its videoContinuity cannot be read"));
        }
        if ours.is_some_and(|ours| ours.unreadable().contains(&"parents")) {
            notes.push(format!("sidecar {name:?}: its parents cannot be read"));
        }
        let named = ours.and_then(|ours| ours.parents.as_deref()).unwrap_or_default();
        if named.len() > MAX_PARENTS {
            notes.push(format!(
                "sidecar {name:?}: of {} parents only {MAX_PARENTS} are looked at",
                named.len()
            ));
        }
        let mut links: Vec<Link> = named.iter().take(MAX_PARENTS).map(Link::of).collect();
        links.retain(|link| link.id.is_some() || link.sha256.is_some());
        if links.is_empty() {
            match of_ima2(record) {
                Some(Ok(link)) => links.push(link),
                Some(Err(given)) => notes.push(format!(
                    "sidecar {name:?}: {} is no name of a clip",
                    crate::library::name::quoted(&given)
                )),
                None => {}
            }
        }
        let (trail, own, gap) = trail(record);
        let lineage = record.video_lineage.as_ref().and_then(|block| stem(&block.id));
        let mut former: Vec<String> = [own, lineage].into_iter().flatten().collect();
        former.retain(|former| former != id.as_str());
        former.dedup();
        let kin = Self {
            state: if there {
                MemberState::Present
            } else {
                MemberState::Missing
            },
            sha256: ours.and_then(|ours| hash(ours.sha256.as_deref())),
            bytes: ours.and_then(|ours| ours.bytes),
            former,
            links,
            trail,
            gap,
            ..Self::bare(id)
        };
        (kin, notes)
    }

    /// Whether it could be what a sidecar says: names are names, hashes are hashes, nothing is too long.
    pub(super) fn is_sound(&self) -> bool {
        let is_hash = |given: &Option<String>| {
            given.as_ref().is_none_or(|hash| {
                hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            })
        };
        let is_link = |link: &Link| {
            link.id.as_deref().is_none_or(is_id)
                && (link.id.is_some() || link.sha256.is_some())
                && is_hash(&link.sha256)
                && is_hash(&link.frame_sha256)
                && link.relation.len() <= MAX_WORD
        };
        is_hash(&self.sha256)
            && self.former.len() <= 2
            && self.links.len() <= MAX_PARENTS
            && self.trail.len() <= TRAIL
            && self.former.iter().chain(&self.trail).all(|id| is_id(id))
            && self.links.iter().all(is_link)
    }

    /// Whether the clip itself is there.
    pub(super) fn is_there(&self) -> bool {
        self.state != MemberState::Missing
    }

    /// Takes over what an old name's sidecar says. The clip is there, so nothing is missing any more.
    pub(super) fn inherit(&mut self, orphan: Self) {
        self.state = MemberState::Present;
        self.sidecar = Some(orphan.id.clone());
        self.former = orphan.former;
        self.former.push(orphan.id.into());
        self.links = orphan.links;
        self.trail = orphan.trail;
        self.gap = orphan.gap;
        self.bytes = orphan.bytes;
    }
}

impl Link {
    fn of(record: &ParentRecord) -> Self {
        let frame = record.frame.as_ref();
        Self {
            id: record
                .id
                .as_deref()
                .and_then(|id| ClipId::parse(id).ok())
                .map(String::from),
            sha256: hash(record.sha256.as_deref()),
            bytes: record.bytes,
            relation: word(record.relation.as_deref()),
            frame_seconds: frame.and_then(|frame| Some(frame.seconds?.as_f64())),
            frame_sha256: frame.and_then(|frame| hash(frame.sha256.as_deref())),
        }
    }
}

/// The parent that a sidecar of ima2-gen names, or a name that is none.
fn of_ima2(record: &ClipRecord) -> Option<Result<Link, String>> {
    let video = record.video.as_ref();
    let source = video.and_then(|video| video.source.as_ref());
    let source = source.filter(|source| source.kind.as_deref() == Some("generated-file"));
    let lineage = record.video_lineage.as_ref();
    let continuity = record.video_continuity.as_ref();
    let named = lineage
        .and_then(|block| block.parent_id.as_deref())
        .or_else(|| continuity.and_then(|block| block.parent_filename.as_deref()))
        .or_else(|| source.and_then(|source| source.filename.as_deref()))
        .or_else(|| video?.extra.get("sourceVideoId")?.as_str())?;
    Some(stem(named).map_or_else(
        || Err(named.to_owned()),
        |id| {
            Ok(Link {
                id: Some(id),
                relation: word(
                    video
                        .and_then(|video| video.operation.as_deref())
                        .or(Some("continue")),
                ),
                ..Link::default()
            })
        },
    ))
}

/// The branch before the clip, what the block calls the clip itself, and whether there is a gap.
fn trail(record: &ClipRecord) -> (Vec<String>, Option<String>, bool) {
    let Some(block) = record.video_continuity.as_ref() else {
        return (Vec::new(), None, false);
    };
    let name = |entry: &ContinuityEntry| entry.filename.as_deref().and_then(stem);
    let Some((own, before)) = block.entries.split_last() else {
        return (Vec::new(), None, false);
    };
    let gap = before.len() + 1 >= block.max_entries as usize;
    let skipped = before.len().saturating_sub(TRAIL - 1).max(1);
    let kept = before.iter().take(1).chain(before.iter().skip(skipped));
    // A nameless entry breaks the line: what stands before it is not a neighbour of what follows.
    let mut trail = Vec::new();
    for entry in kept {
        match name(entry) {
            Some(id) => trail.push(id),
            None => trail.clear(),
        }
    }
    (trail, name(own), gap)
}

/// The id behind a file name. `None` if it is no plain name of a clip.
pub(super) fn stem(file_name: &str) -> Option<String> {
    ClipId::from_file_name(file_name).ok().map(String::from)
}

fn word(relation: Option<&str>) -> String {
    let known = relation.filter(|word| !word.is_empty() && word.len() <= MAX_WORD);
    known.unwrap_or("unknown").to_owned()
}

/// A hash as it is compared: 64 hex digits in small letters.
fn hash(given: Option<&str>) -> Option<String> {
    let hex = given.filter(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some(hex.to_ascii_lowercase())
}
