//! A family for other programs: JSON, Mermaid, Graphviz.

use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::Value;

use super::family::{Family, Member, MemberState};

/// How much of a prompt a label shows.
const SHOWN: usize = 60;

impl Serialize for Family {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let roots: Vec<&str> = self.roots().map(|root| root.id.as_str()).collect();
        let missing: Vec<&str> = self.missing().map(|gone| gone.id.as_str()).collect();
        let mut object = serializer.serialize_struct("Family", 7)?;
        object.serialize_field("focus", &self.focus().id)?;
        object.serialize_field("root", &self.root().id)?;
        object.serialize_field("roots", &roots)?;
        object.serialize_field("missing", &missing)?;
        object.serialize_field("cost_usd_ticks", &self.cost_usd_ticks())?;
        object.serialize_field("notes", self.notes())?;
        object.serialize_field("members", self.members())?;
        object.end()
    }
}

impl Family {
    /// The family as JSON: `focus`, `root`, `roots`, `missing`, `cost_usd_ticks`, `notes`, and
    /// `members` with parents before children.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The family as a flowchart in the language of Mermaid. What prompts and names hold is escaped.
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart TD\n");
        self.each_node(|at, member| {
            let lines: Vec<String> = label(member).iter().map(|line| mermaid(line)).collect();
            let mark = match member {
                member if member.state == MemberState::Missing => ":::missing",
                member if member.id == self.focus().id => ":::focus",
                _ => "",
            };
            let _ = writeln!(text, "  c{at}[\"{}\"]{mark}", lines.join("<br/>"));
        });
        self.each_edge(|parent, child, relation| {
            let _ = writeln!(text, "  c{parent} -->|\"{}\"| c{child}", mermaid(relation));
        });
        text.push_str("  classDef focus stroke-width:3px\n  classDef missing stroke-dasharray:4\n");
        text
    }

    /// The family in Graphviz' language, DOT. What prompts and names hold is escaped.
    pub fn to_graphviz(&self) -> String {
        let mut text = String::from("digraph family {\n  node [shape=box]\n");
        self.each_node(|at, member| {
            let lines: Vec<String> = label(member).iter().map(|line| graphviz(line)).collect();
            let style = match member {
                member if member.state == MemberState::Missing => ", style=dashed",
                member if member.id == self.focus().id => ", style=bold",
                _ => "",
            };
            let _ = writeln!(text, "  c{at} [label=\"{}\"{style}]", lines.join("\\n"));
        });
        self.each_edge(|parent, child, relation| {
            let _ = writeln!(text, "  c{parent} -> c{child} [label=\"{}\"]", graphviz(relation));
        });
        text.push_str("}\n");
        text
    }

    fn each_node(&self, mut show: impl FnMut(usize, &Member)) {
        for (at, member) in self.members().iter().enumerate() {
            show(at, member);
        }
    }

    fn each_edge(&self, mut show: impl FnMut(usize, usize, &str)) {
        for (child, member) in self.members().iter().enumerate() {
            for link in &member.parents {
                if let Some(parent) = self.place(&link.id) {
                    show(parent, child, &link.relation);
                }
            }
        }
    }
}

/// Name, state or operation, and the beginning of the prompt.
fn label(member: &Member) -> Vec<String> {
    let mut lines = vec![plain(&member.id)];
    if member.state == MemberState::Missing {
        lines.push("missing".to_owned());
    } else if let Some(operation) = &member.operation {
        lines.push(plain(operation));
    }
    if let Some(prompt) = member.user_prompt.as_ref().or(member.revised_prompt.as_ref()) {
        lines.push(plain(prompt));
    }
    lines
}

/// One line of readable text, cut.
fn plain(text: &str) -> String {
    let mut words = String::new();
    for word in text.split(|letter: char| letter.is_whitespace() || letter.is_control()) {
        if words.chars().count() > SHOWN {
            break;
        }
        if !words.is_empty() && !word.is_empty() {
            words.push(' ');
        }
        words.extend(word.chars().take(SHOWN + 1));
    }
    if words.chars().count() > SHOWN {
        words = words.chars().take(SHOWN).collect();
        words.push('…');
    }
    words
}

/// Mermaid has HTML in its labels and no escape but its own entities.
fn mermaid(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_alphanumeric() || matches!(letter, ' ' | '_' | '-' | '.' | ',' | '…') {
            escaped.push(letter);
        } else {
            let _ = write!(escaped, "#{};", u32::from(letter));
        }
    }
    escaped
}

fn graphviz(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
