//! Settles requests whose result the service cannot report, so that a person had to find it out.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::entry_name::{CostState, EntryName};
use super::record::{JobError, JobRecord, JobState};
use super::{Claim, Journal, OpenJob, OwnedRecord, entries};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ClipId, JobId, RecordId};
use crate::money::UsdTicks;
use crate::storage::JsonStore;

/// The maximum number of concurrent reads of ledger records.
const CONCURRENT_READS: usize = 16;

/// How a request ended, as a person knows from the account page of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Settlement {
    /// No job exists, and nothing was charged.
    NeverMade,
    /// This amount was charged, and the clip can no longer be downloaded.
    Lost(UsdTicks),
    /// The job exists and has this id. The record stays open, and a recovery finishes it.
    Job(String),
    /// The bytes in quarantine, which failed verification, become the clip. Its sidecar says so, and its cost remains.
    Accept,
}

impl Journal {
    /// Claims an open record for a settlement.
    pub(crate) async fn claim_to_settle(&self, job: &OpenJob) -> Result<OwnedRecord> {
        let id = job.id();
        match self.claim_after_watching(job, None).await? {
            Claim::Ours(owned) => Ok(owned),
            Claim::HeldByOther { .. } | Claim::OtherService(_) | Claim::Superseded(_) => Err(Error::library(
                format!("settle job {id}: a process is working on it; wait for that process"),
            )),
            Claim::Gone | Claim::Ended(_) => Err(settled_meanwhile(id)),
        }
    }

    /// Reads an open record that is to be settled.
    pub(crate) async fn record_to_settle(&self, job: &OpenJob) -> Result<JobRecord> {
        self.open_record(&job.0)
            .await?
            .ok_or_else(|| settled_meanwhile(job.id()))
    }

    /// Sets the job of an open record, which a recovery then finishes.
    pub(crate) async fn settle_with_job(&self, job: &OpenJob, job_id: &JobId) -> Result<JobRecord> {
        let mut owned = self.claim_to_settle(job).await?;
        owned
            .change(|record| {
                record.owner = None;
                if record.job_id.is_none() {
                    record.state = JobState::Accepted;
                    record.clip = Some(ClipId::of_job(job_id.as_str()));
                    record.job_id = Some(job_id.clone());
                    record.job_known_late = true;
                    record.error = None;
                }
            })
            .await?;
        match &owned.record().job_id {
            Some(id) if id == job_id => Ok(owned.record().clone()),
            Some(other) => Err(answered_meanwhile(job.id(), other)),
            None => Err(settled_meanwhile(job.id())),
        }
    }

    /// Ends an open record without a clip. `known` is the job id in the record when the person decided. If the reply to
    /// the create request has arrived since, the decision no longer applies, and this is an error.
    pub(crate) async fn settle_without_clip(
        &self,
        job: &OpenJob,
        known: Option<&JobId>,
        settlement: &Settlement,
    ) -> Result<JobRecord> {
        let mut owned = self.claim_to_settle(job).await?;
        if *settlement == Settlement::NeverMade
            && let Some(job_id) = made_job(owned.record())
        {
            let message = format!(
                "settle job {}: the service reported its job {job_id} as done; recover it, accept its bytes in quarantine, or settle it with the amount that was charged",
                job.id()
            );
            owned.release().await?;
            return Err(Error::invalid(message));
        }
        let is_same = |found: &JobRecord| found.job_id.as_ref() == known;
        let settled = owned
            .close_if(is_same, |record| apply(record, settlement))
            .await?;
        match &settled.job_id {
            Some(other) if !is_same(&settled) && !settled.state.is_over() => {
                Err(answered_meanwhile(job.id(), other))
            }
            _ => Ok(settled),
        }
    }

