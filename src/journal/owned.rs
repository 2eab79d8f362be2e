//! Writes to a record that this client has claimed.
//!
//! Owns the rules for these writes. A write is conditional on the version that was read. Before the create request is
//! sent, only the owner may write. A final state is never overwritten. Does not know what the states mean for a clip.

use super::lease::{LEASE_DURATION, Moment};
use super::move_to_ledger::{keeps_changing, outranks, without_owner};
use super::record::{JobError, JobRecord, JobState};
use super::{Journal, MAX_ATTEMPTS, WorkGuard};
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::host;
use crate::ids::{ClipId, JobId, RecordId};
use crate::money::UsdTicks;
use crate::mutation::{Mutation, is_on};
use crate::storage::{Document, Version};

/// Maximum times that a record is checked before its create request is sent, if each check takes too long to be certain.
const MAX_CHECKS: usize = 3;

/// A record that this client may work on. After a drop, another client may claim the record. The content is boxed,
/// because many futures contain this type.
pub(crate) struct OwnedRecord(Box<Owned>);

struct Owned {
    guard: WorkGuard,
    /// The id of this client's lease.
    lease_id: String,
    name: String,
    record: JobRecord,
    version: Version,
    /// When this version was written.
    written_at: Moment,
    /// The job that the service created for the record. Once it is known, every write contains it.
    job: Option<KnownJob>,
}

/// The job of a record and the clip id that belongs to it.
struct KnownJob {
    id: JobId,
    clip: ClipId,
    /// Whether it could not be written at once.
    is_late: bool,
}

/// The result of a conditional write.
enum WriteResult {
    Written,
    /// The record no longer exists.
    Gone,
    /// The record may not be changed, because another client ended it or works on it. This is its stored version.
    Refused(Box<JobRecord>),
}

impl std::fmt::Debug for OwnedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OwnedRecord").field(&self.0.name).finish()
    }
}

impl OwnedRecord {
    pub(super) fn new(
        guard: WorkGuard,
        lease_id: String,
        name: String,
        record: JobRecord,
        version: Version,
        written_at: Moment,
    ) -> Self {
        Self(Box::new(Owned {
            guard,
            lease_id,
            name,
            record,
            version,
            written_at,
            job: None,
        }))
    }

    /// Returns the record as it was last read or written.
    pub(crate) const fn record(&self) -> &JobRecord {
        &self.0.record
    }

    /// Changes the record before its create request is sent.
    ///
    /// # Errors
    /// `Library` if another client has claimed or removed the record because this client was assumed to be dead, or if
    /// the record cannot be written. Then nothing may be sent.
    pub(crate) async fn change_unsent(
        &mut self,
        change: impl Fn(&mut JobRecord) + Send + Sync,
    ) -> Result<()> {
        let lease_id = self.0.lease_id.clone();
        let is_ours = |found: &JobRecord| found.owner.as_ref() == Some(&lease_id) && !found.state.is_over();
        match self.write(&change, is_ours).await? {
            WriteResult::Written => Ok(()),
            WriteResult::Gone if is_on(Mutation::SkipLeaseCheck) => Ok(()),
            WriteResult::Gone | WriteResult::Refused(_) => Err(taken_over(&self.0.record.id)),
        }
    }

    /// Checks, immediately before a create request is sent, that the record still belongs to this client. Relies on the
    /// lease while it is certain to be valid, and writes the record again otherwise.
    ///
    /// The process can be suspended during such a write, so the times are compared again after it.
    ///
    /// # Errors
    /// As for [`change_unsent`](Self::change_unsent), and `Library` if every write takes too long. Nothing may be sent
    /// then.
    pub(crate) async fn check_unsent(&mut self) -> Result<()> {
        if is_on(Mutation::SkipLeaseCheck) {
            return Ok(());
        }
        let journal = self.journal().clone();
        for _ in 0..MAX_CHECKS {
            let holds_lease = journal.holds_lease().await?;
            if holds_lease && self.0.written_at.elapsed() < LEASE_DURATION / 2 {
                return Ok(());
            }
            if !holds_lease {
                journal.renew_lease().await?;
            }
            self.change_unsent(|_| {}).await?;
        }
        Err(Error::library(format!(
            "check the record {} before its request: every write took longer than {} s, and nothing was sent",
            self.0.record.id,
            LEASE_DURATION.as_secs() / 2
        )))
    }

