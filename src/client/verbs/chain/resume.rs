//! Resumes a step that an earlier run has sent, as its record in the journal says.

use super::run::ChainRun;
use crate::client::pipeline::recover::{self, RecoveryResult};
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::ids::JobId;
use crate::journal::{JobRecord, JobState};
use crate::library::{ChainRecord, ChainStep, ChainStepState, Clip};
use crate::money::UsdTicks;
use crate::mutation::{Mutation, is_on};

/// Maximum attempts for a step whose jobs fail at no charge.
const MAX_FREE_ATTEMPTS: u32 = 3;

impl ChainRun {
    /// Checks that a step whose job ended without a clip may be sent again. Its job must have cost nothing or be settled
    /// by a person, and another attempt must be able to succeed.
    ///
    /// # Errors
    /// The reason why the step is not sent again.
    pub(crate) async fn check_resend(&self, record: &ChainRecord, index: usize) -> Result<()> {
        if is_on(Mutation::ResendPaidStep) {
            return Ok(());
        }
        let step = &record.steps[index];
        let number = record.number(index);
        let is_moderated = step
            .error
            .as_ref()
            .is_some_and(|error| error.code == ErrorKind::Moderated.code());
        let job = match &step.record_id {
            Some(id) => Some((id, self.client.library().job_record(id).await)),
            None => None,
        };
        let charge = match &job {
            // The reservation was released: nothing was sent.
            None => Charge::No,
            Some((_, Err(error))) if error.kind() == ErrorKind::NotFound => {
                // Without a job id the reservation was released, and nothing was sent. Otherwise the record was removed
                // by hand.
                if step.job_id.is_none() && step.lost == UsdTicks::ZERO {
                    Charge::No
                } else {
                    Charge::Unknown
                }
            }
            Some((_, Err(error))) => return Err(error.clone()),
            Some((_, Ok(job))) if job.state == JobState::Settled => Charge::No,
            Some((_, Ok(job))) => job
                .failure()
                .map_or(Charge::Unknown, |error| error.may_have_been_charged()),
        };
        let (kind, reason) = if is_moderated {
            (
                ErrorKind::Moderated,
                format!(
                    "moderation refused clip {number}, and the same request is not sent again; change the prompts of the remaining clips"
                ),
            )
        } else if charge != Charge::No {
            let id = job.map(|(id, _)| id.to_string()).unwrap_or_default();
            (
                ErrorKind::JobFailed,
                format!(
                    "clip {number} failed and may have been charged, so it is not sent again; check the account and settle record {id}, or change the prompts of the remaining clips"
                ),
            )
        } else if step.tries >= MAX_FREE_ATTEMPTS {
            (
                ErrorKind::JobFailed,
                format!(
                    "clip {number} failed {MAX_FREE_ATTEMPTS} times; change the prompts of the remaining clips"
                ),
            )
        } else {
            return Ok(());
        };
        let error = Error::new(kind, format!("continue chain {:?}: {reason}", record.id))
            .with_charge(Charge::No)
            .with_advice(RetryAdvice::Change);
        Err(match &step.record_id {
            Some(id) if charge != Charge::No => error.with_record_id(id),
            _ => error,
        })
    }

