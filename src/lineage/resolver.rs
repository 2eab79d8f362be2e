//! Resolves parent links across all sidecars, in memory and in linear time.

use std::collections::{HashMap, HashSet, VecDeque};

use super::entry::{LineageEntry, Link};
use super::family::{FoundBy, MemberState};

/// The resolved parent links of all clips.
///
/// A clip is identified by its index: that of its entry, or, after the entries, that of a missing clip.
pub(crate) struct LineageResolver<'a> {
    entries: &'a [LineageEntry],
    missing: Vec<MissingClip>,
    /// By index: the lineage of clips without a readable sidecar, from the sidecars of their children.
    recalled: HashMap<usize, RecalledLineage>,
    /// By index: the parents.
    pub(crate) parents: Vec<Vec<ResolvedLink>>,
}

/// A parent link with the clip that it refers to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResolvedLink {
    /// The index of the parent.
    pub(crate) to: usize,
    /// The position of the link among those of the child.
    pub(crate) link: usize,
    pub(crate) found_by: FoundBy,
}

/// A clip that does not exist and has no sidecar, known only from the sidecar of a child.
struct MissingClip {
    name: String,
    sha256: Option<String>,
}

/// The hashes of missing clips, each with its size if it is known.
#[derive(Default)]
pub(crate) struct MissingHashes {
    /// The hashes of missing clips of the family.
    pub(crate) in_family: HashMap<String, Option<u64>>,
    /// The hashes of missing clips of other families.
    pub(crate) in_other_families: HashMap<String, Option<u64>>,
}

impl MissingHashes {
    fn add(&mut self, is_in_family: bool, sha256: String, bytes: Option<u64>) {
        let hashes = if is_in_family {
            &mut self.in_family
        } else {
            &mut self.in_other_families
        };
        // If one sidecar lacks the size, another sidecar with the same hash may have it.
        let size = hashes.entry(sha256).or_default();
        *size = size.or(bytes);
    }

    pub(crate) fn contains(&self, sha256: &str) -> bool {
        self.in_family.contains_key(sha256) || self.in_other_families.contains_key(sha256)
    }
}

/// The lineage of a clip, as the sidecar of its child contains it.
#[derive(Default)]
struct RecalledLineage {
    links: Vec<Link>,
    trail: Vec<String>,
    has_gap: bool,
}

/// The indices of clips by id, hash and former id.
struct ClipLookup<'a> {
    clips: HashMap<&'a str, usize>,
    /// Sidecars whose clip was removed.
    orphans: HashMap<&'a str, usize>,
    hashes: HashMap<&'a str, Vec<usize>>,
    former: HashMap<&'a str, usize>,
    missing: HashMap<String, usize>,
    /// Sidecars whose clip was found under another name.
    replaced: HashSet<usize>,
}

impl<'a> LineageResolver<'a> {
    /// Resolves all links. `entries` must be sorted by id, so that the result does not depend on the order of reading.
    pub(crate) fn new(entries: &'a [LineageEntry]) -> Self {
        let mut lookup = ClipLookup::new(entries);
        let mut resolver = Self {
            entries,
            missing: Vec::new(),
            recalled: HashMap::new(),
            parents: vec![Vec::new(); entries.len()],
        };
        let mut queue: VecDeque<usize> = (0..entries.len())
            .filter(|index| !lookup.replaced.contains(index))
            .collect();
        while let Some(index) = queue.pop_front() {
            let mut parents = Vec::with_capacity(resolver.links(index).len());
            for link in 0..resolver.links(index).len() {
                let resolved = resolver.resolve(&mut lookup, index, link);
                if resolver.recall(index, resolved) {
                    queue.push_back(resolved.to);
                }
                parents.push(resolved);
            }
            resolver.parents[index] = parents;
        }
        resolver
    }

    fn links(&self, index: usize) -> &[Link] {
        let recalled = || {
            self.recalled
                .get(&index)
                .map_or(&[][..], |recalled| &recalled.links)
        };
        match self.entries.get(index) {
            Some(entry) if !entry.links.is_empty() => &entry.links,
            _ => recalled(),
        }
    }

    /// Returns a link of a clip by its position.
    pub(crate) fn link(&self, index: usize, link: usize) -> Option<&Link> {
        self.links(index).get(link)
    }

