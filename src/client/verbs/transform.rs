//! The verbs `edit` and `extend`.

use std::future::Future;
use std::sync::Arc;

use crate::client::pipeline::clip_source::{ClipFacts, ClipSource};
use crate::client::pipeline::media_origin::MediaOrigin;
use crate::client::pipeline::planning;
use crate::client::pipeline::sidecar::ClipDraft;
use crate::client::pipeline::submit::{ReservedJob, SubmissionObserver};
use crate::client::{JobHandle, VideoClient};
use crate::error::Result;
use crate::job::{self, JobEvent, Reporter};
use crate::journal::JobRecord;
use crate::library::{Clip, Parent};
use crate::provider::{Submission, SubmissionContent};
use crate::request::{
    CheckedVideo, EditRequest, Estimate, ExtendRequest, MediaInput, PlanChoice, StorageOptions,
    TransportChoice, UploadTarget,
};
use crate::stop::StopSignal;
use crate::telemetry::{self, Verb};
use tempfile::TempPath;

/// The future of [`VideoClient::edit`]. Does nothing until it is awaited or started.
#[derive(Debug)]
#[must_use = "nothing is made until it is awaited or started"]
pub struct EditClip(SourceClipRequest);

/// The future of [`VideoClient::extend`]. Does nothing until it is awaited or started.
#[derive(Debug)]
#[must_use = "nothing is made until it is awaited or started"]
pub struct ExtendClip(SourceClipRequest);

/// A clip to make from another one.
#[derive(Debug)]
struct SourceClipRequest {
    client: VideoClient,
    verb: Verb,
    /// The checked request. An error is returned when the work starts.
    checked: Result<CheckedVideo>,
    video: MediaInput,
    transport: TransportChoice,
    plan: PlanChoice,
    user: Option<String>,
    storage: Option<StorageOptions>,
    output: Option<UploadTarget>,
}

impl VideoClient {
    /// Makes an edited copy of a clip. Await the future for the clip, or [`start`](EditClip::start) it for a handle.
    ///
    /// # Errors
    /// Those of [`generate`](Self::generate). Before anything is paid also `InvalidRequest` for a clip that is not an
    /// MP4 or is longer than the service accepts, and `Network` if an upload failed.
    ///
    /// # Cancel safety
    /// Dropping the future after its first poll stops nothing: the work continues, and the clip is saved.
    ///
    /// # Cost
    /// The price of the seconds of the source and of the seconds of the new clip.
    pub fn edit(&self, request: EditRequest) -> EditClip {
        let inner = &self.inner;
        EditClip(SourceClipRequest {
            checked: request.check(&inner.models, &inner.defaults, inner.validation),
            client: self.clone(),
            verb: Verb::Edit,
            video: request.video,
            transport: request.transport,
            plan: request.plan,
            user: request.user,
            storage: request.storage,
            output: request.output,
        })
    }

    /// Adds seconds at the end of a clip. The new clip has the old part and the new part in one file, and its delivery
    /// report contains the measured position of the seam.
    ///
    /// # Errors
    /// Those of [`edit`](Self::edit).
    ///
    /// # Cancel safety
    /// As for [`edit`](Self::edit).
    ///
    /// # Cost
    /// The price of the seconds of the source and of the added seconds.
    pub fn extend(&self, request: ExtendRequest) -> ExtendClip {
        let inner = &self.inner;
        ExtendClip(SourceClipRequest {
            checked: request.check(&inner.models, &inner.defaults, inner.validation),
            client: self.clone(),
            verb: Verb::Extend,
            video: request.video,
            transport: request.transport,
            plan: request.plan,
            user: None,
            storage: request.storage,
            output: request.output,
        })
    }
}

impl EditClip {
    /// Sends the request, and returns when the job has its id. The work continues in the background.
    ///
    /// # Errors
    /// The reason why there is no job; `SubmissionUnknown` if there may be one.
    ///
    /// # Cancel safety
    /// Dropping the future after its first poll stops nothing: the work continues, and the clip is saved.
    pub async fn start(self) -> Result<JobHandle> {
        self.0.start().await
    }

    pub(super) async fn estimate(self) -> Result<Estimate> {
        self.0.estimate().await
    }
}

impl ExtendClip {
    /// Sends the request, and returns when the job has its id. The work continues in the background.
    ///
    /// # Errors
    /// Those of [`EditClip::start`].
    ///
    /// # Cancel safety
    /// As for [`EditClip::start`].
    pub async fn start(self) -> Result<JobHandle> {
        self.0.start().await
    }

    pub(super) async fn estimate(self) -> Result<Estimate> {
        self.0.estimate().await
    }
}

impl SourceClipRequest {
    async fn start(self) -> Result<JobHandle> {
        let stop = self.client.stop_signal().clone();
        job::spawn(self.verb.span(), &stop, move |reporter| async move {
            reporter.emit(JobEvent::Planning);
            Box::pin(run(self, None, reporter)).await
        })
        .handle()
        .await
    }

    async fn estimate(self) -> Result<Estimate> {
        let mut checked = self.checked?;
        let (_, facts) = measure_source(&self.client, &mut checked, &self.video).await?;
        let estimate = checked.to_estimate(&self.client.inner.models, facts.length, facts.lines);
        Ok(Estimate {
            audio: facts.audio,
            ..estimate
        })
    }
}

awaits_handle!(EditClip => Clip);
awaits_handle!(ExtendClip => Clip);

/// Continues a clip with the service's extension.
#[cfg(feature = "media")]
pub(crate) async fn run_extension(
    client: &VideoClient,
    request: ExtendRequest,
    observer: Option<Arc<dyn SubmissionObserver>>,
    reporter: Reporter,
) -> Result<Clip> {
    Box::pin(run(client.extend(request).0, observer, reporter)).await
}

