//! Reads the branch of a parent from its sidecar, and makes the block `videoContinuity` of its child.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::continuity::{Continuity, ContinuityEntry, MAX_ENTRIES, RETENTION, Role, stem};
use crate::error::{Error, Result};
use crate::text::truncated;
use crate::timestamp::Timestamp;

/// The maximum size of a prompt that is read from a sidecar. Longer ones are truncated, so that a sidecar of another
/// program cannot make those of its descendants too large. Typical prompts have a few kilobytes.
const MAX_PROMPT_BYTES: usize = 64 << 10;
/// The maximum length of a file name that is read from a sidecar.
const MAX_NAME_BYTES: usize = 255;

/// The fields of a parent's sidecar that determine its branch. The values may have any type.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ParentFacts<'a> {
    /// The file name of the parent.
    pub file_name: &'a str,
    /// The value of `videoContinuity`.
    pub continuity: Option<&'a Value>,
    /// The value of `revisedPrompt`.
    pub revised_prompt: Option<&'a Value>,
    /// The value of `prompt`.
    pub prompt: Option<&'a Value>,
    /// The value of `userPrompt`.
    pub user_prompt: Option<&'a Value>,
    /// The value of `createdAt`.
    pub created_at: Option<&'a Value>,
}

/// The branch that a child continues: the planner is given its entries, and the child's block begins with them.
///
/// Each field of a sidecar is read as by ima2-gen, with two intended differences. If a block exists and cannot be read,
/// ima2-gen begins a new lineage, and this is an error. Names that are too long are ignored, and prompts are truncated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParentView {
    file_name: String,
    lineage_id: String,
    entries: Vec<ContinuityEntry>,
}

impl ParentView {
    /// Reads a parent's branch. Without `videoContinuity` it has one entry, made from `revisedPrompt` or else `prompt`.
    /// Returns `None` if the sidecar has neither: then the child begins a new lineage, as in ima2-gen.
    ///
    /// # Errors
    /// `Library` if the block exists and cannot be read, or if none of the prompts can be read.
    pub fn read(facts: &ParentFacts<'_>) -> Result<Option<Self>> {
        let name = facts.file_name;
        match facts.continuity {
            None | Some(Value::Null) => {}
            Some(Value::Object(block)) => match block.get("entries") {
                Some(Value::Array(entries)) if entries.is_empty() => {}
                Some(Value::Array(entries)) => {
                    let read = Self::of_block(name, block, entries);
                    return read
                        .map(Some)
                        .ok_or_else(|| unreadable(name, "no entry of its videoContinuity has a prompt"));
                }
                _ => return Err(unreadable(name, "its videoContinuity has no list of entries")),
            },
            Some(_) => return Err(unreadable(name, "its videoContinuity is not an object")),
        }
        let Some(revised_prompt) = text(facts.revised_prompt).or_else(|| text(facts.prompt)) else {
            let has_wrong_type =
                |value: Option<&Value>| value.is_some_and(|value| !value.is_null() && !value.is_string());
            return if has_wrong_type(facts.revised_prompt) || has_wrong_type(facts.prompt) {
                Err(unreadable(name, "its prompt is not a string"))
            } else {
                Ok(None)
            };
        };
        let entry = ContinuityEntry {
            id: format!("clip:{name}"),
            ordinal: 1,
            role: Role::Start,
            filename: Some(name.to_owned()),
            user_prompt: text(facts.user_prompt).or_else(|| text(facts.prompt)),
            revised_prompt: Some(revised_prompt),
            created_at: time(facts.created_at),
            extra: Map::new(),
        };
        Ok(Some(Self {
            file_name: name.to_owned(),
            lineage_id: format!("lineage:{}", stem(name)),
            entries: vec![entry],
        }))
    }

    /// Reads the branch from a block. Skips entries without a prompt, as ima2-gen does. Returns `None` if none has one.
    fn of_block(name: &str, block: &Map<String, Value>, listed: &[Value]) -> Option<Self> {
        let entry = |(index, value): (usize, &Value)| {
            let revised_prompt = text(value.get("revisedPrompt"))?;
            let fallback = || format!("entry:{}", index + 1);
            Some(ContinuityEntry {
                id: label(value.get("id"), "clip:").unwrap_or_else(fallback),
                ordinal: 0,
                role: Role::Ancestor,
                filename: text(value.get("filename")).and_then(|name| plain_name(&name)),
                user_prompt: text(value.get("userPrompt")),
                revised_prompt: Some(revised_prompt),
                created_at: time(value.get("createdAt")),
                extra: Map::new(),
            })
        };
        // Only the first and the newest three are used.
        let mut listed = listed.iter().enumerate();
        let first = listed.by_ref().find_map(entry)?;
        let mut entries: Vec<_> = listed.rev().filter_map(entry).take(MAX_LENGTH - 1).collect();
        entries.push(first);
        entries.reverse();
        let lineage_id =
            label(block.get("lineageId"), "lineage:").unwrap_or_else(|| format!("lineage:{}", entries[0].id));
        number(&mut entries, &Role::Parent);
        Some(Self {
            file_name: name.to_owned(),
            lineage_id,
            entries,
        })
    }

