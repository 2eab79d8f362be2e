//! The family of a clip, found in the library.
//!
//! One pass over all sidecars keeps a few hundred bytes a clip: its name, its hash, the parents it
//! names. Those are joined in memory, and only the family's own sidecars are read once more for what
//! people look at. In a folder a sidecar is read again only when it has changed; that it has not costs a
//! look at its dates. So the cost grows with the library, by microseconds a clip, and so does the memory.

mod join;
mod kept;
mod kin;

use std::collections::{HashMap, HashSet};

use futures_util::stream::{self, StreamExt as _};

use self::join::{Edge, Join, Wanted};
use self::kin::{Kin, stem};
use super::{Clip, ClipId, ClipRecord, Library, blocking};
use crate::error::{Error, ErrorKind, Result};
use crate::lineage::{Family, Member, MemberState, ParentLink};

/// How many sidecars are read at once.
const AT_ONCE: usize = 16;
/// How many clips are hashed at once.
const HASHED_AT_ONCE: usize = 2;
/// How many notes a family carries.
const MAX_NOTES: usize = 100;
/// The longest prompt that a family carries; a sidecar of another program may hold megabytes.
const MAX_PROMPT_BYTES: usize = 64 << 10;

impl Library {
    /// Every clip that is kin of `clip`: its ancestors, and all that was ever made from them.
    ///
    /// Parents are found by the hash of their bytes first, so a clip may be renamed, with its sidecar or
    /// without; then by name. For clips of ima2-gen, which writes no hashes, names count, `videoLineage`
    /// before `videoContinuity`. A parent that is gone is a missing member, with what its sidecar, or a
    /// child, still says of it. A sidecar that cannot be read is a note, and hides no other clip.
    ///
    /// Reads every sidecar of the library once and the family's twice, some at a time; in a folder, of those
    /// outside the family only what changed since the last time. A clip's bytes are hashed only if it has no hash on
    /// record and may join this family: its size is that of a parent that a clip of the family lacks, or it is of
    /// the family and its size is that of a parent that another clip lacks. Where a sidecar gives a hash and no
    /// size, every size counts as that one.
    ///
    /// # Errors
    /// `NotFound` if there is no such clip. `Library` if the library cannot be listed, or if a clip of
    /// the family is its own ancestor.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn family(&self, clip: &Clip) -> Result<Family> {
        let mut scan = self.scan().await?;
        let focus = scan
            .kin
            .iter()
            .position(|kin| kin.id == clip.id && kin.is_there());
        let focus = focus.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("find clip {:?} in {self}", clip.id.file_name()),
            )
        })?;
        // A clip that is found under another name brings its own relatives, and they may lack clips as well.
        let mut looked_at = LookedAt::default();
        let (join, places) = loop {
            let join = Join::new(&scan.kin);
            let places = join.related_to(focus);
            let family: HashSet<usize> = places.iter().copied().collect();
            let wanted = join.wanted(&family);
            let renamed = self
                .find_renamed(&scan.kin, &family, &wanted, &mut looked_at)
                .await;
            if renamed.is_empty() {
                break (join, places);
            }
            drop(join);
            rename(&mut scan.kin, renamed);
        };
        let focus = join.name(focus).to_owned();
        let members = self.members(&scan.kin, &join, &places).await;
        Family::build(members, &focus, scan.notes)
    }

    async fn scan(&self) -> Result<Scan> {
        let mut all = self.all_ids().await?;
        let bare = all.iter().filter(|(_, parts)| parts.clip && !parts.sidecar);
        let mut scan = Scan {
            kin: bare.map(|(id, _)| Kin::bare(id.clone())).collect(),
            notes: Vec::new(),
        };
        all.retain(|(_, parts)| parts.sidecar);
        let (mut kept, changed) = self.kept_kin(all).await;
        let with_clip = changed.iter().filter(|(_, parts)| parts.clip);
        let there: HashSet<ClipId> = with_clip.map(|(id, _)| id.clone()).collect();
        let changed = changed.into_iter().map(|(id, _)| id).collect();
        let mut left_out = 0;
        let mut records = std::pin::pin!(self.records(changed));
        while let Some((id, record)) = records.next().await {
            let clip = there.contains(&id);
            match record {
                Ok(Some(record)) => {
                    let (kin, notes) = Kin::of(id, &record, clip);
                    if notes.is_empty() {
                        kept.add(&kin);
                    }
                    scan.kin.push(kin);
                    left_out += add_notes(&mut scan.notes, notes);
                }
                // Removed since its name was read.
                Ok(None) if clip => scan.kin.push(Kin::bare(id)),
                Ok(None) => {}
                Err(error) => {
                    left_out += add_notes(&mut scan.notes, [error.to_string()]);
                    if clip {
                        scan.kin.push(Kin {
                            state: MemberState::SidecarUnreadable,
                            ..Kin::bare(id)
                        });
                    }
                }
            }
        }
        scan.kin.extend(kept.finish().await);
        // Sidecars are read in any order; what is made of them is not.
        scan.kin.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        scan.notes.sort_unstable();
        if left_out > 0 {
            scan.notes.push(format!("{left_out} more of that kind"));
        }
        Ok(scan)
    }

    /// Hashes clips that have no hash on record and may be ones that were not found: any clip for the parents that
    /// the family lacks, a clip of the family for the parents that others lack, each by its size first. Those that
    /// are, by their place, with their hash. No clip is measured or hashed twice.
    async fn find_renamed(
        &self,
        kin: &[Kin],
        family: &HashSet<usize>,
        wanted: &Wanted,
        looked_at: &mut LookedAt,
    ) -> Vec<(usize, String)> {
        let known = looked_at.hashes.iter().filter(|(at, sha256)| {
            let is_new = kin[**at].sha256.is_none();
            is_new && sha256.as_ref().is_some_and(|sha256| wanted.has(sha256))
        });
        let known: Vec<_> = known
            .filter_map(|(at, sha256)| Some((*at, sha256.clone()?)))
            .collect();
        if !known.is_empty() {
            return known;
        }
        let (of_family, of_others) = (Sizes::of(&wanted.by_family), Sizes::of(&wanted.by_others));
        let unhashed: Vec<usize> = (kin.iter().enumerate())
            .filter(|(at, kin)| kin.is_there() && kin.sha256.is_none() && !looked_at.hashes.contains_key(at))
            .map(|(at, _)| at)
            .filter(|at| !of_family.is_empty() || (family.contains(at) && !of_others.is_empty()))
            .collect();
        let unmeasured = unhashed.iter().copied();
        let unmeasured: Vec<(usize, ClipId)> = unmeasured
            .filter(|at| !looked_at.sizes.contains_key(at))
            .map(|at| (at, kin[at].id.clone()))
            .collect();
        let sizes = stream::iter(unmeasured)
            .map(|(at, id)| async move { (at, self.size(&id).await) })
            .buffer_unordered(AT_ONCE);
        looked_at.sizes.extend(sizes.collect::<Vec<_>>().await);
        let fits = |at: &usize| {
            let size = looked_at.sizes.get(at).copied().flatten();
            size.is_some_and(|size| {
                of_family.contains(size) || (family.contains(at) && of_others.contains(size))
            })
        };
        let may_be: Vec<(usize, ClipId)> = (unhashed.into_iter().filter(fits))
            .map(|at| (at, kin[at].id.clone()))
            .collect();
        let digests = stream::iter(may_be)
            // A clip that cannot be read is not the one that is looked for.
            .map(|(at, id)| async move { (at, self.digest(&id).await.ok()) })
            .buffer_unordered(HASHED_AT_ONCE);
        let mut digests = std::pin::pin!(digests);
        let mut found = Vec::new();
        while let Some((at, digest)) = digests.next().await {
            let sha256 = digest.map(|digest| digest.sha256);
            looked_at.hashes.insert(at, sha256.clone());
            found.extend(
                sha256
                    .filter(|sha256| wanted.has(sha256))
                    .map(|sha256| (at, sha256)),
            );
        }
        found
    }

    async fn size(&self, id: &ClipId) -> Option<u64> {
        let name = id.file_name();
        if let Some(folder) = self.inner.folder.clone() {
            return blocking(move || Ok(folder.size(&name))).await.ok().flatten();
        }
        let object = self.inner.bucket.object(&name, "measure a clip").await;
        Some(object.ok().flatten()?.size)
    }

    async fn members(&self, kin: &[Kin], join: &Join<'_>, places: &[usize]) -> Vec<Member> {
        let mut members = Vec::with_capacity(places.len());
        let mut remembered = Remembered::new();
        // Two copies of one clip may share the sidecar of a third.
        let mut of: HashMap<ClipId, Vec<usize>> = HashMap::new();
        let mut silent: HashSet<&str> = HashSet::new();
        for &place in places {
            let sidecar = kin.get(place).and_then(|kin| match kin.state {
                MemberState::SidecarUnreadable | MemberState::NoSidecar => None,
                _ => Some(kin.sidecar.clone().unwrap_or_else(|| kin.id.clone())),
            });
            if let Some(sidecar) = sidecar {
                of.entry(sidecar).or_default().push(place);
            } else {
                silent.insert(join.name(place));
                members.push(member(kin, join, place));
            }
        }
        let mut records = std::pin::pin!(self.records(of.keys().cloned().collect()));
        while let Some((id, record)) = records.next().await {
            // Gone or damaged since the first look: what that look saw stays.
            let record = record.ok().flatten();
            if let Some(record) = &record {
                remember(record, &silent, &mut remembered);
            }
            for &place in of.get(&id).into_iter().flatten() {
                let mut member = member(kin, join, place);
                if let Some(record) = &record {
                    fill(&mut member, record.clone());
                }
                members.push(member);
            }
        }
        for member in &mut members {
            // A clip without even a sidecar: its children have its prompts.
            if member.revised_prompt.is_none()
                && let Some((user, revised, at)) = remembered.remove(&member.id)
            {
                (member.user_prompt, member.revised_prompt) = (user, revised);
                member.created_at = member.created_at.or(at);
            }
        }
        members
    }
}