/// Makes a clip and saves it in the library.
async fn run(
    request: SourceClipRequest,
    observer: Option<Arc<dyn SubmissionObserver>>,
    reporter: Reporter,
) -> Result<Clip> {
    let client = request.client.clone();
    // Boxed, so that the source clip is freed before the job is waited for.
    let prepared = Box::pin(prepare(request, observer, reporter.stop_signal())).await?;
    let Prepared {
        reserved,
        submission,
        draft,
        delete,
        temp_file,
    } = prepared;
    let result = Box::pin(reserved.send(submission, temp_file, draft, &reporter)).await;
    delete_upload(&client, delete.as_deref(), &result).await;
    result
}

/// A request that is ready to be sent.
struct Prepared {
    reserved: ReservedJob,
    submission: Box<Submission>,
    draft: Box<ClipDraft>,
    /// The id of an uploaded file to delete when the job is over.
    delete: Option<String>,
    /// The temporary file that the source clip is read from.
    temp_file: Option<TempPath>,
}

/// Finds and measures the source clip, and checks its length.
async fn measure_source(
    client: &VideoClient,
    checked: &mut CheckedVideo,
    video: &MediaInput,
) -> Result<(ClipSource, ClipFacts)> {
    let source = ClipSource::find(client, video).await?;
    let facts = match &source.local {
        Some(local) => local.measure(&source.name).await?,
        None => ClipFacts::default(),
    };
    if let Some(length) = facts.length {
        checked.check_input(&source.name, length)?;
    }
    Ok((source, facts))
}

/// Reads and measures the source clip, reserves the money, plans the prompt and uploads the clip.
async fn prepare(
    request: SourceClipRequest,
    observer: Option<Arc<dyn SubmissionObserver>>,
    stop: &StopSignal,
) -> Result<Prepared> {
    let SourceClipRequest {
        client,
        verb: _,
        checked,
        video,
        transport,
        plan: choice,
        user,
        storage,
        output,
    } = request;
    let inner = &client.inner;
    let mut checked = checked?;
    telemetry::record_model(checked.model.as_str());
    let measured = measure_source(&client, &mut checked, &video);
    let (source, facts) = stop.run_before_send(measured).await?;
    // A library that cannot save the clip should fail before the clip is paid for.
    inner.library.writable().await?;
    client.warn_if_unverified();

    if let (Some(local), Some(_)) = (&source.local, checked.added_seconds) {
        stop.run_before_send(local.check_end(&source.name)).await?;
    }
    let estimate = checked.to_estimate(&inner.models, facts.length, facts.lines).cost;
    let parent = match &source.parent {
        Some(clip) => Some(inner.library.parent(clip).await?),
        None => None,
    };
    let lineage = parent.as_ref().map_or(&[][..], Parent::entries);
    let (local, name) = (source.local.as_ref(), source.name.as_str());
    let planning = planning::PlanningRequest::video(&client, &choice, &checked, local, name, facts, lineage);
    let record = JobRecord::for_clip(checked.mode.operation(), checked.model.as_str(), estimate)?;
    let reserved = ReservedJob::reserve(&client, record, observer, stop.clone(), &planning).await?;
    let (reserved, plan) = Box::pin(reserved.plan(planning)).await?;
    // The request has a prompt, so the plan has one as well.
    if let Some(prompt) = &plan.prompt {
        checked.prompt.clone_from(prompt);
    }
    let summary = source.summary.clone();
    let origin = source
        .parent
        .as_ref()
        .map(|clip| MediaOrigin::Clip(clip.id.clone()));
    let local = source.local.clone();
    // Boxed, because the future is large.
    let sent = Box::pin(source.send(&client, transport));
    let sent = match stop.run_before_send(sent).await {
        Ok(sent) => sent,
        Err(error) => return Err(reserved.release(error).await),
    };
    let origin = origin.or_else(|| local?.origin(sent.record.sha256.as_deref()));
    let mut draft =
        ClipDraft::video(&checked, output.as_ref(), summary, facts, estimate, &inner.models).with_plan(plan);
    draft.add_source(parent.as_ref(), sent.record, sent.transport, sent.warning);
    if checked.added_seconds.is_some() {
        draft.checks.old_part = origin.zip(facts.length);
    }

    let submission = Submission {
        content: SubmissionContent::Video {
            operation: checked.mode.operation(),
            model: checked.model,
            prompt: checked.prompt,
            video: sent.media,
            added_seconds: checked.added_seconds,
        },
        user,
        storage,
        upload_url: output.map(|target| target.upload_url),
    };
    Ok(Prepared {
        reserved,
        submission: Box::new(submission),
        draft: Box::new(draft),
        delete: sent.delete,
        temp_file: sent.temp_file,
    })
}

/// Deletes the uploaded source clip if the job is certainly over. A job that continues may still need the upload, which
/// expires after a day.
async fn delete_upload(client: &VideoClient, file_id: Option<&str>, result: &Result<Clip>) {
    use crate::error::{ErrorKind, RetryAdvice};

    let Some(file_id) = file_id else { return };
    let is_over = match result {
        Ok(_) => true,
        Err(error) => {
            error.retry_advice() != RetryAdvice::Resume && error.kind() != ErrorKind::SubmissionUnknown
        }
    };
    if is_over && let Err(error) = client.inner.provider.delete_file(file_id).await {
        tracing::warn!(
            file_id,
            error = error.kind().code(),
            "the uploaded source could not be deleted and stays until it expires"
        );
    }
}
