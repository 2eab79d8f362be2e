//! Whether clips are still what they were: the hash of their bytes against what is on record.

use std::collections::HashMap;

use futures_util::stream::{self, Stream, StreamExt as _};

use super::staged::{self, ClipDigest};
use super::{ClipId, Library, blocking};
use crate::error::{Error, ErrorKind, Result};
use crate::lineage::{Family, MemberState};

/// How many clips are hashed at once: a disk has no use for more.
const AT_ONCE: usize = 2;

/// What became of one clip.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Verdict {
    /// The clip's id.
    pub id: String,
    /// What became of it.
    pub condition: Condition,
    /// SHA-256 in hex that is on record: in its own sidecar, else in that of a child.
    pub recorded: Option<String>,
    /// Hash and size of the bytes that are there.
    pub found: Option<ClipDigest>,
}

/// What became of a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Condition {
    /// Its bytes are those on record.
    Intact,
    /// Its bytes are not those on record.
    Damaged,
    /// It is gone; its sidecar or a child remembers it.
    Missing,
    /// It is there, with a sidecar, and nobody wrote its hash down: a clip of ima2-gen.
    Unrecorded,
    /// It is there and its sidecar is not. If a child has its hash, the bytes are right.
    NoSidecar,
    /// Its sidecar cannot be read, for this reason. If a child has its hash, the bytes are right.
    SidecarUnreadable(String),
    /// The clip itself cannot be read, for this reason.
    Unreadable(String),
}

impl Condition {
    /// The word for machines.
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

    /// Whether something is wrong: everything but intact and unrecorded.
    pub const fn is_fault(&self) -> bool {
        !matches!(self, Self::Intact | Self::Unrecorded)
    }
}

impl Library {
    /// Size and hash of a clip's bytes as they are now. The file is read in pieces.
    ///
    /// # Errors
    /// `NotFound` if there is no such clip, `Library` if it is no regular file or cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn digest(&self, id: &ClipId) -> Result<ClipDigest> {
        let name = id.file_name();
        let doing = format!("read clip {name:?}");
        if let Some(folder) = &self.inner.folder {
            if !self.has(&name).await? {
                return Err(Error::new(ErrorKind::NotFound, format!("{doing} of {self}")));
            }
            let path = folder.join(&name);
            return blocking(move || staged::digest(&path)).await;
        }
        self.object(id, &doing).await?.digest(&doing).await
    }

    /// Hashes every clip of a family, in its order, and compares with what is on record. A clip whose
    /// own sidecar has no hash is held to what its children wrote down.
    ///
    /// # Cancel safety
    /// Dropping the stream loses nothing.
    pub fn verify_family(&self, family: &Family) -> impl Stream<Item = Verdict> + Send + use<> {
        let mut remembered: HashMap<&str, &String> = HashMap::new();
        for link in family.members().iter().flat_map(|member| &member.parents) {
            if let Some(sha256) = &link.sha256 {
                remembered.entry(&link.id).or_insert(sha256);
            }
        }
        let members: Vec<_> = family
            .members()
            .iter()
            .map(|member| {
                let child = remembered.get(member.id.as_str()).copied();
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
            .buffered(AT_ONCE)
    }

    /// Hashes every clip of the library and compares with its sidecar; sidecars without a clip come
    /// last. Names are read once at the start.
    ///
    /// # Errors
    /// One item, the first, if the library cannot be listed.
    ///
    /// # Cancel safety
    /// Dropping the stream loses nothing.
    pub fn verify(&self) -> impl Stream<Item = Result<Verdict>> + Send + use<> {
        let library = self.clone();
        let names = async move {
            let clips = library.ids(None, usize::MAX).await?;
            let there: std::collections::HashSet<ClipId> = clips.iter().cloned().collect();
            let mut sidecars = library.sidecar_ids().await?;
            sidecars.retain(|id| !there.contains(id));
            let check = move |id: ClipId| {
                let library = library.clone();
                async move { Ok(library.check(&id, None).await) }
            };
            let ids = clips.into_iter().chain(sidecars);
            Ok(stream::iter(ids).map(check).buffered(AT_ONCE))
        };
        futures_util::TryStreamExt::try_flatten(stream::once(names))
    }

    async fn check(&self, id: &ClipId, remembered: Option<String>) -> Verdict {
        let name = id.to_string();
        let record = self.record(id).await;
        let own = record.as_ref().ok().and_then(|record| {
            let ours = record.as_ref()?.reelkin.as_ref()?;
            ours.sha256.clone()
        });
        let recorded = own.or(remembered);
        let found = match self.digest(id).await {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return verdict(name, Condition::Missing, recorded, None);
            }
            Err(error) => return verdict(name, Condition::Unreadable(error.to_string()), recorded, None),
        };
        let same = recorded
            .as_ref()
            .map(|recorded| recorded.eq_ignore_ascii_case(&found.sha256));
        let condition = match (same, record) {
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
