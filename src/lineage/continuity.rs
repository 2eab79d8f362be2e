//! The block `videoContinuity` of a sidecar, in the format of ima2-gen.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::timestamp::Timestamp;

/// The number of entries in a block.
pub const MAX_ENTRIES: u32 = 4;

/// The name of the rule for dropping entries: the first and the newest three remain.
pub const RETENTION: &str = "keep-start-plus-latest-3";

/// The branch of a clip: its first clip, and the latest clips up to this one.
///
/// Each child of a clip has its own copy. Field names and nulls are those of ima2-gen. Fields that a later version adds
/// are kept in `extra` and written back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Continuity {
    /// `lineage:` and the file name of the first clip without its extension.
    pub lineage_id: String,
    /// The file name of the clip that this one continues. `None` (null) for a first clip.
    #[serde(default)]
    pub parent_filename: Option<String>,
    /// The frame of the parent that this clip starts with: `last`. `None` (null) for a first clip.
    #[serde(default)]
    pub source_frame: Option<String>,
    /// The maximum number of entries.
    #[serde(default = "default_max_entries")]
    pub max_entries: u32,
    /// The name of the rule for dropping entries.
    #[serde(default = "default_retention")]
    pub retention: String,
    /// The branch, oldest first. The last entry is the clip itself.
    pub entries: Vec<ContinuityEntry>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One clip of a branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ContinuityEntry {
    /// `clip:` and the file name.
    pub id: String,
    /// The position in the branch, from 1.
    pub ordinal: u32,
    /// The role of the clip in the branch.
    pub role: Role,
    /// The file name of the clip. `None` (null) if it is not in the library.
    #[serde(default)]
    pub filename: Option<String>,
    /// The prompt as the user wrote it.
    #[serde(default)]
    pub user_prompt: Option<String>,
    /// The prompt that was sent to the video model.
    #[serde(default)]
    pub revised_prompt: Option<String>,
    /// When the clip was made.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The role of a clip in its branch. Unknown words are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Role {
    /// The first clip of the branch.
    Start,
    /// A clip between the first one and the newest.
    Ancestor,
    /// The newest clip, in the list for the planner.
    Parent,
    /// The clip itself, if it is not the first.
    Current,
    /// A role that a later version added.
    Other(String),
}

impl Role {
    /// Returns the word in the sidecar.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Start => "start",
            Self::Ancestor => "ancestor",
            Self::Parent => "parent",
            Self::Current => "current",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for Role {
    fn from(word: String) -> Self {
        match word.as_str() {
            "start" => Self::Start,
            "ancestor" => Self::Ancestor,
            "parent" => Self::Parent,
            "current" => Self::Current,
            _ => Self::Other(word),
        }
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        match role {
            Role::Other(word) => word,
            role => role.as_str().to_owned(),
        }
    }
}

impl Continuity {
    /// Returns the block of a clip that was not made from another one.
    ///
    /// `file_name` is that of the clip (`<millis>_<hex>.mp4`), `revised_prompt` is the prompt that was sent, and
    /// `created_at` is in milliseconds since the Unix epoch.
    pub fn first(
        file_name: &str,
        user_prompt: Option<&str>,
        revised_prompt: &str,
        created_at: Timestamp,
    ) -> Self {
        let stem = stem(file_name);
        Self {
            lineage_id: format!("lineage:{stem}"),
            parent_filename: None,
            source_frame: None,
            max_entries: MAX_ENTRIES,
            retention: RETENTION.to_owned(),
            entries: vec![ContinuityEntry {
                id: format!("clip:{file_name}"),
                ordinal: 1,
                role: Role::Start,
                filename: Some(file_name.to_owned()),
                user_prompt: user_prompt.map(str::to_owned),
                revised_prompt: Some(revised_prompt.to_owned()),
                created_at: Some(created_at),
                extra: Map::new(),
            }],
            extra: Map::new(),
        }
    }
}

/// Returns a file name without its extension, as ima2-gen does.
pub(super) fn stem(file_name: &str) -> &str {
    match file_name.rsplit_once('.') {
        Some((stem, extension)) if !extension.is_empty() => stem,
        _ => file_name,
    }
}

fn default_max_entries() -> u32 {
    MAX_ENTRIES
}

fn default_retention() -> String {
    RETENTION.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_first_clip_has_one_entry() {
        let block = Continuity::first(
            "1763812000000_0a1b2c3d.mp4",
            Some("a lamp"),
            "A lamp glows.",
            Timestamp::from_millis(1_763_812_000_000),
        );
        assert_eq!(
            serde_json::to_value(&block).unwrap(),
            json!({
                "lineageId": "lineage:1763812000000_0a1b2c3d",
                "parentFilename": null,
                "sourceFrame": null,
                "maxEntries": 4,
                "retention": "keep-start-plus-latest-3",
                "entries": [{
                    "id": "clip:1763812000000_0a1b2c3d.mp4",
                    "ordinal": 1,
                    "role": "start",
                    "filename": "1763812000000_0a1b2c3d.mp4",
                    "userPrompt": "a lamp",
                    "revisedPrompt": "A lamp glows.",
                    "createdAt": 1_763_812_000_000_u64,
                }],
            })
        );
    }

    #[test]
    fn a_missing_user_prompt_is_null() {
        let block = Continuity::first("a.b.mp4", None, "p", Timestamp::from_millis(1));
        let json = serde_json::to_value(&block).unwrap();
        assert_eq!(json["lineageId"], "lineage:a.b");
        assert_eq!(json["entries"][0]["userPrompt"], Value::Null);
    }

    #[test]
    fn unknown_roles_and_fields_are_kept() {
        let json = json!({
            "lineageId": "lineage:x", "parentFilename": "y.mp4", "sourceFrame": "last", "maxEntries": 4,
            "retention": "keep-all", "seed": 7,
            "entries": [{"id": "clip:y.mp4", "ordinal": 1, "role": "branch-point", "filename": null,
                         "userPrompt": null, "revisedPrompt": "r", "createdAt": 5, "mood": "calm"}],
        });
        let block: Continuity = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(block.entries[0].role, Role::Other("branch-point".to_owned()));
        assert_eq!(serde_json::to_value(&block).unwrap(), json);
    }
}
