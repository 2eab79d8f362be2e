//! A clip that another one is made from: what its sidecar says of its branch, and what the child's
//! gets.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Clip, ClipDigest, ClipId, ClipRecord, FrameRecord, Library, ParentRecord, ReelkinRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::lineage::{Continuity, ContinuityEntry, ParentFacts, ParentView, VideoLineage};

/// A clip that another one is to be made from, as it was when [`Library::parent`] read it: what becomes
/// of it later does not matter to the child.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Parent {
    /// The clip.
    pub clip: Clip,
    /// Size and hash of its bytes, read from the file.
    pub digest: ClipDigest,
    /// What the user should know.
    pub warnings: Vec<String>,
    view: Option<ParentView>,
    lineage: Option<VideoLineage>,
}

/// What of a parent goes into a child's record, for the journal: the parent may be gone when the child is
/// saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptParent {
    id: ClipId,
    digest: ClipDigest,
    warnings: Vec<String>,
    view: Option<ParentView>,
    lineage: Option<VideoLineage>,
}

impl From<&Parent> for KeptParent {
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
    /// A parent as it was when its child was asked for. Its clip has no record any more.
    pub(crate) fn kept_parent(&self, kept: KeptParent) -> Parent {
        Parent {
            clip: self.assemble(kept.id, None),
            digest: kept.digest,
            warnings: kept.warnings,
            view: kept.view,
            lineage: kept.lineage,
        }
    }

    /// Reads a clip as the parent of a new one, before anything is paid: its sidecar, anew, and the
    /// hash of its bytes. What the library holds counts, not what `clip` says.
    ///
    /// # Errors
    /// `NotFound` if the clip is gone. `Library` if its sidecar is there and it, or the lineage in it,
    /// cannot be read: a child would silently begin a new lineage. A clip without a sidecar is no error.
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
                return Err(Error::new(
                    ErrorKind::Library,
                    format!(
                        "read the lineage of {:?}: its sidecar is there, but its videoLineage cannot be read",
                        clip.file_name
                    ),
                )
                .with_guidance("repair the sidecar, or move it away to begin a new lineage"));
            }
            lineage.clone_from(&record.video_lineage);
            let recorded = record.reelkin.as_ref().and_then(|ours| ours.sha256.as_deref());
            if recorded.is_some_and(|recorded| !recorded.eq_ignore_ascii_case(&digest.sha256)) {
                warnings.push(format!(
                    "{} is not the file it was when it was saved: its hash differs from its sidecar's",
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
    let held = |typed: Option<&String>, name: &str| {
        typed
            .map(|text| Value::from(text.as_str()))
            .or_else(|| record.extra.get(name).cloned())
    };
    let continuity = match &record.video_continuity {
        Some(block) => serde_json::to_value(block).ok(),
        None => record.extra.get("videoContinuity").cloned(),
    };
    let created_at = record.created_at.map(Value::from);
    ParentView::read(&ParentFacts {
        file_name,
        continuity: continuity.as_ref(),
        revised_prompt: held(record.revised_prompt.as_ref(), "revisedPrompt").as_ref(),
        prompt: held(record.prompt.as_ref(), "prompt").as_ref(),
        user_prompt: held(record.user_prompt.as_ref(), "userPrompt").as_ref(),
        created_at: created_at.as_ref().or_else(|| record.extra.get("createdAt")),
    })
}

impl Parent {
    /// The parent's branch for the planner, oldest first, its newest entry called `parent`. Empty if
    /// the parent has no sidecar, or one without any prompt.
    pub fn entries(&self) -> &[ContinuityEntry] {
        self.view.as_ref().map_or(&[], ParentView::entries)
    }

    /// What the parent's own [`ParentRecord`] in a child says.
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

    /// Writes where a child comes from into its record: `videoContinuity`, `videoLineage` if the parent
    /// has one, and the parent itself under `reelkin`, after those that are there already.
    ///
    /// Prompts and time are taken from the record, so they go in before. `relation` is `continue`,
    /// `edit` or `extend`; `frame` is what the child begins on, if it is known.
    pub fn write_into(
        &self,
        record: &mut ClipRecord,
        child: &ClipId,
        relation: &str,
        frame: Option<FrameRecord>,
    ) {
        let file_name = child.file_name();
        let user_prompt = record.user_prompt.as_deref();
        let sent = record.revised_prompt.as_deref().or(record.prompt.as_deref());
        let sent = sent.unwrap_or_default();
        let created_at = record.created_at.or_else(|| child.millis()).unwrap_or_default();
        record.video_continuity = Some(match &self.view {
            Some(view) => Continuity::child_of(view, &file_name, user_prompt, sent, created_at),
            None => Continuity::first(&file_name, user_prompt, sent, created_at),
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
