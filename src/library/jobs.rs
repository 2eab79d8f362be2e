//! The public methods of a library for paid requests.

use std::ops::RangeBounds;

use super::{Library, Settlement};
use crate::error::{Error, Result};
use crate::ids::{JobId, RecordId};
use crate::journal::{JobRecord, StuckJob};
use crate::money::Spent;
use crate::timestamp::Timestamp;

impl Library {
    /// Returns the records of all open requests: in progress, interrupted, or waiting for a person. Oldest first.
    /// [`stuck_jobs`](Self::stuck_jobs) returns those that cannot be read.
    ///
    /// # Errors
    /// `Library` if the library cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn jobs(&self) -> Result<Vec<JobRecord>> {
        self.journal().jobs().await
    }

    /// Returns the open records that cannot be read, with the reason. They need a person's attention.
    ///
    /// # Errors
    /// `Library` if the library cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn stuck_jobs(&self) -> Result<Vec<StuckJob>> {
        self.journal().stuck_jobs().await
    }

    /// Returns the record of a paid request, open or settled.
    ///
    /// # Errors
    /// `InvalidRequest` if the id is not valid, `NotFound` if the record does not exist, `Library` if it cannot be
    /// read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn job_record(&self, id: impl AsRef<str>) -> Result<JobRecord> {
        self.journal().job_record(&RecordId::parse(id.as_ref())?).await
    }

    /// Returns what was spent on requests that were created in a time range. The range `..` includes everything. Reads
    /// only names: those of the open records, and those of the settled records of the days in the range.
    ///
    /// # Errors
    /// `Library` if the library cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn spent(&self, time: impl RangeBounds<Timestamp> + Send) -> Result<Spent> {
        self.journal().spent(time).await
    }

    /// Records how a request ended, as a person has found out. Returns the record as it is then.
    ///
    /// This is for requests whose result the service cannot report: the submission is unknown, the job cannot be
    /// finished, or it failed and its charge is unknown.
    ///
    /// # Errors
    /// `InvalidRequest` if the id is not valid, if a given job id is not valid, belongs to another record or clip, or is
    /// for a record that failed, or if a job that the service reported as done is said never to have been made.
    /// `NotFound` if the record cannot be settled, or nothing in quarantine can be accepted. `Library` if another process
    /// is working on the record or it cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the record either unchanged or settled.
    pub async fn settle(&self, id: impl AsRef<str>, settlement: Settlement) -> Result<JobRecord> {
        let id = RecordId::parse(id.as_ref())?;
        let journal = self.journal();
        let Some(job) = journal.open_job(&id).await? else {
            return journal.settle_failed(&id, &settlement).await;
        };
        let record = journal.record_to_settle(&job).await?;
        match &settlement {
            Settlement::Job(job_id) => {
                let job_id = JobId::parse(job_id)?;
                self.check_job_for(&record, &job_id).await?;
                journal.settle_with_job(&job, &job_id).await
            }
            Settlement::Accept => {
                self.check_acceptable(&record).await?;
                let owned = journal.claim_to_settle(&job).await?;
                self.accept_quarantined(owned).await
            }
            Settlement::NeverMade | Settlement::Lost(_) => {
                journal
                    .settle_without_clip(&job, record.job_id.as_ref(), &settlement)
                    .await
            }
        }
    }

    /// Checks that a record can be given a job id.
    async fn check_job_for(&self, record: &JobRecord, job_id: &JobId) -> Result<()> {
        let id = &record.id;
        if let Some(known) = record.job_id.as_ref().filter(|known| *known != job_id) {
            return Err(Error::invalid(format!(
                "settle job {id}: its job id is {known}; recover it, or settle it with the amount that was charged"
            )));
        }
        // Another one would count the cost twice and save the clip twice. A record that picks up the job ends after its
        // clip was saved, so open records come first.
        let other = if let Some(other) = self.journal().other_open_record(id, job_id).await? {
            Some(format!("the open record {other}"))
        } else if let Some(clip) = self.clip_of_job(job_id.as_str()).await? {
            Some(format!("the clip {}", clip.id))
        } else {
            let settled = self.journal().settled_record(job_id).await?;
            settled.map(|other| format!("the settled record {other}"))
        };
        match other {
            Some(other) => Err(Error::invalid(format!(
                "settle job {id}: {other} has the job {job_id} already"
            ))
            .with_guidance("check the id on the account page; settle a charge without a clip as lost")),
            None => Ok(()),
        }
    }
}
