//! The verb `generate`: makes a new clip, also for `continue_from` by a frame.

use std::future::Future;
use std::sync::Arc;

use crate::client::pipeline::content_checks::ReferenceImage;
use crate::client::pipeline::sidecar::ClipDraft;
use crate::client::pipeline::submit::{ReservedJob, SubmissionObserver};
use crate::client::pipeline::{images, planning};
use crate::client::{JobHandle, VideoClient};
use crate::error::Result;
use crate::job::{self, JobEvent, Reporter};
use crate::journal::JobRecord;
use crate::library::{Clip, FrameRecord, Parent};
use crate::operation::Operation;
use crate::provider::{Submission, SubmissionContent};
use crate::request::GenerateRequest;
use crate::stop::StopSignal;
use crate::telemetry::{self, Verb};

/// A clip to make; see [`VideoClient::generate`]. Does nothing until it is awaited or started.
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

    /// Sends the request, and returns when the job has its id. The work continues in the background.
    ///
    /// # Errors
    /// The reason why there is no job; `SubmissionUnknown` if there may be one.
    ///
    /// # Cancel safety
    /// Dropping the future after its first poll stops nothing: the work continues, and the clip is saved.
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

awaits_handle!(Generate => Clip);

/// The parent and the start frame of a continuation.
pub(crate) struct ContinuedFrom {
    /// The clip that it continues, if the library has it.
    pub(crate) parent: Option<Parent>,
    /// The frame of the parent that is sent.
    pub(crate) frame: FrameRecord,
    /// The same frame, for the comparison with the first frame of the clip.
    pub(crate) start: ReferenceImage,
    /// A warning for the sidecar.
    pub(crate) note: Option<String>,
}

/// Makes a clip and saves it in the library.
pub(crate) fn run(
    client: VideoClient,
    request: GenerateRequest,
    origin: Option<ContinuedFrom>,
    observer: Option<Arc<dyn SubmissionObserver>>,
    reporter: Reporter,
) -> impl Future<Output = Result<Clip>> + Send {
    // Boxed, so that the images are freed before the job is waited for.
    let stop = reporter.stop_signal().clone();
    let prepared = Box::pin(prepare(client, request, origin, observer, stop));
    async move {
        let (reserved, submission, draft) = prepared.await?;
        Box::pin(reserved.send(submission, None, draft, &reporter)).await
    }
}

/// Reads the inputs, reserves the money and plans the prompt.
async fn prepare(
    client: VideoClient,
    request: GenerateRequest,
    origin: Option<ContinuedFrom>,
    observer: Option<Arc<dyn SubmissionObserver>>,
    stop: StopSignal,
) -> Result<(ReservedJob, Box<Submission>, Box<ClipDraft>)> {
    let inner = &client.inner;
    let mut checked = client.check(&request)?;
    telemetry::record_model(checked.model.as_str());
    let images = stop
        .run_before_send(images::read_images(&client, &request))
        .await?;
    // A library that cannot save the clip should fail before the clip is paid for.
    inner.library.writable().await?;
    client.warn_if_unverified();

    let lineage = origin.as_ref().and_then(|origin| origin.parent.as_ref());
    let lineage = lineage.map_or(&[][..], Parent::entries);
    let planning = planning::PlanningRequest::generate(&client, &request, &checked, &images.media, lineage);
    let operation = if origin.is_some() {
        Operation::Continue
    } else {
        Operation::Generate
    };
    let record = JobRecord::for_clip(operation, checked.model.as_str(), checked.estimate)?;
    let reserved = ReservedJob::reserve(&client, record, observer, stop, &planning).await?;
    let (reserved, plan) = Box::pin(reserved.plan(planning)).await?;
    checked.prompt.clone_from(&plan.prompt);
    let mut draft = ClipDraft::generate(&request, &checked, &images, &inner.models).with_plan(plan);
    draft.checks.start = images.start.map(ReferenceImage::Picture);
    if let Some(origin) = origin {
        draft.checks.start = Some(origin.start);
        draft.warn(origin.note);
        draft.set_continued_from(origin.parent.as_ref(), origin.frame);
    }
    let inputs = images.media;
    let submission = Submission {
        content: SubmissionContent::Generate {
            checked: Box::new(checked),
            inputs,
        },
        user: request.user,
        storage: request.storage,
        upload_url: request.output.map(|target| target.upload_url),
    };
    Ok((reserved, Box::new(submission), Box::new(draft)))
}
