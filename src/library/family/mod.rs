//! Finds the family of a clip in the library.
//!
//! One pass over all sidecars collects a few hundred bytes per clip: its id, its hash and its parents. The links are
//! resolved in memory, and only the sidecars of the family are read again for the details. Where the folder has an
//! index, few unchanged sidecars are read: their metadata shows that they are unchanged. Time and memory grow linearly
//! with the library: by microseconds and a few hundred bytes per clip.

mod cache;
mod extract;

use std::collections::{HashMap, HashSet};

use futures_util::stream::{self, StreamExt as _};

use self::extract::{lineage_of, stem};
use super::record::ClipRecord;
use super::{Clip, Library};
use crate::error::{Error, Result};
use crate::ids::ClipId;
use crate::lineage::{
    ContinuityEntry, Family, LineageEntry, LineageResolver, Member, MemberState, MissingHashes, ParentLink,
    ResolvedLink, TRAIL_LENGTH,
};
use crate::operation::Operation;
use crate::text::truncated;
use crate::timestamp::Timestamp;

/// The maximum number of concurrent reads of file sizes.
const CONCURRENT_READS: usize = 16;
/// The maximum number of clips that are hashed concurrently.
const CONCURRENT_HASHES: usize = 2;
/// The maximum number of notes of a family.
const MAX_NOTES: usize = 100;
/// The maximum size of a prompt in a family. Sidecars of other programs may contain prompts of megabytes.
const MAX_PROMPT_BYTES: usize = 64 << 10;

