//! What a person says of a job that software cannot find out about.

use super::entry::{Booked, EntryName};
use super::{Claim, JobError, JobRecord, JobState, OpenJob};
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
    /// Marks what became of a paid request: one whose submission is unknown, one whose job cannot be finished, or one
    /// that failed without a word on whether it was charged. Returns its record as it is now.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no id of a record, and for the id of a job that is none, that another record or
    /// clip has, or that is for a record that failed; `NotFound` if nothing of that id can be settled, or nothing of it
    /// is in quarantine to be accepted; `Library` if somebody is at work on it or it cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the record as it was or as it is to be.
    pub async fn settle(&self, id: &str, settlement: Settlement) -> Result<JobRecord> {
        let Some(job) = self.open_job(id).await? else {
            return self.settle_ended(id, &settlement).await;
        };
        let named = self.check_settlement(&job, &settlement).await?;
        self.settle_open(&job, named, settlement).await
    }

    /// Settles an open record, after the check of what is said of it. `named` is the job that it named then: the answer
    /// to its create may come after all, and then the person spoke of something else.
    pub(super) async fn settle_open(
        &self,
        job: &OpenJob,
        named: Option<String>,
        settlement: Settlement,
    ) -> Result<JobRecord> {
        let id = job.id();
        let answered = |job: &str| {
            Error::invalid(format!(
                "settle job {id}: meanwhile the service's answer came, and its job is {job}; recover it, or settle it again"
            ))
        };
        let mut file = match self.claim_watched(job, None).await? {
            Claim::Ours(file) => file,
            Claim::HeldByOther { .. } | Claim::OtherService(_) => {
                return Err(Error::new(
                    ErrorKind::Library,
                    format!("settle job {id}: a process is at work on it; wait for that one"),
                ));
            }
            Claim::Gone | Claim::Ended(_) => {
                return Err(settled_meanwhile(id));
            }
        };
        match settlement {
            Settlement::Accept => self.accept(file).await,
            Settlement::Job(job_id) => {
                file.change(|record| {
                    record.owner = None;
                    if record.job_id.is_none() {
                        record.state = JobState::Accepted;
                        record.clip = Some(ClipId::of_job(&job_id).to_string());
                        record.job_id = Some(job_id.clone());
                        record.error = None;
                    }
                })
                .await?;
                match &file.record().job_id {
                    Some(id) if *id == job_id => Ok(file.record().clone()),
                    Some(other) => Err(answered(other)),
                    None => Err(settled_meanwhile(id)),
                }
            }
            over => {
                let is_same = |found: &JobRecord| found.job_id == named;
                let settled = file.close_if(is_same, |record| end(record, &over)).await?;
                match &settled.job_id {
                    Some(job) if !is_same(&settled) && !settled.state.is_over() => Err(answered(job)),
                    _ => Ok(settled),
                }
            }
        }
    }

    /// Settles a record of the ledger that failed, and of which nobody said what it cost.
    async fn settle_ended(&self, id: &str, settlement: &Settlement) -> Result<JobRecord> {
        let already = |found: &JobRecord| {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "settle job {id}: it is settled already ({})",
                    found.state.as_str()
                ),
            )
        };
        let found = self.job_record(id).await?;
        let is_doubtful = |found: &JobRecord| {
            found.state == JobState::Failed && !matches!(Booked::of(found), Booked::Paid(_))
        };
        let Some(entry) = self.ledger_entry(id).await? else {
            return Err(already(&found));
        };
        if !is_doubtful(&found) {
            if EntryName::of(&found) != entry {
                // A crash in the middle of an earlier settlement left the old name.
                self.change_ledger(&entry, |_| None).await?;
            }
            return Err(already(&found));
        }
        if matches!(settlement, Settlement::Job(_) | Settlement::Accept) {
            return Err(Error::invalid(format!(
                "settle job {id}: its job is known and failed; say that it was not charged, or what was charged"
            )));
        }
        let settled = self
            .change_ledger(&entry, |found| {
                let mut settled = found.clone();
                end(&mut settled, settlement);
                is_doubtful(found).then_some(settled)
            })
            .await?
            .ok_or_else(|| already(&found))?;
        if settled.state == JobState::Settled {
            Ok(settled)
        } else {
            Err(already(&settled))
        }
    }
}

pub(super) fn settled_meanwhile(id: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("settle job {id}: it was settled meanwhile"),
    )
}

/// The last state of a record that a person settled.
fn end(record: &mut JobRecord, settlement: &Settlement) {
    record.state = JobState::Settled;
    match settlement {
        Settlement::Lost(amount) => record.cost = Some(*amount),
        _ => {
            record.error = Some(JobError {
                code: ErrorKind::SubmissionUnknown.code().to_owned(),
                message:
                    "there is no such job, or it was not charged, somebody who looked at the account said"
                        .to_owned(),
                charged: "no".to_owned(),
                service_code: None,
            });
        }
    }
}
