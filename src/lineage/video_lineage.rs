//! The block `videoLineage` of a sidecar, in the format of later versions of ima2-gen.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The position of a clip in a chain of last-frame extensions, as file names of its parent and of the first clip.
///
/// Later versions of ima2-gen write this block next to `videoContinuity`. This crate keeps it, and adds it to a clip
/// that continues one which has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct VideoLineage {
    /// The file name of the clip.
    #[serde(deserialize_with = "mp4_name")]
    pub id: String,
    /// The file name of the parent.
    #[serde(deserialize_with = "mp4_name")]
    pub parent_id: Option<String>,
    /// The file name of the first clip of the chain.
    #[serde(deserialize_with = "mp4_name")]
    pub root_id: String,
    /// The name of the chain. It is a file name, in practice that of the first clip.
    #[serde(deserialize_with = "mp4_name")]
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

/// Reads the name of an MP4 file. `T` is `String`, or `Option<String>` for a field that may be null and not missing.
fn mp4_name<'de, D: Deserializer<'de>, T>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Clone,
    Option<String>: From<T>,
{
    let name = T::deserialize(from)?;
    if Option::<String>::from(name.clone()).is_some_and(|name| !is_mp4_name(&name)) {
        return Err(serde::de::Error::custom(
            "the names in `videoLineage` must be names of .mp4 files, without a folder",
        ));
    }
    Ok(name)
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
