//! From clip to clip.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::Mutex;

use super::price::{self, ClipShape};
use super::resolve::{Plan, ResolvedChain, Step};
use super::{ChainEvent, ChainOutcome, drift};
use crate::client::VideoClient;
use crate::client::pipeline::clip_source::ClipSource;
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

pub(crate) async fn run(
    client: VideoClient,
    request: ChainRequest,
    reporter: Reporter<ChainEvent>,
) -> Result<ChainOutcome> {
    let plan = Plan::of(&client, request).await?;
    if plan.is_rest() {
        client.library().chain(&plan.id).await?;
    }
    let file = client.library().open_chain(&plan.id).await?;
    let ResolvedChain { record, start, steps } = plan.adopt(file.load().await?)?;
    let id = record.id.clone();
    let driver = ChainRun {
        last: record.number(record.steps.len().saturating_sub(1)),
        ledger: Arc::new(Ledger {
            file,
            record: Mutex::new(record),
        }),
        client,
        start,
        steps,
        reporter,
        anchor: None,
    };
    driver.reporter.identified(id);
    Box::pin(driver.run()).await
}

/// The record of the chain, in memory and in the library.
pub(crate) struct Ledger {
    file: ChainFile,
    record: Mutex<ChainRecord>,
}

impl Ledger {
    pub(crate) async fn change(&self, change: impl FnOnce(&mut ChainRecord) + Send) -> Result<()> {
        let mut record = self.record.lock().await;
        change(&mut record);
        self.file.store(&record).await
    }

    pub(crate) async fn record(&self) -> ChainRecord {
        self.record.lock().await.clone()
    }
}

/// Writes down under which record of the journal a step is sent.
struct StepObserver {
    ledger: Arc<Ledger>,
    index: usize,
    estimate: Option<UsdTicks>,
}

impl SubmissionObserver for StepObserver {
    fn booked<'a>(&'a self, record_id: &'a RecordId) -> BoxFuture<'a, Result<()>> {
        let change = move |record: &mut ChainRecord| {
            let step = &mut record.steps[self.index];
            step.state = ChainStepState::Sending;
            step.record = Some(record_id.clone());
            step.estimate = self.estimate;
            step.tries += 1;
            (step.job_id, step.error) = (None, None);
        };
        self.ledger.change(change).boxed()
    }

    fn taken<'a>(&'a self, id: &'a JobId) -> BoxFuture<'a, ()> {
        async move {
            let change = |record: &mut ChainRecord| {
                let step = &mut record.steps[self.index];
                step.state = ChainStepState::Sent;
                step.job_id = Some(id.clone());
            };
            if let Err(error) = self.ledger.change(change).await {
                tracing::warn!(job = %id, %error, "the chain's record does not have the job");
            }
        }
        .boxed()
    }
}

pub(crate) struct ChainRun {
    pub(crate) client: VideoClient,
    pub(crate) ledger: Arc<Ledger>,
    start: Option<MediaInput>,
    steps: Vec<Option<Step>>,
    reporter: Reporter<ChainEvent>,
    /// The last frame of clip 0.
    anchor: Option<Frame>,
    /// The number of the last clip.
    last: usize,
}

impl ChainRun {
    async fn run(mut self) -> Result<ChainOutcome> {
        let record = self.ledger.record().await;
        let first = record.unfinished().unwrap_or(record.steps.len());
        for (index, step) in record.steps.iter().take(first).enumerate() {
            self.reporter.emit(ChainEvent::StepFinished {
                clip: counted(record.number(index)),
                of: counted(self.last),
                id: step.clip.as_ref().map(ToString::to_string).unwrap_or_default(),
                drift: step.drift,
                earlier: true,
            });
        }
        for index in first..record.steps.len() {
            if self.reporter.is_stopped() {
                return Err(Error::new(
                    ErrorKind::Stopped,
                    "go on with the chain: stopped on request; it can be resumed by its id",
                ));
            }
            Box::pin(self.step(index)).await?;
        }
        self.outcome().await
    }

