//! Our own changes, without a second look at all names.
//!
//! The stamp of a folder says that something changed, and not what. Between the stamp before a change of ours and the
//! one after it anybody else may have changed something too, so the kernel is asked for the names of all changes
//! from before the first stamp on.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

use super::stamp::Stamp;
use crate::library::ClipId;

/// Most ids that are followed at once. Where more changed, all names are read again.
pub(super) const MOST: usize = 1000;
const BUFFER: usize = 16 << 10;

/// Collects the names that change in a folder.
#[derive(Debug)]
pub(super) struct Watch {
    events: OwnedFd,
    /// A child process has the same queue: it must not take from it.
    process: u32,
    /// What the folder was when the index was right and this had begun.
    pub(super) since: Stamp,
}

impl Watch {
    /// Begins to collect; `since` is asked for what the folder is when that has begun.
    pub(super) fn start(folder: &Path, since: impl FnOnce() -> Option<Stamp>) -> Option<Self> {
        let events = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        let what = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        add_watch(&events, folder, what).ok()?;
        Some(Self {
            events,
            process: std::process::id(),
            since: since()?,
        })
    }

    pub(super) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// The ids with a file that changed until now. `None` if not all of them are known.
    pub(super) fn changed(&self, folder: &Path) -> Option<BTreeSet<ClipId>> {
        let mut ids = BTreeSet::new();
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        barrier(folder).ok()?;
        let mut events = Reader::new(&self.events, &mut buffer);
        // Ends when the queue is empty or too many ids are in it.
        while ids.len() <= MOST {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Some(ids),
                Err(Errno::INTR) => continue,
                Err(_) => return None,
            };
            let lost = ReadFlags::QUEUE_OVERFLOW
                | ReadFlags::IGNORED
                | ReadFlags::UNMOUNT
                | ReadFlags::DELETE_SELF
                | ReadFlags::MOVE_SELF;
            if event.events().intersects(lost) {
                return None;
            }
            let name = event.file_name().and_then(|name| name.to_str().ok());
            ids.extend(name.and_then(|name| ClipId::from_file_name(name).ok()));
        }
        None
    }
}

/// Waits for whoever is changing the folder in this moment. The kernel dates a change and queues its name under the
/// lock of the folder, which reading a name takes too.
fn barrier(folder: &Path) -> io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); 1024];
    match rustix::fs::RawDir::new(File::open(folder)?, &mut buffer).next() {
        Some(Err(error)) => Err(error.into()),
        _ => Ok(()),
    }
}