    /// Records the job that the service created. If this write fails, the next one contains the job too.
    pub(crate) async fn accept(&mut self, job_id: &JobId, clip: &ClipId) -> Result<()> {
        let is_late = self.0.job.is_some();
        self.0.job = Some(KnownJob {
            id: job_id.clone(),
            clip: clip.clone(),
            is_late,
        });
        let written = self.change(|record| record.error = None).await;
        if written.is_err()
            && let Some(job) = &mut self.0.job
        {
            job.is_late = true;
            self.0.record.job_known_late = true;
        }
        if is_on(Mutation::SkipJobIdRetry) {
            self.0.job = None;
        }
        written
    }

    /// Changes the record after its create request was sent. If another client has claimed the record meanwhile, the
    /// change is applied to that client's version. If another client has ended it, only the job id is added.
    pub(crate) async fn change(&mut self, change: impl Fn(&mut JobRecord) + Send + Sync) -> Result<()> {
        let lease_id = self.0.lease_id.clone();
        let change = |record: &mut JobRecord| {
            let owner = record.owner.clone();
            change(record);
            // Only another client may release its ownership.
            if owner.as_ref() != Some(&lease_id) {
                record.owner = owner;
            }
        };
        self.change_sent(&change).await?;
        self.0.guard.is_owner = self.0.record.owner == Some(lease_id);
        Ok(())
    }

    /// Releases the record, so that any client may claim it.
    pub(crate) async fn release(&mut self) -> Result<()> {
        self.change(|record| record.owner = None).await
    }

    async fn change_sent(&mut self, change: &(impl Fn(&mut JobRecord) + Send + Sync)) -> Result<()> {
        for _ in 0..MAX_ATTEMPTS {
            match self.write(change, |found| !found.state.is_over()).await? {
                WriteResult::Written => return Ok(()),
                WriteResult::Refused(ended) => return self.add_job_id(*ended).await.map(drop),
                WriteResult::Gone if self.restore(change).await? => return Ok(()),
                // Another client has restored it.
                WriteResult::Gone if self.reload().await?.is_some() => {}
                WriteResult::Gone if self.0.job.is_none() => {
                    match self.journal().job_record(&self.0.record.id).await {
                        Ok(ended) => self.0.record = ended,
                        // Its request was never sent.
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        Err(error) => return Err(error),
                    }
                    return Ok(());
                }
                WriteResult::Gone => {
                    let ended = self.journal().job_record(&self.0.record.id).await?;
                    return self.add_job_id(ended).await.map(drop);
                }
            }
        }
        Err(keeps_changing(&self.0.record.id))
    }

    /// Records that the create request was sent and that nobody knows whether there is a job, and releases the record.
    /// Changes nothing if another client has found the job meanwhile.
    pub(crate) async fn mark_unknown(&mut self, error: Option<&Error>) -> Result<()> {
        let recorded = error.map(JobError::from);
        self.change(|record| {
            if record.job_id.is_some() {
                return;
            }
            record.state = JobState::Unknown;
            record.owner = None;
            if recorded.is_some() {
                record.error.clone_from(&recorded);
            }
        })
        .await
    }

    /// Ends the record because of an error. `cost` is the final cost of the clip, if it is known.
    pub(crate) async fn fail(self, error: &Error, cost: Option<UsdTicks>) -> Result<JobRecord> {
        let recorded = JobError::from(error);
        self.close(|record| {
            record.state = JobState::Failed;
            record.cost = cost.or(record.cost);
            record.error = Some(recorded.clone());
        })
        .await
    }

    /// Ends the record with a last change and moves it to the ledger. Returns the record as it is then.
    ///
    /// The change is not made if another client has ended the record or works on it, unless this client has saved the
    /// clip and the other has not.
    pub(crate) async fn close(self, change: impl Fn(&mut JobRecord) + Send + Sync) -> Result<JobRecord> {
        self.close_if(|_| true, change).await
    }

