//! Whether what a person says of a job can be true, before anything is changed.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::entry::EntryName;
use super::settle::settled_meanwhile;
use super::{JobRecord, LEDGER, OpenJob, Settlement, entries};
use crate::error::{Error, Result};
use crate::library::Library;
use crate::library::documents::Documents;
use crate::request::check_job_id;

/// Records of the ledger that are read at a time.
const AT_ONCE: usize = 16;

impl Library {
    /// Checks what somebody says of an open record. Returns the job that it named then: what is said is said of that.
    ///
    /// # Errors
    /// `InvalidRequest` for the id of a job that is none, or that another record or clip has; `NotFound` when nothing
    /// of the record is in quarantine to be accepted.
    pub(super) async fn check_settlement(
        &self,
        job: &OpenJob,
        settlement: &Settlement,
    ) -> Result<Option<String>> {
        let record = self.record_of(job).await?;
        match settlement {
            Settlement::Job(job_id) => {
                check_job_id(job_id)?;
                if let Some(known) = record.job_id.as_ref().filter(|known| *known != job_id) {
                    return Err(Error::invalid(format!(
                        "settle job {}: the service gave it the id {known}; recover it, or say what was charged",
                        job.id()
                    )));
                }
                self.check_unused(job.id(), job_id).await?;
            }
            Settlement::Accept => self.check_acceptable(&record).await?,
            Settlement::NeverMade | Settlement::Lost(_) => {}
        }
        Ok(record.job_id)
    }

    async fn record_of(&self, job: &OpenJob) -> Result<JobRecord> {
        self.open_record(&job.0)
            .await?
            .ok_or_else(|| settled_meanwhile(job.id()))
    }

    /// Checks that no other record and no clip has the job of that id: two records of one job would count its cost
    /// twice, and save its clip twice.
    async fn check_unused(&self, id: &str, job_id: &str) -> Result<()> {
        let taken = |what: String| {
            Error::invalid(format!("settle job {id}: {what} has the job {job_id} already")).with_guidance(
                "check the id on the account page; what was paid for nothing is settled as lost",
            )
        };
        if let Some(clip) = self.clip_of_job(job_id).await? {
            return Err(taken(format!("the clip {}", clip.id)));
        }
        for entry in self.open_entries().await? {
            let is_other = entry.id != id;
            // One that cannot be read says nothing.
            let record = self.open_record(&entry).await.ok().flatten();
            if is_other && record.is_some_and(|record| record.job_id.as_deref() == Some(job_id)) {
                return Err(taken(format!("the open record {}", entry.id)));
            }
        }
        for day in Documents::new(self, LEDGER).folders().await? {
            let documents = self.ledger_of(&day);
            let settled = stream::iter(entries(&documents).await?)
                .map(|entry| has_job(&documents, entry, job_id))
                .buffer_unordered(AT_ONCE);
            let mut found = std::pin::pin!(settled.try_filter_map(|found| async move { Ok(found) }));
            if let Some(other) = found.try_next().await? {
                return Err(taken(format!("the settled record {other}")));
            }
        }
        Ok(())
    }
}

/// The id of a record of the ledger, if it is of that job.
async fn has_job(documents: &Documents, entry: EntryName, job_id: &str) -> Result<Option<String>> {
    let Some(found) = documents.read(&entry.to_string()).await? else {
        return Ok(None);
    };
    let record = JobRecord::from_json(&entry.id, &found.json).ok();
    let is_it = record.is_some_and(|record| record.job_id.as_deref() == Some(job_id));
    Ok(is_it.then_some(entry.id))
}
