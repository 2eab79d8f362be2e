//! Collects the names of changed files, so that the index can be updated without reading all names.
//!
//! The stamp of a folder shows that something changed, but not what. Between the stamps before and after a change by
//! this process, another process may have changed something too. Therefore inotify collects the names of all changes,
//! beginning before the first stamp is read.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

use super::stamp::Stamp;
use crate::ids::ClipId;

/// The maximum number of changed ids. If there are more, all names are read again.
pub(super) const MAX_CHANGED: usize = 1000;
/// The size of the buffer for events.
const BUFFER_BYTES: usize = 16 << 10;

/// Collects the names of the files that change in a folder.
#[derive(Debug)]
pub(super) struct FolderWatcher {
    events: OwnedFd,
    /// The process that created the queue. A forked child shares it and must not read from it.
    process: u32,
    /// The latest stamp of the folder with which the index was valid. Events have been collected since before it.
    pub(super) since: Stamp,
}

impl FolderWatcher {
    /// Begins to collect events, and then calls `since` for the stamp of the valid index.
    pub(super) fn start(folder: &Path, since: impl FnOnce() -> Option<Stamp>) -> Option<Self> {
        let events = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        add_watch(&events, folder, flags).ok()?;
        Some(Self {
            events,
            process: std::process::id(),
            since: since()?,
        })
    }

    /// Returns whether this process created the queue.
    pub(super) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// Returns the ids whose files have changed, or `None` if not all of them are known.
    pub(super) fn changed(&self, folder: &Path) -> Option<BTreeSet<ClipId>> {
        let mut ids = BTreeSet::new();
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        barrier(folder).ok()?;
        let mut events = Reader::new(&self.events, &mut buffer);
        // Ends when the queue is empty or there are too many ids.
        while ids.len() <= MAX_CHANGED {
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

/// Waits for changes that are in progress. The kernel holds the lock of the folder while it sets the folder's time and
/// queues the event. Reading a name takes the same lock.
fn barrier(folder: &Path) -> io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); 1024];
    match rustix::fs::RawDir::new(File::open(folder)?, &mut buffer).next() {
        Some(Err(error)) => Err(error.into()),
        _ => Ok(()),
    }
}
