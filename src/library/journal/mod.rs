//! The journal of paid requests, and the ledger that it becomes.
//!
//! Owns the records in `jobs/` and `ledger/`, who may work on one, and the sums. Knows nothing of the service:
//! it writes down what it is told, before and after each step that costs or saves something.
//!
//! A record is written before its create is sent, and changed as a whole right after each answer. Every write is
//! conditional on the version that was read, so of two writers one finds out. When all is settled the record is
//! written once more with its last state, which decides how it ended, and then moves to the ledger. A crash between
//! the steps of that move leaves both; the ledger's counts, and the next one who looks removes the other.

mod entry;
mod file;
mod ledger;
mod owner;
mod record;
mod settle;
mod settle_check;

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

pub(crate) use self::owner::{LEASE, LOOK};
pub(super) use self::owner::{Owner, Renewal, Seen};
pub(super) use self::record::millis_of;
pub use self::record::{JobError, JobRecord, JobState};
pub use self::settle::Settlement;

use self::entry::{EntryName, day_of};
use self::owner::{Liveness, Reading};
use super::Library;
use super::documents::{Documents, Version};
use super::name::{now_millis, quoted};
use crate::error::{Error, ErrorKind, Result};
use crate::money::Budget;
use crate::mutation::{Mutation, is_on};

const JOBS: &str = "jobs";
const LEDGER: &str = "ledger";
/// Maximum attempts to write a record that other processes change at the same time.
const TRIES: u32 = 4;

/// The records that this client works on.
pub(super) type Working = Mutex<HashSet<String>>;

/// The right to work on a record, and what it says. Dropped, the next may have it. One pointer: it goes from hand to
/// hand, and futures have room for each.
pub(crate) struct JobFile(Box<Opened>);

struct Opened {
    held: Held,
    /// This client, as records name their owner.
    us: String,
    name: String,
    record: JobRecord,
    version: Version,
    /// When this version was written, to be compared with the length of a lease.
    written: Reading,
    /// The job that the service made for it, once that is known: every write names it.
    job: Option<KnownJob>,
}

/// The job of a record.
struct KnownJob {
    id: String,
    clip: String,
}

impl std::fmt::Debug for JobFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("JobFile").field(&self.0.name).finish()
    }
}

/// Keeps a record from being claimed twice by one client.
struct Held {
    library: Library,
    id: String,
    /// Whether the record in the library names this client as its owner.
    is_owner: bool,
}

impl Held {
    fn take(library: &Library, id: &str) -> Option<Self> {
        let mut working = library
            .inner
            .working
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        working.insert(id.to_owned()).then(|| Self {
            library: library.clone(),
            id: id.to_owned(),
            is_owner: false,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut working = self
            .library
            .inner
            .working
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        working.remove(&self.id);
        if self.is_owner {
            self.library.inner.left_records.store(true, Ordering::Relaxed);
        }
    }
}

/// A record that is open, by its name alone.
#[derive(Debug, Clone)]
pub(crate) struct OpenJob(EntryName);

impl OpenJob {
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }
}

/// What came of an attempt to take a record up.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is ours to work on.
    Ours(JobFile),
    /// Another client works on it, or may do so.
    HeldByOther {
        /// What the record says.
        record: Box<JobRecord>,
        /// Whether the other client was seen to be alive. If not, that shows when its lease has been watched for
        /// [`LEASE`].
        is_alive: bool,
    },
    /// It was sent to another service than the one that was named.
    OtherService(Box<JobRecord>),
    /// It has its last state, and this claim has moved it to the ledger.
    Ended(Box<JobRecord>),
    /// Nothing is left to be done.
    Gone,
}

/// A record that cannot be taken up, and why: it is damaged, of another version, or the disk refuses. Its money
/// counts all the same, because the record's name has it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StuckJob {
    /// The id of the record.
    pub record: String,
    /// What is wrong with it.
    pub error: Error,
}

impl StuckJob {
    pub(crate) fn new(record: &str, error: Error) -> Self {
        Self {
            record: record.to_owned(),
            error,
        }
    }
}

/// What came of an attempt to book a request.
pub(crate) enum Begun {
    Yes(JobFile),
    /// It does not fit the budget. Another request that was being booked at the same moment may have been in
    /// the way.
    Over {
        error: Error,
        crowded: bool,
    },
}