/// Gives clips the hashes that were found, and sidecars that lost their clips to clips that lost their sidecars.
fn rename(kin: &mut [Kin], found: Vec<(usize, String)>) {
    let orphans = kin.iter().filter(|kin| !kin.is_there());
    let orphans: HashMap<String, Kin> = orphans
        .filter_map(|kin| Some((kin.sha256.clone()?, kin.clone())))
        .collect();
    for (at, sha256) in found {
        if kin[at].state == MemberState::NoSidecar
            && let Some(orphan) = orphans.get(&sha256)
        {
            kin[at].inherit(orphan.clone());
        }
        kin[at].sha256 = Some(sha256);
    }
}

/// What was found out, by place, of clips that have no hash on record. `None` where one cannot be read.
#[derive(Default)]
struct LookedAt {
    sizes: HashMap<usize, Option<u64>>,
    hashes: HashMap<usize, Option<String>>,
}

/// The sizes of clips that are looked for.
enum Sizes {
    /// One of these.
    Known(HashSet<u64>),
    /// The size of at least one is not known.
    Any,
}

impl Sizes {
    fn of(wanted: &HashMap<String, Option<u64>>) -> Self {
        let known: Option<HashSet<u64>> = wanted.values().copied().collect();
        known.map_or(Self::Any, Self::Known)
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Known(sizes) if sizes.is_empty())
    }

    fn contains(&self, size: u64) -> bool {
        match self {
            Self::Known(sizes) => sizes.contains(&size),
            Self::Any => true,
        }
    }
}

