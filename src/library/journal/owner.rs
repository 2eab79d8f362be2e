//! Who is at work: the lease of a process.
//!
//! A record names the client that works on it, and that client holds a lease for as long as it lives. On a folder the
//! lease is a file lock, which ends with the process however it ends. On a store it is a document that its owner renews
//! every [`HEARTBEAT_INTERVAL`]; who finds it unchanged for [`LEASE`], by a monotonic clock of its own, takes the owner
//! for dead. So a wall clock that jumps ends no lease. A lease that is missing proves nothing, since anybody can remove
//! a file: it is watched for as long as one that does not change.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;

use super::super::documents::{Documents, LOCK, Version};
use super::super::fault::io_fault;
use super::super::lock::{self, Locked, LockedFile, open_locked};
use super::super::{Inner, Library, blocking, name};
use super::{Claim, OpenJob};
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Instant, wall_clock};

/// How long a lease in a store lasts that is not renewed.
pub(crate) const LEASE: Duration = Duration::from_secs(20);
/// How often it is renewed: three attempts fit into a lease.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// How long one renewal may take, whatever the store's own settings allow.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an owner is looked at that may be dead.
pub(crate) const LOOK: Duration = Duration::from_millis(500);
/// What a lease must still last for a create to leave.
const MARGIN: Duration = Duration::from_secs(5);

/// A lease in a store that was not renewed for so long is that of a client that is gone.
const LONG_DEAD: Duration = Duration::from_secs(24 * 3600);

/// How long the lease of another client is remembered that nobody looks at.
const FORGOTTEN: Duration = Duration::from_secs(3600);

const OWNERS: &str = "jobs/owners";

/// A lease of this client.
pub(in crate::library) struct Owner {
    pub(super) id: String,
    /// On a folder, and where it lies. More than one file was held when somebody removed the name of the ones before.
    lock: Option<(Mutex<Vec<LockedFile>>, PathBuf)>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A record that was left without a word names this lease: whoever finds the file unlocked knows that the owner is
        // gone, and removes it.
        if self.left_records.load(Ordering::Relaxed) {
            return;
        }
        // While the lock is held, so that nobody else's can be at that name.
        if let Some((_lock, path)) = self.owner.get().and_then(|owner| owner.lock.as_ref()) {
            let _ = fs::remove_file(path);
        }
    }
}

/// The renewal of this client's lease in a store.
#[derive(Default)]
pub(in crate::library) struct Renewal {
    task: Mutex<Option<JoinHandle<()>>>,
    /// When the last renewal that succeeded was begun.
    last: Mutex<Option<Reading>>,
}

/// A moment, by a clock that never goes back and by the wall's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    monotonic: Instant,
    wall: SystemTime,
}

impl Reading {
    pub(super) fn now() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: wall_clock(),
        }
    }

    #[cfg(test)]
    pub(super) const fn at(monotonic: Instant, wall: SystemTime) -> Self {
        Self { monotonic, wall }
    }

    /// The time since then, at the most: the monotonic clock of some systems stands still while they are suspended,
    /// and the wall's can be set back.
    pub(super) fn elapsed(&self) -> Duration {
        let wall = wall_clock().duration_since(self.wall).unwrap_or_default();
        self.monotonic.elapsed().max(wall)
    }
}

/// What is known of the owner of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Liveness {
    Alive,
    Dead,
    /// Its lease has not been watched for long enough.
    Unknown,
}

/// The leases of others in a store, and when each was last seen to change; `None` for one that is missing.
#[derive(Default)]
pub(in crate::library) struct Seen(Mutex<HashMap<String, Watched>>);

struct Watched {
    version: Option<Version>,
    since: Instant,
    looked: Instant,
    /// Whether it was seen to change at all.
    is_changing: bool,
}

