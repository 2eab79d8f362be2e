//! Leases, which show that a client is alive.
//!
//! A record names the lease of the client that works on it. In a folder a lease is a file lock, which is released when
//! the process ends, however it ends. In a bucket it is a document that its client renews every
//! [`RENEWAL_INTERVAL`]. A client that finds the document unchanged for [`LEASE_DURATION`], measured by its own
//! monotonic clock, assumes that the owner is dead. A jump of a wall clock therefore ends no lease. Since anyone can
//! remove a file, a missing lease is watched for as long as an unchanged one.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;

use super::{Claim, Inner, Journal, OpenJob};
use crate::error::{Error, Result};
use crate::host::{self, Instant, wall_clock};
use crate::storage::{
    FileLocks, JsonStore, LockedFile, OWNERS, Version, blocking, io_error, is_named, no_randomness,
};
use crate::sync::lock;

/// How long a lease in a bucket lasts without renewal.
pub(crate) const LEASE_DURATION: Duration = Duration::from_secs(20);
/// The time between two renewals. A lease lasts for three attempts.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(5);
/// The deadline of a renewal, and of a release of abandoned records. The timeouts of the store may be longer.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(5);
/// The time between two checks of an owner that may be dead.
pub(crate) const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// The remaining time that a lease must have for a create request to be sent.
const SEND_MARGIN: Duration = Duration::from_secs(5);
/// After this time without renewal, the document of a lease is removed.
const REMOVAL_AGE: Duration = Duration::from_secs(24 * 3600);
/// After this time without a check, the watched lease of another client is forgotten.
const WATCH_RETENTION: Duration = Duration::from_secs(3600);
/// Maximum attempts to lock a new lease file, which another client may remove as stale before it is locked.
const MAX_ATTEMPTS: usize = 8;

/// The lease of this client.
pub(super) struct Lease {
    pub(super) id: String,
    kind: LeaseKind,
}

enum LeaseKind {
    /// Locked files. There is more than one if someone removed the file of a previous lock.
    Files(FileLocks, Mutex<Vec<LockedFile>>),
    /// A document that is renewed.
    Document,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // An abandoned record names this lease: a client that finds the file unlocked knows that the owner is gone, and
        // removes the file.
        let work = self.work.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !work.abandoned.is_empty() {
            return;
        }
        if let Some(lease) = self.lease.get()
            && let LeaseKind::Files(locks, _files) = &lease.kind
        {
            // The lock is still held, so the name cannot belong to another client.
            let _ = fs::remove_file(locks.path(OWNERS, &lease.id));
        }
    }
}

/// The renewal of this client's lease.
#[derive(Default)]
pub(super) struct Renewal {
    task: Mutex<Option<JoinHandle<()>>>,
    /// When the last successful renewal began.
    last: Mutex<Option<Moment>>,
}

impl Renewal {
    pub(super) fn set(&self, moment: Moment) {
        *lock(&self.last) = Some(moment);
    }

    fn get(&self) -> Option<Moment> {
        *lock(&self.last)
    }
}

/// A point in time, as read from the monotonic clock and the wall clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

impl Moment {
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

    /// Returns the time that has passed since, on the clock that shows more. On some systems the monotonic clock stops
    /// during suspend, and the wall clock can be set back.
    pub(super) fn elapsed(&self) -> Duration {
        let wall = wall_clock().duration_since(self.wall).unwrap_or_default();
        self.monotonic.elapsed().max(wall)
    }
}

/// Whether the owner of a record is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Liveness {
    Alive,
    Dead,
    /// Its lease has not been watched for long enough.
    Unknown,
}

/// The leases of other clients, and when each was last seen to change.
#[derive(Default)]
pub(super) struct LeaseWatcher(Mutex<HashMap<String, WatchedLease>>);

struct WatchedLease {
    /// The version of the document. `None` if the lease is missing.
    version: Option<Version>,
    /// When this version was first seen.
    since: Instant,
    /// When the lease was last checked.
    checked: Instant,
    /// Whether a change was observed.
    has_changed: bool,
}

