//! What a person says of a job that software cannot find out about.

use super::{Claim, JobError, JobRecord, JobState};
use crate::error::{Error, ErrorKind, Result};
use crate::library::{ClipId, Library};
use crate::money::UsdTicks;

/// What became of a job, as a person knows from the service's account page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum Settlement {
    /// There is no such job, and nothing was charged.
    NeverMade,
    /// So much was charged, and there is nothing to be had for it any more.
    Lost(UsdTicks),
    /// The job exists and has this id: it is open again, and recovering finishes it.
    Job(String),
    /// The bytes that failed verification and are in quarantine become the clip, unverified. Its sidecar says so,
    /// and its cost stays.
    Accept,
}

impl Library {
    /// Marks what became of a paid request that is open: one whose submission is unknown, or one whose job
    /// cannot be finished. Returns its record as it is now.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no id of a record, and for the id of a job that is none or that another record or
    /// clip has; `NotFound` if nothing of that id is open, or nothing of it is in quarantine to be accepted; `Library`
    /// if somebody is at work on it or it cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the record as it was or as it is to be.
    pub async fn settle(&self, id: &str, settlement: Settlement) -> Result<JobRecord> {
        let Some(job) = self.open_job(id).await? else {
            let found = self.job_record(id).await?;
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "settle job {id}: it is settled already ({})",
                    found.state.as_str()
                ),
            ));
        };
        self.check_settlement(&job, &settlement).await?;
        let mut file = match self.claim_job(&job).await? {
            Claim::Ours(file) => file,
            Claim::Elsewhere(_) => {
                return Err(Error::new(
                    ErrorKind::Library,
                    format!("settle job {id}: a process is at work on it; wait for that one"),
                ));
            }
            Claim::Gone => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("settle job {id}: it was settled meanwhile"),
                ));
            }
        };
        match settlement {
            Settlement::Accept => self.accept(file).await,
            Settlement::Job(job_id) => {
                file.change(|record| {
                    record.state = JobState::Accepted;
                    record.clip = Some(ClipId::of_job(&job_id).to_string());
                    record.job_id = Some(job_id.clone());
                    record.error = None;
                })
                .await?;
                Ok(file.record().clone())
            }
            Settlement::NeverMade => {
                file.close(|record| {
                    record.state = JobState::Settled;
                    record.error = Some(JobError {
                        code: ErrorKind::SubmissionUnknown.code().to_owned(),
                        message: "there is no such job, somebody who looked at the account said".to_owned(),
                        charged: "no".to_owned(),
                        service_code: None,
                    });
                })
                .await
            }
            Settlement::Lost(amount) => {
                file.close(|record| {
                    record.state = JobState::Settled;
                    record.cost = Some(amount);
                })
                .await
            }
        }
    }
}
