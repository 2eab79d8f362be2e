//! Who is at work: the lease of a process.
//!
//! A record names the client that works on it, and that client holds a lease for as long as it lives. On a
//! folder the lease is a file lock, which ends with the process however it ends. On a store it is a document
//! that its owner renews every [`BEAT`]; who finds it unchanged for [`LEASE`], by a clock of its own, takes the
//! owner for dead. So a wall clock that jumps does nothing.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::documents::{Documents, LOCK, Version};
use super::super::fault::io_fault;
use super::super::lock::{Locked, open_locked};
use super::super::{Library, blocking, name};
use crate::error::{Error, ErrorKind, Result};

/// How long a lease in a store lasts that is not renewed.
pub(crate) const LEASE: Duration = Duration::from_secs(20);
/// How often it is renewed.
pub(crate) const BEAT: Duration = Duration::from_secs(5);

/// A lease in a store that was not renewed for so long is that of a client that is gone.
const LONG_DEAD: Duration = Duration::from_secs(24 * 3600);

const OWNERS: &str = "jobs/owners";

/// A lease of this client.
pub(in crate::library) struct Owner {
    pub(super) id: String,
    /// On a folder, and where it lies.
    lock: Option<(File, PathBuf)>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        // While the lock is held, so that nobody else's can be at that name.
        if let Some((_lock, path)) = &self.lock {
            let _ = fs::remove_file(path);
        }
    }
}

/// The leases of others in a store, and when each was last seen to change.
#[derive(Default)]
pub(in crate::library) struct Seen(Mutex<HashMap<String, (Version, Instant)>>);

impl Library {
    /// The lease of this client, taken at the first use.
    pub(super) async fn owner(&self) -> Result<&Owner> {
        self.inner
            .owner
            .get_or_try_init(|| async {
                let id = format!("{:08x}{:08x}", name::random()?, name::random()?);
                let documents = Documents::new(self, OWNERS);
                if self.inner.folder.is_none() {
                    let first = documents.create(&id, beat(0)).await?;
                    return match first {
                        Some(_) => Ok(Owner { id, lock: None }),
                        None => Err(Error::new(
                            ErrorKind::Library,
                            "draw a name for a lease: it is taken",
                        )),
                    };
                }
                // Between making the file and locking it somebody may have taken it for a dead one's.
                for _ in 0..8 {
                    if let Some(lock) = documents.lock(&id).await? {
                        let lock = lock.zip(self.lock_of(&id));
                        return Ok(Owner { id, lock });
                    }
                }
                Err(Error::new(
                    ErrorKind::Library,
                    format!("take a lease in {self}: its file keeps being removed"),
                ))
            })
            .await
    }

    /// The file of a lease on a folder.
    fn lock_of(&self, owner: &str) -> Option<PathBuf> {
        let folder = self.inner.folder.as_ref()?;
        Some(folder.join(OWNERS).join(format!("{owner}{LOCK}")))
    }

    /// Removes what the leases of dead clients left: on a folder of each that was killed, in a store of each.
    pub(crate) async fn bury_owners(&self) -> Result<()> {
        let Some(folder) = self.inner.folder.clone() else {
            // Should a clock be so wrong that this hits a living one, its next beat writes it anew.
            self.inner.bucket.remove_old(OWNERS, ".json", LONG_DEAD).await?;
            return Ok(());
        };
        let doing = format!("list {OWNERS} of {self}");
        let path = folder.join(OWNERS);
        let names = blocking(move || match fs::read_dir(path) {
            Ok(entries) => Ok(entries
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(io_fault(&doing, error)),
        });
        for name in names.await? {
            if let Some(owner) = name.strip_suffix(LOCK) {
                self.is_at_work(owner).await?;
            }
        }
        Ok(())
    }

    /// Renews the lease, where leases have to be: on a store, and only when there is one.
    pub(crate) async fn renew_lease(&self) -> Result<()> {
        let Some(owner) = self.inner.owner.get() else {
            return Ok(());
        };
        if self.inner.folder.is_some() {
            return Ok(());
        }
        let number = u64::from(name::random()?);
        Documents::new(self, OWNERS).put(&owner.id, beat(number)).await
    }

    /// Whether an owner is at work. A dead one's lease is removed.
    pub(super) async fn is_at_work(&self, owner: &str) -> Result<bool> {
        // A record is a file that anybody may have written: its owner becomes part of a path here.
        if owner.len() != 16 || !owner.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(false);
        }
        if let Some(path) = self.lock_of(owner) {
            let doing = format!("look for the owner of a job in {self}");
            return blocking(move || {
                match fs::symlink_metadata(&path) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                    // Who cannot be seen is not dead.
                    Err(error) => return Err(io_fault(&doing, error)),
                }
                match open_locked(&path).map_err(|error| io_fault(&doing, error))? {
                    Locked::Theirs => Ok(true),
                    Locked::Moved => Ok(false),
                    Locked::Ours(_lock) | Locked::Twice(_lock) => {
                        let _ = fs::remove_file(&path);
                        Ok(false)
                    }
                }
            })
            .await;
        }
        let documents = Documents::new(self, OWNERS);
        let Some(found) = documents.read(owner).await? else {
            return Ok(false);
        };
        let dead = {
            let mut seen = self.inner.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            // Only owners that were looked at in this lease time matter, so the map stays small.
            seen.retain(|id, (_, since)| id == owner || now.duration_since(*since) < 2 * LEASE);
            let (version, since) = seen
                .entry(owner.to_owned())
                .or_insert_with(|| (found.version.clone(), now));
            if *version != found.version {
                (*version, *since) = (found.version, now);
            }
            now.duration_since(*since) >= LEASE
        };
        if dead {
            documents.remove(owner).await?;
        }
        Ok(!dead)
    }
}

fn beat(number: u64) -> Vec<u8> {
    format!("{{\"beat\":{number}}}\n").into_bytes()
}