    /// Settles a record of the ledger that failed and whose charge is unknown.
    pub(crate) async fn settle_failed(&self, id: &RecordId, settlement: &Settlement) -> Result<JobRecord> {
        let already_settled = |found: &JobRecord| {
            Error::not_found(format!(
                "settle job {id}: it is settled already ({})",
                found.state.as_str()
            ))
        };
        let found = self.job_record(id).await?;
        let is_unclear = |found: &JobRecord| {
            found.state == JobState::Failed && !matches!(CostState::of(found), CostState::Paid(_))
        };
        let Some(entry) = self.ledger_entry(id).await? else {
            return Err(already_settled(&found));
        };
        if !is_unclear(&found) {
            if EntryName::of(&found) != entry {
                // A crash during an earlier settlement left the old name.
                self.change_ledger(&entry, |_| None).await?;
            }
            return Err(already_settled(&found));
        }
        if matches!(settlement, Settlement::Job(_) | Settlement::Accept) {
            return Err(Error::invalid(format!(
                "settle job {id}: its job is known and failed; settle it as not charged, or with the amount that was charged"
            )));
        }
        let settled = self
            .change_ledger(&entry, |found| {
                let mut settled = found.clone();
                apply(&mut settled, settlement);
                is_unclear(found).then_some(settled)
            })
            .await?
            .ok_or_else(|| already_settled(&found))?;
        if settled.state == JobState::Settled {
            Ok(settled)
        } else {
            Err(already_settled(&settled))
        }
    }

    /// Returns the id of another open record of a job, if there is one.
    ///
    /// # Errors
    /// `Library` if an open record cannot be read, because it may be of the job.
    pub(crate) async fn other_open_record(&self, id: &RecordId, job_id: &JobId) -> Result<Option<RecordId>> {
        for entry in self.open_entries().await? {
            if entry.id == *id {
                continue;
            }
            let record = self.valid_record(&entry).await?;
            if record.is_some_and(|record| record.job_id.as_ref() == Some(job_id)) {
                return Ok(Some(entry.id));
            }
        }
        Ok(None)
    }

    /// Returns the id of a settled record of a job, if there is one.
    pub(crate) async fn settled_record(&self, job_id: &JobId) -> Result<Option<RecordId>> {
        for day in self.ledger_days().await? {
            let store = self.ledger_store(&day);
            let matching = stream::iter(entries(&store).await?)
                .map(|entry| id_if_of_job(&store, entry, job_id))
                .buffer_unordered(CONCURRENT_READS);
            let mut found = std::pin::pin!(matching.try_filter_map(|found| async move { Ok(found) }));
            if let Some(other) = found.try_next().await? {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }
}

/// Returns the job of a record if the service has reported it as done.
fn made_job(record: &JobRecord) -> Option<JobId> {
    let is_charged = record.cost.is_some_and(|cost| cost > UsdTicks::ZERO);
    let is_made = record.state == JobState::Done || is_charged;
    record.job_id.clone().filter(|_| is_made)
}

/// Returns the id of a ledger record if it has the job.
async fn id_if_of_job(store: &JsonStore, entry: EntryName, job_id: &JobId) -> Result<Option<RecordId>> {
    let Some(found) = store.read(&entry.to_string()).await? else {
        return Ok(None);
    };
    let record = JobRecord::from_json(entry.id.as_str(), &found.json).ok();
    let matches = record.is_some_and(|record| record.job_id.as_ref() == Some(job_id));
    Ok(matches.then_some(entry.id))
}

fn settled_meanwhile(id: &RecordId) -> Error {
    Error::not_found(format!(
        "settle job {id}: another process has settled it meanwhile"
    ))
}

fn answered_meanwhile(id: &RecordId, job: &JobId) -> Error {
    Error::invalid(format!(
        "settle job {id}: the service's reply has arrived meanwhile, and its job is {job}; recover it, or settle it again"
    ))
}

/// Gives a record the final state that a person decided on.
fn apply(record: &mut JobRecord, settlement: &Settlement) {
    record.state = JobState::Settled;
    match settlement {
        Settlement::Lost(amount) => record.cost = Some(*amount),
        _ => {
            record.error = Some(JobError {
                code: ErrorKind::SubmissionUnknown.code().to_owned(),
                message:
                    "a person who checked the account settled it: no such job exists, or it was not charged"
                        .to_owned(),
                charged: "no".to_owned(),
                service_code: None,
            });
        }
    }
}
