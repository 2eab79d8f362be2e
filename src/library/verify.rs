//! Verifies clips by comparing the hash of their bytes with the recorded one.

use std::collections::{HashMap, HashSet};

use futures_util::stream::{self, Stream, StreamExt as _};

use super::Library;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::ClipId;
use crate::lineage::{Family, MemberState};
use crate::storage::ClipDigest;

/// The maximum number of clips that are hashed concurrently. More would not be faster on a disk.
const CONCURRENT_HASHES: usize = 2;

/// The result of verifying one clip.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Verdict {
    /// The id of the clip.
    pub id: String,
    /// The condition of the clip.
    pub condition: Condition,
    /// The recorded SHA-256 in hex, from the clip's own sidecar. If there is none, [`Library::verify_family`] uses the
    /// one that a child clip recorded.
    pub recorded: Option<String>,
    /// The size and hash of the existing bytes.
    pub found: Option<ClipDigest>,
}

/// The condition of a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Condition {
    /// The hash of the clip's bytes is the recorded one.
    Intact,
    /// The hash of the clip's bytes is not the recorded one.
    Damaged,
    /// The clip does not exist, but its sidecar or a child refers to it.
    Missing,
    /// No hash is recorded: the clip's sidecar has none, like the sidecars that ima2-gen writes.
    Unrecorded,
    /// The clip has no sidecar. If a child has recorded its hash, the bytes match it.
    NoSidecar,
    /// The sidecar cannot be read, with the reason. If a child has recorded the hash, the bytes match it.
    SidecarUnreadable(String),
    /// The clip cannot be read, with the reason.
    Unreadable(String),
}

impl Condition {
    /// Returns the word that stands for the condition in JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Damaged => "damaged",
            Self::Missing => "missing",
            Self::Unrecorded => "unrecorded",
            Self::NoSidecar => "no_sidecar",
            Self::SidecarUnreadable(_) => "sidecar_unreadable",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// Returns whether this is a fault. All conditions except `Intact` and `Unrecorded` are.
    pub const fn is_fault(&self) -> bool {
        !matches!(self, Self::Intact | Self::Unrecorded)
    }
}

impl Library {
    /// Computes the size and hash of a clip's bytes. Reads the file in pieces.
    ///
    /// # Errors
    /// `NotFound` if the clip does not exist, `Library` if it is not a regular file or cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn digest(&self, id: &ClipId) -> Result<ClipDigest> {
        let name = id.file_name();
        let action = format!("read clip {name:?}");
        let digest = self.backend.digest(&name, &action).await?;
        digest.ok_or_else(|| Error::not_found(format!("{action} of {self}")))
    }

    /// Hashes every clip of a family, in the order of the family, and compares the hashes with the recorded ones. If a
    /// clip's own sidecar has no hash, uses the one that its children recorded.
    ///
    /// # Cancel safety
    /// Dropping the stream loses nothing.
    pub fn verify_family(&self, family: &Family) -> impl Stream<Item = Verdict> + Send + use<> {
        let mut recorded_by_children: HashMap<&str, &String> = HashMap::new();
        for link in family.members().iter().flat_map(|member| &member.parents) {
            if let Some(sha256) = &link.sha256 {
                recorded_by_children.entry(&link.id).or_insert(sha256);
            }
        }
        let members: Vec<_> = family
            .members()
            .iter()
            .map(|member| {
                let child = recorded_by_children.get(member.id.as_str()).copied();
                let recorded = member.sha256.as_ref().or(child).cloned();
                (member.id.clone(), member.state, recorded)
            })
            .collect();
        let library = self.clone();
        stream::iter(members)
            .map(move |(name, state, recorded)| {
                let library = library.clone();
                async move {
                    match ClipId::parse(&name) {
                        Ok(id) if state != MemberState::Missing => library.check(&id, recorded).await,
                        _ => verdict(name, Condition::Missing, recorded, None),
                    }
                }
            })
            .buffered(CONCURRENT_HASHES)
    }

    /// Hashes every clip of the library and compares the hash with the one in the clip's sidecar. Sidecars without a
    /// clip come last. Lists the library once, when the stream is first polled.
    ///
    /// # Errors
    /// The first and only item is an error if the library cannot be listed.
    ///
    /// # Cancel safety
    /// Dropping the stream loses nothing.
    pub fn verify(&self) -> impl Stream<Item = Result<Verdict>> + Send + use<> {
        let library = self.clone();
        let names = async move {
            let clips = library.backend.clips(None, usize::MAX).await?;
            let existing: HashSet<ClipId> = clips.iter().cloned().collect();
            let mut sidecars = library.backend.sidecars().await?;
            sidecars.retain(|id| !existing.contains(id));
            let check = move |id: ClipId| {
                let library = library.clone();
                async move { Ok(library.check(&id, None).await) }
            };
            let ids = clips.into_iter().chain(sidecars);
            Ok::<_, Error>(stream::iter(ids).map(check).buffered(CONCURRENT_HASHES))
        };
        futures_util::TryStreamExt::try_flatten(stream::once(names))
    }

    async fn check(&self, id: &ClipId, recorded_by_child: Option<String>) -> Verdict {
        let name = id.to_string();
        let record = self.record(id).await;
        let own = record.as_ref().ok().and_then(|record| {
            let ours = record.as_ref()?.reelkin.as_ref()?;
            ours.sha256.clone()
        });
        let recorded = own.or(recorded_by_child);
        let found = match self.digest(id).await {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return verdict(name, Condition::Missing, recorded, None);
            }
            Err(error) => return verdict(name, Condition::Unreadable(error.to_string()), recorded, None),
        };
        let matches = recorded
            .as_ref()
            .map(|recorded| recorded.eq_ignore_ascii_case(&found.sha256));
        let condition = match (matches, record) {
            (Some(false), _) => Condition::Damaged,
            (_, Err(error)) => Condition::SidecarUnreadable(error.to_string()),
            (_, Ok(None)) => Condition::NoSidecar,
            (Some(true), _) => Condition::Intact,
            (None, _) => Condition::Unrecorded,
        };
        verdict(name, condition, recorded, Some(found))
    }
}

fn verdict(id: String, condition: Condition, recorded: Option<String>, found: Option<ClipDigest>) -> Verdict {
    Verdict {
        id,
        condition,
        recorded,
        found,
    }
}