impl Seen {
    /// As if all leases had been seen so much earlier.
    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        for watched in self.0.lock().unwrap().values_mut() {
            watched.since = watched.since.checked_sub(by).unwrap();
        }
    }

    /// What a look at a lease says, together with the ones before it.
    fn look(&self, owner: &str, version: Option<Version>) -> Liveness {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        seen.retain(|id, watched| id == owner || now.duration_since(watched.looked) < FORGOTTEN);
        let watched = seen.entry(owner.to_owned()).or_insert_with(|| Watched {
            version: version.clone(),
            since: now,
            looked: now,
            is_changing: false,
        });
        watched.looked = now;
        if watched.version != version {
            watched.is_changing = version.is_some();
            (watched.version, watched.since) = (version, now);
        }
        if now.duration_since(watched.since) >= LEASE {
            Liveness::Dead
        } else if watched.is_changing {
            Liveness::Alive
        } else {
            Liveness::Unknown
        }
    }
}

impl Library {
    /// The lease of this client, taken at the first use and renewed from then on where leases have to be.
    pub(super) async fn owner(&self) -> Result<&Owner> {
        let owner = self.take_lease().await?;
        self.keep_lease();
        Ok(owner)
    }

    async fn take_lease(&self) -> Result<&Owner> {
        self.inner
            .owner
            .get_or_try_init(|| async {
                let id = format!("{:08x}{:08x}", name::random()?, name::random()?);
                let documents = Documents::new(self, OWNERS);
                if self.inner.folder.is_none() {
                    let now = Reading::now();
                    let first = documents.create(&id, beat(0)).await?;
                    return match first {
                        Some(_) => {
                            self.inner.renewal.set(now);
                            Ok(Owner { id, lock: None })
                        }
                        None => Err(Error::new(
                            ErrorKind::Library,
                            "draw a name for a lease: it is taken",
                        )),
                    };
                }
                // Between making the file and locking it somebody may have taken it for a dead one's.
                for _ in 0..8 {
                    if let Some(lock) = documents.lock(&id).await? {
                        let lock = lock.map(|file| Mutex::new(vec![file])).zip(self.lock_of(&id));
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

    /// Removes the leases that dead clients left: on a folder those that no open record names, in a store those that
    /// were not renewed for a day.
    pub(crate) async fn remove_stale_leases(&self) -> Result<()> {
        let Some(folder) = self.inner.folder.clone() else {
            // Should a clock be so wrong that this hits a living one, its next renewal writes it anew.
            let removed = self.inner.bucket.remove_old(OWNERS, ".json", LONG_DEAD).await;
            return removed.map(drop);
        };
        let doing = format!("list {OWNERS} of {self}");
        let path = folder.join(OWNERS);
        let names = blocking(move || match fs::read_dir(path) {
            Ok(entries) => Ok(entries
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect::<Vec<_>>()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(io_fault(&doing, error)),
        });
        let ours = self.inner.owner.get().map(|owner| owner.id.as_str());
        let mut owners: Vec<String> = names.await?;
        owners.retain_mut(|name| {
            name.truncate(name.strip_suffix(LOCK).map_or(0, str::len));
            is_owner_id(name) && ours != Some(name)
        });
        if owners.is_empty() {
            return Ok(());
        }
        for record in self.records_in_jobs().await? {
            owners.retain(|owner| record.owner.as_ref() != Some(owner));
        }
        let doing = format!("remove a lease of {self}");
        blocking(move || {
            for owner in owners {
                let path = folder.join(OWNERS).join(format!("{owner}{LOCK}"));
                if let Locked::Ours(_lock) | Locked::Twice(_lock) =
                    open_locked(&path).map_err(|error| io_fault(&doing, error))?
                {
                    let _ = fs::remove_file(&path);
                }
            }
            Ok(())
        })
        .await
    }

    /// Renews the lease for as long as the library is open and its runtime lives.
    fn keep_lease(&self) {
        let mut task = self
            .inner
            .renewal
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A runtime that was shut down has ended it.
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let inner = Arc::downgrade(&self.inner);
        *task = Some(tokio::spawn(async move {
            let mut heartbeat = tokio::time::interval(HEARTBEAT_INTERVAL);
            heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                heartbeat.tick().await;
                let Some(inner) = inner.upgrade() else { return };
                if let Err(error) = (Self { inner }).renew_lease().await {
                    tracing::warn!(%error, "the lease on the jobs of this process was not renewed");
                }
            }
        }));
    }

    /// Renews the lease, if there is one: writes it in a store, and takes it again on a folder when somebody removed it.
    pub(super) async fn renew_lease(&self) -> Result<()> {
        let Some(owner) = self.inner.owner.get() else {
            return Ok(());
        };
        if let Some((files, _)) = &owner.lock {
            if !self.holds_lease().await?
                && let Some(Some(file)) = Documents::new(self, OWNERS).lock(&owner.id).await?
            {
                files.lock().unwrap_or_else(PoisonError::into_inner).push(file);
            }
            return Ok(());
        }
        if self.inner.folder.is_some() {
            return Ok(());
        }
        let number = u64::from(name::random()?);
        let now = Reading::now();
        let documents = Documents::new(self, OWNERS);
        let renewed = tokio::time::timeout(RENEWAL_TIMEOUT, documents.put(&owner.id, beat(number))).await;
        renewed.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Library,
                format!(
                    "renew a lease in {self}: no answer within {} s",
                    RENEWAL_TIMEOUT.as_secs()
                ),
            ))
        })?;
        self.inner.renewal.set(now);
        Ok(())
    }

    /// Whether this client's lease is known to hold, for long enough that a create can leave.
    pub(super) async fn holds_lease(&self) -> Result<bool> {
        if self.inner.owner.get().is_none() {
            return Ok(false);
        }
        if self.inner.folder.is_none() {
            let last = *self
                .inner
                .renewal
                .last
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            return Ok(last.is_some_and(|last| last.elapsed() + MARGIN < LEASE));
        }
        let inner = Arc::clone(&self.inner);
        let doing = format!("look for the lease of this process in {self}");
        blocking(move || {
            let Some((files, path)) = inner.owner.get().and_then(|owner| owner.lock.as_ref()) else {
                return Ok(false);
            };
            let files = files.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(last) = files.last() else {
                return Ok(false);
            };
            lock::is_named(last, path).map_err(|error| io_fault(&doing, error))
        })
        .await
    }

    /// What is known of an owner. Leases are only looked at here: [`remove_stale_leases`](Self::remove_stale_leases)
    /// removes those that no open record names.
    pub(super) async fn liveness(&self, owner: &str) -> Result<Liveness> {
        // A record is a file that anybody may have written: its owner becomes part of a path here.
        if !is_owner_id(owner) {
            return Ok(Liveness::Dead);
        }
        let Some(path) = self.lock_of(owner) else {
            let found = Documents::new(self, OWNERS).read(owner).await?;
            return Ok(self.inner.seen.look(owner, found.map(|found| found.version)));
        };
        let doing = format!("look for the owner of a job in {self}");
        let locked = blocking(move || lock::is_locked(&path).map_err(|error| io_fault(&doing, error)));
        Ok(match locked.await? {
            Some(true) => Liveness::Alive,
            Some(false) => Liveness::Dead,
            None => self.inner.seen.look(owner, None),
        })
    }
}

impl Library {
    /// Claims a record as [`claim_job`](Self::claim_job) does, but waits until it shows whether its owner lives: for a
    /// little longer than a lease at the most.
    pub(crate) async fn claim_watched(&self, job: &OpenJob, service: Option<&str>) -> Result<Claim> {
        let watched = Instant::now();
        loop {
            match self.claim_job(job, service).await? {
                Claim::HeldByOther { is_alive: false, .. } if watched.elapsed() < LEASE + LOOK => {
                    tokio::time::sleep(LOOK).await;
                }
                claim => return Ok(claim),
            }
        }
    }
}

fn is_owner_id(owner: &str) -> bool {
    owner.len() == 16 && owner.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Renewal {
    pub(super) fn set(&self, now: Reading) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
}

fn beat(number: u64) -> Vec<u8> {
    format!("{{\"beat\":{number}}}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64) -> Version {
        Version::of(&beat(number))
    }

    /// A moment before a lease is over.
    const NEARLY: Duration = LEASE.saturating_sub(Duration::from_secs(1));

    #[test]
    fn an_owner_is_dead_when_its_lease_was_watched_for_as_long_as_it_lasts() {
        for found in [Some(version(1)), None] {
            let seen = Seen::default();
            assert_eq!(seen.look("a", found.clone()), Liveness::Unknown);
            seen.age(NEARLY);
            assert_eq!(seen.look("a", found.clone()), Liveness::Unknown);
            seen.age(Duration::from_secs(1));
            assert_eq!(seen.look("a", found), Liveness::Dead);
        }
    }

    #[test]
    fn a_lease_that_changes_or_comes_back_is_alive() {
        let seen = Seen::default();
        seen.look("a", Some(version(1)));
        seen.age(NEARLY);
        assert_eq!(seen.look("a", Some(version(2))), Liveness::Alive);
        seen.age(NEARLY);
        // Removed by somebody, and written again by its owner.
        assert_eq!(seen.look("a", None), Liveness::Unknown);
        assert_eq!(seen.look("a", Some(version(3))), Liveness::Alive);
        seen.age(LEASE);
        assert_eq!(seen.look("a", Some(version(3))), Liveness::Dead);
    }

    #[test]
    fn time_passes_by_either_clock() {
        let now = Reading::now();
        let minute = Duration::from_secs(60);
        let suspended = Reading {
            wall: now.wall.checked_sub(minute).unwrap(),
            ..now
        };
        let set_back = Reading {
            monotonic: now.monotonic.checked_sub(minute).unwrap(),
            wall: now.wall.checked_add(minute).unwrap(),
        };
        assert!(suspended.elapsed() >= minute);
        assert!(set_back.elapsed() >= minute);
        assert!(now.elapsed() < minute);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_in_a_store_is_renewed_by_the_library() {
        let store = Arc::new(object_store::memory::InMemory::new());
        let library = Library::on_store(store, "").unwrap();
        let id = library.owner().await.unwrap().id.clone();
        let documents = Documents::new(&library, OWNERS);
        let mut versions = Vec::new();
        for _ in 0..4 {
            versions.push(documents.read(&id).await.unwrap().unwrap().version);
            tokio::time::sleep(HEARTBEAT_INTERVAL + Duration::from_millis(1)).await;
        }
        versions.dedup();
        assert_eq!(versions.len(), 4, "each was written anew");
    }

    #[tokio::test]
    async fn a_lease_on_a_folder_is_taken_again_when_somebody_removed_it() {
        let folder = tempfile::tempdir().unwrap();
        let [library, other] = [(); 2].map(|()| Library::open(folder.path()).unwrap());
        let id = library.owner().await.unwrap().id.clone();
        assert_eq!(other.liveness(&id).await.unwrap(), Liveness::Alive);
        fs::remove_file(library.lock_of(&id).unwrap()).unwrap();
        assert!(!library.holds_lease().await.unwrap());
        assert_eq!(other.liveness(&id).await.unwrap(), Liveness::Unknown);
        library.renew_lease().await.unwrap();
        assert!(library.holds_lease().await.unwrap());
        assert_eq!(other.liveness(&id).await.unwrap(), Liveness::Alive);
        drop(library);
        // A renewal that is under way holds the library for a moment.
        while other.liveness(&id).await.unwrap() == Liveness::Alive {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[test]
    fn three_renewals_fit_into_a_lease() {
        assert!(HEARTBEAT_INTERVAL + RENEWAL_TIMEOUT <= LEASE / 2);
        assert!(2 * HEARTBEAT_INTERVAL + RENEWAL_TIMEOUT + MARGIN <= LEASE);
    }
}
