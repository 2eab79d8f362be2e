//! Who is whose parent, out of what all sidecars say. In memory, in time linear in what they say.

use std::collections::{HashMap, HashSet, VecDeque};

use super::kin::{Kin, Link};
use crate::lineage::{FoundBy, MemberState};

/// All sidecars' links, each with the place it leads to. A place is an index into the clips, and from
/// there on into those that are only remembered.
pub(super) struct Join<'a> {
    kin: &'a [Kin],
    ghosts: Vec<Ghost>,
    /// By place: what children remember of clips whose own sidecars say nothing.
    recalled: HashMap<usize, Memory>,
    /// By place: the parents.
    pub(super) edges: Vec<Vec<Edge>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    /// The parent's place.
    pub(super) to: usize,
    /// Which of the child's links it is.
    pub(super) link: usize,
    pub(super) found_by: FoundBy,
}

/// A clip of which nothing is left but what its child says.
struct Ghost {
    name: String,
    sha256: Option<String>,
}

/// Missing clips by their hashes, each with its size, if that is known.
#[derive(Default)]
pub(super) struct Wanted {
    /// Those that the family lacks.
    pub(super) by_family: HashMap<String, Option<u64>>,
    /// Those that clips outside of the family lack.
    pub(super) by_others: HashMap<String, Option<u64>>,
}

impl Wanted {
    fn add(&mut self, by_family: bool, sha256: String, bytes: Option<u64>) {
        let all = if by_family {
            &mut self.by_family
        } else {
            &mut self.by_others
        };
        // A size that one sidecar gives narrows the search of another that gives none: the hash is the same.
        let size = all.entry(sha256).or_default();
        *size = size.or(bytes);
    }

    pub(super) fn has(&self, sha256: &str) -> bool {
        self.by_family.contains_key(sha256) || self.by_others.contains_key(sha256)
    }
}

/// What a child remembers of its parent's branch.
#[derive(Default)]
struct Memory {
    links: Vec<Link>,
    trail: Vec<String>,
    gap: bool,
}

/// By what a clip can be found.
struct Index<'a> {
    clips: HashMap<&'a str, usize>,
    orphans: HashMap<&'a str, usize>,
    hashes: HashMap<&'a str, Vec<usize>>,
    former: HashMap<&'a str, usize>,
    ghosts: HashMap<String, usize>,
    /// Sidecars whose clip was found under another name.
    replaced: HashSet<usize>,
}

impl<'a> Join<'a> {
    /// `kin` in the order of names, so that of several copies the same one is always taken.
    pub(super) fn new(kin: &'a [Kin]) -> Self {
        let mut index = Index::new(kin);
        let mut join = Self {
            kin,
            ghosts: Vec::new(),
            recalled: HashMap::new(),
            edges: vec![Vec::new(); kin.len()],
        };
        let mut queue: VecDeque<usize> = (0..kin.len())
            .filter(|place| !index.replaced.contains(place))
            .collect();
        while let Some(place) = queue.pop_front() {
            let mut edges = Vec::with_capacity(join.links(place).len());
            for link in 0..join.links(place).len() {
                let edge = join.resolve(&mut index, place, link);
                if join.recall(place, edge) {
                    queue.push_back(edge.to);
                }
                edges.push(edge);
            }
            join.edges[place] = edges;
        }
        join
    }

    fn links(&self, place: usize) -> &[Link] {
        let recalled = || self.recalled.get(&place).map_or(&[][..], |memory| &memory.links);
        match self.kin.get(place) {
            Some(kin) if !kin.links.is_empty() => &kin.links,
            _ => recalled(),
        }
    }

    pub(super) fn link(&self, place: usize, link: usize) -> Option<&Link> {
        self.links(place).get(link)
    }

    /// The id of the clip at a place.
    pub(super) fn name(&self, place: usize) -> &str {
        match self.kin.get(place) {
            Some(kin) => kin.id.as_str(),
            None => &self.ghosts[place - self.kin.len()].name,
        }
    }

