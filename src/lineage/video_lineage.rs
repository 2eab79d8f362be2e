//! The block `videoLineage` of a sidecar, in the format of later versions of ima2-gen.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The position of a clip in a chain of last-frame extensions, as file names of its parent and of the first clip.
///
/// Later versions of ima2-gen write this block next to `videoContinuity`. This crate keeps it, and adds it to a clip
/// that continues one which has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Unchecked")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct VideoLineage {
    /// The file name of the clip.
    pub id: String,
    /// The file name of the parent.
    pub parent_id: Option<String>,
    /// The file name of the first clip of the chain.
    pub root_id: String,
    /// The name of the chain. It is a file name, in practice that of the first clip.
    pub series_id: String,
    /// The position in the chain, from 0.
    pub sequence_index: u64,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl VideoLineage {
    /// Returns the block of a clip that continues this one. `parent_file` is the current file name of this clip.
    pub fn child(&self, parent_file: &str, child_file: &str) -> Self {
        Self {
            id: child_file.to_owned(),
            parent_id: Some(parent_file.to_owned()),
            root_id: self.root_id.clone(),
            series_id: self.series_id.clone(),
            sequence_index: self.sequence_index.saturating_add(1),
            extra: Map::new(),
        }
    }
}

/// The block as read, before its file names are checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unchecked {
    id: String,
    #[serde(deserialize_with = "Option::deserialize")]
    parent_id: Option<String>,
    root_id: String,
    series_id: String,
    sequence_index: u64,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl TryFrom<Unchecked> for VideoLineage {
    type Error = &'static str;

    fn try_from(block: Unchecked) -> Result<Self, Self::Error> {
        let names = [&block.id, &block.root_id, &block.series_id];
        if names
            .into_iter()
            .chain(&block.parent_id)
            .any(|name| !is_mp4_name(name))
        {
            return Err("the names in `videoLineage` must be names of .mp4 files, without a folder");
        }
        Ok(Self {
            id: block.id,
            parent_id: block.parent_id,
            root_id: block.root_id,
            series_id: block.series_id,
            sequence_index: block.sequence_index,
            extra: block.extra,
        })
    }
}

/// Returns whether this is the name of an MP4 file, without a folder.
fn is_mp4_name(name: &str) -> bool {
    let is_plain = !name.contains(['/', '\\']) && !name.chars().any(char::is_control);
    let parts = name
        .len()
        .checked_sub(4)
        .and_then(|end| name.split_at_checked(end));
    is_plain
        && parts.is_some_and(|(stem, extension)| !stem.is_empty() && extension.eq_ignore_ascii_case(".mp4"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_child_continues_the_chain() {
        let json = json!({"id": "b.mp4", "parentId": "a.mp4", "rootId": "a.mp4", "seriesId": "a.mp4",
                           "sequenceIndex": 1, "later": [1]});
        let block: VideoLineage = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&block).unwrap(), json);
        assert_eq!(
            serde_json::to_value(block.child("b.mp4", "c.mp4")).unwrap(),
            json!({"id": "c.mp4", "parentId": "b.mp4", "rootId": "a.mp4", "seriesId": "a.mp4", "sequenceIndex": 2})
        );
    }

    #[test]
    fn bad_names_and_types_are_rejected() {
        let valid = json!({"id": "b.mp4", "parentId": null, "rootId": "a.MP4", "seriesId": "a.mp4", "sequenceIndex": 0});
        serde_json::from_value::<VideoLineage>(valid.clone()).unwrap();
        for (field, value) in [
            ("id", json!("../b.mp4")),
            ("parentId", json!("a/b.mp4")),
            ("parentId", json!(5)),
            ("rootId", json!("a.mov")),
            ("rootId", json!(".mp4")),
            ("seriesId", json!("")),
            ("sequenceIndex", json!(-1)),
            ("sequenceIndex", json!("0")),
        ] {
            let mut invalid = valid.clone();
            invalid[field] = value;
            serde_json::from_value::<VideoLineage>(invalid).expect_err(field);
        }
        let mut invalid = valid;
        invalid.as_object_mut().unwrap().remove("parentId");
        serde_json::from_value::<VideoLineage>(invalid).unwrap_err();
    }
}