    /// Returns the file name of the parent.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Returns the id of the branch, which its children share.
    pub fn lineage_id(&self) -> &str {
        &self.lineage_id
    }

    /// Returns the branch for the planner, oldest first, at most four entries. The newest has the role `parent`, unless
    /// it is also the first, which always has the role `start`.
    pub fn entries(&self) -> &[ContinuityEntry] {
        &self.entries
    }
}

/// [`MAX_ENTRIES`] as a length.
const MAX_LENGTH: usize = MAX_ENTRIES as usize;

impl Continuity {
    /// Returns the block of a clip that was continued, edited or extended from another one; ima2-gen writes the same
    /// block for all three.
    ///
    /// `file_name` is that of the child, and `revised_prompt` is the prompt that was sent. An ancestor without a time
    /// gets the time of the child.
    pub fn child_of(
        parent: &ParentView,
        file_name: &str,
        user_prompt: Option<&str>,
        revised_prompt: &str,
        created_at: Timestamp,
    ) -> Self {
        let mut child = Self::first(file_name, user_prompt, revised_prompt, created_at);
        let mut entries = parent.entries.clone();
        for entry in &mut entries {
            entry.created_at.get_or_insert(created_at);
        }
        entries.append(&mut child.entries);
        if entries.len() > MAX_LENGTH {
            entries.drain(1..=entries.len() - MAX_LENGTH);
        }
        number(&mut entries, &Role::Current);
        Self {
            lineage_id: parent.lineage_id.clone(),
            parent_filename: Some(parent.file_name.clone()),
            source_frame: Some("last".to_owned()),
            max_entries: MAX_ENTRIES,
            retention: RETENTION.to_owned(),
            entries,
            extra: Map::new(),
        }
    }
}

/// Sets the ordinals and roles of a branch. The newest entry gets the role `newest`, unless it is the only one.
fn number(entries: &mut [ContinuityEntry], newest: &Role) {
    let last = entries.len().saturating_sub(1);
    for (ordinal, (index, entry)) in (1..).zip(entries.iter_mut().enumerate()) {
        entry.ordinal = ordinal;
        entry.role = match index {
            0 => Role::Start,
            index if index == last => newest.clone(),
            _ => Role::Ancestor,
        };
    }
}

fn unreadable(file_name: &str, why: &str) -> Error {
    Error::library(format!(
        "read the lineage of {file_name:?}: its sidecar exists, but {why}"
    ))
    .with_guidance("repair the sidecar, or move it away to begin a new lineage")
}

/// Returns a trimmed string, or `None` if it is empty. White space is what JavaScript treats as such.
fn text(value: Option<&Value>) -> Option<String> {
    let is_space = |c: char| (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}';
    let text = value?.as_str()?.trim_matches(is_space);
    (!text.is_empty()).then(|| truncated(text, MAX_PROMPT_BYTES).to_owned())
}

/// Returns a time. Accepts any number of milliseconds, as JavaScript does.
fn time(value: Option<&Value>) -> Option<Timestamp> {
    let value = value?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and no real time is out of range"
    )]
    let whole = |number: f64| (number >= 0.0).then_some(number as u64);
    let millis = value.as_u64().or_else(|| value.as_f64().and_then(whole))?;
    Some(Timestamp::from_millis(millis))
}

/// Returns an id without a path: `prefix` and a file name, or a name without the prefix.
fn label(value: Option<&Value>, prefix: &str) -> Option<String> {
    let id = text(value)?;
    match id.strip_prefix(prefix) {
        Some(name) => plain_name(name).map(|name| format!("{prefix}{name}")),
        None => plain_name(&id),
    }
}

