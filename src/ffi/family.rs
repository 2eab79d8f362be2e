//! The family of a clip.

use std::sync::Arc;

use crate::lineage::Member;

/// Every clip that is kin of one clip, over any number of hops. A snapshot.
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
    /// All of them, parents before children.
    pub fn members(&self) -> Vec<Member> {
        self.0.members().to_vec()
    }

    /// The clip that was asked about.
    pub fn focus(&self) -> Member {
        self.0.focus().clone()
    }

    /// One of them by its id.
    pub fn member(&self, id: &str) -> Option<Member> {
        self.0.member(id).cloned()
    }

    /// The clip that the one asked about goes back to.
    pub fn root(&self) -> Member {
        self.0.root().clone()
    }

    /// What a clip was made from.
    pub fn parents(&self, id: &str) -> Vec<Member> {
        self.0.parents(id).cloned().collect()
    }

    /// What was made from a clip.
    pub fn children(&self, id: &str) -> Vec<Member> {
        self.0.children(id).cloned().collect()
    }

    /// All that was ever made from a clip.
    pub fn descendants(&self, id: &str) -> Vec<Member> {
        self.0.descendants(id).into_iter().cloned().collect()
    }

    /// The clips from the root to a clip.
    pub fn path_to(&self, id: &str) -> Vec<Member> {
        self.0.path_to(id).into_iter().cloned().collect()
    }

    /// What all of them cost, in ticks of 1e-10 USD, as far as is on record.
    pub fn cost_usd_ticks(&self) -> u64 {
        self.0.cost_usd_ticks()
    }

    /// What the reader should know: a link that was left out, a clip that was renamed.
    pub fn notes(&self) -> Vec<String> {
        self.0.notes().to_vec()
    }

    /// The family as JSON.
    pub fn to_json(&self) -> String {
        self.0.to_json().to_string()
    }

    /// The family as a Mermaid flowchart.
    pub fn to_mermaid(&self) -> String {
        self.0.to_mermaid()
    }

    /// The family as a Graphviz graph.
    pub fn to_graphviz(&self) -> String {
        self.0.to_graphviz()
    }
}