impl Library {
    /// Returns every clip that is related to `clip`: its ancestors, and everything that was made from them.
    ///
    /// Finds parents by the hash of their bytes first, so a clip may be renamed with or without its sidecar, and then
    /// by name. Clips of ima2-gen, which writes no hashes, are found by name, in `videoLineage` before
    /// `videoContinuity`. A parent that does not exist is a missing member, with what its sidecar or a child contains
    /// about it. A sidecar that cannot be read results in a note and does not hide other clips.
    ///
    /// Reads every sidecar of the library once, and those of the family a second time. In a large folder on Linux, the
    /// first pass reads few more than the sidecars that changed since the last call.
    ///
    /// A clip whose hash is not recorded may be a missing parent under another name. Its bytes are hashed in two cases:
    /// its size is that of a missing parent of this family, or it belongs to this family and its size is that of a
    /// missing parent of another one. If a sidecar has the hash of a missing parent but not its size, every size
    /// matches.
    ///
    /// # Errors
    /// `NotFound` if the clip does not exist. `Library` if the library cannot be listed, or if a clip of the family is
    /// its own ancestor.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn family(&self, clip: &Clip) -> Result<Family> {
        let mut scan = self.scan().await?;
        let focus = scan
            .entries
            .iter()
            .position(|entry| entry.id == clip.id && entry.exists());
        let focus = focus
            .ok_or_else(|| Error::not_found(format!("find clip {:?} in {self}", clip.id.file_name())))?;
        // A clip that is found under another name adds its relatives to the family, whose parents may be missing as
        // well.
        let mut examined = ExaminedFiles::default();
        let (resolver, family) = loop {
            let resolver = LineageResolver::new(&scan.entries);
            let family = resolver.related_to(focus);
            let indices: HashSet<usize> = family.iter().copied().collect();
            let missing = resolver.missing_hashes(&indices);
            let renamed = self
                .find_renamed(&scan.entries, &indices, &missing, &mut examined)
                .await;
            if renamed.is_empty() {
                break (resolver, family);
            }
            drop(resolver);
            rename(&mut scan.entries, renamed);
        };
        let focus = resolver.name(focus).to_owned();
        let members = self.members(&scan.entries, &resolver, &family).await;
        Family::build(members, &focus, scan.notes)
    }

    /// Collects the lineage of all clips.
    async fn scan(&self) -> Result<Scan> {
        let mut all = self.backend.contents().await?;
        let without_sidecar = all
            .iter()
            .filter(|(_, presence)| presence.clip && !presence.sidecar);
        let mut scan = Scan {
            entries: without_sidecar
                .map(|(id, _)| LineageEntry::without_sidecar(id.clone()))
                .collect(),
            notes: Vec::new(),
        };
        all.retain(|(_, presence)| presence.sidecar);
        let (mut cache, changed) = self.lineage_cache(all).await;
        let with_clip = changed.iter().filter(|(_, presence)| presence.clip);
        let existing: HashSet<ClipId> = with_clip.map(|(id, _)| id.clone()).collect();
        let changed = changed.into_iter().map(|(id, _)| id).collect();
        let mut left_out = 0;
        let mut records = std::pin::pin!(self.records(changed));
        while let Some((id, record)) = records.next().await {
            let exists = existing.contains(&id);
            match record {
                Ok(Some(record)) => {
                    let (entry, notes) = lineage_of(id, &record, exists);
                    if notes.is_empty() {
                        cache.add(&entry);
                    }
                    scan.entries.push(entry);
                    left_out += add_notes(&mut scan.notes, notes);
                }
                // The sidecar was removed since its name was read.
                Ok(None) if exists => scan.entries.push(LineageEntry::without_sidecar(id)),
                Ok(None) => {}
                Err(error) => {
                    left_out += add_notes(&mut scan.notes, [error.to_string()]);
                    if exists {
                        scan.entries.push(LineageEntry {
                            state: MemberState::SidecarUnreadable,
                            ..LineageEntry::without_sidecar(id)
                        });
                    }
                }
            }
        }
        scan.entries.extend(cache.finish().await);
        // Sidecars are read in any order. Only the choice of the notes that are left out may depend on it.
        scan.entries.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        scan.notes.sort_unstable();
        if left_out > 0 {
            scan.notes.push(format!("notes that were left out: {left_out}"));
        }
        Ok(scan)
    }

    /// Searches for missing clips among the clips whose hash is not recorded. Returns the indices of those that were
    /// found, with their hashes.
    ///
    /// Any clip may be a missing one of this family, and a clip of this family may be a missing one of another family.
    /// Sizes are compared first, and no file is examined twice.
    async fn find_renamed(
        &self,
        entries: &[LineageEntry],
        family: &HashSet<usize>,
        missing: &MissingHashes,
        examined: &mut ExaminedFiles,
    ) -> Vec<(usize, String)> {
        let known = examined.hashes.iter().filter(|(index, sha256)| {
            let is_new = entries[**index].sha256.is_none();
            is_new && sha256.as_ref().is_some_and(|sha256| missing.contains(sha256))
        });
        let known: Vec<_> = known
            .filter_map(|(index, sha256)| Some((*index, sha256.clone()?)))
            .collect();
        if !known.is_empty() {
            return known;
        }
        // The sizes of the missing clips, or `None` if the size of at least one is unknown.
        let sizes = |missing: &HashMap<String, Option<u64>>| missing.values().copied().collect();
        let in_family: Option<HashSet<u64>> = sizes(&missing.in_family);
        let in_other_families: Option<HashSet<u64>> = sizes(&missing.in_other_families);
        let unhashed: Vec<usize> = (entries.iter().enumerate())
            .filter(|(index, entry)| {
                entry.exists() && entry.sha256.is_none() && !examined.hashes.contains_key(index)
            })
            .map(|(index, _)| index)
            .filter(|index| {
                !missing.in_family.is_empty()
                    || (family.contains(index) && !missing.in_other_families.is_empty())
            })
            .collect();
        let unmeasured = unhashed.iter().copied();
        let unmeasured: Vec<(usize, ClipId)> = unmeasured
            .filter(|index| !examined.sizes.contains_key(index))
            .map(|index| (index, entries[index].id.clone()))
            .collect();
        let sizes = stream::iter(unmeasured)
            .map(
                |(index, id)| async move { (index, self.backend.size(&id.file_name()).await.ok().flatten()) },
            )
            .buffer_unordered(CONCURRENT_READS);
        examined.sizes.extend(sizes.collect::<Vec<_>>().await);
        let has_matching_size = |index: &usize| {
            let size = examined.sizes.get(index).copied().flatten();
            let is_one_of =
                |sizes: &Option<HashSet<u64>>, size| sizes.as_ref().is_none_or(|sizes| sizes.contains(&size));
            size.is_some_and(|size| {
                is_one_of(&in_family, size) || (family.contains(index) && is_one_of(&in_other_families, size))
            })
        };
        let candidates: Vec<(usize, ClipId)> = (unhashed.into_iter().filter(has_matching_size))
            .map(|index| (index, entries[index].id.clone()))
            .collect();
        let digests = stream::iter(candidates)
            // A clip that cannot be read is not one of the missing clips.
            .map(|(index, id)| async move { (index, self.digest(&id).await.ok()) })
            .buffer_unordered(CONCURRENT_HASHES);
        let mut digests = std::pin::pin!(digests);
        let mut found = Vec::new();
        while let Some((index, digest)) = digests.next().await {
            let sha256 = digest.map(|digest| digest.sha256);
            examined.hashes.insert(index, sha256.clone());
            found.extend(
                sha256
                    .filter(|sha256| missing.contains(sha256))
                    .map(|sha256| (index, sha256)),
            );
        }
        found
    }

    /// Reads the details of the clips with the given indices.
    async fn members(
        &self,
        entries: &[LineageEntry],
        resolver: &LineageResolver<'_>,
        family: &[usize],
    ) -> Vec<Member> {
        let mut members = Vec::with_capacity(family.len());
        let mut recalled = HashMap::new();
        // Two copies of one clip may share the sidecar of a third.
        let mut by_sidecar: HashMap<ClipId, Vec<usize>> = HashMap::new();
        let mut without_sidecar: HashSet<&str> = HashSet::new();
        for &index in family {
            let sidecar = entries.get(index).and_then(|entry| match entry.state {
                MemberState::SidecarUnreadable | MemberState::NoSidecar => None,
                _ => Some(entry.sidecar.clone().unwrap_or_else(|| entry.id.clone())),
            });
            if let Some(sidecar) = sidecar {
                by_sidecar.entry(sidecar).or_default().push(index);
            } else {
                without_sidecar.insert(resolver.name(index));
                members.push(member(entries, resolver, index));
            }
        }
        let mut records = std::pin::pin!(self.records(by_sidecar.keys().cloned().collect()));
        while let Some((id, record)) = records.next().await {
            // If the sidecar was removed or damaged since the scan, the result of the scan remains.
            let record = record.ok().flatten();
            if let Some(record) = &record {
                recall_prompts(record, &without_sidecar, &mut recalled);
            }
            for &index in by_sidecar.get(&id).into_iter().flatten() {
                let mut member = member(entries, resolver, index);
                if let Some(record) = &record {
                    add_details(&mut member, record.clone());
                }
                members.push(member);
            }
        }
        for member in &mut members {
            // The sidecars of descendants contain the prompts of a clip without a sidecar.
            if member.revised_prompt.is_none()
                && let Some(entry) = recalled.remove(&member.id)
            {
                member.user_prompt = entry.user_prompt.map(truncate_prompt);
                member.revised_prompt = entry.revised_prompt.map(truncate_prompt);
                member.created_at = member.created_at.or(entry.created_at);
            }
        }
        members
    }
}