impl LeaseWatcher {
    /// Pretends that all leases were first seen earlier.
    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        for watched in self.0.lock().unwrap().values_mut() {
            watched.since = watched.since.checked_sub(by).unwrap();
        }
    }

    /// Compares the current version of a lease with the one seen earlier.
    fn check(&self, owner: &str, version: Option<Version>) -> Liveness {
        let mut leases = lock(&self.0);
        let now = Instant::now();
        leases.retain(|id, watched| id == owner || now.duration_since(watched.checked) < WATCH_RETENTION);
        let watched = leases.entry(owner.to_owned()).or_insert_with(|| WatchedLease {
            version: version.clone(),
            since: now,
            checked: now,
            has_changed: false,
        });
        watched.checked = now;
        if watched.version != version {
            watched.has_changed = version.is_some();
            (watched.version, watched.since) = (version, now);
        }
        if now.duration_since(watched.since) >= LEASE_DURATION {
            Liveness::Dead
        } else if watched.has_changed {
            Liveness::Alive
        } else {
            Liveness::Unknown
        }
    }
}

impl Journal {
    /// Returns the lease of this client, which is taken at the first call and then renewed.
    pub(super) async fn lease(&self) -> Result<&Lease> {
        let lease = self.inner.lease.get_or_try_init(|| self.take_lease()).await?;
        self.keep_lease();
        Ok(lease)
    }

    async fn take_lease(&self) -> Result<Lease> {
        let random = || host::random().map_err(no_randomness);
        let id = format!("{:08x}{:08x}", random()?, random()?);
        let Some(locks) = self.inner.backend.locks() else {
            let now = Moment::now();
            let created = self.leases().create(&id, heartbeat(0)).await?;
            if created.is_none() {
                return Err(Error::library("take a lease: its random id is in use already"));
            }
            self.inner.renewal.set(now);
            return Ok(Lease {
                id,
                kind: LeaseKind::Document,
            });
        };
        // Between creating the file and locking it, another client may have removed it as stale.
        for _ in 0..MAX_ATTEMPTS {
            if let Some(file) = locks.lock(OWNERS, &id).await? {
                let files = Mutex::new(vec![file]);
                return Ok(Lease {
                    id,
                    kind: LeaseKind::Files(locks, files),
                });
            }
        }
        Err(Error::library(format!(
            "take a lease in {}: its file keeps being removed",
            self.inner.backend
        )))
    }

    fn leases(&self) -> JsonStore {
        JsonStore::new(&self.inner.backend, OWNERS)
    }

    /// Removes the leases of dead clients: in a folder those that no record names, in a bucket those that were not
    /// renewed for a day.
    pub(crate) async fn remove_stale_leases(&self) -> Result<()> {
        let backend = &self.inner.backend;
        let Some(locks) = backend.locks() else {
            // A wrong clock can make this remove a valid lease. The next renewal writes it again.
            return backend.remove_old_documents(OWNERS, REMOVAL_AGE).await;
        };
        let ours = self.inner.lease.get().map(|lease| lease.id.as_str());
        let mut owners = locks.names(OWNERS).await?;
        owners.retain(|owner| is_lease_id(owner) && ours != Some(owner));
        if owners.is_empty() {
            return Ok(());
        }
        for record in self.records().await? {
            owners.retain(|owner| record.owner.as_ref() != Some(owner));
        }
        locks.remove_free(OWNERS, owners).await
    }

    /// Renews the lease, and releases abandoned records, as long as the library is open and its runtime exists.
    fn keep_lease(&self) {
        let mut task = lock(&self.inner.renewal.task);
        // The task ends with its runtime; a later runtime starts another one.
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let inner = Arc::downgrade(&self.inner);
        *task = Some(tokio::spawn(async move {
            let renewed = at_each_renewal(&inner, async |journal| {
                if let Err(error) = journal.renew_lease().await {
                    tracing::warn!(%error, "the lease of this client was not renewed");
                }
            });
            // Concurrently, so that a slow write does not delay a renewal.
            let released = at_each_renewal(&inner, async |journal| {
                // Those that remain follow at the next renewal.
                let _ = tokio::time::timeout(RENEWAL_TIMEOUT, journal.release_abandoned()).await;
            });
            tokio::join!(renewed, released);
        }));
    }

