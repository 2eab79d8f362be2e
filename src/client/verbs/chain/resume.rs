//! A step that was sent before: the journal tells what became of it.

use super::run::ChainRun;
use crate::client::pipeline::recover::{self, RecoveryResult};
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::ids::JobId;
use crate::journal::{JobRecord, JobState};
use crate::library::{ChainRecord, ChainStep, ChainStepState, Clip};
use crate::money::UsdTicks;
use crate::mutation::{Mutation, is_on};

/// Maximum number of times that a step is sent whose jobs fail at no charge.
const MAX_FREE_ATTEMPTS: u32 = 3;

impl ChainRun {
    /// Whether a step whose job is over without a clip may be sent again: only when it is known that the job cost
    /// nothing, or a person has settled it, and where that can help.
    ///
    /// # Errors
    /// Why it is not sent.
    pub(crate) async fn check_again(&self, record: &ChainRecord, index: usize) -> Result<()> {
        if is_on(Mutation::ResendPaidStep) {
            return Ok(());
        }
        let step = &record.steps[index];
        let number = record.number(index);
        let is_moderated = step
            .error
            .as_ref()
            .is_some_and(|error| error.code == ErrorKind::Moderated.code());
        let job = match &step.record {
            Some(id) => Some((id, self.client.library().job_record(id).await)),
            None => None,
        };
        let charge = match &job {
            // InputContext back: nothing was sent.
            None => Charge::No,
            Some((_, Err(error))) if error.kind() == ErrorKind::NotFound => {
                // Without a job it was given back, and nothing was sent. Else its record was removed by hand.
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
        let (kind, why) = if is_moderated {
            (
                ErrorKind::Moderated,
                format!(
                    "moderation refused clip {number}, and the same is not sent again; change the prompts of the remaining clips"
                ),
            )
        } else if charge != Charge::No {
            let id = job.map(|(id, _)| id.to_string()).unwrap_or_default();
            (
                ErrorKind::JobFailed,
                format!(
                    "clip {number} failed and may have been charged, so it is not sent again; look at the account and settle record {id}, or change the prompts of the remaining clips"
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
        let error = Error::new(kind, format!("go on with chain {:?}: {why}", record.id))
            .with_charge(Charge::No)
            .with_advice(RetryAdvice::Change);
        Err(match &step.record {
            Some(id) if charge != Charge::No => error.with_record_id(id),
            _ => error,
        })
    }

    /// The clip of a step that was sent before, finished where it has to be. `None` when the step is to be
    /// sent now: the journal says that it was not, or that its job made nothing.
    pub(crate) async fn taken_up(&self, index: usize, number: usize) -> Result<Option<Clip>> {
        let step = self.ledger.record().await.steps[index].clone();
        let library = self.client.library();
        match step.state {
            ChainStepState::Sending | ChainStepState::Sent | ChainStepState::Unknown => {}
            // A recovery may have saved its clip since, or may still do so.
            ChainStepState::Failed => {
                let Some(record_id) = &step.record else {
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
        let open = match &step.record {
            Some(record_id) => journal.open_job(record_id).await?,
            None => None,
        };
        let found = match open {
            Some(job) => {
                self.begin(number, step.job_id.as_ref());
                let claim = journal
                    .claim_after_watching(&job, Some(&self.client.service()))
                    .await?;
                recover::resume_claimed(&self.client, |_| self.part(number), claim).await?
            }
            None => RecoveryResult::Gone,
        };
        match found {
            RecoveryResult::Saved(clip) => Ok(Some(*clip)),
            RecoveryResult::Dropped => self.reopen(index, UsdTicks::ZERO).await.map(|()| None),
            RecoveryResult::Unsettled(_) => {
                self.ledger
                    .change(|record| record.steps[index].state = ChainStepState::Unknown)
                    .await?;
                Err(unknown(&self.ledger.record().await, index))
            }
            RecoveryResult::Open(record) | RecoveryResult::Failed(record) => Err(match record.failure() {
                Some(error) => self.failed(index, error).await,
                None => busy(&record),
            }),
            RecoveryResult::OtherService(record) => {
                let ours = self.client.service();
                Err(recover::other_service_error(&record, &ours))
            }
            RecoveryResult::HeldByOther { record, .. } => match &record.job_id {
                Some(id) => self.pick_up(index, number, id).await,
                None => Err(busy(&record)),
            },
            RecoveryResult::Stuck(stuck) => Err(stuck.error),
            RecoveryResult::Gone => match self.record_of(&step).await? {
                Some(settled) => self.settled(index, settled).await,
                None => match &step.job_id {
                    // Its record was removed by hand: the job is there all the same.
                    Some(id) => self.pick_up(index, number, id).await,
                    // So was this one's, and its create was sent.
                    None if step.state == ChainStepState::Unknown => {
                        Err(unknown(&self.ledger.record().await, index))
                    }
                    // InputContext back: nothing was sent.
                    None => self.reopen(index, UsdTicks::ZERO).await.map(|()| None),
                },
            },
        }
    }

    /// Returns the journal's record of a step, if it exists.
    async fn record_of(&self, step: &ChainStep) -> Result<Option<JobRecord>> {
        let Some(id) = &step.record else { return Ok(None) };
        match self.client.library().job_record(id).await {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The clip of a job that is known by its id.
    async fn pick_up(&self, index: usize, number: usize, id: &JobId) -> Result<Option<Clip>> {
        let picked_up = Box::pin(recover::one(&self.client, &self.part(number), id)).await;
        match picked_up {
            Ok(clip) => Ok(Some(clip)),
            Err(error) => Err(self.failed(index, error).await),
        }
    }

    /// What the ledger says of a step.
    async fn settled(&self, index: usize, record: JobRecord) -> Result<Option<Clip>> {
        match (record.state, &record.clip, record.failure()) {
            (JobState::Saved, Some(clip), _) => self.client.library().clip(clip).await.map(Some),
            (JobState::Failed, _, Some(error)) => {
                self.failed(index, error).await;
                Ok(None)
            }
            _ => {
                let lost = record.cost.unwrap_or_default();
                self.reopen(index, lost).await.map(|()| None)
            }
        }
    }

    /// The step is to be sent anew.
    async fn reopen(&self, index: usize, lost: UsdTicks) -> Result<()> {
        self.ledger
            .change(|record| {
                let step = &mut record.steps[index];
                step.state = ChainStepState::Open;
                step.lost += lost;
                step.tries = step.tries.saturating_sub(1);
                (step.record, step.job_id, step.error) = (None, None, None);
            })
            .await
    }
}

fn unknown(record: &ChainRecord, index: usize) -> Error {
    let id = record.steps[index].record.as_ref();
    let named = id.map(ToString::to_string).unwrap_or_default();
    let error = Error::new(
        ErrorKind::SubmissionUnknown,
        format!(
            "go on with chain {:?}: clip {} was sent and no answer is known, so its job may exist and cost money, and it is not sent again; look at the account and settle record {named}, then go on",
            record.id,
            record.number(index)
        ),
    );
    match id {
        Some(id) => error.with_record_id(id),
        None => error,
    }
}

fn busy(record: &JobRecord) -> Error {
    Error::new(
        ErrorKind::Library,
        format!(
            "go on with the chain: another process is at work on record {}; wait for that one",
            record.id
        ),
    )
}
