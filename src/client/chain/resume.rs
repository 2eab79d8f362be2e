//! A step that was sent before: the journal tells what became of it.

use super::run::Driver;
use crate::client::recover::{self, Look};
use crate::error::{Error, ErrorKind, Result};
use crate::library::{ChainRecord, ChainStepState, Clip, JobRecord, JobState};
use crate::money::UsdTicks;
use crate::provider::JobId;

impl Driver {
    /// The clip of a step that was sent before, finished where it has to be. `None` when the step is to be
    /// sent now: the journal says that it was not, or that its job made nothing.
    pub(super) async fn taken_up(&self, index: usize, number: usize) -> Result<Option<Clip>> {
        let step = self.ledger.record().await.steps[index].clone();
        if !matches!(
            step.state,
            ChainStepState::Sending | ChainStepState::Sent | ChainStepState::Unknown
        ) {
            return Ok(None);
        }
        let library = self.client.library();
        let record_id = step.record.as_deref().unwrap_or_default();
        let found = match library.open_job(record_id).await? {
            Some(job) => {
                self.begin(number, step.job_id.clone());
                recover::look(&self.client, |_| self.part(number), &job).await?
            }
            None => Look::Gone,
        };
        match found {
            Look::Saved(clip) => Ok(Some(*clip)),
            Look::Dropped => self.reopen(index, UsdTicks::ZERO).await.map(|()| None),
            Look::Unsettled(_) => {
                self.ledger
                    .change(|record| record.steps[index].state = ChainStepState::Unknown)
                    .await?;
                Err(unknown(&self.ledger.record().await, index))
            }
            Look::Open(record) | Look::Failed(record) => Err(match record.failure() {
                Some(error) => self.failed(index, error).await,
                None => busy(&record),
            }),
            Look::Elsewhere(record) => match &record.job_id {
                Some(id) => {
                    let id = JobId::parse(id)?;
                    let there = Box::pin(recover::one(&self.client, &self.part(number), &id)).await;
                    match there {
                        Ok(clip) => Ok(Some(clip)),
                        Err(error) => Err(self.failed(index, error).await),
                    }
                }
                None => Err(busy(&record)),
            },
            Look::Stuck(stuck) => Err(stuck.error),
            Look::Gone => match library.job_record(record_id).await {
                Ok(settled) => self.settled(index, settled).await,
                // Given back: nothing was sent.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.reopen(index, UsdTicks::ZERO).await.map(|()| None)
                }
                Err(error) => Err(error),
            },
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
    let id = record.steps[index].record.clone().unwrap_or_default();
    Error::new(
        ErrorKind::SubmissionUnknown,
        format!(
            "go on with chain {:?}: clip {} was sent and no answer is known, so its job may exist and cost money, and it is not sent again; look at the account and settle record {id}, then go on",
            record.id,
            record.number(index)
        ),
    )
    .with_record(id)
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
