//! The lineage of clips: from which clips each one was made.
//!
//! Owns two views. The block `videoContinuity` of a sidecar, in the JSON of ima2-gen, contains the branch of one clip:
//! its first clip, and the latest ones. A [`Family`] contains every clip that is related to one, over any number of
//! generations. Works on values only: reads no file and does not know the library, the clock or the service.

mod branch;
mod continuity;
mod entry;
mod export;
mod family;
mod resolver;
mod video_lineage;

pub use self::branch::{ParentFacts, ParentView};
pub use self::continuity::{Continuity, ContinuityEntry, MAX_ENTRIES, RETENTION, Role};
pub(crate) use self::entry::{LineageEntry, Link, MAX_PARENTS, MAX_WORD_BYTES, TRAIL_LENGTH};
pub use self::family::{Family, FoundBy, Member, MemberState, ParentLink};
pub(crate) use self::resolver::{LineageResolver, MissingHashes, ResolvedLink};
pub use self::video_lineage::VideoLineage;
