//! The family of a clip: a graph of parents and children, oldest first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::money::UsdTicks;
use crate::timestamp::Timestamp;

/// The maximum number of clips that the error for a cycle names.
const MAX_NAMED: usize = 8;

/// All clips that are related to one clip, over any number of generations: its ancestors, and everything that was made
/// from them.
///
/// It is a snapshot that does not change with the library. It is a directed acyclic graph: a clip may have several
/// parents.
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
    /// The id of the clip. For a missing clip, the id in the sidecars of its children.
    pub id: String,
    /// The file name of the clip.
    pub file_name: String,
    /// Whether the clip and its sidecar exist.
    pub state: MemberState,
    /// The recorded SHA-256 of the clip's bytes, in hex.
    pub sha256: Option<String>,
    /// When the clip was made.
    pub created_at: Option<Timestamp>,
    /// `generate`, `edit`, `extend`, `continue`, …
    pub operation: Option<String>,
    /// The prompt as the user wrote it.
    pub user_prompt: Option<String>,
    /// The prompt that was sent.
    pub revised_prompt: Option<String>,
    /// The requested model.
    pub requested_model: Option<String>,
    /// The model that made the clip.
    pub effective_model: Option<String>,
    /// The cost of the clip, as recorded in its sidecar.
    #[serde(rename = "cost_usd_ticks")]
    pub cost: Option<UsdTicks>,
    /// The clips that it was made from. It continues the first one.
    pub parents: Vec<ParentLink>,
}

/// Whether a clip of a family and its sidecar exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum MemberState {
    /// The clip exists and has a readable sidecar.
    #[default]
    Present,
    /// The clip exists and has no sidecar.
    NoSidecar,
    /// The clip exists, and its sidecar cannot be read.
    SidecarUnreadable,
    /// The clip does not exist, but other clips were made from it. Its sidecar may still exist.
    Missing,
}

/// A link from a clip to one of its parents.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct ParentLink {
    /// The id of the parent's [`Member`].
    pub id: String,
    /// How the clip was made from the parent: `continue`, `edit`, `extend`, …; `ancestor` if clips between the two are
    /// missing and unknown.
    pub relation: String,
    /// How the parent was found.
    pub found_by: FoundBy,
    /// The SHA-256 of the parent's bytes when the clip was made from it, in hex.
    pub sha256: Option<String>,
    /// The time of the frame that was taken from the parent, in seconds.
    pub frame_seconds: Option<f64>,
    /// The SHA-256 of the pixels of that frame, in hex.
    pub frame_sha256: Option<String>,
}

/// How a parent was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum FoundBy {
    /// By its id, which no recorded hash contradicts.
    #[default]
    Id,
    /// By the hash of its bytes. Its id has changed.
    Hash,
    /// By an earlier id, which its own sidecar contains.
    FormerName,
    /// The parent was not found.
    Nothing,
}