    /// Renews the lease, if there is one. In a folder, takes the lock again if someone removed its file.
    pub(super) async fn renew_lease(&self) -> Result<()> {
        let Some(lease) = self.inner.lease.get() else {
            return Ok(());
        };
        if let LeaseKind::Files(locks, files) = &lease.kind {
            if !self.holds_lease().await?
                && let Some(file) = locks.lock(OWNERS, &lease.id).await?
            {
                lock(files).push(file);
            }
            return Ok(());
        }
        let number = u64::from(host::random().map_err(no_randomness)?);
        let now = Moment::now();
        let leases = self.leases();
        let renewed = tokio::time::timeout(RENEWAL_TIMEOUT, leases.put(&lease.id, heartbeat(number))).await;
        renewed.unwrap_or_else(|_| {
            Err(Error::library(format!(
                "renew a lease in {}: no answer within {} s",
                self.inner.backend,
                RENEWAL_TIMEOUT.as_secs()
            )))
        })?;
        self.inner.renewal.set(now);
        Ok(())
    }

    /// Returns whether this client's lease is certain to last long enough for a create request to be sent.
    pub(super) async fn holds_lease(&self) -> Result<bool> {
        match self.inner.lease.get().map(|lease| &lease.kind) {
            None => return Ok(false),
            Some(LeaseKind::Document) => {
                let last = self.inner.renewal.get();
                return Ok(last.is_some_and(|last| last.elapsed() + SEND_MARGIN < LEASE_DURATION));
            }
            Some(LeaseKind::Files(..)) => {}
        }
        let inner = Arc::clone(&self.inner);
        let action = format!("find the lease of this process in {}", self.inner.backend);
        blocking(move || {
            let Some((id, LeaseKind::Files(locks, files))) =
                inner.lease.get().map(|lease| (&lease.id, &lease.kind))
            else {
                return Ok(false);
            };
            let files = lock(files);
            let Some(last) = files.last() else {
                return Ok(false);
            };
            is_named(last, &locks.path(OWNERS, id)).map_err(|error| io_error(&action, error))
        })
        .await
    }

    /// Returns whether an owner is alive. Does not remove its lease; that is
    /// [`remove_stale_leases`](Self::remove_stale_leases).
    pub(super) async fn liveness(&self, owner: &str) -> Result<Liveness> {
        // The id becomes part of a path, and anyone may have written the record.
        if !is_lease_id(owner) {
            return Ok(Liveness::Dead);
        }
        let watcher = &self.inner.watcher;
        let Some(locks) = self.inner.backend.locks() else {
            let found = self.leases().read(owner).await?;
            return Ok(watcher.check(owner, found.map(|found| found.version)));
        };
        Ok(match locks.is_held(OWNERS, owner).await? {
            Some(true) => Liveness::Alive,
            Some(false) => Liveness::Dead,
            None => watcher.check(owner, None),
        })
    }

    /// Claims a record to finish its job at `service`, or to settle it, but waits until it is known whether its owner is
    /// alive. Waits at most slightly longer than the duration of a lease.
    pub(crate) async fn claim_after_watching(&self, job: &OpenJob, service: Option<&str>) -> Result<Claim> {
        let started = Instant::now();
        loop {
            let claim = match service {
                Some(service) => self.claim_to_finish(job, service).await?,
                None => self.claim(job, None).await?,
            };
            match claim {
                Claim::HeldByOther { is_alive: false, .. }
                    if started.elapsed() < LEASE_DURATION + WATCH_INTERVAL =>
                {
                    tokio::time::sleep(WATCH_INTERVAL).await;
                }
                claim => return Ok(claim),
            }
        }
    }
}

/// Calls a function each [`RENEWAL_INTERVAL`] as long as the journal exists.
async fn at_each_renewal(inner: &Weak<Inner>, call: impl AsyncFn(&Journal)) {
    let mut interval = tokio::time::interval(RENEWAL_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        call(&Journal { inner }).await;
    }
}