    /// Makes one clip, or finishes it.
    async fn step(&mut self, index: usize) -> Result<()> {
        let number = self.ledger.record().await.number(index);
        if let Some(clip) = self.taken_up(index, number).await? {
            return self.finished(index, number, clip).await;
        }
        let record = self.ledger.record().await;
        if record.steps[index].state == ChainStepState::Failed {
            self.check_again(&record, index).await?;
        }
        let from = match index.checked_sub(1) {
            Some(before) => record.steps[before]
                .clip
                .as_ref()
                .map(ClipId::as_str)
                .map(MediaInput::clip),
            None => self.start.clone(),
        };
        let costs = self.costs(&record, index, from.as_ref()).await?;
        price::check_budget(&record, index, &costs)?;
        let witness = Arc::new(StepObserver {
            ledger: Arc::clone(&self.ledger),
            index,
            estimate: costs.first().copied().flatten(),
        });
        self.begin(number, None);
        match self.make(index, number, from, witness).await {
            Ok(clip) => self.finished(index, number, clip).await,
            Err(error) => Err(self.failed(index, error).await),
        }
    }

    pub(crate) fn begin(&self, number: usize, job_id: Option<&JobId>) {
        self.reporter.emit(ChainEvent::StepStarted {
            clip: counted(number),
            of: counted(self.last),
            job_id: job_id.map(ToString::to_string),
        });
    }

    pub(crate) fn part(&self, number: usize) -> Reporter {
        self.reporter.part(move |job| ChainEvent::Step {
            clip: counted(number),
            job,
        })
    }

    async fn make(
        &self,
        index: usize,
        number: usize,
        from: Option<MediaInput>,
        witness: Arc<dyn SubmissionObserver>,
    ) -> Result<Clip> {
        let part = self.part(number);
        let client = self.client.clone();
        match self.request(index)?.clone() {
            Step::Generate(request) => {
                part.emit(JobEvent::Planning);
                Box::pin(generate::run(client, *request, None, Some(witness), part)).await
            }
            Step::Continue(request) => {
                let from = from.ok_or_else(|| {
                    Error::invalid(
                        "continue the chain: the clip it begins with is in its request only; give the same request again",
                    )
                })?;
                Box::pin(continue_from::run(client, from, *request, Some(witness), part)).await
            }
        }
    }

    fn request(&self, index: usize) -> Result<&Step> {
        self.steps[index].as_ref().ok_or_else(|| {
            Error::invalid(
                "continue the chain: its first clip has pictures or addresses that are in its request only; give the same request again",
            )
        })
    }

    /// What the steps from one on will cost. Refuses what cannot be sent, before anything is paid.
    async fn costs(
        &self,
        record: &ChainRecord,
        first: usize,
        from: Option<&MediaInput>,
    ) -> Result<Vec<Option<UsdTicks>>> {
        let shape = match from {
            Some(from) => self.shape(from).await?,
            None => None,
        };
        let steps = (first..record.steps.len())
            .map(|index| Ok((index, self.request(index)?)))
            .collect::<Result<Vec<_>>>()?;
        price::steps(&self.client, record, &steps, shape)
    }

    async fn shape(&self, clip: &MediaInput) -> Result<Option<ClipShape>> {
        let source = ClipSource::find(&self.client, clip).await?;
        let Some(local) = source.local else {
            return Ok(None);
        };
        // What is no MP4 is continued by its last frame, for which its length does not matter.
        let measured = local.measure(&source.name).await.unwrap_or_default();
        Ok(measured
            .length
            .zip(measured.lines)
            .map(|(length, lines)| ClipShape { length, lines }))
    }

