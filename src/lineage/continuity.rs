//! The block `videoContinuity` of a sidecar.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How many entries the branch-local view keeps.
pub const MAX_ENTRIES: u32 = 4;

/// The word for the rule by which entries are dropped: the first stays, and the newest three.
pub const RETENTION: &str = "keep-start-plus-latest-3";

/// What a clip remembers of its own branch: where the branch began and the last steps to here.
///
/// A branch is local: two children of one parent each carry their own copy and never see each other.
/// Names and nulls are ima2-gen's. Fields that a later version adds are kept in `extra` and written
/// back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Continuity {
    /// `lineage:` and the first clip's file name without its extension.
    pub lineage_id: String,
    /// File name of the clip that this one goes on from. `None` (null) for a first clip.
    #[serde(default)]
    pub parent_filename: Option<String>,
    /// Which frame of the parent this clip starts on: `last`. `None` (null) for a first clip.
    #[serde(default)]
    pub source_frame: Option<String>,
    /// How many entries are kept.
    #[serde(default = "default_max_entries")]
    pub max_entries: u32,
    /// The rule by which entries are dropped.
    #[serde(default = "default_retention")]
    pub retention: String,
    /// The branch, oldest first. The last entry is the clip itself.
    pub entries: Vec<ContinuityEntry>,
    /// What else the block held.
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
    /// Place in the branch, from 1.
    pub ordinal: u32,
    /// Where in the branch the clip stands.
    pub role: Role,
    /// File name of the clip. `None` (null) when it has none in the library.
    #[serde(default)]
    pub filename: Option<String>,
    /// What the user wrote.
    #[serde(default)]
    pub user_prompt: Option<String>,
    /// What was really sent.
    #[serde(default)]
    pub revised_prompt: Option<String>,
    /// When the clip was made, in milliseconds since 1970 UTC.
    #[serde(default)]
    pub created_at: Option<u64>,
    /// What else the entry held.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Where in its branch a clip stands. An unknown word is kept as it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Role {
    /// The clip the branch began with.
    Start,
    /// Between the first clip and the newest.
    Ancestor,
    /// The newest clip of a list that is handed to the planner.
    Parent,
    /// The clip itself, when it is not the first.
    Current,
    /// A word of a later version.
    Other(String),
}

impl Role {
    /// The word in the sidecar.
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
    /// The view of a clip that goes on from no other: a lineage of one.
    ///
    /// `file_name` is the clip's own (`<millis>_<hex>.mp4`), `revised_prompt` what was really sent,
    /// `created_at` milliseconds since 1970 UTC.
    pub fn first(file_name: &str, user_prompt: Option<&str>, revised_prompt: &str, created_at: u64) -> Self {
        let stem = super::parent::stem(file_name);
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
    fn a_first_clip_is_a_lineage_of_one() {
        let block = Continuity::first(
            "1763812000000_0a1b2c3d.mp4",
            Some("a lamp"),
            "A lamp glows.",
            1_763_812_000_000,
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
    fn without_the_users_words_the_field_is_null() {
        let block = Continuity::first("a.b.mp4", None, "p", 1);
        let json = serde_json::to_value(&block).unwrap();
        assert_eq!(json["lineageId"], "lineage:a.b");
        assert_eq!(json["entries"][0]["userPrompt"], Value::Null);
    }

    #[test]
    fn unknown_words_and_fields_survive() {
        let given = json!({
            "lineageId": "lineage:x", "parentFilename": "y.mp4", "sourceFrame": "last", "maxEntries": 4,
            "retention": "keep-all", "seed": 7,
            "entries": [{"id": "clip:y.mp4", "ordinal": 1, "role": "branch-point", "filename": null,
                         "userPrompt": null, "revisedPrompt": "r", "createdAt": 5, "mood": "calm"}],
        });
        let block: Continuity = serde_json::from_value(given.clone()).unwrap();
        assert_eq!(block.entries[0].role, Role::Other("branch-point".to_owned()));
        assert_eq!(serde_json::to_value(&block).unwrap(), given);
    }
}