impl Library {
    /// The records of everything that is open: on its way, interrupted, or waiting for a person. Oldest
    /// first. One that cannot be read keeps no other from being told, and is in
    /// [`stuck_jobs`](Self::stuck_jobs).
    ///
    /// # Errors
    /// `Library` if the library cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn jobs(&self) -> Result<Vec<JobRecord>> {
        let mut records = self.records_in_jobs().await?;
        // One that is over is on its way to the ledger.
        records.retain(|record| !record.state.is_over());
        Ok(records)
    }

    /// The records in `jobs/` that can be read, those on their way to the ledger included. Oldest first.
    pub(in crate::library::journal) async fn records_in_jobs(&self) -> Result<Vec<JobRecord>> {
        let mut records = Vec::new();
        for entry in self.open_entries().await? {
            records.extend(self.open_record(&entry).await.ok().flatten());
        }
        Ok(records)
    }

    /// The open records that cannot be read, with what is wrong with each. A person has to look at them.
    ///
    /// # Errors
    /// `Library` if the library cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn stuck_jobs(&self) -> Result<Vec<StuckJob>> {
        let mut stuck = Vec::new();
        for entry in self.open_entries().await? {
            if let Err(error) = self.open_record(&entry).await {
                stuck.push(StuckJob::new(&entry.id, error));
            }
        }
        Ok(stuck)
    }

    async fn open_record(&self, entry: &EntryName) -> Result<Option<JobRecord>> {
        let found = self.jobs_folder().read(&entry.to_string()).await?;
        found
            .map(|found| JobRecord::from_json(&entry.id, &found.json))
            .transpose()
    }

    /// The record of one paid request, open or settled.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no id, `NotFound` if there is no such record, `Library` if it cannot be
    /// read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn job_record(&self, id: &str) -> Result<JobRecord> {
        let created_at = created_at(id)?;
        for documents in [self.ledger_of(&day_of(created_at)), self.jobs_folder()] {
            if let Some(entry) = best_entry(&documents, id).await?
                && let Some(found) = documents.read(&entry.to_string()).await?
            {
                return JobRecord::from_json(id, &found.json);
            }
        }
        Err(Error::new(
            ErrorKind::NotFound,
            format!("find the record of job {id} in {self}"),
        ))
    }

    fn jobs_folder(&self) -> Documents {
        Documents::new(self, JOBS)
    }

    fn ledger_of(&self, day: &str) -> Documents {
        Documents::new(self, format!("{LEDGER}/{day}"))
    }

    /// The open entries, oldest first.
    pub(in crate::library::journal) async fn open_entries(&self) -> Result<Vec<EntryName>> {
        let mut open = entries(&self.jobs_folder()).await?;
        open.sort_unstable_by(|a, b| (a.created_at(), &a.id).cmp(&(b.created_at(), &b.id)));
        Ok(open)
    }

    /// Everything that is open, oldest first. What a crash left open that is settled is removed on the way.
    pub(crate) async fn open_jobs(&self) -> Result<Vec<OpenJob>> {
        let mut open = self.open_entries().await?;
        let mut days: Vec<_> = open.iter().map(|entry| day_of(entry.created_at())).collect();
        days.dedup();
        let mut settled = HashSet::new();
        for day in days {
            let day = entries(&self.ledger_of(&day)).await?;
            settled.extend(day.into_iter().map(|entry| entry.id));
        }
        let (over, left): (Vec<_>, Vec<_>) = open.drain(..).partition(|entry| settled.contains(&entry.id));
        for entry in over {
            self.jobs_folder().remove(&entry.to_string()).await?;
        }
        Ok(left.into_iter().map(OpenJob).collect())
    }

    /// The open record of that id.
    pub(crate) async fn open_job(&self, id: &str) -> Result<Option<OpenJob>> {
        let open = self.open_jobs().await?;
        Ok(open.into_iter().find(|job| job.id() == id))
    }

    /// Books a request and writes its record, unless a budget forbids it.
    pub(crate) async fn begin_job(&self, mut record: JobRecord, budget: &Budget) -> Result<Begun> {
        let us = self.owner().await?.id.clone();
        record.owner = Some(us.clone());
        let entry = EntryName::of(&record);
        let name = entry.to_string();
        let mut held = Held::take(self, &record.id)
            .ok_or_else(|| Error::new(ErrorKind::Library, "draw a name for a job: it is taken"))?;
        // Two that are booked at once would each count the other, and both be refused.
        let _turn = self.inner.booking.lock().await;
        let written = Reading::now();
        held.is_owner = true;
        let version = self
            .jobs_folder()
            .create(&name, record.to_json()?)
            .await?
            .ok_or_else(|| Error::new(ErrorKind::Library, "draw a name for a job: it is taken"))?;
        let file = JobFile(Box::new(Opened {
            held,
            us,
            name,
            record,
            version,
            written,
            job: None,
        }));
        // Booked first and counted then: of two processes at least one sees the other.
        match self.check_budget(&entry, budget).await {
            Ok(()) => Ok(Begun::Yes(file)),
            Err((error, crowded)) => {
                file.discard().await?;
                if error.kind() == ErrorKind::Budget {
                    Ok(Begun::Over { error, crowded })
                } else {
                    Err(error)
                }
            }
        }
    }

    /// Takes a record up, unless another client works on it. `service` is the origin that the caller can reach; the job
    /// of another one is left as it is.
    pub(crate) async fn claim_job(&self, job: &OpenJob, service: Option<&str>) -> Result<Claim> {
        let (documents, id, name) = (self.jobs_folder(), job.id(), job.0.to_string());
        let held = Held::take(self, id);
        let Some(found) = documents.read(&name).await? else {
            return Ok(Claim::Gone);
        };
        let mut record = JobRecord::from_json(id, &found.json)?;
        let is_over = record.state.is_over();
        if record.state == JobState::Dropped {
            // Whoever dropped it was interrupted before its removal.
            self.move_to_ledger(&name, &record).await?;
            return Ok(Claim::Gone);
        }
        // What was never sent, or has no job yet, needs no service.
        let has_job = matches!(record.state, JobState::Accepted | JobState::Done);
        if let (true, Some(ours), Some(theirs)) = (has_job, service, &record.service)
            && ours != theirs
            && !is_on(Mutation::RecoverAnyService)
        {
            return Ok(Claim::OtherService(Box::new(record)));
        }
        let elsewhere = |record, is_alive| {
            Ok(Claim::HeldByOther {
                record: Box::new(record),
                is_alive,
            })
        };
        let Some(mut held) = held else {
            return elsewhere(record, true);
        };
        let us = self.owner().await?.id.clone();
        if let Some(owner) = &record.owner
            && *owner != us
        {
            match self.liveness(owner).await? {
                Liveness::Dead => {}
                Liveness::Alive if is_over => {
                    // Its owner reports how it ended, and may have failed to make the next step.
                    self.move_to_ledger(&name, &record).await?;
                    return Ok(Claim::Gone);
                }
                Liveness::Alive => return elsewhere(record, true),
                Liveness::Unknown => return elsewhere(record, false),
            }
        }
        record.owner = Some(us.clone());
        record.changed_at = now_millis();
        let written = Reading::now();
        held.is_owner = true;
        let taken = documents
            .replace(&name, &found.version, record.to_json()?)
            .await?;
        match taken {
            // Whoever ended it was interrupted on the way to the ledger.
            Some(_) if is_over => {
                match self.move_to_ledger(&name, &record).await {
                    Ok(()) => held.is_owner = false,
                    Err(error) => {
                        tracing::warn!(record = id, %error, "an ended record is not in the ledger yet");
                    }
                }
                record.owner = None;
                Ok(Claim::Ended(Box::new(record)))
            }
            Some(version) => Ok(Claim::Ours(JobFile(Box::new(Opened {
                held,
                us,
                name,
                record,
                version,
                written,
                job: None,
            })))),
            None => {
                held.is_owner = false;
                if is_over {
                    return Ok(Claim::Gone);
                }
                elsewhere(record, true)
            }
        }
    }

    /// Takes up the job of that id at the service, whether this library sent it or not.
    pub(crate) async fn pick_up(&self, job_id: &str, service: &str) -> Result<Claim> {
        let open = self.open_jobs().await?;
        if let Some(job) = self.first_of(&open, job_id).await {
            return self.claim_job(job, Some(service)).await;
        }
        let mut record = JobRecord::pickup(job_id);
        record.service = Some(service.to_owned());
        let Begun::Yes(file) = self.begin_job(record, &Budget::NONE).await? else {
            return Ok(Claim::Gone);
        };
        // Two that do this at once both see both records: the older one's stands.
        let seen: HashSet<_> = open.iter().map(OpenJob::id).collect();
        let now = self.open_entries().await?.into_iter().map(OpenJob);
        let older: Vec<_> = now
            .take_while(|job| job.id() != file.record().id)
            .filter(|job| !seen.contains(job.id()))
            .collect();
        match self.first_of(&older, job_id).await {
            Some(older) => {
                file.discard().await?;
                self.claim_job(older, Some(service)).await
            }
            None => Ok(Claim::Ours(file)),
        }
    }

    /// The first of these records that is of that job at the service.
    async fn first_of<'a>(&self, jobs: &'a [OpenJob], job_id: &str) -> Option<&'a OpenJob> {
        for job in jobs {
            // One that cannot be read is none that could be taken up.
            let record = self.open_record(&job.0).await.ok().flatten();
            if record.is_some_and(|record| record.job_id.as_deref() == Some(job_id)) {
                return Some(job);
            }
        }
        None
    }
}

/// When the record of that id was made, in milliseconds since 1970 UTC.
///
/// # Errors
/// `InvalidRequest` for what is no id of a record.
pub(super) fn created_at(id: &str) -> Result<u64> {
    millis_of(id).ok_or_else(|| {
        Error::invalid(format!(
            "take {} for the record of a job: it looks like 1763829999123_a1b2c3d4",
            quoted(id)
        ))
    })
}

/// The name of a record in a folder: of several, which a crash can leave, the one that is known best.
async fn best_entry(documents: &Documents, id: &str) -> Result<Option<EntryName>> {
    let found = entries(documents).await?.into_iter();
    Ok(found
        .filter(|entry| entry.id == id)
        .min_by_key(|entry| entry.booked.rank()))
}

/// What lies there under the name of a record.
async fn entries(documents: &Documents) -> Result<Vec<EntryName>> {
    let names = documents.names().await?;
    Ok(names.iter().filter_map(|name| EntryName::parse(name)).collect())
}
