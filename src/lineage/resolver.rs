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
    /// By index: what the sidecars of children contain about clips whose own sidecars contain nothing.
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
    /// Those that are missing in the family.
    pub(crate) in_family: HashMap<String, Option<u64>>,
    /// Those that are missing elsewhere.
    pub(crate) elsewhere: HashMap<String, Option<u64>>,
}

impl MissingHashes {
    fn add(&mut self, is_in_family: bool, sha256: String, bytes: Option<u64>) {
        let all = if is_in_family {
            &mut self.in_family
        } else {
            &mut self.elsewhere
        };
        // The size in one sidecar also applies to another sidecar with the same hash and no size.
        let size = all.entry(sha256).or_default();
        *size = size.or(bytes);
    }

    pub(crate) fn contains(&self, sha256: &str) -> bool {
        self.in_family.contains_key(sha256) || self.elsewhere.contains_key(sha256)
    }
}

/// The lineage of a clip, as the sidecar of its child contains it.
#[derive(Default)]
struct RecalledLineage {
    links: Vec<Link>,
    trail: Vec<String>,
    has_gap: bool,
}

/// Finds clips by id, hash or former id.
struct ClipIndex<'a> {
    clips: HashMap<&'a str, usize>,
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
        let mut index = ClipIndex::new(entries);
        let mut resolver = Self {
            entries,
            missing: Vec::new(),
            recalled: HashMap::new(),
            parents: vec![Vec::new(); entries.len()],
        };
        let mut queue: VecDeque<usize> = (0..entries.len())
            .filter(|at| !index.replaced.contains(at))
            .collect();
        while let Some(at) = queue.pop_front() {
            let mut parents = Vec::with_capacity(resolver.links(at).len());
            for link in 0..resolver.links(at).len() {
                let resolved = resolver.resolve(&mut index, at, link);
                if resolver.recall(at, resolved) {
                    queue.push_back(resolved.to);
                }
                parents.push(resolved);
            }
            resolver.parents[at] = parents;
        }
        resolver
    }

    fn links(&self, at: usize) -> &[Link] {
        let recalled = || self.recalled.get(&at).map_or(&[][..], |recalled| &recalled.links);
        match self.entries.get(at) {
            Some(entry) if !entry.links.is_empty() => &entry.links,
            _ => recalled(),
        }
    }

    /// Returns a link of a clip by its position.
    pub(crate) fn link(&self, at: usize, link: usize) -> Option<&Link> {
        self.links(at).get(link)
    }

    /// Returns the id of a clip.
    pub(crate) fn name(&self, at: usize) -> &str {
        match self.entries.get(at) {
            Some(entry) => entry.id.as_str(),
            None => &self.missing[at - self.entries.len()].name,
        }
    }

    /// Returns the recorded hash of a clip.
    pub(crate) fn sha256(&self, at: usize) -> Option<&str> {
        match self.entries.get(at) {
            Some(entry) => entry.sha256.as_deref(),
            None => self.missing[at - self.entries.len()].sha256.as_deref(),
        }
    }

    /// Returns the hashes of missing clips, in `family` (a set of indices) and elsewhere.
    pub(crate) fn missing_hashes(&self, family: &HashSet<usize>) -> MissingHashes {
        let mut hashes = MissingHashes::default();
        for (at, parents) in self.parents.iter().enumerate() {
            for parent in parents {
                let is_missing = self.entries.get(parent.to).is_none_or(|entry| !entry.exists());
                if let Some(link) = self.link(at, parent.link)
                    && let Some(sha256) = link.sha256.clone().filter(|_| is_missing)
                {
                    hashes.add(family.contains(&at), sha256, link.bytes);
                }
            }
        }
        for (at, entry) in self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| !entry.exists())
        {
            if let Some(sha256) = &entry.sha256 {
                hashes.add(family.contains(&at), sha256.clone(), entry.bytes);
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
        while let Some(at) = queue.pop_front() {
            indices.push(at);
            let parents = self.parents[at].iter().map(|parent| parent.to);
            for next in parents.chain(children[at].iter().copied()) {
                if seen.insert(next) {
                    queue.push_back(next);
                }
            }
        }
        indices
    }

    fn resolve(&mut self, index: &mut ClipIndex<'a>, child: usize, at: usize) -> ResolvedLink {
        let link = &self.links(child)[at];
        let (to, found_by) = match self.find(index, child, link) {
            Some(found) => found,
            None => {
                let link = link.clone();
                (self.add_missing(index, &link), FoundBy::Nothing)
            }
        };
        ResolvedLink {
            to,
            link: at,
            found_by,
        }
    }

    /// Returns the clip that a link refers to, or the sidecar of a removed one.
    fn find(&self, index: &ClipIndex<'a>, child: usize, link: &Link) -> Option<(usize, FoundBy)> {
        let entries = self.entries;
        let id = link.id.as_deref();
        if let Some(sha256) = link.sha256.as_deref()
            && let Some(indices) = index.hashes.get(sha256)
        {
            let named = indices.iter().find(|at| id == Some(entries[**at].id.as_str()));
            if let Some(&to) = named {
                return Some((to, FoundBy::Id));
            }
            // An edit may return the bytes of its parent. Then the child has the same hash.
            if let Some(&to) = indices.iter().find(|at| **at != child) {
                return Some((to, FoundBy::Hash));
            }
        }
        // A name counts unless the hashes show that another clip has it now.
        let may_be = |at: &usize| match (&entries[*at].sha256, &link.sha256) {
            (Some(its), Some(wanted)) => its == wanted,
            _ => true,
        };
        // A clip that was renamed to the name of its missing parent is not its own parent.
        let is_renamed = |at: &usize| *at == child && !entries[child].former_ids.is_empty();
        let is_other = |at: &&usize| **at != child && may_be(at);
        let clip = index.clips.get(id?);
        if let Some(&to) = clip.filter(|at| may_be(at) && !is_renamed(at)) {
            return Some((to, FoundBy::Id));
        }
        if let Some(&to) = index.former.get(id?).filter(is_other) {
            return Some((to, FoundBy::FormerName));
        }
        let orphan = index.orphans.get(id?).filter(|at| may_be(at));
        orphan.map(|&to| (to, FoundBy::Nothing))
    }

    /// Returns the index of a missing clip, which two children with the same parent share.
    fn add_missing(&mut self, index: &mut ClipIndex<'a>, link: &Link) -> usize {
        let short = link.sha256.as_ref().map(|sha256| &sha256[..12]);
        let mut name = match (&link.id, short) {
            (Some(id), _) => id.clone(),
            (None, Some(short)) => format!("sha256 {short}"),
            (None, None) => "unknown".to_owned(),
        };
        // Another clip has the name now, or a sidecar of other bytes.
        while index.is_taken(&name) {
            name = format!("{name} ({})", short.unwrap_or("before"));
        }
        if let Some(&at) = index.missing.get(&name) {
            return at;
        }
        let at = self.entries.len() + self.missing.len();
        index.missing.insert(name.clone(), at);
        self.missing.push(MissingClip {
            name,
            sha256: link.sha256.clone(),
        });
        self.parents.push(Vec::new());
        at
    }

    /// Takes the lineage of a parent from the sidecar of its child if the parent's own sidecar has none. Returns whether
    /// there was any.
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

impl<'a> ClipIndex<'a> {
    fn is_taken(&self, name: &str) -> bool {
        self.clips.contains_key(name) || self.orphans.contains_key(name)
    }

    fn new(entries: &'a [LineageEntry]) -> Self {
        let mut index = Self {
            clips: HashMap::with_capacity(entries.len()),
            orphans: HashMap::new(),
            hashes: HashMap::with_capacity(entries.len()),
            former: HashMap::new(),
            missing: HashMap::new(),
            replaced: HashSet::new(),
        };
        for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.exists()) {
            index.clips.insert(entry.id.as_str(), at);
            if let Some(sha256) = &entry.sha256 {
                index.hashes.entry(sha256).or_default().push(at);
            }
            for former in &entry.former_ids {
                index.former.entry(former).or_insert(at);
            }
        }
        for (at, entry) in entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.state == MemberState::Missing)
        {
            // If its clip was renamed, the clip is in `hashes`.
            let found = entry
                .sha256
                .as_deref()
                .and_then(|sha256| index.hashes.get(sha256));
            match found.and_then(|indices| indices.first()) {
                Some(&now) => {
                    index.former.entry(entry.id.as_str()).or_insert(now);
                    index.replaced.insert(at);
                }
                None => {
                    index.orphans.insert(entry.id.as_str(), at);
                }
            }
        }
        index
    }
}
