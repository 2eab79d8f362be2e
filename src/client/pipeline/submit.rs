//! A paid request from its reservation to its job: the one way to a create, and its journal.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::backoff::{Backoff, jitter};
use crate::client::VideoClient;
use crate::client::pipeline::finish;
use crate::client::pipeline::planning::{self, PlanningRequest, PromptPlan};
use crate::client::pipeline::sidecar::ClipDraft;
use crate::error::{Charge, Error, ErrorKind, Result};
use crate::ids::{ClipId, JobId, RecordId};
use crate::job::{self, Reporter};
use crate::journal::{JobError, JobRecord, JobState, OwnedRecord, ReserveResult};
use crate::library::Clip;
use crate::model::VideoModel;
use crate::money::UsdTicks;
use crate::mutation::{Mutation, is_on};
use crate::planner::QueryCost;
use crate::provider::Submission;
use crate::stop;
use crate::storage::to_hex;
use tempfile::TempPath;

/// How often a request is booked again that another one, booked at the same moment, may have kept out.
const MAX_RESERVATION_ATTEMPTS: u32 = 5;
const RESERVATION_RETRY_DELAY: Duration = Duration::from_millis(200);
/// How often the id of a job is written down again when the library fails, and the first pause before that: about 20 s in
/// all.
const MAX_ACCEPT_ATTEMPTS: u32 = 8;
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);

/// Who else keeps account of a create.
pub(crate) trait SubmissionObserver: Send + Sync {
    /// A request was booked under this id of the journal, and nothing of it was sent. An error keeps it from
    /// being sent.
    fn booked<'a>(&'a self, record: &'a RecordId) -> BoxFuture<'a, Result<()>>;

    /// The service took it. The journal has that already, so nothing that fails here is more than a pity.
    fn taken<'a>(&'a self, id: &'a JobId) -> BoxFuture<'a, ()>;
}

/// What a ticket is for.
pub(crate) struct Reservation {
    pub(crate) operation: &'static str,
    pub(crate) model: VideoModel,
    pub(crate) estimate: Option<UsdTicks>,
    pub(crate) witness: Option<Arc<dyn SubmissionObserver>>,
}

/// The right to one create, whose money is reserved.
pub(crate) struct ReservedJob {
    client: VideoClient,
    file: OwnedRecord,
    witness: Option<Arc<dyn SubmissionObserver>>,
}

impl ReservedJob {
    /// Reserves the money of a clip, with the planning of its prompt, and writes that down.
    ///
    /// # Errors
    /// `Budget` when a limit forbids it, `Library` when it cannot be written down. Nothing was sent.
    pub(crate) async fn reserve(
        client: &VideoClient,
        draft: Reservation,
        wanted: &PlanningRequest<'_>,
    ) -> Result<Self> {
        let mut record = JobRecord::new(draft.operation)?;
        record.model = Some(draft.model.to_string());
        record.estimate = draft.estimate;
        planning::reserve(client, wanted, &mut record);
        let file = reserve(client, record).await?;
        let ticket = Self {
            client: client.clone(),
            file,
            witness: draft.witness,
        };
        if let Some(witness) = &ticket.witness
            && let Err(error) = witness.booked(&ticket.file.record().id).await
        {
            return Err(ticket.release(error).await);
        }
        Ok(ticket)
    }

    /// Plans the prompt.
    pub(crate) async fn plan(mut self, wanted: PlanningRequest<'_>) -> Result<(Self, PromptPlan)> {
        let mut bill = QueryCost::default();
        let planned = planning::for_request(&self.client, wanted, &mut bill).await;
        let noted = self
            .file
            .change_unsent(|record| set_query_cost(record, bill))
            .await;
        match (planned, noted) {
            (Ok(planned), Ok(())) => Ok((self, planned)),
            (Err(error), _) | (Ok(_), Err(error)) => Err(self.release(error).await),
        }
    }

    /// Nothing was sent after all. What was paid for planning stays in the ledger.
    pub(crate) async fn release(self, error: Error) -> Error {
        let record = self.file.record();
        let paid = record.questions.unwrap_or_default() > UsdTicks::ZERO || record.unpriced_question;
        let written = if paid {
            let told = JobError::from(&error);
            self.file
                .close(|record| {
                    record.state = JobState::Failed;
                    record.cost = Some(UsdTicks::ZERO);
                    record.error = Some(told.clone());
                })
                .await
                .map(drop)
        } else {
            self.file.discard().await
        };
        if let Err(unwritten) = written {
            tracing::warn!(error = %unwritten, "a reservation stays in the journal until the next recovery");
        }
        error
    }

    /// Sends the create, and sees the job through to its clip. `read_from` is a file that the submission may be read
    /// from, and goes with it.
    pub(crate) async fn send(
        self,
        submission: Submission,
        read_from: Option<TempPath>,
        brief: Box<ClipDraft>,
        reporter: &Reporter,
    ) -> Result<Clip> {
        let client = self.client.clone();
        let job = Box::pin(self.submit(submission, read_from, brief, reporter)).await?;
        Box::pin(finish::finish(&client, reporter, job)).await
    }