    /// Returns the clip of a step that was sent before, after finishing its job if necessary. `None` if the step was
    /// not sent, or if its job ended without a clip.
    ///
    /// # Errors
    /// The reason why the step can neither be finished nor be sent again.
    pub(crate) async fn resume_step(&self, index: usize, number: usize) -> Result<Option<Clip>> {
        let step = self.progress.record().await.steps[index].clone();
        let library = self.client.library();
        match step.state {
            ChainStepState::Sending | ChainStepState::Sent | ChainStepState::Unknown => {}
            // A recovery may have saved the clip in the meantime, or may still save it.
            ChainStepState::Failed => {
                let Some(record_id) = &step.record_id else {
                    return Ok(None);
                };
                match library.job_record(record_id).await {
                    Ok(job) if !job.state.is_over() || job.state == JobState::Saved => {}
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        }
        let journal = library.journal();
        let open = match &step.record_id {
            Some(record_id) => journal.open_job(record_id).await?,
            None => None,
        };
        let result = match open {
            Some(job) => {
                self.emit_started(number, step.job_id.as_ref());
                let claim = journal
                    .claim_after_watching(&job, Some(&self.client.service()))
                    .await?;
                recover::resume_claimed(&self.client, |_| self.part(number), claim).await?
            }
            None => RecoveryResult::Gone,
        };
        match result {
            RecoveryResult::Saved(clip) => Ok(Some(*clip)),
            RecoveryResult::Dropped => self.reopen(index, UsdTicks::ZERO).await.map(|()| None),
            RecoveryResult::Unsettled(_) => {
                self.progress
                    .change(|record| record.steps[index].state = ChainStepState::Unknown)
                    .await?;
                Err(unknown_submission(&self.progress.record().await, index))
            }
            RecoveryResult::Open(record) | RecoveryResult::Failed(record) => Err(match record.failure() {
                Some(error) => self.record_failure(index, error).await,
                None => held_by_other(&record),
            }),
            RecoveryResult::OtherService(record) => {
                let ours = self.client.service();
                Err(recover::other_service_error(&record, &ours))
            }
            RecoveryResult::HeldByOther { record, .. } | RecoveryResult::Superseded(record) => {
                match &record.job_id {
                    Some(id) => self.pick_up(index, number, id).await,
                    None => Err(held_by_other(&record)),
                }
            }
            RecoveryResult::Stuck(stuck) => Err(stuck.error),
            RecoveryResult::Gone => match self.journal_record(&step).await? {
                Some(ended) => self.use_ended_record(index, ended).await,
                None => match &step.job_id {
                    // The record was removed by hand, but the job exists.
                    Some(id) => self.pick_up(index, number, id).await,
                    // The record was removed by hand, and the request was sent; or the chain was edited by hand, and
                    // nobody knows.
                    None if step.state == ChainStepState::Unknown || step.record_id.is_none() => {
                        Err(unknown_submission(&self.progress.record().await, index))
                    }
                    // The reservation was released: nothing was sent.
                    None => self.reopen(index, UsdTicks::ZERO).await.map(|()| None),
                },
            },
        }
    }

    /// Returns the journal's record of a step, if it exists.
    async fn journal_record(&self, step: &ChainStep) -> Result<Option<JobRecord>> {
        let Some(id) = &step.record_id else {
            return Ok(None);
        };
        match self.client.library().job_record(id).await {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Finishes a job by its id and returns its clip.
    async fn pick_up(&self, index: usize, number: usize, id: &JobId) -> Result<Option<Clip>> {
        let picked_up = Box::pin(recover::resume_job(&self.client, &self.part(number), id)).await;
        match picked_up {
            Ok(clip) => Ok(Some(clip)),
            Err(error) => Err(self.record_failure(index, error).await),
        }
    }

    /// Applies an ended record of the journal to its step. Returns the clip, or `None` if there is none.
    async fn use_ended_record(&self, index: usize, record: JobRecord) -> Result<Option<Clip>> {
        match (record.state, &record.clip, record.failure()) {
            (JobState::Saved, Some(clip), _) => self.client.library().clip(clip).await.map(Some),
            (JobState::Saved, None, _) => Err(Error::library(format!(
                "continue the chain: record {} is saved and names no clip",
                record.id
            ))),
            (JobState::Failed, _, Some(error)) => {
                self.record_failure(index, error).await;
                Ok(None)
            }
            _ => {
                let lost = record.cost.unwrap_or_default();
                self.reopen(index, lost).await.map(|()| None)
            }
        }
    }

    /// Resets a step, so that it is sent again. `lost` is what the last attempt cost.
    async fn reopen(&self, index: usize, lost: UsdTicks) -> Result<()> {
        self.progress
            .change(|record| {
                let step = &mut record.steps[index];
                step.state = ChainStepState::Open;
                step.lost += lost;
                step.tries = step.tries.saturating_sub(1);
                (step.record_id, step.job_id, step.error) = (None, None, None);
            })
            .await
    }
}

/// Returns the error for a step that was sent and has no known answer.
fn unknown_submission(record: &ChainRecord, index: usize) -> Error {
    let id = record.steps[index].record_id.as_ref();
    let named = id.map(ToString::to_string).unwrap_or_default();
    let error = Error::new(
        ErrorKind::SubmissionUnknown,
        format!(
            "continue chain {:?}: clip {} was sent and its answer is unknown, so its job may exist and cost money, and it is not sent again; check the account and settle record {named}, then continue",
            record.id,
            record.number(index)
        ),
    );
    error.with(id, Error::with_record_id)
}

/// Returns the error for a record that another process is working on.
fn held_by_other(record: &JobRecord) -> Error {
    Error::library(format!(
        "continue the chain: another process is working on record {}; wait for it to finish",
        record.id
    ))
}