fn is_lease_id(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the document of a lease. The number makes each version different.
fn heartbeat(number: u64) -> Vec<u8> {
    format!("{{\"beat\":{number}}}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::for_tests::{first_renewal, journals, reserve, try_claim};
    use crate::storage::{Bucket, Folder};

    fn version(number: u64) -> Version {
        Version::Tag(object_store::UpdateVersion {
            e_tag: Some(number.to_string()),
            version: None,
        })
    }

    /// Shortly before a lease ends.
    const NEARLY: Duration = LEASE_DURATION.saturating_sub(Duration::from_secs(1));

    #[test]
    fn an_owner_is_dead_after_its_lease_was_watched_for_its_duration() {
        for found in [Some(version(1)), None] {
            let watcher = LeaseWatcher::default();
            assert_eq!(watcher.check("a", found.clone()), Liveness::Unknown);
            watcher.age(NEARLY);
            assert_eq!(watcher.check("a", found.clone()), Liveness::Unknown);
            watcher.age(Duration::from_secs(1));
            assert_eq!(watcher.check("a", found), Liveness::Dead);
        }
    }

    #[test]
    fn a_lease_that_changes_or_comes_back_is_alive() {
        let watcher = LeaseWatcher::default();
        watcher.check("a", Some(version(1)));
        watcher.age(NEARLY);
        assert_eq!(watcher.check("a", Some(version(2))), Liveness::Alive);
        watcher.age(NEARLY);
        // Removed by someone, and written again by its owner.
        assert_eq!(watcher.check("a", None), Liveness::Unknown);
        assert_eq!(watcher.check("a", Some(version(3))), Liveness::Alive);
        watcher.age(LEASE_DURATION);
        assert_eq!(watcher.check("a", Some(version(3))), Liveness::Dead);
    }

    #[test]
    fn elapsed_time_is_the_maximum_of_both_clocks() {
        let now = Moment::now();
        let minute = Duration::from_secs(60);
        let suspended = Moment {
            wall: now.wall.checked_sub(minute).unwrap(),
            ..now
        };
        let set_back = Moment {
            monotonic: now.monotonic.checked_sub(minute).unwrap(),
            wall: now.wall.checked_add(minute).unwrap(),
        };
        assert!(suspended.elapsed() >= minute);
        assert!(set_back.elapsed() >= minute);
        assert!(now.elapsed() < minute);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_in_a_bucket_is_renewed() {
        let store = Arc::new(object_store::memory::InMemory::new());
        let journal = Journal::new(Arc::new(Bucket::new(store, "".into(), None)));
        let id = journal.lease().await.unwrap().id.clone();
        let leases = journal.leases();
        let mut versions = Vec::new();
        for _ in 0..4 {
            versions.push(leases.read(&id).await.unwrap().unwrap().version);
            tokio::time::sleep(RENEWAL_INTERVAL + Duration::from_millis(1)).await;
        }
        versions.dedup();
        assert_eq!(versions.len(), 4, "each renewal writes a new version");
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_record_is_released_at_a_renewal() {
        let [owner, other] = journals();
        let abandoned = reserve(&owner).await;
        let id = abandoned.record().id.clone();
        first_renewal().await;
        drop(abandoned);
        tokio::time::sleep(RENEWAL_INTERVAL + Duration::from_millis(1)).await;
        let claimed = try_claim(&other, &id).await;
        assert!(matches!(claimed, Claim::Ours(_)), "{claimed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_in_a_folder_is_taken_again_after_its_file_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        let [journal, other] =
            [(); 2].map(|()| Journal::new(Arc::new(Folder::create(folder.path()).unwrap())));
        let id = journal.lease().await.unwrap().id.clone();
        // It would take the lease again.
        first_renewal().await;
        assert_eq!(other.liveness(&id).await.unwrap(), Liveness::Alive);
        let locks = journal.inner.backend.locks().unwrap();
        fs::remove_file(locks.path(OWNERS, &id)).unwrap();
        assert!(!journal.holds_lease().await.unwrap());
        assert_eq!(other.liveness(&id).await.unwrap(), Liveness::Unknown);
        journal.renew_lease().await.unwrap();
        assert!(journal.holds_lease().await.unwrap());
        assert_eq!(other.liveness(&id).await.unwrap(), Liveness::Alive);
        drop(journal);
        // A renewal in progress keeps the journal open for a moment.
        while other.liveness(&id).await.unwrap() == Liveness::Alive {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[test]
    fn three_renewals_fit_into_a_lease() {
        assert!(RENEWAL_INTERVAL + RENEWAL_TIMEOUT <= LEASE_DURATION / 2);
        assert!(2 * RENEWAL_INTERVAL + RENEWAL_TIMEOUT + SEND_MARGIN <= LEASE_DURATION);
    }
}