    /// Returns the id of a clip.
    pub(crate) fn name(&self, index: usize) -> &str {
        match self.entries.get(index) {
            Some(entry) => entry.id.as_str(),
            None => &self.missing[index - self.entries.len()].name,
        }
    }

    /// Returns the recorded hash of a clip.
    pub(crate) fn sha256(&self, index: usize) -> Option<&str> {
        match self.entries.get(index) {
            Some(entry) => entry.sha256.as_deref(),
            None => self.missing[index - self.entries.len()].sha256.as_deref(),
        }
    }

    /// Returns the hashes of missing clips, in `family` (a set of indices) and elsewhere.
    pub(crate) fn missing_hashes(&self, family: &HashSet<usize>) -> MissingHashes {
        let mut hashes = MissingHashes::default();
        for (index, parents) in self.parents.iter().enumerate() {
            for parent in parents {
                let is_missing = self.entries.get(parent.to).is_none_or(|entry| !entry.exists());
                if let Some(link) = self.link(index, parent.link)
                    && let Some(sha256) = link.sha256.clone().filter(|_| is_missing)
                {
                    hashes.add(family.contains(&index), sha256, link.bytes);
                }
            }
        }
        for (index, entry) in self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| !entry.exists())
        {
            if let Some(sha256) = &entry.sha256 {
                hashes.add(family.contains(&index), sha256.clone(), entry.bytes);
            }
        }
        hashes
    }

    /// Returns the indices of all clips related to a clip, including itself.
    pub(crate) fn related_to(&self, focus: usize) -> Vec<usize> {
        let mut children = vec![Vec::new(); self.parents.len()];
        for (child, parents) in self.parents.iter().enumerate() {
            for parent in parents {
                children[parent.to].push(child);
            }
        }
        let mut seen = HashSet::from([focus]);
        let mut queue = VecDeque::from([focus]);
        let mut indices = Vec::new();
        while let Some(index) = queue.pop_front() {
            indices.push(index);
            let parents = self.parents[index].iter().map(|parent| parent.to);
            for next in parents.chain(children[index].iter().copied()) {
                if seen.insert(next) {
                    queue.push_back(next);
                }
            }
        }
        indices
    }

    /// Resolves the link at `position` among those of the child.
    fn resolve(&mut self, lookup: &mut ClipLookup<'a>, child: usize, position: usize) -> ResolvedLink {
        let link = &self.links(child)[position];
        let (to, found_by) = match self.find(lookup, child, link) {
            Some(found) => found,
            None => {
                let link = link.clone();
                (self.add_missing(lookup, &link), FoundBy::Nothing)
            }
        };
        ResolvedLink {
            to,
            link: position,
            found_by,
        }
    }

    /// Returns the clip that a link refers to, or the sidecar of a removed one.
    fn find(&self, lookup: &ClipLookup<'a>, child: usize, link: &Link) -> Option<(usize, FoundBy)> {
        let entries = self.entries;
        let id = link.id.as_deref();
        if let Some(sha256) = link.sha256.as_deref()
            && let Some(indices) = lookup.hashes.get(sha256)
        {
            let named = indices
                .iter()
                .find(|index| id == Some(entries[**index].id.as_str()));
            if let Some(&to) = named {
                return Some((to, FoundBy::Id));
            }
            // The service may return the parent's bytes for an edit. Then the child has the same hash.
            if let Some(&to) = indices.iter().find(|index| **index != child) {
                return Some((to, FoundBy::Hash));
            }
        }
        // A clip with the right id is the parent unless its hash differs: then the id was reused.
        let may_be_parent = |index: &usize| match (&entries[*index].sha256, &link.sha256) {
            (Some(actual), Some(expected)) => actual == expected,
            _ => true,
        };
        // A clip that was renamed to the name of its missing parent is not its own parent.
        let is_renamed_child = |index: &usize| *index == child && !entries[child].former_ids.is_empty();
        let is_other = |index: &&usize| **index != child && may_be_parent(index);
        let clip = lookup.clips.get(id?);
        if let Some(&to) = clip.filter(|index| may_be_parent(index) && !is_renamed_child(index)) {
            return Some((to, FoundBy::Id));
        }
        if let Some(&to) = lookup.former.get(id?).filter(is_other) {
            return Some((to, FoundBy::FormerName));
        }
        let orphan = lookup.orphans.get(id?).filter(|index| may_be_parent(index));
        orphan.map(|&to| (to, FoundBy::Nothing))
    }

    /// Returns the index of a missing clip, which two children with the same parent share.
    fn add_missing(&mut self, lookup: &mut ClipLookup<'a>, link: &Link) -> usize {
        let short = link.sha256.as_ref().map(|sha256| &sha256[..12]);
        let mut name = match (&link.id, short) {
            (Some(id), _) => id.clone(),
            (None, Some(short)) => format!("sha256 {short}"),
            (None, None) => "unknown".to_owned(),
        };
        // Another clip or sidecar with other bytes may have this name now.
        while lookup.is_taken(&name) {
            name = format!("{name} ({})", short.unwrap_or("before"));
        }
        if let Some(&index) = lookup.missing.get(&name) {
            return index;
        }
        let index = self.entries.len() + self.missing.len();
        lookup.missing.insert(name.clone(), index);
        self.missing.push(MissingClip {
            name,
            sha256: link.sha256.clone(),
        });
        self.parents.push(Vec::new());
        index
    }

    /// Takes the lineage of a parent from the sidecar of its child if the parent has no readable sidecar. Returns
    /// whether any was found.
    fn recall(&mut self, child: usize, parent_link: ResolvedLink) -> bool {
        let is_unknown = self.entries.get(parent_link.to).is_none_or(|entry| {
            let no_sidecar = matches!(
                entry.state,
                MemberState::NoSidecar | MemberState::SidecarUnreadable
            );
            no_sidecar && entry.links.is_empty()
        });
        if !is_unknown || parent_link.to == child || self.recalled.contains_key(&parent_link.to) {
            return false;
        }
        let (trail, has_gap) = match self.entries.get(child) {
            Some(entry) if !entry.trail.is_empty() => (&entry.trail, entry.has_gap),
            _ => match self.recalled.get(&child) {
                Some(recalled) => (&recalled.trail, recalled.has_gap),
                None => return false,
            },
        };
        let named = self
            .link(child, parent_link.link)
            .and_then(|link| link.id.as_ref());
        let Some((parent, before)) = trail.split_last() else {
            return false;
        };
        let Some(id) = before.last().filter(|id| named == Some(parent) && *id != parent) else {
            return false;
        };
        let relation = if has_gap && before.len() == 1 {
            "ancestor"
        } else {
            "unknown"
        };
        let recalled = RecalledLineage {
            links: vec![Link {
                id: Some(id.clone()),
                relation: relation.to_owned(),
                ..Link::default()
            }],
            trail: before.to_vec(),
            has_gap,
        };
        self.recalled.insert(parent_link.to, recalled);
        true
    }
}