    /// Does what [`close`](Self::close) does if `may_end` returns true for the stored record. Otherwise releases the
    /// record and returns it unchanged.
    pub(super) async fn close_if(
        mut self,
        may_end: impl Fn(&JobRecord) -> bool + Send + Sync,
        change: impl Fn(&mut JobRecord) + Send + Sync,
    ) -> Result<JobRecord> {
        let lease_id = self.0.lease_id.clone();
        let change = |record: &mut JobRecord| {
            change(record);
            // Neither is needed anymore, and the reply contains a secret link.
            (record.draft, record.reply) = (None, None);
            // The owner reports how the record ended; a recovery by another client does not.
            record.owner = Some(lease_id.clone());
        };
        let mut ended = self.0.record.clone();
        change(&mut ended);
        set_job(&mut ended, self.0.job.as_ref());
        let may_end = |found: &JobRecord| {
            outranks(&ended, found)
                && (ended.state == JobState::Saved || is_free(found, &lease_id))
                && may_end(found)
        };
        // The write names this client as the owner, also if its reply is lost.
        self.0.guard.is_owner = true;
        let written = self.write(&change, may_end).await?;
        let journal = self.journal().clone();
        let closed = match written {
            WriteResult::Written => {
                // The record has ended with this write. If the move fails, a later recovery makes it.
                if let Err(error) = journal.move_to_ledger(&self.0.name, &self.0.record).await {
                    tracing::warn!(record = %self.0.record.id, %error, "a settled record is not in the ledger yet");
                    return Ok(without_owner(&self.0.record));
                }
                without_owner(&self.0.record)
            }
            WriteResult::Refused(theirs) if theirs.state.is_over() => {
                journal.move_to_ledger(&self.0.name, &theirs).await?;
                self.add_job_id(without_owner(&theirs)).await?
            }
            WriteResult::Refused(theirs) => {
                let lacks_job_id = theirs.job_id.is_none() && self.0.job.is_some();
                if lacks_job_id || theirs.owner.as_ref() == Some(&lease_id) {
                    self.release().await?;
                }
                self.0.record.clone()
            }
            WriteResult::Gone => {
                let found = journal.correct_ledger(without_owner(&ended)).await?;
                self.add_job_id(found).await?
            }
        };
        self.0.guard.is_owner = false;
        Ok(closed)
    }

    /// Removes the record of a request that was never sent.
    pub(crate) async fn discard(mut self) -> Result<()> {
        let change = |record: &mut JobRecord| {
            record.state = JobState::Dropped;
            (record.owner, record.draft, record.reply) = (None, None, None);
        };
        let lease_id = self.0.lease_id.clone();
        // A person may have settled it with a job id meanwhile.
        let may_drop = |found: &JobRecord| {
            let has_job = matches!(found.state, JobState::Accepted | JobState::Done);
            !found.state.is_over() && is_free(found, &lease_id) && (!has_job || found.is_pickup())
        };
        let written = self.write(&change, may_drop).await?;
        self.0.guard.is_owner = false;
        match written {
            // A final state is never overwritten, so the stored record is still the one that was just written.
            WriteResult::Written => self.journal().open_store().remove(&self.0.name).await,
            WriteResult::Gone | WriteResult::Refused(_) => Ok(()),
        }
    }

    fn journal(&self) -> &Journal {
        &self.0.guard.journal
    }

    /// Applies a change to the stored record if `may_change` returns true for it.
    async fn write(
        &mut self,
        change: &(impl Fn(&mut JobRecord) + Send + Sync),
        may_change: impl Fn(&JobRecord) -> bool + Send + Sync,
    ) -> Result<WriteResult> {
        for _ in 0..MAX_ATTEMPTS {
            if !may_change(&self.0.record) {
                return Ok(WriteResult::Refused(Box::new(self.0.record.clone())));
            }
            let version = self.0.version.clone();
            if self.put(change, Some(&version)).await? {
                return Ok(WriteResult::Written);
            }
            if self.reload().await?.is_none() {
                return Ok(WriteResult::Gone);
            }
        }
        Err(keeps_changing(&self.0.record.id))
    }

