//! Formats a family as JSON, a Mermaid flowchart or a Graphviz graph.

use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::Value;

use super::family::{Family, Member, MemberState};

/// The maximum length of each line of a label, in characters.
const MAX_LINE_CHARS: usize = 60;

impl Serialize for Family {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let roots: Vec<&str> = self.roots().map(|root| root.id.as_str()).collect();
        let missing: Vec<&str> = self.missing().map(|member| member.id.as_str()).collect();
        let mut object = serializer.serialize_struct("Family", 7)?;
        object.serialize_field("focus", &self.focus().id)?;
        object.serialize_field("root", &self.root().id)?;
        object.serialize_field("roots", &roots)?;
        object.serialize_field("missing", &missing)?;
        object.serialize_field("cost_usd_ticks", &self.cost())?;
        object.serialize_field("notes", self.notes())?;
        object.serialize_field("members", self.members())?;
        object.end()
    }
}

impl Family {
    /// Returns the family as a JSON object with `focus`, `root`, `roots`, `missing`, `cost_usd_ticks`, `notes`, and
    /// `members` with parents before children.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Formats the family as a Mermaid flowchart. Prompts and names are escaped.
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart TD\n");
        for (index, member) in self.members().iter().enumerate() {
            let lines: Vec<String> = label(member).iter().map(|line| escape_mermaid(line)).collect();
            let class = match member {
                member if member.state == MemberState::Missing => ":::missing",
                member if member.id == self.focus().id => ":::focus",
                _ => "",
            };
            let _ = writeln!(text, "  c{index}[\"{}\"]{class}", lines.join("<br/>"));
        }
        self.for_each_edge(|parent, child, relation| {
            let _ = writeln!(text, "  c{parent} -->|\"{}\"| c{child}", escape_mermaid(relation));
        });
        text.push_str("  classDef focus stroke-width:3px\n  classDef missing stroke-dasharray:4\n");
        text
    }

    /// Formats the family as a Graphviz graph, in DOT. Prompts and names are escaped.
    pub fn to_graphviz(&self) -> String {
        let mut text = String::from("digraph family {\n  node [shape=box]\n");
        for (index, member) in self.members().iter().enumerate() {
            let lines: Vec<String> = label(member).iter().map(|line| escape_graphviz(line)).collect();
            let style = match member {
                member if member.state == MemberState::Missing => ", style=dashed",
                member if member.id == self.focus().id => ", style=bold",
                _ => "",
            };
            let _ = writeln!(text, "  c{index} [label=\"{}\"{style}]", lines.join("\\n"));
        }
        self.for_each_edge(|parent, child, relation| {
            let _ = writeln!(
                text,
                "  c{parent} -> c{child} [label=\"{}\"]",
                escape_graphviz(relation)
            );
        });
        text.push_str("}\n");
        text
    }

    /// Calls `write` with the indices of parent and child, and their relation.
    fn for_each_edge(&self, mut write: impl FnMut(usize, usize, &str)) {
        for (child, member) in self.members().iter().enumerate() {
            for link in &member.parents {
                if let Some(parent) = self.index_of(&link.id) {
                    write(parent, child, &link.relation);
                }
            }
        }
    }
}

/// Returns the lines of a label: the name, `missing` or the operation, and the beginning of the prompt.
fn label(member: &Member) -> Vec<String> {
    let mut lines = vec![shorten(&member.id)];
    if member.state == MemberState::Missing {
        lines.push("missing".to_owned());
    } else if let Some(operation) = &member.operation {
        lines.push(shorten(operation));
    }
    if let Some(prompt) = member.user_prompt.as_ref().or(member.revised_prompt.as_ref()) {
        lines.push(shorten(prompt));
    }
    lines
}

/// Returns the beginning of a text as one line without control characters.
fn shorten(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if line.chars().count() > MAX_LINE_CHARS {
            break;
        }
        if !line.is_empty() && !word.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().take(MAX_LINE_CHARS + 1));
    }
    if line.chars().count() > MAX_LINE_CHARS {
        line = line.chars().take(MAX_LINE_CHARS).collect();
        line.push('…');
    }
    line
}

/// Escapes a text as Mermaid entities. Labels are HTML, and Mermaid has no other escape.
fn escape_mermaid(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | ',' | '…') {
            escaped.push(c);
        } else {
            let _ = write!(escaped, "#{};", u32::from(c));
        }
    }
    escaped
}

fn escape_graphviz(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
