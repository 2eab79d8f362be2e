//! Reserves the money of a clip and sends its create request.
//!
//! Every paid create goes through this file, and every step of it is in the journal before it happens. This file
//! knows nothing about the inputs of a request or about what follows once the job has an id.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use crate::backoff::{Backoff, jitter};
use crate::client::VideoClient;
use crate::client::pipeline::finish;
use crate::client::pipeline::planning::{self, PlanningRequest, PromptPlan};
use crate::client::pipeline::sidecar::ClipDraft;
use crate::error::{Charge, Error, ErrorKind, Result};
use crate::ids::{ClipId, JobId, RecordId};
use crate::job::{self, Reporter};
use crate::journal::{JobRecord, JobState, JsonText, OwnedRecord, ReserveResult};
use crate::library::Clip;
use crate::money::UsdTicks;
use crate::mutation::{Mutation, is_on};
use crate::planner::QueryCost;
use crate::provider::{AcceptedJob, Submission};
use crate::stop::{self, BeforeSend, StopSignal};
use crate::storage::sha256_hex;
use tempfile::TempPath;

/// Maximum reservation attempts while concurrent reservations may be what exceeds the budget.
const MAX_RESERVATION_ATTEMPTS: u32 = 5;
const RESERVATION_RETRY_DELAY: Duration = Duration::from_millis(200);
/// Maximum retries of the journal entry with the id of a job. With the backoff they take about 20 s.
const MAX_ACCEPT_ATTEMPTS: u32 = 8;
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);

/// Observes a create request.
pub(crate) trait SubmissionObserver: Send + Sync {
    /// Called when the journal has the request, before anything is sent. An error prevents the request from being
    /// sent.
    fn reserved<'a>(&'a self, record: &'a RecordId) -> BoxFuture<'a, Result<()>>;

    /// Called when the service has accepted the request. It cannot fail, because the journal already has the job.
    fn accepted<'a>(&'a self, id: &'a JobId) -> BoxFuture<'a, ()>;
}

/// Permits one create request, whose money is reserved in the journal.
pub(crate) struct ReservedJob {
    client: VideoClient,
    owned: OwnedRecord,
    observer: Option<Arc<dyn SubmissionObserver>>,
    stop: StopSignal,
}

impl ReservedJob {
    /// Reserves the money for a clip and for planning its prompt, and writes the reservation to the journal. After the
    /// signal `stop` no paid request is sent.
    ///
    /// # Errors
    /// `Budget` if a limit forbids it, `Library` if the journal cannot be written. Nothing was sent in either case.
    pub(crate) async fn reserve(
        client: &VideoClient,
        mut record: JobRecord,
        observer: Option<Arc<dyn SubmissionObserver>>,
        stop: StopSignal,
        planning: &PlanningRequest<'_>,
    ) -> Result<Self> {
        planning::add_max_query_cost(client, planning, &mut record);
        let reserved = Self {
            client: client.clone(),
            owned: reserve_with_retries(client, record).await?,
            observer,
            stop,
        };
        if let Some(observer) = &reserved.observer
            && let Err(error) = observer.reserved(&reserved.owned.record().id).await
        {
            return Err(reserved.release(error).await);
        }
        Ok(reserved)
    }

    /// Plans the prompt and records what the planning cost.
    ///
    /// # Errors
    /// Those of [`planning::plan_prompt`] and of the journal. The reservation is then released.
    pub(crate) async fn plan(mut self, request: PlanningRequest<'_>) -> Result<(Self, PromptPlan)> {
        let mut cost = QueryCost::default();
        let plan = planning::plan_prompt(&self.client, request, &self.stop, &mut cost).await;
        let recorded = self
            .owned
            .change_unsent(|record| set_query_cost(record, cost))
            .await;
        match (plan, recorded) {
            (Ok(plan), Ok(())) => Ok((self, plan)),
            (Err(error), _) | (Ok(_), Err(error)) => Err(self.release(error).await),
        }
    }

    /// Releases the reservation of a create request that was not sent, and returns the error. The cost of planning
    /// stays in the ledger.
    pub(crate) async fn release(self, error: Error) -> Error {
        let record = self.owned.record();
        let paid = record.query_cost.unwrap_or_default() > UsdTicks::ZERO || record.has_unpriced_query;
        let written = if paid {
            self.owned.fail(&error, Some(UsdTicks::ZERO)).await.map(drop)
        } else {
            self.owned.discard().await
        };
        if let Err(journal_error) = written {
            tracing::warn!(error = %journal_error, "the reservation could not be removed and stays until the next recovery");
        }
        error
    }

    /// Sends the create request, waits for its job and saves the clip.
    ///
    /// `source_file` is a temporary file that the submission may be read from. It is removed once the request was
    /// sent.
    pub(crate) async fn send(
        self,
        submission: Box<Submission>,
        source_file: Option<TempPath>,
        draft: Box<ClipDraft>,
        reporter: &Reporter,
    ) -> Result<Clip> {
        let client = self.client.clone();
        let job = Box::pin(self.submit(submission, source_file, draft, reporter)).await?;
        Box::pin(finish::finish(&client, reporter, job)).await
    }