/// Returns the last component of a path, or `None` if it is not a file name.
fn plain_name(path: &str) -> Option<String> {
    let name = path.rsplit(['/', '\\']).next()?;
    let is_plain = !matches!(name, "" | "." | "..")
        && name.len() <= MAX_NAME_BYTES
        && !name.chars().any(char::is_control);
    is_plain.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::ErrorKind;

    fn read(continuity: &Value) -> Result<Option<ParentView>> {
        ParentView::read(&ParentFacts {
            file_name: "p.mp4",
            continuity: Some(continuity),
            prompt: Some(&json!("a prompt")),
            ..ParentFacts::default()
        })
    }

    fn block(entries: &Value) -> Value {
        json!({"lineageId": "lineage:a", "parentFilename": null, "sourceFrame": null, "maxEntries": 4,
               "retention": "keep-start-plus-latest-3", "entries": entries})
    }

    #[test]
    fn an_unreadable_block_is_an_error() {
        for block in [
            json!("lineage"),
            json!(7),
            json!(false),
            json!([]),
            json!({}),
            json!({"entries": null}),
            json!({"entries": {"0": {}}}),
            block(&json!([null, 5, {"revisedPrompt": " "}, {"revisedPrompt": ["x"]}])),
        ] {
            let error = read(&block).expect_err(&block.to_string());
            assert_eq!(error.kind(), ErrorKind::Library);
            assert!(error.to_string().contains("\"p.mp4\""), "{error}");
        }
        for block in [json!(null), json!({"entries": []})] {
            let view = read(&block).unwrap().unwrap();
            assert_eq!((view.lineage_id(), view.entries().len()), ("lineage:p", 1));
        }
    }

    #[test]
    fn entries_with_invalid_fields_are_read_as_by_ima2() {
        let view = read(&block(&json!([
            {"revisedPrompt": "  one "},
            {"revisedPrompt": ""},
            {"id": "x", "revisedPrompt": "two", "role": "king", "ordinal": -4, "createdAt": 5.5, "userPrompt": 1},
        ])))
        .unwrap()
        .unwrap();
        let [first, second] = view.entries() else {
            panic!("{view:?}")
        };
        assert_eq!(
            (first.id.as_str(), first.revised_prompt.as_deref()),
            ("entry:1", Some("one"))
        );
        assert_eq!(
            (second.id.as_str(), second.ordinal, &second.role),
            ("x", 2, &Role::Parent)
        );
        let at = Timestamp::from_millis;
        assert_eq!((second.created_at, &second.user_prompt), (Some(at(5)), &None));
        let child = Continuity::child_of(&view, "c.mp4", None, "three", at(9));
        assert_eq!(
            child.entries[0].created_at,
            Some(at(9)),
            "ima2 uses the time of the child"
        );
    }

    #[test]
    fn paths_long_prompts_and_many_entries_are_reduced() {
        let mut entries = vec![
            json!({"id": "clip:../../etc/passwd", "filename": "../../etc/passwd", "revisedPrompt": "r"}),
            json!({"id": "clip:..", "filename": "..\\..\\x.mp4", "revisedPrompt": "é".repeat(1 << 20)}),
            json!({"id": "a\nb", "filename": "/", "revisedPrompt": "r"}),
        ];
        let view = read(&block(&json!(entries))).unwrap().unwrap();
        let names: Vec<_> = view
            .entries()
            .iter()
            .map(|entry| entry.filename.as_deref())
            .collect();
        assert_eq!(names, [Some("passwd"), Some("x.mp4"), None]);
        let ids: Vec<_> = view.entries().iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["clip:passwd", "entry:2", "entry:3"]);
        assert!(view.entries()[1].revised_prompt.as_ref().unwrap().len() <= MAX_PROMPT_BYTES);

        for number in 0..10_000 {
            entries.push(json!({"id": format!("clip:{number}.mp4"), "revisedPrompt": "r"}));
        }
        let child = Continuity::child_of(
            &read(&block(&json!(entries))).unwrap().unwrap(),
            "c.mp4",
            None,
            "r",
            Timestamp::from_millis(1),
        );
        let ids: Vec<_> = child.entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(
            ids,
            ["clip:passwd", "clip:9998.mp4", "clip:9999.mp4", "clip:c.mp4"]
        );
    }

    #[test]
    fn a_sidecar_without_a_prompt_has_no_branch() {
        let empty = ParentFacts {
            file_name: "p.mp4",
            ..ParentFacts::default()
        };
        assert_eq!(ParentView::read(&empty).unwrap(), None);
        let wrong_type = ParentFacts {
            revised_prompt: Some(&json!(5)),
            ..empty
        };
        ParentView::read(&wrong_type).unwrap_err();
        let with_prompt = ParentFacts {
            prompt: Some(&json!("p")),
            ..wrong_type
        };
        assert!(ParentView::read(&with_prompt).unwrap().is_some());
    }
}
