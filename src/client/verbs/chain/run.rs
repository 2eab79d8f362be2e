//! Runs a chain clip by clip, and saves its progress in the record of the chain.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::Mutex;

use super::price;
use super::resolve::{HashedRequest, ResolvedChain, Step};
use super::{ChainEvent, ChainOutcome, drift};
use crate::client::VideoClient;
use crate::client::pipeline::submit::SubmissionObserver;
use crate::client::verbs::{continue_from, generate};
use crate::error::{Charge, Error, ErrorKind, Result};
use crate::ids::{ClipId, JobId, RecordId};
use crate::job::{JobEvent, Reporter};
use crate::library::{ChainFile, ChainRecord, ChainStepError, ChainStepState, Clip, Drift};
use crate::media::Frame;
use crate::money::UsdTicks;
use crate::mutation::{Mutation, is_on};
use crate::request::{ChainRequest, MediaInput};

/// Resolves a chain request and runs the chain to its end.
pub(crate) async fn run(
    client: VideoClient,
    request: ChainRequest,
    reporter: Reporter<ChainEvent>,
) -> Result<ChainOutcome> {
    let request = HashedRequest::new(&client, request).await?;
    if request.names_existing() {
        client.library().chain(&request.id).await?;
    }
    let file = client.library().open_chain(&request.id).await?;
    let ResolvedChain { record, start, steps } = request.merge(file.load().await?)?;
    let id = record.id.clone();
    let run = ChainRun {
        last: record.number(record.steps.len().saturating_sub(1)),
        progress: Arc::new(ChainProgress {
            file,
            record: Mutex::new(record),
        }),
        client,
        start,
        steps,
        reporter,
        anchor: None,
    };
    run.reporter.identified(id);
    Box::pin(run.run()).await
}

/// The record of the chain, in memory and in the library.
pub(crate) struct ChainProgress {
    file: ChainFile,
    record: Mutex<ChainRecord>,
}

impl ChainProgress {
    /// Changes the record and saves it.
    pub(crate) async fn change(&self, change: impl FnOnce(&mut ChainRecord) + Send) -> Result<()> {
        let mut record = self.record.lock().await;
        change(&mut record);
        self.file.store(&record).await
    }

    /// Returns a copy of the record.
    pub(crate) async fn record(&self) -> ChainRecord {
        self.record.lock().await.clone()
    }
}

/// Records in the chain which record of the journal and which job belong to a step.
struct StepObserver {
    progress: Arc<ChainProgress>,
    index: usize,
    estimate: Option<UsdTicks>,
}

impl SubmissionObserver for StepObserver {
    fn reserved<'a>(&'a self, record_id: &'a RecordId) -> BoxFuture<'a, Result<()>> {
        let change = move |record: &mut ChainRecord| {
            let step = &mut record.steps[self.index];
            step.state = ChainStepState::Sending;
            step.record_id = Some(record_id.clone());
            step.estimate = self.estimate;
            step.tries += 1;
            (step.job_id, step.error) = (None, None);
        };
        self.progress.change(change).boxed()
    }

    fn accepted<'a>(&'a self, id: &'a JobId) -> BoxFuture<'a, ()> {
        async move {
            let change = |record: &mut ChainRecord| {
                let step = &mut record.steps[self.index];
                step.state = ChainStepState::Sent;
                step.job_id = Some(id.clone());
            };
            if let Err(error) = self.progress.change(change).await {
                tracing::warn!(job = %id, %error, "the job could not be written to the record of the chain");
            }
        }
        .boxed()
    }
}

/// A running chain.
pub(crate) struct ChainRun {
    pub(crate) client: VideoClient,
    pub(crate) progress: Arc<ChainProgress>,
    start: Option<MediaInput>,
    steps: Vec<Option<Step>>,
    reporter: Reporter<ChainEvent>,
    /// The last frame of clip 0.
    anchor: Option<Frame>,
    /// The number of the last clip.
    last: usize,
}