    async fn submit(
        mut self,
        submission: Submission,
        read_from: Option<TempPath>,
        brief: Box<ClipDraft>,
        reporter: &Reporter,
    ) -> Result<Box<finish::PendingJob>> {
        if reporter.is_stopped() {
            return Err(self.release(stop::stopped_before_send()).await);
        }
        let digest = brief.digest();
        let kept = serde_json::to_value(&brief).ok().as_ref().map(Into::into);
        let intended = self.file.change_unsent(|record| {
            record.state = JobState::Intended;
            record.request_sha256 = Some(digest.clone());
            record.prompt = brief.prompt().map(str::to_owned);
            record.prompt_sha256 = brief.prompt().map(|prompt| to_hex(&Sha256::digest(prompt)));
            record.draft.clone_from(&kept);
        });
        if let Err(error) = intended.await {
            return Err(self.release(error).await);
        }
        let sent = self.post(&submission).await;
        let id = match sent {
            Ok(id) => id,
            Err(error) => return Err(self.handle_rejection(error).await),
        };
        drop((submission, read_from));
        let clip = ClipId::of_job(id.as_str());
        let accepted = self.file.accept(&id, &clip).await;
        if let Some(witness) = &self.witness {
            witness.taken(&id).await;
        }
        tracing::info!(job = %id, "submitted");
        reporter.submitted(&id, brief.model.clone());
        if let Err(error) = accepted {
            tracing::warn!(job = %id, %error, "the journal does not have the job yet");
            self.retry_accept(&id, &clip).await;
        }
        Ok(Box::new(finish::PendingJob::new(
            id,
            clip,
            self.file,
            brief,
            kept.is_some(),
        )))
    }

    /// Writes down the job, after an attempt that failed. It exists, so nothing that fails here may end the work; but a
    /// process that ends before it is written down leaves a request of which nobody knows the job.
    async fn retry_accept(&mut self, id: &JobId, clip: &ClipId) {
        if is_on(Mutation::SkipJobIdRetry) {
            return;
        }
        let mut backoff = Backoff::new(ACCEPT_RETRY_DELAY, 25 * ACCEPT_RETRY_DELAY);
        for _ in 0..MAX_ACCEPT_ATTEMPTS {
            job::pause(backoff.next(None)).await;
            match self.file.accept(id, clip).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(job = %id, %error, "the journal does not have the job yet"),
            }
        }
    }

    /// Sends the create, as long as the record is this client's.
    async fn post(&mut self, submission: &Submission) -> Result<JobId> {
        let file = Mutex::new(&mut self.file);
        let before = || async { file.lock().await.check_unsent().await }.boxed();
        self.client.inner.provider.submit(submission, &before).await
    }

    /// A create that brought no job.
    async fn handle_rejection(mut self, error: Error) -> Error {
        if error.kind() == ErrorKind::SubmissionUnknown && !is_on(Mutation::FailUnansweredCreate) {
            let told = JobError::from(&error);
            let id = self.file.record().id.clone();
            let changed = self.file.change(|record| {
                // Somebody has found out about the job meanwhile.
                if record.job_id.is_some() {
                    return;
                }
                record.state = JobState::Unknown;
                record.owner = None;
                record.error = Some(told.clone());
            });
            if let Err(unwritten) = changed.await {
                tracing::warn!(error = %unwritten, "the journal has the create as intended only");
            }
            return error.with_record_id(&id);
        }
        if error.may_have_been_charged() == Charge::No {
            return self.release(error).await;
        }
        let told = JobError::from(&error);
        let closed = self.file.close(|record| {
            record.state = JobState::Failed;
            record.error = Some(told.clone());
        });
        if let Err(unwritten) = closed.await {
            tracing::warn!(error = %unwritten, "the ledger does not say how a create was refused");
        }
        error
    }
}

/// Books a request, unless a limit forbids it.
pub(crate) async fn reserve(client: &VideoClient, mut record: JobRecord) -> Result<OwnedRecord> {
    record.service = Some(client.inner.provider.origin());
    let budget = &client.inner.budget;
    for tries in 1.. {
        match client
            .inner
            .library
            .journal()
            .reserve(record.clone(), budget)
            .await?
        {
            ReserveResult::Reserved(file) => return Ok(file),
            ReserveResult::OverBudget { error, is_contended }
                if tries >= MAX_RESERVATION_ATTEMPTS || !is_contended =>
            {
                return Err(error);
            }
            ReserveResult::OverBudget { .. } => job::pause(jitter(RESERVATION_RETRY_DELAY, 0.5)).await,
        }
    }
    Err(Error::new(
        ErrorKind::Budget,
        "keep to the budget: too many requests at once",
    ))
}

/// Puts what questions did cost in the place of what they might.
pub(crate) fn set_query_cost(record: &mut JobRecord, bill: QueryCost) {
    record.questions = (bill.cost > UsdTicks::ZERO).then_some(bill.cost);
    record.unpriced_question = bill.unpriced;
}
