//! The parent of a new clip: reads its branch from its sidecar, and writes the lineage to the child's sidecar.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::record::{ClipRecord, FrameRecord, ParentRecord, ReelkinRecord};
use super::{Clip, Library};
use crate::error::{Error, Result};
use crate::ids::ClipId;
use crate::lineage::{Continuity, ContinuityEntry, ParentFacts, ParentView, VideoLineage};
use crate::storage::ClipDigest;
use crate::timestamp::Timestamp;

/// The clip from which a new one is made, as it was when [`Library::parent`] read it. Later changes of the clip do not
/// affect the child.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Parent {
    /// The clip.
    pub clip: Clip,
    /// The size and hash of its bytes, computed from the file.
    pub digest: ClipDigest,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    view: Option<ParentView>,
    lineage: Option<VideoLineage>,
}

/// The part of a parent that is written to the child's sidecar. It is kept in the journal, because the parent may be
/// removed before the child is saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SavedParent {
    id: ClipId,
    digest: ClipDigest,
    warnings: Vec<String>,
    view: Option<ParentView>,
    lineage: Option<VideoLineage>,
}

impl From<&Parent> for SavedParent {
    fn from(parent: &Parent) -> Self {
        Self {
            id: parent.clip.id.clone(),
            digest: parent.digest.clone(),
            warnings: parent.warnings.clone(),
            view: parent.view.clone(),
            lineage: parent.lineage.clone(),
        }
    }
}

impl Library {
    /// Restores a parent from the journal. Its clip has no sidecar.
    pub(crate) fn restore_parent(&self, saved: SavedParent) -> Parent {
        Parent {
            clip: self.assemble(saved.id, None),
            digest: saved.digest,
            warnings: saved.warnings,
            view: saved.view,
            lineage: saved.lineage,
        }
    }

    /// Reads a clip as the parent of a new one, before anything is paid. Reads the sidecar again instead of using
    /// [`Clip::record`], and computes the hash of the clip's bytes.
    ///
    /// # Errors
    /// `NotFound` if the clip does not exist. `Library` if the sidecar or its lineage exists and cannot be read, since
    /// the child would otherwise begin a new lineage silently. A clip without a sidecar is not an error.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn parent(&self, clip: &Clip) -> Result<Parent> {
        let clip = self.clip(clip.id.file_name()).await?;
        let digest = self.digest(&clip.id).await?;
        let mut warnings = Vec::new();
        let (mut view, mut lineage) = (None, None);
        if let Some(record) = &clip.record {
            view = read_view(&clip.file_name, record)?;
            if record.unreadable().contains(&"videoLineage") {
                return Err(Error::library(format!(
                    "read the lineage of {:?}: its sidecar exists, but its videoLineage cannot be read",
                    clip.file_name
                ))
                .with_guidance("repair the sidecar, or move it away to begin a new lineage"));
            }
            lineage.clone_from(&record.video_lineage);
            let recorded = record.reelkin.as_ref().and_then(|ours| ours.sha256.as_deref());
            if recorded.is_some_and(|recorded| !recorded.eq_ignore_ascii_case(&digest.sha256)) {
                warnings.push(format!(
                    "{} has changed since it was saved: its hash differs from the one in its sidecar",
                    clip.file_name
                ));
            }
        }
        Ok(Parent {
            clip,
            digest,
            warnings,
            view,
            lineage,
        })
    }
}

fn read_view(file_name: &str, record: &ClipRecord) -> Result<Option<ParentView>> {
    // A field with a value of another type is in `extra`.
    let value = |field: Option<&String>, name: &str| {
        field
            .map(|text| Value::from(text.as_str()))
            .or_else(|| record.extra.get(name).cloned())
    };
    let continuity = match &record.video_continuity {
        Some(block) => serde_json::to_value(block).ok(),
        None => record.extra.get("videoContinuity").cloned(),
    };
    let created_at = record.created_at.map(|time| Value::from(time.as_millis()));
    ParentView::read(&ParentFacts {
        file_name,
        continuity: continuity.as_ref(),
        revised_prompt: value(record.revised_prompt.as_ref(), "revisedPrompt").as_ref(),
        prompt: value(record.prompt.as_ref(), "prompt").as_ref(),
        user_prompt: value(record.user_prompt.as_ref(), "userPrompt").as_ref(),
        created_at: created_at.as_ref().or_else(|| record.extra.get("createdAt")),
    })
}

impl Parent {
    /// Returns the parent's branch for the planner, oldest first; the newest entry has the role `parent`. Empty if the
    /// parent has no sidecar, or one without a prompt.
    pub fn entries(&self) -> &[ContinuityEntry] {
        self.view.as_ref().map_or(&[], ParentView::entries)
    }

    /// Returns the [`ParentRecord`] of this parent for the sidecar of a child.
    pub fn record(&self, relation: &str, frame: Option<FrameRecord>) -> ParentRecord {
        ParentRecord {
            id: Some(self.clip.id.to_string()),
            sha256: Some(self.digest.sha256.clone()),
            bytes: Some(self.digest.bytes),
            relation: Some(relation.to_owned()),
            frame,
            extra: Map::new(),
        }
    }

    /// Writes the lineage of a child to its sidecar `record`: `videoContinuity`, `videoLineage` if the parent has one,
    /// and this parent, which is added to the parents in the block `reelkin`.
    ///
    /// The prompts and the time in `record` must be set before, because they are copied. `relation` is `continue`,
    /// `edit` or `extend`. `frame` is the frame that the child begins with, if it is known.
    pub fn write_into(
        &self,
        record: &mut ClipRecord,
        child: &ClipId,
        relation: &str,
        frame: Option<FrameRecord>,
    ) {
        let file_name = child.file_name();
        let user_prompt = record.user_prompt.as_deref();
        let sent_prompt = record.revised_prompt.as_deref().or(record.prompt.as_deref());
        let sent_prompt = sent_prompt.unwrap_or_default();
        let named = || child.millis().map(Timestamp::from_millis);
        let created_at = record.created_at.or_else(named).unwrap_or_default();
        record.video_continuity = Some(match &self.view {
            Some(view) => Continuity::child_of(view, &file_name, user_prompt, sent_prompt, created_at),
            None => Continuity::first(&file_name, user_prompt, sent_prompt, created_at),
        });
        let chain = self.lineage.as_ref();
        record.video_lineage = chain.map(|chain| chain.child(&self.clip.file_name, &file_name));
        let ours = record.reelkin.get_or_insert_with(ReelkinRecord::new);
        ours.parents
            .get_or_insert_default()
            .push(self.record(relation, frame));
        ours.warnings
            .get_or_insert_default()
            .extend(self.warnings.iter().cloned());
    }
}