impl ChainRun {
    /// Makes the missing clips in order.
    async fn run(mut self) -> Result<ChainOutcome> {
        let record = self.progress.record().await;
        let first = record.unfinished().unwrap_or(record.steps.len());
        for (index, step) in record.steps.iter().take(first).enumerate() {
            let Some(id) = step.clip.clone() else { continue };
            self.reporter.emit(ChainEvent::StepFinished {
                clip: event_number(record.number(index)),
                of: event_number(self.last),
                id,
                drift: step.drift,
                earlier: true,
            });
        }
        for index in first..record.steps.len() {
            if self.reporter.is_stopped() {
                return Err(Error::stopped(
                    "continue the chain: stopped on request; it can be resumed by its id",
                ));
            }
            Box::pin(self.run_step(index)).await?;
        }
        self.outcome().await
    }

    /// Makes the clip of a step, or finishes it if an earlier run has sent it.
    async fn run_step(&mut self, index: usize) -> Result<()> {
        let number = self.progress.record().await.number(index);
        if let Some(clip) = self.resume_step(index, number).await? {
            return self.record_clip(index, number, clip).await;
        }
        let record = self.progress.record().await;
        if record.steps[index].state == ChainStepState::Failed {
            self.check_resend(&record, index).await?;
        }
        let from = price::clip_before(&record, index, self.start.as_ref());
        let previous = price::measure_clip(&self.client, from.as_ref()).await?;
        let estimates = price::estimate_steps(&self.client, &record, &self.steps, index, previous)?;
        price::check_budget(&record, index, &estimates)?;
        let observer = Arc::new(StepObserver {
            progress: Arc::clone(&self.progress),
            index,
            estimate: estimates.first().and_then(|estimate| estimate.cost),
        });
        self.emit_started(number, None);
        match self.make(index, number, from, observer).await {
            Ok(clip) => self.record_clip(index, number, clip).await,
            Err(error) => Err(self.record_failure(index, error).await),
        }
    }

    /// Reports that a clip was started.
    pub(crate) fn emit_started(&self, number: usize, job_id: Option<&JobId>) {
        self.reporter.emit(ChainEvent::StepStarted {
            clip: event_number(number),
            of: event_number(self.last),
            job_id: job_id.cloned(),
        });
    }

    /// Returns the reporter for the job of a clip.
    pub(crate) fn part(&self, number: usize) -> Reporter {
        self.reporter.part(move |job| ChainEvent::Step {
            clip: event_number(number),
            job,
        })
    }

    /// Sends the request of a step and waits for its clip.
    async fn make(
        &self,
        index: usize,
        number: usize,
        from: Option<MediaInput>,
        observer: Arc<dyn SubmissionObserver>,
    ) -> Result<Clip> {
        let part = self.part(number);
        let client = self.client.clone();
        match price::known(self.steps[index].as_ref())?.clone() {
            Step::Generate(request) => {
                part.emit(JobEvent::Planning);
                Box::pin(generate::run(client, *request, None, Some(observer), part)).await
            }
            Step::Continue(request) => {
                let from = from.ok_or_else(price::unknown_start)?;
                Box::pin(continue_from::run(client, from, *request, Some(observer), part)).await
            }
        }
    }

    /// Records the error of a step, and returns it.
    pub(crate) async fn record_failure(&self, index: usize, error: Error) -> Error {
        let is_unsent = {
            let record = self.progress.record.lock().await;
            matches!(
                record.steps[index].state,
                ChainStepState::Open | ChainStepState::Failed
            )
        };
        // Nothing was sent, so there is nothing to record, and the chain may not have a record yet.
        if is_unsent {
            return error;
        }
        let is_final = error.is_final();
        let change = |record: &mut ChainRecord| {
            let step = &mut record.steps[index];
            // The process that sent it may have ended before it recorded the job.
            if step.job_id.is_none() && !is_on(Mutation::AbandonRecordedStep) {
                step.job_id = error.typed_job_id().cloned();
            }
            let may_be_paid =
                error.may_have_been_charged() != Charge::No && !is_on(Mutation::AbandonRecordedStep);
            step.state = if error.kind() == ErrorKind::SubmissionUnknown {
                ChainStepState::Unknown
            } else if is_final {
                ChainStepState::Failed
            } else if step.job_id.is_some() || may_be_paid {
                ChainStepState::Sent
            } else {
                step.tries = step.tries.saturating_sub(1);
                ChainStepState::Open
            };
            if is_final && error.may_have_been_charged() != Charge::No {
                let reported = error.cost_ticks().map(UsdTicks::new);
                step.lost += reported.or(step.estimate).unwrap_or_default();
            }
            step.error = Some(ChainStepError {
                code: error.kind().code().to_owned(),
                message: error.to_string(),
            });
        };
        if let Err(save_error) = self.progress.change(change).await {
            tracing::warn!(error = %save_error, "the error of a clip could not be written to the record of the chain");
        }
        error
    }