struct Scan {
    kin: Vec<Kin>,
    notes: Vec<String>,
}

/// Adds notes up to the bound, and says how many had no room.
fn add_notes(notes: &mut Vec<String>, new: impl IntoIterator<Item = String>) -> usize {
    let mut left_out = 0;
    for note in new {
        if notes.len() < MAX_NOTES {
            notes.push(note);
        } else {
            left_out += 1;
        }
    }
    left_out
}

fn member(kin: &[Kin], join: &Join<'_>, place: usize) -> Member {
    let kin = kin.get(place);
    let mut member = Member::new(join.name(place));
    member.state = kin.map_or(MemberState::Missing, |kin| kin.state);
    member.sha256 = join.sha256(place).map(str::to_owned);
    member.created_at = kin.and_then(|kin| kin.id.millis());
    let edges = join.edges[place].iter();
    member.parents = edges.map(|edge| link(join, place, edge)).collect();
    member
}

fn link(join: &Join<'_>, child: usize, edge: &Edge) -> ParentLink {
    let mut link = ParentLink {
        id: join.name(edge.to).to_owned(),
        found_by: edge.found_by,
        ..ParentLink::default()
    };
    if let Some(of) = join.link(child, edge.link) {
        link.relation.clone_from(&of.relation);
        link.sha256.clone_from(&of.sha256);
        link.frame_seconds = of.frame_seconds;
        link.frame_sha256.clone_from(&of.frame_sha256);
    }
    link
}

fn fill(member: &mut Member, record: ClipRecord) {
    let ours = record.reelkin.unwrap_or_default();
    let video = record.video.unwrap_or_default();
    member.created_at = member.created_at.or(record.created_at);
    let from = member.parents.first().map(|link| link.relation.clone());
    member.operation = ours
        .operation
        .or(video.operation)
        .or(from)
        .or(Some("generate".to_owned()));
    member.user_prompt = record.user_prompt.or_else(|| record.prompt.clone()).map(cut);
    member.revised_prompt = record.revised_prompt.or(record.prompt).map(cut);
    member.requested_model = record.requested_model.or_else(|| record.model.clone());
    member.effective_model = record.effective_model.or(record.model);
    member.cost_usd_ticks = ours
        .cost_usd_ticks
        .or_else(|| record.usage.and_then(|usage| usage.grok_cost_usd_ticks));
}

/// By id: what others remember of a clip that has no sidecar itself.
type Remembered = HashMap<String, (Option<String>, Option<String>, Option<u64>)>;

fn remember(record: &ClipRecord, silent: &HashSet<&str>, remembered: &mut Remembered) {
    let entries = record.video_continuity.iter().flat_map(|block| &block.entries);
    for entry in entries.rev().skip(1).take(kin::TRAIL) {
        let id = entry.filename.as_deref().and_then(stem);
        if let Some(id) = id.filter(|id| silent.contains(id.as_str())) {
            remembered.entry(id).or_insert_with(|| {
                (
                    entry.user_prompt.clone().map(cut),
                    entry.revised_prompt.clone().map(cut),
                    entry.created_at,
                )
            });
        }
    }
}

fn cut(mut text: String) -> String {
    let mut end = text.len().min(MAX_PROMPT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
