//! Exports [`crate::Family`].

use std::sync::Arc;

use crate::UsdTicks;
use crate::lineage::Member;

/// A snapshot of the family of one clip: every clip that is related to it, directly or through other clips.
#[derive(Debug, uniffi::Object)]
pub struct Family(crate::Family);

impl Family {
    pub(super) fn new(family: crate::Family) -> Arc<Self> {
        Arc::new(Self(family))
    }

    pub(super) fn core(&self) -> &crate::Family {
        &self.0
    }
}

#[uniffi::export]
impl Family {
    /// Returns all members, parents before children.
    pub fn members(&self) -> Vec<Member> {
        self.0.members().to_vec()
    }

    /// Returns the clip that the family was requested for.
    pub fn focus(&self) -> Member {
        self.0.focus().clone()
    }

    /// Returns the member with this id.
    pub fn member(&self, id: &str) -> Option<Member> {
        self.0.member(id).cloned()
    }

    /// Returns the oldest ancestor of the focus.
    pub fn root(&self) -> Member {
        self.0.root().clone()
    }

    /// Returns the clips that a clip was made from.
    pub fn parents(&self, id: &str) -> Vec<Member> {
        self.0.parents(id).cloned().collect()
    }

    /// Returns the clips that were made from a clip.
    pub fn children(&self, id: &str) -> Vec<Member> {
        self.0.children(id).cloned().collect()
    }

    /// Returns all direct and indirect children of a clip.
    pub fn descendants(&self, id: &str) -> Vec<Member> {
        self.0.descendants(id).into_iter().cloned().collect()
    }

    /// Returns the clips on the path from the root to a clip.
    pub fn path_to(&self, id: &str) -> Vec<Member> {
        self.0.path_to(id).into_iter().cloned().collect()
    }

    /// Returns the recorded cost of all members.
    pub fn cost(&self) -> UsdTicks {
        self.0.cost()
    }

    /// Returns remarks about the family, such as a link that was left out or a clip that was renamed.
    pub fn notes(&self) -> Vec<String> {
        self.0.notes().to_vec()
    }

    /// Formats the family as JSON.
    pub fn to_json(&self) -> String {
        self.0.to_json().to_string()
    }

    /// Formats the family as a Mermaid flowchart.
    pub fn to_mermaid(&self) -> String {
        self.0.to_mermaid()
    }

    /// Formats the family as a Graphviz graph.
    pub fn to_graphviz(&self) -> String {
        self.0.to_graphviz()
    }
}