    /// Records the finished clip of a step.
    async fn record_clip(&mut self, index: usize, number: usize, clip: Clip) -> Result<()> {
        let drift = if number == 0 {
            None
        } else {
            match self.measure_drift(&clip).await {
                Ok(drift) => Some(drift),
                Err(error) => {
                    tracing::warn!(clip = %clip.id, %error, "the drift of a clip could not be measured");
                    None
                }
            }
        };
        let cost = total_cost(&clip);
        let id = clip.id.clone();
        self.add_to_sidecar(clip, number, drift).await;
        self.progress
            .change(|record| {
                let step = &mut record.steps[index];
                step.state = ChainStepState::Done;
                step.clip = Some(id.clone());
                (step.cost, step.drift, step.error) = (cost, drift, None);
            })
            .await?;
        self.reporter.emit(ChainEvent::StepFinished {
            clip: event_number(number),
            of: event_number(self.last),
            id,
            drift,
            earlier: false,
        });
        Ok(())
    }

    /// Measures how much the last frame of a clip differs from the last frame of clip 0.
    async fn measure_drift(&mut self, clip: &Clip) -> Result<Drift> {
        let anchor = if let Some(anchor) = &self.anchor {
            anchor.clone()
        } else {
            let first = if self.start.is_some() {
                self.start.clone()
            } else {
                let record = self.progress.record.lock().await;
                record.steps[0]
                    .clip
                    .as_ref()
                    .map(ClipId::as_str)
                    .map(MediaInput::clip)
            };
            let first = first.ok_or_else(|| Error::invalid("measure the drift: clip 0 is unknown"))?;
            let frame = drift::last_frame(&self.client, &first).await?;
            self.anchor.insert(frame).clone()
        };
        let frame = drift::last_frame(&self.client, &MediaInput::from(clip)).await?;
        drift::measure(anchor, frame).await
    }

    /// Writes the chain and the drift of a clip into its sidecar.
    async fn add_to_sidecar(&self, clip: Clip, number: usize, drift: Option<Drift>) {
        let Some(mut record) = clip.record else { return };
        let Some(block) = &mut record.reelkin else {
            return;
        };
        if block.extra.contains_key("chain") {
            return;
        }
        let chain = self.progress.record.lock().await.id.clone();
        let note = json!({ "id": chain, "clip": number, "drift": drift });
        block.extra.insert("chain".to_owned(), note);
        if let Some(warning) = drift.and_then(|drift| drift.warning()) {
            block.warnings.get_or_insert_default().push(warning);
        }
        if let Err(error) = self.client.library().set_record(&clip.id, record).await {
            tracing::warn!(clip = %clip.id, %error, "the chain could not be written to the sidecar of the clip");
        }
    }

    /// Returns the result of a finished chain.
    async fn outcome(self) -> Result<ChainOutcome> {
        let record = self.progress.record().await;
        let mut clips = Vec::with_capacity(record.steps.len());
        for step in &record.steps {
            let id = step.clip.as_ref().map(ClipId::as_str);
            clips.push(self.client.library().clip(id.unwrap_or_default()).await?);
        }
        Ok(ChainOutcome {
            cost: record.cost(),
            drift: record.steps.iter().map(|step| step.drift).collect(),
            id: record.id,
            clips,
        })
    }
}

/// Returns the cost in the sidecar of a clip, including planning.
fn total_cost(clip: &Clip) -> Option<UsdTicks> {
    let block = clip.record.as_ref()?.reelkin.as_ref()?;
    let planning = block.planner.as_ref().and_then(|planner| planner.cost);
    Some(block.cost? + planning.unwrap_or_default())
}

/// Converts the number of a clip for an event. It is at most `ChainRequest::MAX_STEPS`.
fn event_number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