    /// Writes the record with a change: replaces the version `over`, or creates a new document if it is `None`. Returns
    /// whether that was possible.
    async fn put(
        &mut self,
        change: &(impl Fn(&mut JobRecord) + Send + Sync),
        over: Option<&Version>,
    ) -> Result<bool> {
        let owned = &mut *self.0;
        let store = owned.guard.journal.open_store();
        let mut changed = owned.record.clone();
        change(&mut changed);
        set_job(&mut changed, owned.job.as_ref());
        changed.changed_at = host::now();
        let (now, json) = (Moment::now(), changed.to_json()?);
        let written = match over {
            Some(version) if is_on(Mutation::OverwriteRecords) => {
                store.put(&owned.name, json).await?;
                Some(version.clone())
            }
            Some(version) => store.replace(&owned.name, version, json).await?,
            None => store.create(&owned.name, json).await?,
        };
        let Some(version) = written else {
            return Ok(false);
        };
        (owned.record, owned.version, owned.written_at) = (changed, version, now);
        Ok(true)
    }

    /// Reads the stored record again. Returns `None` if it no longer exists.
    async fn reload(&mut self) -> Result<Option<&JobRecord>> {
        let owned = &mut *self.0;
        let store = owned.guard.journal.open_store();
        let Some(Document { json, version }) = store.read(&owned.name).await? else {
            return Ok(None);
        };
        owned.record = JobRecord::from_json(owned.record.id.as_str(), &json)?;
        owned.version = version;
        Ok(Some(&owned.record))
    }

    /// Writes a record again whose file was removed, unless it is in the ledger. Returns whether it was written.
    async fn restore(&mut self, change: &(impl Fn(&mut JobRecord) + Send + Sync)) -> Result<bool> {
        let journal = self.journal().clone();
        let id = self.0.record.id.clone();
        let written = journal.ledger_entry(&id).await?.is_none() && self.put(change, None).await?;
        if written {
            tracing::warn!(record = %id, "the record of a job was removed, and is written again");
        }
        Ok(written)
    }

    /// Adds the job id to a record that another client ended before the job was known here. Returns the record as it is
    /// then.
    async fn add_job_id(&self, ended: JobRecord) -> Result<JobRecord> {
        let Some(job) = self.0.job.as_ref().filter(|_| ended.job_id.is_none()) else {
            return Ok(ended);
        };
        let journal = self.journal();
        tracing::error!(
            record = %ended.id,
            job = %job.id,
            "a record was ended while its create request was being sent, but the service created the job"
        );
        let add = |found: &JobRecord| {
            let mut found = found.clone();
            found.job_id.is_none().then(|| {
                found.job_id = Some(job.id.clone());
                found
            })
        };
        for _ in 0..MAX_ATTEMPTS {
            if let Some(entry) = journal.ledger_entry(&ended.id).await? {
                // `None` means that another client has renamed the entry meanwhile.
                if let Some(record) = journal.change_ledger(&entry, add).await? {
                    return Ok(record);
                }
            } else {
                // It has not been moved yet.
                journal.move_to_ledger(&self.0.name, &ended).await?;
            }
        }
        Err(keeps_changing(&ended.id))
    }
}

/// Sets the job of a record. Overwrites a job id from another client, because this client has received the reply to the
/// create request.
fn set_job(record: &mut JobRecord, job: Option<&KnownJob>) {
    let Some(job) = job.filter(|job| record.job_id.as_ref() != Some(&job.id)) else {
        return;
    };
    if let Some(other) = &record.job_id {
        tracing::error!(
            record = %record.id,
            job = %job.id,
            "the record had another job id, {other}, which is replaced"
        );
    }
    // Another client may have assumed that this one was dead.
    record.job_known_late |= job.is_late || record.state == JobState::Unknown;
    if matches!(
        record.state,
        JobState::Reserved | JobState::Intended | JobState::Unknown
    ) {
        record.state = JobState::Accepted;
    }
    record.job_id = Some(job.id.clone());
    record.clip = Some(job.clip.clone());
}

/// Returns whether no other client works on a record.
fn is_free(found: &JobRecord, lease_id: &str) -> bool {
    found.owner.as_deref().is_none_or(|owner| owner == lease_id)
}

fn taken_over(id: &RecordId) -> Error {
    Error::library(format!(
            "send the request of record {id}: another process assumed that this one was dead and has claimed or removed the record, so nothing was sent"
        ),
    )
    .with_charge(Charge::No)
    .with_advice(RetryAdvice::Retry)
    .with_guidance("this process was suspended or blocked, or could not reach its library, for longer than its lease; make the request again")
}

#[cfg(test)]
pub(super) mod tests;