impl<'a> ClipLookup<'a> {
    fn is_taken(&self, name: &str) -> bool {
        self.clips.contains_key(name) || self.orphans.contains_key(name)
    }

    fn new(entries: &'a [LineageEntry]) -> Self {
        let mut lookup = Self {
            clips: HashMap::with_capacity(entries.len()),
            orphans: HashMap::new(),
            hashes: HashMap::with_capacity(entries.len()),
            former: HashMap::new(),
            missing: HashMap::new(),
            replaced: HashSet::new(),
        };
        for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.exists()) {
            lookup.clips.insert(entry.id.as_str(), index);
            if let Some(sha256) = &entry.sha256 {
                lookup.hashes.entry(sha256).or_default().push(index);
            }
            for former in &entry.former_ids {
                lookup.former.entry(former).or_insert(index);
            }
        }
        for (index, entry) in entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.state == MemberState::Missing)
        {
            // If its clip was renamed, the clip is in `hashes`.
            let found = entry
                .sha256
                .as_deref()
                .and_then(|sha256| lookup.hashes.get(sha256));
            match found.and_then(|indices| indices.first()) {
                Some(&now) => {
                    lookup.former.entry(entry.id.as_str()).or_insert(now);
                    lookup.replaced.insert(index);
                }
                None => {
                    lookup.orphans.insert(entry.id.as_str(), index);
                }
            }
        }
        lookup
    }
}