    /// Writes down how a step ended without a clip.
    pub(crate) async fn failed(&self, index: usize, error: Error) -> Error {
        let untouched = {
            let record = self.ledger.record.lock().await;
            matches!(
                record.steps[index].state,
                ChainStepState::Open | ChainStepState::Failed
            )
        };
        // Nothing was sent, so there is nothing to write down, and maybe no record yet.
        if untouched {
            return error;
        }
        let over = error.is_final();
        let change = |record: &mut ChainRecord| {
            let step = &mut record.steps[index];
            // The process that sent it may have died before it wrote down the job.
            if step.job_id.is_none() && !is_on(Mutation::AbandonRecordedStep) {
                step.job_id = error.typed_job_id().cloned();
            }
            let may_be_paid =
                error.may_have_been_charged() != Charge::No && !is_on(Mutation::AbandonRecordedStep);
            step.state = if error.kind() == ErrorKind::SubmissionUnknown {
                ChainStepState::Unknown
            } else if over {
                ChainStepState::Failed
            } else if step.job_id.is_some() || may_be_paid {
                ChainStepState::Sent
            } else {
                step.tries = step.tries.saturating_sub(1);
                ChainStepState::Open
            };
            if over && error.may_have_been_charged() != Charge::No {
                step.lost += step.estimate.unwrap_or_default();
            }
            step.error = Some(ChainStepError {
                code: error.kind().code().to_owned(),
                message: error.to_string(),
            });
        };
        if let Err(unwritten) = self.ledger.change(change).await {
            tracing::warn!(error = %unwritten, "the chain's record does not say how its clip ended");
        }
        error
    }

    async fn finished(&mut self, index: usize, number: usize, clip: Clip) -> Result<()> {
        let drift = if number == 0 {
            None
        } else {
            match self.drift(&clip).await {
                Ok(drift) => Some(drift),
                Err(error) => {
                    tracing::warn!(clip = %clip.id, %error, "the drift of a clip was not measured");
                    None
                }
            }
        };
        let cost = cost_of(&clip);
        let (clip_id, name) = (clip.id.clone(), clip.id.to_string());
        self.note(clip, number, drift).await;
        self.ledger
            .change(|record| {
                let step = &mut record.steps[index];
                step.state = ChainStepState::Done;
                step.clip = Some(clip_id.clone());
                (step.cost, step.drift, step.error) = (cost, drift, None);
            })
            .await?;
        self.reporter.emit(ChainEvent::StepFinished {
            clip: counted(number),
            of: counted(self.last),
            id: name,
            drift,
            earlier: false,
        });
        Ok(())
    }

    async fn drift(&mut self, clip: &Clip) -> Result<Drift> {
        let anchor = if let Some(anchor) = &self.anchor {
            anchor.clone()
        } else {
            let first = if self.start.is_some() {
                self.start.clone()
            } else {
                let record = self.ledger.record.lock().await;
                record.steps[0]
                    .clip
                    .as_ref()
                    .map(ClipId::as_str)
                    .map(MediaInput::clip)
            };
            let first = first.ok_or_else(|| Error::invalid("measure drift: clip 0 is not at hand"))?;
            let frame = drift::last_frame(&self.client, &first).await?;
            self.anchor.insert(frame).clone()
        };
        let frame = drift::last_frame(&self.client, &MediaInput::from(clip)).await?;
        drift::measure(anchor, frame).await
    }

    /// Writes into a clip's record which chain it belongs to, and how far it has drifted.
    async fn note(&self, clip: Clip, number: usize, drift: Option<Drift>) {
        let Some(mut record) = clip.record else { return };
        let Some(ours) = &mut record.reelkin else { return };
        if ours.extra.contains_key("chain") {
            return;
        }
        let chain = self.ledger.record.lock().await.id.clone();
        let note = json!({ "id": chain, "clip": number, "drift": drift });
        ours.extra.insert("chain".to_owned(), note);
        if let Some(warning) = drift.and_then(|drift| drift.warning()) {
            ours.warnings.get_or_insert_default().push(warning);
        }
        if let Err(error) = self.client.library().set_record(&clip.id, record).await {
            tracing::warn!(clip = %clip.id, %error, "the clip's record does not name its chain");
        }
    }

    async fn outcome(self) -> Result<ChainOutcome> {
        let record = self.ledger.record().await;
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

fn cost_of(clip: &Clip) -> Option<UsdTicks> {
    let ours = clip.record.as_ref()?.reelkin.as_ref()?;
    let planning = ours.planner.as_ref().and_then(|planner| planner.cost_usd_ticks);
    let clip = UsdTicks::new(ours.cost_usd_ticks?);
    Some(clip + UsdTicks::new(planning.unwrap_or_default()))
}

/// The number of a clip as events have it. There are at most `ChainRequest::MOST_STEPS`.
fn counted(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
