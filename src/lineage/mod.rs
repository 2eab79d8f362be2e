//! Which clip came from which.
//!
//! Owns two views of one truth. The branch-local one, which every sidecar carries under
//! `videoContinuity` in the JSON of ima2-gen: where the branch began and its last steps. And the
//! [`Family`]: every clip that is kin of one, over any number of hops. Values only: it reads no file,
//! knows no library, no clock and no service.

mod continuity;
mod export;
mod family;
mod parent;
mod sequence;

pub use continuity::{Continuity, ContinuityEntry, MAX_ENTRIES, RETENTION, Role};
pub use family::{Family, FoundBy, Member, MemberState, ParentLink};
pub use parent::{ParentFacts, ParentView};
pub use sequence::VideoLineage;