    pub(super) fn sha256(&self, place: usize) -> Option<&str> {
        match self.kin.get(place) {
            Some(kin) => kin.sha256.as_deref(),
            None => self.ghosts[place - self.kin.len()].sha256.as_deref(),
        }
    }

    /// Hashes of clips that are missing, each with the size, if it is known: those that `family`, a set of places,
    /// lacks, and those that other clips lack.
    pub(super) fn wanted(&self, family: &HashSet<usize>) -> Wanted {
        let mut wanted = Wanted::default();
        for (place, edges) in self.edges.iter().enumerate() {
            for edge in edges {
                let missing = self.kin.get(edge.to).is_none_or(|kin| !kin.is_there());
                if let Some(link) = self.link(place, edge.link)
                    && let Some(sha256) = link.sha256.clone().filter(|_| missing)
                {
                    wanted.add(family.contains(&place), sha256, link.bytes);
                }
            }
        }
        for (place, kin) in self.kin.iter().enumerate().filter(|(_, kin)| !kin.is_there()) {
            if let Some(sha256) = &kin.sha256 {
                wanted.add(family.contains(&place), sha256.clone(), kin.bytes);
            }
        }
        wanted
    }

    /// The places of all that is kin of a place, itself included.
    pub(super) fn related_to(&self, focus: usize) -> Vec<usize> {
        let mut children = vec![Vec::new(); self.edges.len()];
        for (child, edges) in self.edges.iter().enumerate() {
            for edge in edges {
                children[edge.to].push(child);
            }
        }
        let mut seen = HashSet::from([focus]);
        let mut queue = VecDeque::from([focus]);
        let mut places = Vec::new();
        while let Some(place) = queue.pop_front() {
            places.push(place);
            let parents = self.edges[place].iter().map(|edge| edge.to);
            for next in parents.chain(children[place].iter().copied()) {
                if seen.insert(next) {
                    queue.push_back(next);
                }
            }
        }
        places
    }

    fn resolve(&mut self, index: &mut Index<'a>, child: usize, at: usize) -> Edge {
        let link = &self.links(child)[at];
        let (to, found_by) = match self.find(index, child, link) {
            Some(found) => found,
            None => {
                let link = link.clone();
                (self.ghost(index, &link), FoundBy::Nothing)
            }
        };
        Edge {
            to,
            link: at,
            found_by,
        }
    }

    /// The clip that a link leads to, or the sidecar that one left behind.
    fn find(&self, index: &Index<'a>, child: usize, link: &Link) -> Option<(usize, FoundBy)> {
        let kin = self.kin;
        let id = link.id.as_deref();
        if let Some(sha256) = link.sha256.as_deref()
            && let Some(places) = index.hashes.get(sha256)
        {
            let named = places.iter().find(|place| id == Some(kin[**place].id.as_str()));
            if let Some(&to) = named {
                return Some((to, FoundBy::Id));
            }
            // An edit may give back its parent's bytes: then the child has that hash as well.
            if let Some(&to) = places.iter().find(|place| **place != child) {
                return Some((to, FoundBy::Hash));
            }
        }
        // A name counts unless the hashes say that it is another clip's by now.
        let may_be = |place: &usize| match (&kin[*place].sha256, &link.sha256) {
            (Some(its), Some(wanted)) => its == wanted,
            _ => true,
        };
        // A clip that was given its lost parent's name is not its own parent.
        let renamed = |place: &usize| *place == child && !kin[child].former.is_empty();
        let other = |place: &&usize| **place != child && may_be(place);
        let clip = index.clips.get(id?);
        if let Some(&to) = clip.filter(|place| may_be(place) && !renamed(place)) {
            return Some((to, FoundBy::Id));
        }
        if let Some(&to) = index.former.get(id?).filter(other) {
            return Some((to, FoundBy::FormerName));
        }
        let orphan = index.orphans.get(id?).filter(|place| may_be(place));
        orphan.map(|&to| (to, FoundBy::Nothing))
    }

