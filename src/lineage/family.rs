//! The family of a clip: a graph of parents and children, oldest first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// How many clips of a cycle an error names.
const NAMED: usize = 8;

/// Every clip that is kin of one clip, over any number of hops: its ancestors, and all that was ever
/// made from them.
///
/// A snapshot: it does not change when the library does. A clip may have several parents, so strictly
/// it is no tree; it never has a cycle.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Parents before children.
    members: Vec<Member>,
    index: HashMap<String, usize>,
    parents: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
    focus: usize,
    notes: Vec<String>,
}

/// One clip of a family.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Member {
    /// The clip's id; of a missing clip the id it is remembered by.
    pub id: String,
    /// The clip's file name.
    pub file_name: String,
    /// Whether the clip and its sidecar are there.
    pub state: MemberState,
    /// SHA-256 of the clip's bytes in hex, as it is on record.
    pub sha256: Option<String>,
    /// When the clip was made, in milliseconds since 1970 UTC.
    pub created_at: Option<u64>,
    /// `generate`, `edit`, `extend`, `continue`, …
    pub operation: Option<String>,
    /// What the user wrote.
    pub user_prompt: Option<String>,
    /// What was really sent.
    pub revised_prompt: Option<String>,
    /// The model that was asked for.
    pub requested_model: Option<String>,
    /// The model that made the clip.
    pub effective_model: Option<String>,
    /// What it cost, in ticks of 1e-10 USD.
    pub cost_usd_ticks: Option<u64>,
    /// What it was made from. The first one is what it goes on from.
    pub parents: Vec<ParentLink>,
}

/// Whether a clip of a family, and its sidecar, are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum MemberState {
    /// The clip and a sidecar that can be read.
    #[default]
    Present,
    /// The clip, without a sidecar.
    NoSidecar,
    /// The clip, with a sidecar that cannot be read.
    SidecarUnreadable,
    /// Others come from this clip, and it is gone. Its sidecar may be there still.
    Missing,
}

/// From a clip to one of its parents.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ParentLink {
    /// The id of the parent's [`Member`].
    pub id: String,
    /// How the clip came from it: `continue`, `edit`, `extend`, …; `ancestor` where the clips between
    /// are gone and only a descendant remembers that there were some.
    pub relation: String,
    /// By what the parent was found.
    pub found_by: FoundBy,
    /// SHA-256 of the parent's bytes when the clip was made from it, in hex.
    pub sha256: Option<String>,
    /// The time of the frame that was taken from the parent, in seconds.
    pub frame_seconds: Option<f64>,
    /// The hash of that frame's picture, in hex.
    pub frame_sha256: Option<String>,
}

/// By what a parent was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum FoundBy {
    /// By its name, and no hash said otherwise.
    #[default]
    Id,
    /// By the hash of its bytes: it has another name now.
    Hash,
    /// By the name it had before, which its own sidecar remembers.
    FormerName,
    /// Not at all: it is missing.
    Nothing,
}

impl Member {
    /// A clip with nothing known of it but its id.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            file_name: format!("{id}.mp4"),
            id,
            ..Self::default()
        }
    }
}

impl Family {
    /// Orders clips that were gathered, parents before children and else the older before the newer,
    /// and the family of `focus` it is. A parent that is not among them becomes a missing one.
    ///
    /// # Errors
    /// `Library` if a clip is, over any number of hops, its own parent: no order exists then, and the
    /// error names the clips. `InvalidRequest` if `focus` is not among the clips or two have one id.
    pub fn build(mut members: Vec<Member>, focus: &str, notes: Vec<String>) -> Result<Self> {
        let mut index = index_of(&members)?;
        if !index.contains_key(focus) {
            return Err(Error::invalid(format!(
                "build the family of {focus:?}: it is not among the clips"
            )));
        }
        let mut at = 0;
        while at < members.len() {
            for link in members[at].parents.clone() {
                if !index.contains_key(&link.id) {
                    index.insert(link.id.clone(), members.len());
                    members.push(Member {
                        state: MemberState::Missing,
                        ..Member::new(link.id)
                    });
                }
            }
            at += 1;
        }
        let order = order(&members, &index)?;
        let mut slots: Vec<Option<Member>> = members.into_iter().map(Some).collect();
        let members: Vec<Member> = order.into_iter().filter_map(|at| slots[at].take()).collect();
        let index = index_of(&members)?;
        let mut parents = vec![Vec::new(); members.len()];
        let mut children = vec![Vec::new(); members.len()];
        for (child, member) in members.iter().enumerate() {
            for link in &member.parents {
                let parent = index[&link.id];
                if !parents[child].contains(&parent) {
                    parents[child].push(parent);
                    children[parent].push(child);
                }
            }
        }
        Ok(Self {
            focus: index[focus],
            members,
            index,
            parents,
            children,
            notes,
        })
    }