/// Sets the hashes that were found. A clip without a sidecar gets the sidecar of a removed clip with the same hash.
fn rename(entries: &mut [LineageEntry], found: Vec<(usize, String)>) {
    let orphans = entries.iter().filter(|entry| !entry.exists());
    let orphans: HashMap<String, LineageEntry> = orphans
        .filter_map(|entry| Some((entry.sha256.clone()?, entry.clone())))
        .collect();
    for (index, sha256) in found {
        if entries[index].state == MemberState::NoSidecar
            && let Some(orphan) = orphans.get(&sha256)
        {
            entries[index].take_lineage_from(orphan.clone());
        }
        entries[index].sha256 = Some(sha256);
    }
}

/// The size and hash of clips whose hash is not recorded, by index. `None` if the file cannot be read.
#[derive(Default)]
struct ExaminedFiles {
    sizes: HashMap<usize, Option<u64>>,
    hashes: HashMap<usize, Option<String>>,
}

/// The lineage of all clips, sorted by id.
struct Scan {
    entries: Vec<LineageEntry>,
    notes: Vec<String>,
}

/// Adds notes up to the maximum. Returns how many were left out.
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

fn member(entries: &[LineageEntry], resolver: &LineageResolver<'_>, index: usize) -> Member {
    let entry = entries.get(index);
    let mut member = Member::new(resolver.name(index));
    member.state = entry.map_or(MemberState::Missing, |entry| entry.state);
    member.sha256 = resolver.sha256(index).map(str::to_owned);
    member.created_at = entry
        .and_then(|entry| entry.id.millis())
        .map(Timestamp::from_millis);
    let parents = resolver.parents[index].iter();
    member.parents = parents
        .map(|parent| parent_link(resolver, index, parent))
        .collect();
    member
}

fn parent_link(resolver: &LineageResolver<'_>, child: usize, parent: &ResolvedLink) -> ParentLink {
    let mut link = ParentLink {
        id: resolver.name(parent.to).to_owned(),
        found_by: parent.found_by,
        ..ParentLink::default()
    };
    if let Some(recorded) = resolver.link(child, parent.link) {
        link.relation.clone_from(&recorded.relation);
        link.sha256.clone_from(&recorded.sha256);
        link.frame_seconds = recorded.frame_seconds;
        link.frame_sha256.clone_from(&recorded.frame_sha256);
    }
    link
}

/// Sets the fields of a member that come from its sidecar.
fn add_details(member: &mut Member, record: ClipRecord) {
    member.cost = record.cost();
    let ours = record.reelkin.unwrap_or_default();
    let video = record.video.unwrap_or_default();
    member.created_at = member.created_at.or(record.created_at);
    let from = member.parents.first().map(|link| link.relation.clone());
    member.operation = ours
        .operation
        .or(video.operation)
        .or(from)
        .or(Some(Operation::Generate.to_string()));
    member.user_prompt = record
        .user_prompt
        .or_else(|| record.prompt.clone())
        .map(truncate_prompt);
    member.revised_prompt = record.revised_prompt.or(record.prompt).map(truncate_prompt);
    member.requested_model = record.requested_model.or_else(|| record.model.clone());
    member.effective_model = record.effective_model.or(record.model);
}

/// Collects the entries of clips without a sidecar, by id, from the sidecar of a descendant.
fn recall_prompts(
    record: &ClipRecord,
    without_sidecar: &HashSet<&str>,
    recalled: &mut HashMap<String, ContinuityEntry>,
) {
    let entries = record.video_continuity.iter().flat_map(|block| &block.entries);
    for entry in entries.rev().skip(1).take(TRAIL_LENGTH) {
        let id = entry.filename.as_deref().and_then(stem);
        if let Some(id) = id.filter(|id| without_sidecar.contains(id.as_str())) {
            recalled.entry(id).or_insert_with(|| entry.clone());
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used with Option::map")]
fn truncate_prompt(text: String) -> String {
    truncated(&text, MAX_PROMPT_BYTES).to_owned()
}
