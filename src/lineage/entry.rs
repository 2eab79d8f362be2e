//! The lineage of one clip in compact form, as its sidecar contains it.

use serde::{Deserialize, Serialize};

use super::family::MemberState;
use crate::ids::ClipId;

/// The maximum number of parents of a clip. Further ones are ignored, with a note.
pub(crate) const MAX_PARENTS: usize = 64;
/// The number of entries of a `videoContinuity` block that are used: the first one, and the newest ones.
pub(crate) const TRAIL_LENGTH: usize = 8;
/// The maximum length of the word for a relation.
pub(crate) const MAX_WORD_BYTES: usize = 32;

/// The lineage of a clip, or of a sidecar whose clip was removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LineageEntry {
    pub(crate) id: ClipId,
    #[serde(skip)]
    pub(crate) state: MemberState,
    pub(crate) sha256: Option<String>,
    pub(crate) bytes: Option<u64>,
    /// Earlier ids of the clip, according to its sidecar.
    pub(crate) former_ids: Vec<String>,
    pub(crate) links: Vec<Link>,
    /// The ids of the clips before it in its branch, oldest first.
    pub(crate) trail: Vec<String>,
    /// Whether clips may be missing between the first and the second id of `trail`.
    pub(crate) has_gap: bool,
    /// The id of its sidecar, if the clip was renamed and its sidecar was not.
    #[serde(skip)]
    pub(crate) sidecar: Option<ClipId>,
}

/// A parent as the child's sidecar describes it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) id: Option<String>,
    pub(crate) sha256: Option<String>,
    pub(crate) bytes: Option<u64>,
    pub(crate) relation: String,
    pub(crate) frame_seconds: Option<f64>,
    pub(crate) frame_sha256: Option<String>,
}

impl LineageEntry {
    /// Returns the entry of a clip without a sidecar.
    pub(crate) fn without_sidecar(id: ClipId) -> Self {
        Self {
            id,
            state: MemberState::NoSidecar,
            sha256: None,
            bytes: None,
            former_ids: Vec::new(),
            links: Vec::new(),
            trail: Vec::new(),
            has_gap: false,
            sidecar: None,
        }
    }

    /// Returns whether all ids and hashes are valid and nothing is too long, as in an entry made from a sidecar.
    pub(crate) fn is_valid(&self) -> bool {
        let is_hash = |sha256: &Option<String>| {
            sha256.as_ref().is_none_or(|hash| {
                hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            })
        };
        let is_link = |link: &Link| {
            link.id.as_deref().is_none_or(ClipId::is_valid)
                && (link.id.is_some() || link.sha256.is_some())
                && is_hash(&link.sha256)
                && is_hash(&link.frame_sha256)
                && link.relation.len() <= MAX_WORD_BYTES
        };
        is_hash(&self.sha256)
            && self.former_ids.len() <= 2
            && self.links.len() <= MAX_PARENTS
            && self.trail.len() <= TRAIL_LENGTH
            && self
                .former_ids
                .iter()
                .chain(&self.trail)
                .all(|id| ClipId::is_valid(id))
            && self.links.iter().all(is_link)
    }

    /// Returns whether the clip exists.
    pub(crate) fn exists(&self) -> bool {
        self.state != MemberState::Missing
    }

    /// Takes the lineage from an orphaned sidecar whose hash shows that it belongs to this clip.
    pub(crate) fn take_lineage_from(&mut self, orphan: Self) {
        self.state = MemberState::Present;
        self.sidecar = Some(orphan.id.clone());
        self.former_ids = orphan.former_ids;
        self.former_ids.push(orphan.id.into());
        self.links = orphan.links;
        self.trail = orphan.trail;
        self.has_gap = orphan.has_gap;
        self.bytes = orphan.bytes;
    }
}