    /// Every clip, parents before children, the missing ones too.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The clips that are there, parents before children.
    pub fn clips(&self) -> impl Iterator<Item = &Member> {
        let there = |member: &&Member| member.state != MemberState::Missing;
        self.members.iter().filter(there)
    }

    /// The clips that others come from and that are gone.
    pub fn missing(&self) -> impl Iterator<Item = &Member> {
        let gone = |member: &&Member| member.state == MemberState::Missing;
        self.members.iter().filter(gone)
    }

    /// The clip whose family it is.
    pub fn focus(&self) -> &Member {
        &self.members[self.focus]
    }

    /// A clip of the family.
    pub fn member(&self, id: &str) -> Option<&Member> {
        self.index.get(id).map(|at| &self.members[*at])
    }

    /// Where the clip's own branch began.
    pub fn root(&self) -> &Member {
        &self.members[self.line(self.focus).next_back().unwrap_or(self.focus)]
    }

    /// Every clip that comes from no other.
    pub fn roots(&self) -> impl Iterator<Item = &Member> {
        let members = self.members.iter().zip(&self.parents);
        members
            .filter(|(_, parents)| parents.is_empty())
            .map(|(member, _)| member)
    }

    /// What a clip was made from. Nothing for an id that is not of the family.
    pub fn parents(&self, id: &str) -> impl Iterator<Item = &Member> {
        self.named(&self.parents, id)
    }

    /// What was made from a clip, the oldest first. Nothing for an id that is not of the family.
    pub fn children(&self, id: &str) -> impl Iterator<Item = &Member> {
        self.named(&self.children, id)
    }

    /// Everything that comes from a clip, over any number of hops, nearest first and each once.
    pub fn descendants(&self, id: &str) -> Vec<&Member> {
        let mut seen = HashSet::new();
        let mut queue: VecDeque<usize> = self.index.get(id).copied().into_iter().collect();
        let mut found = Vec::new();
        while let Some(at) = queue.pop_front() {
            for &child in &self.children[at] {
                if seen.insert(child) {
                    found.push(&self.members[child]);
                    queue.push_back(child);
                }
            }
        }
        found
    }

    /// From where a clip's branch began to the clip itself, both included. Where a clip has several
    /// parents the way goes by the first. Empty for an id that is not of the family.
    pub fn path_to(&self, id: &str) -> Vec<&Member> {
        let Some(&at) = self.index.get(id) else {
            return Vec::new();
        };
        self.line(at).rev().map(|at| &self.members[at]).collect()
    }

    /// What the whole family cost, as far as it is known, in ticks of 1e-10 USD.
    pub fn cost_usd_ticks(&self) -> u64 {
        let costs = self.members.iter().filter_map(|member| member.cost_usd_ticks);
        costs.fold(0, u64::saturating_add)
    }

    /// What a person should know, a line each: sidecars that cannot be read, names that are none.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(super) fn place(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    fn named<'a>(&'a self, of: &'a [Vec<usize>], id: &str) -> impl Iterator<Item = &'a Member> + use<'a> {
        let found = self.index.get(id).map_or(&[][..], |at| &of[*at][..]);
        found.iter().map(|at| &self.members[*at])
    }

    /// A clip and its first parents, up to where the branch began.
    fn line(&self, from: usize) -> std::vec::IntoIter<usize> {
        let line = std::iter::successors(Some(from), |at| self.parents[*at].first().copied());
        line.collect::<Vec<_>>().into_iter()
    }
}

fn index_of(members: &[Member]) -> Result<HashMap<String, usize>> {
    let mut index = HashMap::with_capacity(members.len());
    for (at, member) in members.iter().enumerate() {
        if index.insert(member.id.clone(), at).is_some() {
            return Err(Error::invalid(format!(
                "build a family: two clips have the id {:?}",
                member.id
            )));
        }
    }
    Ok(index)
}

/// Places of the clips, parents before children; of those that could come next the oldest.
fn order(members: &[Member], index: &HashMap<String, usize>) -> Result<Vec<usize>> {
    let mut waits_for = vec![0_usize; members.len()];
    let mut children = vec![Vec::new(); members.len()];
    for (child, member) in members.iter().enumerate() {
        for link in &member.parents {
            children[index[&link.id]].push(child);
            waits_for[child] += 1;
        }
    }
    let turn = |at: usize| Reverse((members[at].created_at.unwrap_or_default(), &members[at].id, at));
    let free = (0..members.len()).filter(|at| waits_for[*at] == 0);
    let mut ready: BinaryHeap<_> = free.map(turn).collect();
    let mut order = Vec::with_capacity(members.len());
    while let Some(Reverse((_, _, at))) = ready.pop() {
        order.push(at);
        for &child in &children[at] {
            waits_for[child] -= 1;
            if waits_for[child] == 0 {
                ready.push(turn(child));
            }
        }
    }
    if order.len() == members.len() {
        Ok(order)
    } else {
        Err(cycle(members, index, &waits_for))
    }
}

