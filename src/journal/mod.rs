//! The journal of paid requests, and the ledger of settled ones.
//!
//! Owns the records in `jobs/` and `ledger/`, the leases that decide which client may work on a record, and the sums.
//! It is the single source of truth for money and jobs. Does not know the service or how a clip is made.
//!
//! A record is written before its create request is sent, and again right after each reply. Every write is conditional
//! on the version that was read, so of two concurrent writers one is refused. To end a request, its final state is
//! written in `jobs/`, and then the record moves to the ledger. A crash during that move leaves both files: the one in
//! the ledger counts, and the next listing removes the other.

mod abandoned;
mod entry_name;
mod lease;
mod ledger;
mod move_to_ledger;
mod owned;
mod pickup;
mod record;
mod settle;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::OnceCell;

pub(crate) use self::lease::{LEASE_DURATION, WATCH_INTERVAL};
pub(crate) use self::owned::OwnedRecord;
pub(crate) use self::record::JsonText;
pub use self::record::{JobError, JobRecord, JobState};
pub use self::settle::Settlement;

use self::entry_name::{EntryName, day_of};
use self::lease::{Lease, LeaseWatcher, Liveness, Moment, Renewal};
use crate::error::{Error, ErrorKind, Result};
use crate::host;
use crate::ids::RecordId;
use crate::money::Budget;
use crate::storage::{Backend, JOBS, JsonStore, LEDGER};
use crate::sync::lock;

/// Maximum attempts to write a record that other clients change concurrently.
const MAX_ATTEMPTS: u32 = 4;

/// The journal of a library. A clone is cheap and shares the lease.
#[derive(Clone)]
pub(crate) struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Arc<dyn Backend>,
    /// The lease of this client, taken at its first use.
    lease: OnceCell<Lease>,
    renewal: Renewal,
    /// The leases of other clients.
    watcher: LeaseWatcher,
    work: Mutex<Work>,
    /// Held while an abandoned record is released.
    releasing: tokio::sync::Mutex<()>,
    /// Serializes reservations. Two concurrent ones would count each other, and both could be refused.
    reserving: tokio::sync::Mutex<()>,
}

/// The records of this client.
#[derive(Default)]
struct Work {
    /// Those that it works on.
    active: HashSet<RecordId>,
    /// Those that it may still own although their work has ended.
    /// Each since when.
    abandoned: BTreeMap<RecordId, Moment>,
}

/// Prevents one client from claiming a record twice.
struct WorkGuard {
    journal: Journal,
    id: RecordId,
    /// Whether the stored record names this client as its owner.
    is_owner: bool,
}

impl WorkGuard {
    fn new(journal: &Journal, id: &RecordId) -> Option<Self> {
        let is_new = journal.lock_work().active.insert(id.clone());
        is_new.then(|| Self {
            journal: journal.clone(),
            id: id.clone(),
            is_owner: false,
        })
    }
}

impl Drop for WorkGuard {
    fn drop(&mut self) {
        let mut work = self.journal.lock_work();
        work.active.remove(&self.id);
        if self.is_owner {
            work.abandoned.insert(self.id.clone(), Moment::now());
        }
    }
}

/// An open record, known by its name only.
#[derive(Debug, Clone)]
pub(crate) struct OpenJob(EntryName);

impl OpenJob {
    pub(crate) fn id(&self) -> &RecordId {
        &self.0.id
    }
}

/// The result of an attempt to claim a record.
#[derive(Debug)]
pub(crate) enum Claim {
    /// This client may work on it.
    Ours(OwnedRecord),
    /// Another client works on it or on another record of its job, or may do so. It may also be another task of this
    /// client.
    HeldByOther {
        record: Box<JobRecord>,
        /// Whether the other client is known to be alive. If false, its lease has not been watched for
        /// [`LEASE_DURATION`] yet.
        is_alive: bool,
    },
    /// Another record of its job is finished first.
    Superseded(Box<JobRecord>),
    /// It was sent to a service other than the one of this client.
    OtherService(Box<JobRecord>),
    /// It has a final state, and this attempt moved it to the ledger.
    Ended(Box<JobRecord>),
    /// There is nothing left to do.
    Gone,
}