    async fn submit(
        mut self,
        submission: Box<Submission>,
        source_file: Option<TempPath>,
        draft: Box<ClipDraft>,
        reporter: &Reporter,
    ) -> Result<Box<finish::PendingJob>> {
        if self.stop.is_stopped() {
            return Err(self.release(stop::stopped_before_send()).await);
        }
        let digest = draft.digest();
        let saved_draft = JsonText::new(&draft).ok();
        let intended = self.owned.change_unsent(|record| {
            record.state = JobState::Intended;
            record.request_sha256 = Some(digest.clone());
            record.prompt = draft.prompt().map(str::to_owned);
            record.prompt_sha256 = draft.prompt().map(sha256_hex);
            record.draft.clone_from(&saved_draft);
        });
        if let Err(error) = intended.await {
            return Err(self.release(error).await);
        }
        let AcceptedJob { id, poll_after } = match self.post(&submission).await {
            Ok(job) => job,
            Err(error) => return Err(self.handle_rejection(error).await),
        };
        drop((submission, source_file));
        let clip = ClipId::of_job(id.as_str());
        let accepted = self.owned.accept(&id, &clip).await;
        if let Some(observer) = &self.observer {
            observer.accepted(&id).await;
        }
        tracing::info!(job = %id, "submitted");
        reporter.submitted(&id, draft.model.clone());
        if let Err(error) = accepted {
            tracing::warn!(job = %id, %error, "the id of the job could not be written to the journal, retrying");
            self.retry_accept(&id, &clip).await;
        }
        // A person may have named the job meanwhile, and another process may be saving its clip under this name.
        let record = self.owned.record();
        let clip = record
            .clip
            .clone()
            .filter(|_| record.job_id.as_ref() == Some(&id))
            .unwrap_or(clip);
        let job = finish::PendingJob::new(id, clip, self.owned, draft, saved_draft.is_some());
        Ok(Box::new(job.with_poll_after(poll_after)))
    }

    /// Retries writing the id of a job to the journal.
    ///
    /// The job exists, so a failure here must not end the work. If the process ends before the id is written, the
    /// journal has a request whose job is unknown.
    async fn retry_accept(&mut self, id: &JobId, clip: &ClipId) {
        if is_on(Mutation::SkipJobIdRetry) {
            return;
        }
        let mut backoff = Backoff::new(ACCEPT_RETRY_DELAY, 25 * ACCEPT_RETRY_DELAY);
        for _ in 0..MAX_ACCEPT_ATTEMPTS {
            job::pause(backoff.next(None)).await;
            match self.owned.accept(id, clip).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(job = %id, %error, "the id of the job could not be written to the journal");
                }
            }
        }
    }

    /// Sends the create request, provided that this client still owns the record.
    async fn post(&mut self, submission: &Submission) -> Result<AcceptedJob> {
        let owned = Mutex::new(&mut self.owned);
        let is_owner = || async { owned.lock().await.check_unsent().await }.boxed();
        let before = BeforeSend {
            stop: &self.stop,
            check: Some(&is_owner),
        };
        self.client.inner.provider.submit(submission, before).await
    }

    /// Records a create request that failed or has no answer, and returns the error.
    async fn handle_rejection(mut self, error: Error) -> Error {
        if error.kind() == ErrorKind::SubmissionUnknown && !is_on(Mutation::FailUnansweredCreate) {
            let id = self.owned.record().id.clone();
            if let Err(journal_error) = self.owned.mark_unknown(Some(&error)).await {
                tracing::warn!(error = %journal_error, "the journal does not say that the create request has no answer");
            }
            return error.with_record_id(&id);
        }
        if error.may_have_been_charged() == Charge::No {
            return self.release(error).await;
        }
        if let Err(journal_error) = self.owned.fail(&error, None).await {
            tracing::warn!(error = %journal_error, "the ledger does not say why the create request was refused");
        }
        error
    }
}

/// Writes a reservation to the journal, unless a limit of the budget forbids it.
///
/// # Errors
/// `Budget` if a limit forbids it, `Library` if the journal cannot be written.
pub(crate) async fn reserve_with_retries(client: &VideoClient, mut record: JobRecord) -> Result<OwnedRecord> {
    record.service = Some(client.inner.provider.origin());
    let budget = &client.inner.budget;
    for attempt in 1.. {
        match client
            .inner
            .library
            .journal()
            .reserve(record.clone(), budget)
            .await?
        {
            ReserveResult::Reserved(owned) => return Ok(owned),
            ReserveResult::OverBudget { error, is_contended }
                if attempt >= MAX_RESERVATION_ATTEMPTS || !is_contended =>
            {
                return Err(error);
            }
            ReserveResult::OverBudget { .. } => job::pause(jitter(RESERVATION_RETRY_DELAY, 0.5)).await,
            ReserveResult::IdInUse => {
                return Err(Error::library(
                    "reserve the cost of a request: the random id of its record is in use already",
                ));
            }
        }
    }
    Err(Error::new(
        ErrorKind::Budget,
        "check the budget: too many requests are being reserved at once; try again later",
    ))
}

/// Replaces the reserved cost of a language model query with the actual cost.
pub(crate) fn set_query_cost(record: &mut JobRecord, actual: QueryCost) {
    record.query_cost = (actual.cost > UsdTicks::ZERO).then_some(actual.cost);
    record.has_unpriced_query = actual.unpriced;
}