/// Names a cycle. Whatever still waits has a parent that still waits, so going up leads around.
fn cycle(members: &[Member], index: &HashMap<String, usize>, waits_for: &[usize]) -> Error {
    // Members come in any order; what is said of them is the same each time.
    let waiting = (0..members.len()).filter(|at| waits_for[*at] > 0);
    let oldest = waiting.min_by_key(|at| (members[*at].created_at.unwrap_or_default(), &members[*at].id));
    let mut at = oldest.unwrap_or_default();
    let mut seen: HashMap<usize, usize> = HashMap::new();
    let mut way = Vec::new();
    while !seen.contains_key(&at) {
        seen.insert(at, way.len());
        way.push(at);
        let up = members[at].parents.iter().map(|link| index[&link.id]);
        at = up.into_iter().find(|parent| waits_for[*parent] > 0).unwrap_or(at);
    }
    let around = &way[seen[&at]..];
    let mut names: Vec<String> = around
        .iter()
        .take(NAMED)
        .map(|at| format!("{:?}", members[*at].id))
        .collect();
    if around.len() > NAMED {
        names.push(format!("{} more", around.len() - NAMED));
    }
    names.push(format!("{:?}", members[at].id));
    Error::new(
        ErrorKind::Library,
        format!(
            "order a family: a clip is its own ancestor, {}",
            names.join(" from ")
        ),
    )
    .with_guidance("a sidecar was changed by hand or by another program: take the wrong parent out of it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, at: u64, parents: &[&str]) -> Member {
        let link = |id: &&str| ParentLink {
            id: (*id).to_owned(),
            relation: "continue".to_owned(),
            ..ParentLink::default()
        };
        Member {
            created_at: Some(at),
            cost_usd_ticks: Some(at),
            parents: parents.iter().map(link).collect(),
            ..Member::new(id)
        }
    }

    fn ids<'a>(members: impl IntoIterator<Item = &'a Member>) -> Vec<&'a str> {
        members.into_iter().map(|member| member.id.as_str()).collect()
    }

    #[test]
    fn parents_come_before_children_and_the_old_before_the_new() {
        // The clock was set back for c: the order is that of the family, not of the clock.
        let members = vec![
            member("e", 9, &["d", "b"]),
            member("c", 1, &["b"]),
            member("b", 5, &["a"]),
            member("d", 7, &["a"]),
            member("a", 2, &[]),
            member("z", 3, &["gone"]),
        ];
        let family = Family::build(members, "e", Vec::new()).unwrap();
        assert_eq!(ids(family.members()), ["gone", "a", "z", "b", "c", "d", "e"]);
        assert_eq!(ids(family.missing()), ["gone"]);
        assert_eq!(ids(family.roots()), ["gone", "a"]);
        assert_eq!(ids(family.path_to("e")), ["a", "d", "e"]);
        assert_eq!(ids(family.parents("e")), ["d", "b"]);
        assert_eq!(ids(family.children("a")), ["b", "d"]);
        assert_eq!(ids(family.descendants("a")), ["b", "d", "c", "e"]);
        assert_eq!(
            (family.root().id.as_str(), family.focus().id.as_str()),
            ("a", "e")
        );
        assert_eq!(family.cost_usd_ticks(), 27);
        assert!(family.path_to("x").is_empty() && family.member("x").is_none());
    }

    #[test]
    fn cycles_are_refused_by_name() {
        for (members, words) in [
            (vec![member("a", 1, &["a"])], "\"a\" from \"a\""),
            (
                vec![
                    member("a", 1, &["c"]),
                    member("b", 2, &["a"]),
                    member("c", 3, &["b"]),
                    member("d", 4, &["c"]),
                ],
                "\"a\" from \"c\" from \"b\" from \"a\"",
            ),
        ] {
            let error = Family::build(members, "a", Vec::new()).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_long_line_needs_no_deep_stack() {
        let ids: Vec<String> = (0..100_000).map(|number| format!("{number:06}")).collect();
        let mut members = vec![member(&ids[0], 0, &[])];
        for pair in ids.windows(2) {
            members.push(member(&pair[1], 0, &[&pair[0]]));
        }
        let family = Family::build(members, &ids[99_999], Vec::new()).unwrap();
        assert_eq!(family.path_to(&ids[99_999]).len(), 100_000);
        assert_eq!(family.descendants(&ids[0]).len(), 99_999);
    }
}
