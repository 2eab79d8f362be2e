//! The verb `generate`.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use crate::client::pipeline::content_checks::ReferenceImage;
use crate::client::pipeline::sidecar::ClipDraft;
use crate::client::pipeline::submit::{Reservation, ReservedJob, SubmissionObserver};
use crate::client::pipeline::{images, planning};
use crate::client::{JobHandle, VideoClient};
use crate::error::Result;
use crate::job::{self, JobEvent, Reporter};
use crate::library::{Clip, FrameRecord, Parent};
use crate::provider::{GenerateSubmission, Submission};
use crate::request::GenerateRequest;
use crate::stop::StopSignal;
use crate::telemetry::{self, Verb};

/// A clip to be made; see [`VideoClient::generate`]. Does nothing until it is awaited or started.
#[derive(Debug)]
#[must_use = "nothing is made until it is awaited or started"]
pub struct Generate {
    client: VideoClient,
    request: GenerateRequest,
}

impl Generate {
    pub(crate) const fn new(client: VideoClient, request: GenerateRequest) -> Self {
        Self { client, request }
    }

    /// Checks, reads, submits, and returns when the job has its id. The rest goes on by itself.
    ///
    /// # Errors
    /// Why there is no job; `SubmissionUnknown` when there may be one.
    ///
    /// # Cancel safety
    /// Dropping the future once it was polled stops nothing: the work goes on, and the clip is saved.
    pub async fn start(self) -> Result<JobHandle> {
        let Self { client, request } = self;
        let stop = client.stop_signal().clone();
        job::spawn(Verb::Generate.span(), &stop, move |reporter| {
            reporter.emit(JobEvent::Planning);
            Box::pin(run(client, request, None, None, reporter))
        })
        .handle()
        .await
    }
}

impl IntoFuture for Generate {
    type Output = Result<Clip>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Clip>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.start().await?.wait().await })
    }
}

/// Where a clip comes from that continues another.
pub(crate) struct ContinuedFrom {
    /// The clip of the library that it continues, where it is one.
    pub(crate) parent: Option<Parent>,
    /// The frame of it that is sent.
    pub(crate) frame: FrameRecord,
    /// The same, to be read again.
    pub(crate) start: ReferenceImage,
    /// What the record should say.
    pub(crate) note: Option<String>,
}

/// From the request to the clip in the library.
pub(crate) fn run(
    client: VideoClient,
    request: GenerateRequest,
    origin: Option<ContinuedFrom>,
    witness: Option<Arc<dyn SubmissionObserver>>,
    reporter: Reporter,
) -> impl Future<Output = Result<Clip>> + Send {
    // In a box of its own: the pictures and what was read of them go with it, before the job is waited for.
    let stop = reporter.stop_signal().clone();
    let prepared = Box::pin(prepare(client, request, origin, witness, stop));
    async move {
        let (ticket, submission, brief) = prepared.await?;
        Box::pin(ticket.send(submission, None, brief, &reporter)).await
    }
}

/// From the request to what is sent.
async fn prepare(
    client: VideoClient,
    request: GenerateRequest,
    origin: Option<ContinuedFrom>,
    witness: Option<Arc<dyn SubmissionObserver>>,
    stop: StopSignal,
) -> Result<(ReservedJob, Submission, Box<ClipDraft>)> {
    let inner = &client.inner;
    let mut checked = client.estimate(&request)?;
    telemetry::record_model(checked.model.as_str());
    let resolved = stop.run_before_send(images::generate(&client, &request)).await?;
    // That a clip cannot be saved is better known before it is paid for.
    inner.library.writable().await?;
    client.warn_if_unverified();

    let lineage = origin.as_ref().and_then(|origin| origin.parent.as_ref());
    let lineage = lineage.map_or(&[][..], Parent::entries);
    let wanted = planning::PlanningRequest::generate(&request, &checked, &resolved.media, lineage);
    let draft = Reservation {
        operation: if origin.is_some() { "continue" } else { "generate" },
        model: checked.model.clone(),
        estimate: checked.estimate,
        witness,
    };
    let ticket = ReservedJob::reserve(&client, draft, &wanted).await?;
    let (ticket, planned) = Box::pin(ticket.plan(wanted)).await?;
    checked.prompt.clone_from(&planned.prompt);
    let mut brief = ClipDraft::generate(&request, &checked, &resolved, &inner.models).planned(planned);
    brief.measure.start = resolved.start.map(ReferenceImage::Picture);
    if let Some(origin) = origin {
        brief.measure.start = Some(origin.start);
        brief.warn(origin.note);
        brief.continues(origin.parent.as_ref(), origin.frame);
    }
    let submission = Submission::Generate(Box::new(GenerateSubmission {
        checked,
        inputs: resolved.media,
        user: request.user,
        storage: request.storage,
        upload_url: request.output.map(|target| target.upload_url),
    }));
    Ok((ticket, submission, Box::new(brief)))
}