    /// The place of a clip that is only remembered. Two children that remember the same one share it.
    fn ghost(&mut self, index: &mut Index<'a>, link: &Link) -> usize {
        let short = link.sha256.as_ref().map(|sha256| &sha256[..12]);
        let mut name = match (&link.id, short) {
            (Some(id), _) => id.clone(),
            (None, Some(short)) => format!("sha256 {short}"),
            (None, None) => "unknown".to_owned(),
        };
        // The name is another clip's by now, or a sidecar's that speaks of other bytes.
        while index.is_taken(&name) {
            name = format!("{name} ({})", short.unwrap_or("before"));
        }
        if let Some(&place) = index.ghosts.get(&name) {
            return place;
        }
        let place = self.kin.len() + self.ghosts.len();
        index.ghosts.insert(name.clone(), place);
        self.ghosts.push(Ghost {
            name,
            sha256: link.sha256.clone(),
        });
        self.edges.push(Vec::new());
        place
    }

    /// Where a parent's own sidecar says nothing, takes what its child remembers of the time before it.
    /// Whether there was something.
    fn recall(&mut self, child: usize, edge: Edge) -> bool {
        let silent = self.kin.get(edge.to).is_none_or(|kin| {
            let no_sidecar = matches!(kin.state, MemberState::NoSidecar | MemberState::SidecarUnreadable);
            no_sidecar && kin.links.is_empty()
        });
        if !silent || edge.to == child || self.recalled.contains_key(&edge.to) {
            return false;
        }
        let (trail, gap) = match self.kin.get(child) {
            Some(kin) if !kin.trail.is_empty() => (&kin.trail, kin.gap),
            _ => match self.recalled.get(&child) {
                Some(memory) => (&memory.trail, memory.gap),
                None => return false,
            },
        };
        let called = self.link(child, edge.link).and_then(|link| link.id.as_ref());
        let Some((parent, before)) = trail.split_last() else {
            return false;
        };
        let Some(id) = before.last().filter(|id| called == Some(parent) && *id != parent) else {
            return false;
        };
        let relation = if gap && before.len() == 1 {
            "ancestor"
        } else {
            "unknown"
        };
        let memory = Memory {
            links: vec![Link {
                id: Some(id.clone()),
                relation: relation.to_owned(),
                ..Link::default()
            }],
            trail: before.to_vec(),
            gap,
        };
        self.recalled.insert(edge.to, memory);
        true
    }
}

impl<'a> Index<'a> {
    fn is_taken(&self, name: &str) -> bool {
        self.clips.contains_key(name) || self.orphans.contains_key(name)
    }

    fn new(kin: &'a [Kin]) -> Self {
        let mut index = Self {
            clips: HashMap::with_capacity(kin.len()),
            orphans: HashMap::new(),
            hashes: HashMap::with_capacity(kin.len()),
            former: HashMap::new(),
            ghosts: HashMap::new(),
            replaced: HashSet::new(),
        };
        for (place, kin) in kin.iter().enumerate().filter(|(_, kin)| kin.is_there()) {
            index.clips.insert(kin.id.as_str(), place);
            if let Some(sha256) = &kin.sha256 {
                index.hashes.entry(sha256).or_default().push(place);
            }
            for former in &kin.former {
                index.former.entry(former).or_insert(place);
            }
        }
        for (place, kin) in kin
            .iter()
            .enumerate()
            .filter(|(_, kin)| kin.state == MemberState::Missing)
        {
            // Its clip has another name now, and is in `hashes`.
            let found = kin.sha256.as_deref().and_then(|sha256| index.hashes.get(sha256));
            match found.and_then(|places| places.first()) {
                Some(&now) => {
                    index.former.entry(kin.id.as_str()).or_insert(now);
                    index.replaced.insert(place);
                }
                None => {
                    index.orphans.insert(kin.id.as_str(), place);
                }
            }
        }
        index
    }
}