/// A record that cannot be claimed, because it is damaged, has another version, or the disk fails. Its cost is counted
/// nevertheless, because it is part of the record's name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StuckJob {
    /// The id of the record.
    pub record_id: RecordId,
    /// The reason.
    pub error: Error,
}

impl StuckJob {
    pub(crate) fn new(record_id: &RecordId, error: Error) -> Self {
        Self {
            record_id: record_id.clone(),
            error,
        }
    }
}

/// The result of an attempt to reserve the cost of a request.
pub(crate) enum ReserveResult {
    Reserved(OwnedRecord),
    /// It exceeds a budget.
    OverBudget {
        error: Error,
        /// Whether a concurrent reservation may have caused this.
        is_contended: bool,
    },
    /// There is a record with this id.
    IdInUse,
}

impl Journal {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            inner: Arc::new(Inner {
                backend,
                lease: OnceCell::new(),
                renewal: Renewal::default(),
                watcher: LeaseWatcher::default(),
                work: Mutex::default(),
                releasing: tokio::sync::Mutex::new(()),
                reserving: tokio::sync::Mutex::new(()),
            }),
        }
    }

    fn lock_work(&self) -> MutexGuard<'_, Work> {
        lock(&self.inner.work)
    }

    /// Returns the open records that can be read, oldest first.
    pub(crate) async fn jobs(&self) -> Result<Vec<JobRecord>> {
        let mut records = self.records().await?;
        // A record with a final state is about to move to the ledger.
        records.retain(|record| !record.state.is_over());
        Ok(records)
    }

    /// Returns the records in `jobs/` that can be read, including those about to move to the ledger. Oldest first.
    async fn records(&self) -> Result<Vec<JobRecord>> {
        let mut records = Vec::new();
        for entry in self.open_entries().await? {
            records.extend(self.open_record(&entry).await.ok().flatten());
        }
        Ok(records)
    }

    /// Returns the open records that cannot be read.
    pub(crate) async fn stuck_jobs(&self) -> Result<Vec<StuckJob>> {
        let names = self.open_store().names().await?;
        let mut stuck = Vec::new();
        for entry in oldest_first(records_in(&names).collect()) {
            if let Err(error) = self.open_record(&entry).await {
                stuck.push(StuckJob::new(&entry.id, error));
            }
        }
        stuck.extend(self.misnamed(&names).await?);
        Ok(stuck)
    }

    /// Returns the documents in `jobs/` whose names begin with the id of a record and are not those of records, unless
    /// the record exists. A program that synchronizes folders gives such names.
    async fn misnamed(&self, names: &[String]) -> Result<Vec<StuckJob>> {
        let known: HashSet<RecordId> = records_in(names).map(|entry| entry.id).collect();
        let mut misnamed = Vec::new();
        for name in names.iter().filter(|name| EntryName::parse(name).is_none()) {
            let id = name
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .next();
            let Some(id) = id.and_then(|id| RecordId::parse(id).ok()) else {
                continue;
            };
            if known.contains(&id) || self.ledger_entry(&id).await?.is_some() {
                continue;
            }
            let found = self.open_store().read(name).await?;
            let record = found.and_then(|found| JobRecord::from_json(id.as_str(), &found.json).ok());
            let advice = match record {
                Some(record) if record.is_pickup() || record.state == JobState::Reserved => {
                    "nothing is lost if it is removed".to_owned()
                }
                Some(record) => format!("rename it to {}.json", EntryName::of(&record)),
                None => "restore the record, or look the request up in the account".to_owned(),
            };
            let message = format!("read {JOBS}/{name}.json: a record cannot have this name; {advice}");
            misnamed.push(StuckJob::new(&id, Error::library(message)));
        }
        Ok(misnamed)
    }

    async fn open_record(&self, entry: &EntryName) -> Result<Option<JobRecord>> {
        let found = self.open_store().read(&entry.to_string()).await?;
        found
            .map(|found| JobRecord::from_json(entry.id.as_str(), &found.json))
            .transpose()
    }

    /// Returns a record, open or settled.
    pub(crate) async fn job_record(&self, id: &RecordId) -> Result<JobRecord> {
        let ledger = || self.ledger_store(&day_of(id.millis()));
        // The ledger is read twice, because the record may move there after the first time.
        for store in [ledger(), self.open_store(), ledger()] {
            if let Some(entry) = best_entry(&store, id).await?
                && let Some(found) = store.read(&entry.to_string()).await?
            {
                return JobRecord::from_json(id.as_str(), &found.json);
            }
        }
        Err(Error::not_found(format!(
            "find the record of job {id} in {}",
            self.inner.backend
        )))
    }

    fn open_store(&self) -> JsonStore {
        JsonStore::new(&self.inner.backend, JOBS)
    }

    fn ledger_store(&self, day: &str) -> JsonStore {
        JsonStore::new(&self.inner.backend, format!("{LEDGER}/{day}"))
    }

    async fn ledger_days(&self) -> Result<Vec<String>> {
        JsonStore::new(&self.inner.backend, LEDGER).folders().await
    }

    /// Returns the names of the open records, oldest first.
    async fn open_entries(&self) -> Result<Vec<EntryName>> {
        Ok(oldest_first(entries(&self.open_store()).await?))
    }

    /// Returns the open records, oldest first. Removes settled records that a crash left in `jobs/`.
    pub(crate) async fn open_jobs(&self) -> Result<Vec<OpenJob>> {
        let names = self.open_store().names().await?;
        self.open_jobs_of(&names).await
    }

    /// Returns what [`open_jobs`](Self::open_jobs) returns, and what cannot be resumed because of its name.
    pub(crate) async fn open_and_misnamed_jobs(&self) -> Result<(Vec<OpenJob>, Vec<StuckJob>)> {
        let names = self.open_store().names().await?;
        Ok((self.open_jobs_of(&names).await?, self.misnamed(&names).await?))
    }

    async fn open_jobs_of(&self, names: &[String]) -> Result<Vec<OpenJob>> {
        let open = oldest_first(records_in(names).collect());
        let mut days: Vec<_> = open.iter().map(|entry| day_of(entry.id.millis())).collect();
        days.dedup();
        let mut settled = HashSet::new();
        for day in days {
            let day = entries(&self.ledger_store(&day)).await?;
            settled.extend(day.into_iter().map(|entry| entry.id));
        }
        let (moved, open): (Vec<_>, Vec<_>) = open.into_iter().partition(|entry| settled.contains(&entry.id));
        for entry in moved {
            self.open_store().remove(&entry.to_string()).await?;
        }
        Ok(open.into_iter().map(OpenJob).collect())
    }

    /// Returns an open record by its id.
    pub(crate) async fn open_job(&self, id: &RecordId) -> Result<Option<OpenJob>> {
        let open = self.open_jobs().await?;
        Ok(open.into_iter().find(|job| job.id() == id))
    }

    /// Writes the record of a request, which reserves its cost, unless a budget forbids it.
    pub(crate) async fn reserve(&self, mut record: JobRecord, budget: &Budget) -> Result<ReserveResult> {
        let lease_id = self.lease().await?.id.clone();
        record.owner = Some(lease_id.clone());
        let entry = EntryName::of(&record);
        let name = entry.to_string();
        let Some(mut guard) = WorkGuard::new(self, &record.id) else {
            return Ok(ReserveResult::IdInUse);
        };
        let _reserving = self.inner.reserving.lock().await;
        let written_at = Moment::now();
        guard.is_owner = true;
        let created = self.open_store().create(&name, record.to_json()?).await?;
        let Some(version) = created else {
            return Ok(ReserveResult::IdInUse);
        };
        let owned = OwnedRecord::new(guard, lease_id, name, record, version, written_at);
        // The reservation is written before the check, so that of two clients at least one sees the other's.
        match self.check_budget(&entry, budget).await {
            Ok(()) => Ok(ReserveResult::Reserved(owned)),
            Err((error, is_contended)) => {
                owned.discard().await?;
                if error.kind() == ErrorKind::Budget {
                    Ok(ReserveResult::OverBudget { error, is_contended })
                } else {
                    Err(error)
                }
            }
        }
    }

    /// Claims a record, unless another client works on it. `service` is the origin that the caller can reach. A job of
    /// another service is not claimed.
    pub(crate) async fn claim(&self, job: &OpenJob, service: Option<&str>) -> Result<Claim> {
        let (store, id, name) = (self.open_store(), job.id(), job.0.to_string());
        let mut guard = WorkGuard::new(self, id);
        if guard.is_none() {
            // It may be in the middle of a release, after which it is free.
            drop(self.inner.releasing.lock().await);
            guard = WorkGuard::new(self, id);
        }
        let Some(found) = store.read(&name).await? else {
            return Ok(Claim::Gone);
        };
        let mut record = JobRecord::from_json(id.as_str(), &found.json)?;
        let is_over = record.state.is_over();
        if record.state == JobState::Dropped {
            // The client that dropped it was interrupted before it removed the record.
            self.move_to_ledger(&name, &record).await?;
            return Ok(Claim::Gone);
        }
        // A request that has no job yet needs no service.
        let has_job = matches!(record.state, JobState::Accepted | JobState::Done);
        if has_job && service.is_some_and(|service| !record.is_for_service(service)) {
            return Ok(Claim::OtherService(Box::new(record)));
        }
        let held_by_other = |record, is_alive| {
            Ok(Claim::HeldByOther {
                record: Box::new(record),
                is_alive,
            })
        };
        let Some(mut guard) = guard else {
            return held_by_other(record, true);
        };
        let lease_id = self.lease().await?.id.clone();
        if let Some(owner) = &record.owner
            && *owner != lease_id
        {
            match self.liveness(owner).await? {
                Liveness::Dead => {}
                Liveness::Alive if is_over => {
                    // The owner reports how it ended, but may have failed to move the record.
                    self.move_to_ledger(&name, &record).await?;
                    return Ok(Claim::Gone);
                }
                Liveness::Alive => return held_by_other(record, true),
                Liveness::Unknown => return held_by_other(record, false),
            }
        }
        record.owner = Some(lease_id.clone());
        record.changed_at = host::now();
        let written_at = Moment::now();
        guard.is_owner = true;
        let claimed = store.replace(&name, &found.version, record.to_json()?).await?;
        match claimed {
            // The client that ended it was interrupted before the move to the ledger.
            Some(_) if is_over => {
                match self.move_to_ledger(&name, &record).await {
                    Ok(()) => guard.is_owner = false,
                    Err(error) => {
                        tracing::warn!(record = %id, %error, "a settled record is not in the ledger yet");
                    }
                }
                record.owner = None;
                Ok(Claim::Ended(Box::new(record)))
            }
            Some(version) => Ok(Claim::Ours(OwnedRecord::new(
                guard, lease_id, name, record, version, written_at,
            ))),
            None => {
                guard.is_owner = false;
                if is_over {
                    return Ok(Claim::Gone);
                }
                held_by_other(record, true)
            }
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Journal({})", self.inner.backend)
    }
}

/// Returns the name of a record in a folder. A crash can leave several; then the one with the most certain cost.
async fn best_entry(store: &JsonStore, id: &RecordId) -> Result<Option<EntryName>> {
    let found = entries(store).await?.into_iter();
    Ok(found
        .filter(|entry| entry.id == *id)
        .min_by_key(|entry| entry.cost.uncertainty()))
}

/// Returns the names of the records in a folder.
async fn entries(store: &JsonStore) -> Result<Vec<EntryName>> {
    let names = store.names().await?;
    Ok(records_in(&names).collect())
}

fn records_in(names: &[String]) -> impl Iterator<Item = EntryName> {
    names.iter().filter_map(|name| EntryName::parse(name))
}

fn oldest_first(mut entries: Vec<EntryName>) -> Vec<EntryName> {
    entries.sort_unstable_by(|a, b| (a.id.millis(), &a.id).cmp(&(b.id.millis(), &b.id)));
    entries
}

#[cfg(test)]
mod for_tests;