impl Member {
    /// Returns a member of which only the id is known.
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
    /// Builds the family of `focus` from its members.
    ///
    /// Sorts them, parents before children, and otherwise older clips before newer ones. A parent that is not among
    /// `members` is added as a missing one.
    ///
    /// # Errors
    /// `Library` if a clip is its own ancestor; the error names the clips of the cycle. `InvalidRequest` if `focus` is
    /// not among `members`, or if two of them have the same id.
    pub fn build(mut members: Vec<Member>, focus: &str, notes: Vec<String>) -> Result<Self> {
        let mut index = index_by_id(&members)?;
        if !index.contains_key(focus) {
            return Err(Error::invalid(format!(
                "build the family of {focus:?}: no member has this id"
            )));
        }
        let links: Vec<_> = members.iter().flat_map(|member| &member.parents).collect();
        let mut missing = Vec::new();
        for link in links {
            if !index.contains_key(&link.id) {
                index.insert(link.id.clone(), members.len() + missing.len());
                missing.push(Member {
                    state: MemberState::Missing,
                    ..Member::new(link.id.clone())
                });
            }
        }
        members.append(&mut missing);
        let order = sort_parents_first(&members, &index)?;
        let mut unsorted: Vec<Option<Member>> = members.into_iter().map(Some).collect();
        let members: Vec<Member> = order.into_iter().filter_map(|i| unsorted[i].take()).collect();
        let index = index_by_id(&members)?;
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

    /// Returns all members, including missing ones, parents before children.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Returns the members that exist, parents before children.
    pub fn clips(&self) -> impl Iterator<Item = &Member> {
        let exists = |member: &&Member| member.state != MemberState::Missing;
        self.members.iter().filter(exists)
    }

    /// Returns the missing members.
    pub fn missing(&self) -> impl Iterator<Item = &Member> {
        let is_missing = |member: &&Member| member.state == MemberState::Missing;
        self.members.iter().filter(is_missing)
    }

    /// Returns the clip that the family was requested for.
    pub fn focus(&self) -> &Member {
        &self.members[self.focus]
    }

    /// Returns the member with this id.
    pub fn member(&self, id: &str) -> Option<&Member> {
        self.index.get(id).map(|index| &self.members[*index])
    }

    /// Returns the first clip of the branch of [`focus`](Self::focus).
    pub fn root(&self) -> &Member {
        &self.members[*self.branch(self.focus).last().unwrap_or(&self.focus)]
    }

    /// Returns all members without parents.
    pub fn roots(&self) -> impl Iterator<Item = &Member> {
        let members = self.members.iter().zip(&self.parents);
        members
            .filter(|(_, parents)| parents.is_empty())
            .map(|(member, _)| member)
    }

    /// Returns the parents of a clip. Empty if no member has this id.
    pub fn parents(&self, id: &str) -> impl Iterator<Item = &Member> {
        self.neighbors(&self.parents, id)
    }

    /// Returns the children of a clip, oldest first. Empty if no member has this id.
    pub fn children(&self, id: &str) -> impl Iterator<Item = &Member> {
        self.neighbors(&self.children, id)
    }

    /// Returns all descendants of a clip, nearest first, each once. Empty if no member has this id.
    pub fn descendants(&self, id: &str) -> Vec<&Member> {
        let mut seen = HashSet::new();
        let mut queue: VecDeque<usize> = self.index.get(id).copied().into_iter().collect();
        let mut found = Vec::new();
        while let Some(parent) = queue.pop_front() {
            for &child in &self.children[parent] {
                if seen.insert(child) {
                    found.push(&self.members[child]);
                    queue.push_back(child);
                }
            }
        }
        found
    }

    /// Returns the branch of a clip, from its first clip to the clip itself. If a clip has several parents, the branch
    /// follows the first. Empty if no member has this id.
    pub fn path_to(&self, id: &str) -> Vec<&Member> {
        let Some(&index) = self.index.get(id) else {
            return Vec::new();
        };
        let branch = self.branch(index).into_iter().rev();
        branch.map(|index| &self.members[index]).collect()
    }

    /// Returns the sum of all known costs of the members.
    pub fn cost(&self) -> UsdTicks {
        self.members.iter().filter_map(|member| member.cost).sum()
    }

    /// Returns remarks for the user, one line each, such as sidecars that cannot be read and invalid names.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(super) fn index_of(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    fn neighbors<'a>(
        &'a self,
        edges: &'a [Vec<usize>],
        id: &str,
    ) -> impl Iterator<Item = &'a Member> + use<'a> {
        let found = self.index.get(id).map_or(&[][..], |index| &edges[*index][..]);
        found.iter().map(|index| &self.members[*index])
    }

    /// Returns a clip, its first parent, that one's first parent, and so on.
    fn branch(&self, from: usize) -> Vec<usize> {
        std::iter::successors(Some(from), |index| self.parents[*index].first().copied()).collect()
    }
}

/// Returns the index of each id.
fn index_by_id(members: &[Member]) -> Result<HashMap<String, usize>> {
    let mut by_id = HashMap::with_capacity(members.len());
    for (index, member) in members.iter().enumerate() {
        if by_id.insert(member.id.clone(), index).is_some() {
            return Err(Error::invalid(format!(
                "build a family: two members have the id {:?}",
                member.id
            )));
        }
    }
    Ok(by_id)
}

