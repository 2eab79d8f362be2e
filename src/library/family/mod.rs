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

use self::join::{Edge, Join};
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
    /// outside the family only what changed since the last time. A clip's bytes are hashed only if it has no hash on record and its size is that of a parent that was not found.
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
        let mut join = Join::new(&scan.kin);
        let renamed = self.find_renamed(&scan.kin, &join.wanted()).await;
        if !renamed.is_empty() {
            rename(&mut scan.kin, renamed);
            join = Join::new(&scan.kin);
        }
        let places = join.related_to(focus);
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

    /// Hashes clips that have no hash on record and, by their size, may be ones that were not found. Those that
    /// are, by their place, with their hash.
    async fn find_renamed(&self, kin: &[Kin], wanted: &HashMap<String, Option<u64>>) -> Vec<(usize, String)> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let sizes: Option<HashSet<u64>> = wanted.values().copied().collect();
        let unhashed: Vec<(usize, ClipId)> = (kin.iter().enumerate())
            .filter(|(_, kin)| kin.is_there() && kin.sha256.is_none())
            .map(|(at, kin)| (at, kin.id.clone()))
            .collect();
        let sizes = &sizes;
        let may_be = stream::iter(unhashed)
            .map(|(at, id)| async move {
                let size = self.size(&id).await;
                let fits = match (sizes, size) {
                    (Some(sizes), Some(size)) => sizes.contains(&size),
                    (None, Some(_)) => true,
                    (_, None) => false,
                };
                fits.then_some((at, id))
            })
            .buffer_unordered(AT_ONCE)
            .filter_map(futures_util::future::ready);
        let hashed = may_be
            // A clip that cannot be read is not the one that is looked for.
            .map(|(at, id)| async move { (at, self.digest(&id).await.ok()) })
            .buffer_unordered(HASHED_AT_ONCE);
        let mut hashed = std::pin::pin!(hashed);
        let mut found = Vec::new();
        while let Some((at, digest)) = hashed.next().await {
            if let Some(digest) = digest.filter(|digest| wanted.contains_key(&digest.sha256)) {
                found.push((at, digest.sha256));
            }
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
