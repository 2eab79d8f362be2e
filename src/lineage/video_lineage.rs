//! The block `videoLineage`, which later versions of ima2-gen write beside `videoContinuity`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a clip stands in a chain of last-frame extensions: the clip before it and the chain's first
/// one, by file name.
///
/// Later versions of ima2-gen write it. It is kept and continued, and never begun here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Strict")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct VideoLineage {
    /// The clip's file name.
    pub id: String,
    /// The parent's file name.
    pub parent_id: Option<String>,
    /// The file name of the chain's first clip.
    pub root_id: String,
    /// The name of the chain: a file name, in practice that of its first clip.
    pub series_id: String,
    /// Place in the chain, from 0.
    pub sequence_index: u64,
    /// What else the block held.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl VideoLineage {
    /// The block of a clip made from this one. `parent_file` is what this clip's file is called now.
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Strict {
    id: String,
    #[serde(deserialize_with = "Option::deserialize")]
    parent_id: Option<String>,
    root_id: String,
    series_id: String,
    sequence_index: u64,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl TryFrom<Strict> for VideoLineage {
    type Error = &'static str;

    fn try_from(given: Strict) -> Result<Self, Self::Error> {
        let names = [&given.id, &given.root_id, &given.series_id];
        if names
            .into_iter()
            .chain(&given.parent_id)
            .any(|name| !is_local_mp4(name))
        {
            return Err("every name of a video lineage is a local .mp4 file name");
        }
        Ok(Self {
            id: given.id,
            parent_id: given.parent_id,
            root_id: given.root_id,
            series_id: given.series_id,
            sequence_index: given.sequence_index,
            extra: given.extra,
        })
    }
}

fn is_local_mp4(name: &str) -> bool {
    let plain = !name.contains(['/', '\\']) && !name.chars().any(char::is_control);
    let stem = name.len().checked_sub(4).and_then(|at| name.split_at_checked(at));
    plain && stem.is_some_and(|(stem, ending)| !stem.is_empty() && ending.eq_ignore_ascii_case(".mp4"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_chain_is_continued() {
        let given = json!({"id": "b.mp4", "parentId": "a.mp4", "rootId": "a.mp4", "seriesId": "a.mp4",
                           "sequenceIndex": 1, "later": [1]});
        let block: VideoLineage = serde_json::from_value(given.clone()).unwrap();
        assert_eq!(serde_json::to_value(&block).unwrap(), given);
        assert_eq!(
            serde_json::to_value(block.child("b.mp4", "c.mp4")).unwrap(),
            json!({"id": "c.mp4", "parentId": "b.mp4", "rootId": "a.mp4", "seriesId": "a.mp4", "sequenceIndex": 2})
        );
    }

    #[test]
    fn other_than_local_names_are_refused() {
        let good = json!({"id": "b.mp4", "parentId": null, "rootId": "a.MP4", "seriesId": "a.mp4", "sequenceIndex": 0});
        serde_json::from_value::<VideoLineage>(good.clone()).unwrap();
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
            let mut bad = good.clone();
            bad[field] = value;
            serde_json::from_value::<VideoLineage>(bad).expect_err(field);
        }
        let mut bad = good;
        bad.as_object_mut().unwrap().remove("parentId");
        serde_json::from_value::<VideoLineage>(bad).unwrap_err();
    }
}