/// Returns the indices of the members in topological order. Of several that may come next, the oldest does.
fn sort_parents_first(members: &[Member], index: &HashMap<String, usize>) -> Result<Vec<usize>> {
    let mut unsorted_parents = vec![0_usize; members.len()];
    let mut children = vec![Vec::new(); members.len()];
    for (child, member) in members.iter().enumerate() {
        for link in &member.parents {
            children[index[&link.id]].push(child);
            unsorted_parents[child] += 1;
        }
    }
    let by_age = |i: usize| Reverse((members[i].created_at.unwrap_or_default(), &members[i].id, i));
    let roots = (0..members.len()).filter(|i| unsorted_parents[*i] == 0);
    let mut ready: BinaryHeap<_> = roots.map(by_age).collect();
    let mut order = Vec::with_capacity(members.len());
    while let Some(Reverse((_, _, parent))) = ready.pop() {
        order.push(parent);
        for &child in &children[parent] {
            unsorted_parents[child] -= 1;
            if unsorted_parents[child] == 0 {
                ready.push(by_age(child));
            }
        }
    }
    if order.len() == members.len() {
        Ok(order)
    } else {
        Err(cycle_error(members, index, &unsorted_parents))
    }
}

/// Returns the error for a cycle. Every unsorted member has an unsorted parent, so following such parents leads into a
/// cycle.
fn cycle_error(members: &[Member], index: &HashMap<String, usize>, unsorted_parents: &[usize]) -> Error {
    // The message must not depend on the order of the members.
    let unsorted = (0..members.len()).filter(|i| unsorted_parents[*i] > 0);
    let oldest = unsorted.min_by_key(|i| (members[*i].created_at.unwrap_or_default(), &members[*i].id));
    let mut current = oldest.unwrap_or_default();
    let mut steps: HashMap<usize, usize> = HashMap::new();
    let mut path = Vec::new();
    while !steps.contains_key(&current) {
        steps.insert(current, path.len());
        path.push(current);
        let mut parents = members[current].parents.iter().map(|link| index[&link.id]);
        current = parents
            .find(|parent| unsorted_parents[*parent] > 0)
            .unwrap_or(current);
    }
    let cycle = &path[steps[&current]..];
    let mut names: Vec<String> = cycle
        .iter()
        .take(MAX_NAMED)
        .map(|i| format!("{:?}", members[*i].id))
        .collect();
    if cycle.len() > MAX_NAMED {
        names.push(format!("{} more", cycle.len() - MAX_NAMED));
    }
    names.push(format!("{:?}", members[current].id));
    Error::library(format!(
        "build a family: a clip is its own ancestor, {}",
        names.join(" from ")
    ))
    .with_guidance("a sidecar was changed by hand or by another program; remove the wrong parent from it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, created_at: u64, parents: &[&str]) -> Member {
        let link = |id: &&str| ParentLink {
            id: (*id).to_owned(),
            relation: "continue".to_owned(),
            ..ParentLink::default()
        };
        Member {
            created_at: Some(Timestamp::from_millis(created_at)),
            cost: Some(UsdTicks::new(created_at)),
            parents: parents.iter().map(link).collect(),
            ..Member::new(id)
        }
    }

    fn ids<'a>(members: impl IntoIterator<Item = &'a Member>) -> Vec<&'a str> {
        members.into_iter().map(|member| member.id.as_str()).collect()
    }

    #[test]
    fn members_are_sorted_by_generation_and_then_by_age() {
        // The clock was set back when c was made.
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
        assert_eq!(family.cost(), UsdTicks::new(27));
        assert!(family.path_to("x").is_empty() && family.member("x").is_none());
    }

    #[test]
    fn a_cycle_is_an_error_that_names_its_clips() {
        for (members, names) in [
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
            assert!(error.to_string().contains(names), "{error}");
        }
    }

    #[test]
    fn a_branch_of_100_000_clips_needs_no_deep_stack() {
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
